"""What stands before the recurrent layers: symbols become vectors, and neighbouring steps may be read together."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from recurra.nn.dropout import locked_dropout

_WIDTH = 5  # steps that a convolution sees
_SPREAD = 0.1  # of a symbol's first numbers; torch's 1 is so large that what is learned of rare words is lost in it


class SymbolEmbedding(nn.Module):
    """A vector for each symbol; in training whole symbols, and whole features of a sequence, are left out at random.

    A symbol that is left out becomes the unknown one, so that this one is learned, too (Iyyer 2015, word dropout); the
    features that are left out are the same at all steps of a sequence (Gal 2015, locked dropout).

    >>> SymbolEmbedding(10, 4)(torch.tensor([[3, 7, 0]])).shape
    torch.Size([1, 3, 4])
    """

    PADDING, UNKNOWN = 0, 1

    def __init__(
        self, symbols: int, size: int, dropout: float = 0.0, symbol_dropout: float = 0.0, spread: float = _SPREAD
    ) -> None:
        super().__init__()
        self.table = nn.Embedding(symbols, size, padding_idx=self.PADDING)
        self.size, self.dropout, self.symbol_dropout = size, dropout, symbol_dropout
        with torch.no_grad():
            self.table.weight.mul_(spread)

    def forward(self, ids: Tensor) -> Tensor:
        """Embed ``ids [B, T]`` to ``[B, T, E]``; padding is zero."""
        if self.training and self.symbol_dropout:
            left_out = torch.rand(ids.shape, device=ids.device) < self.symbol_dropout
            ids = torch.where(left_out & (ids != self.PADDING), self.UNKNOWN, ids)
        values: Tensor = self.table(ids)
        return locked_dropout(values, self.dropout if self.training else 0.0)


class Convolution(nn.Module):
    """Two small convolutions over time, each of 5 steps, with layer norm and ReLU; ``stride`` shortens the sequence.

    Padding never reaches a real step.

    >>> front = Convolution(3, 8, stride=2)
    >>> values, lengths = front(torch.randn(2, 7, 3), torch.tensor([7, 4]))
    >>> values.shape, lengths.tolist()
    (torch.Size([2, 4, 8]), [4, 2])
    """

    def __init__(self, input_size: int, size: int, stride: int = 1) -> None:
        super().__init__()
        self.stride = stride
        self.first = nn.Conv1d(input_size, size, _WIDTH, stride=stride, padding=_WIDTH // 2)
        self.second = nn.Conv1d(size, size, _WIDTH, padding=_WIDTH // 2)
        self.norms = nn.ModuleList([nn.LayerNorm(size), nn.LayerNorm(size)])

    def forward(self, values: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Read ``values [B, T, D]``, zero on padding: ``[B, T', C]`` and the new lengths, ``ceil(T / stride)``."""
        shorter = (lengths + self.stride - 1) // self.stride
        for convolution, norm in zip((self.first, self.second), self.norms, strict=True):
            values = torch.relu(norm(_convolve(convolution, values)))
            real = torch.arange(values.shape[1], device=values.device) < shorter[:, None]
            values = values * real[..., None]
        return values, shorter


def _convolve(convolution: nn.Conv1d, values: Tensor) -> Tensor:
    """``[B, T, D]`` to ``[B, T', C]``, as an image of height 1: that kernel reads and writes features side by side.

    ``Conv1d`` wants time there, and copying to and fro takes as long as the convolution itself.
    """
    image = values.transpose(1, 2).unsqueeze(2)  # [B, D, 1, T]
    kernel = convolution.weight.unsqueeze(2)  # [C, D, 1, W]
    stride, padding = (1, *convolution.stride), (0, *convolution.padding)
    return torch.conv2d(image, kernel, convolution.bias, stride, padding).squeeze(2).transpose(1, 2)
