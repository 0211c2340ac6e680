"""The work that is timed: a layer and its input become a call without arguments."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

Call = Callable[[Tensor], Tensor]


def training(layer: nn.Module, x: Tensor, dy: Tensor, call: Call | None = None) -> Callable[[], Tensor]:
    """Forward and backward, with the gradients of the input and of all parameters.

    ``call`` says what of the layer's result ``dy`` belongs to; without it, that is the output of all steps.
    """
    call = call or output_of(layer)
    x = x.detach().requires_grad_()
    wanted = [x, *layer.parameters()]

    def work() -> Tensor:
        for tensor in wanted:
            tensor.grad = None
        torch.autograd.backward(call(x), dy)
        return x.grad

    return work


def inference(layer: nn.Module, x: Tensor) -> Callable[[], Tensor]:
    """Forward alone; measure it in inference mode."""
    layer.eval()
    return lambda: layer(x)[0]


def streaming(step: Callable[[Tensor, object], object], x_t: Tensor) -> Callable[[], object]:
    """One step from the state that the call before left; measure it in inference mode."""
    state = None

    def work() -> object:
        nonlocal state
        state = step(x_t, state)
        return state

    return work


def output_of(layer: nn.Module) -> Call:
    return lambda x: layer(x)[0]


def last_step_of(layer: nn.Module) -> Call:
    return lambda x: layer(x)[0][-1]


def check_agreement(one: Callable[[], Tensor], other: Callable[[], Tensor]) -> None:
    """End where two contestants do not compute the same; what is compared is what their calls return."""
    a, b = one(), other()
    far, scale = (a - b).abs().max().item(), b.abs().max().item()
    if not far <= 1e-3 * scale:
        raise SystemExit(f"the contestants do not agree: they differ by {far:.3g} where values reach {scale:.3g}")


class Loop(nn.Module):
    """The plain LSTM as one writes it by hand: one product for all inputs, then a Python loop over the steps."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        like = nn.LSTM(input_size, hidden_size)
        self.hidden_size = hidden_size
        for name, parameter in like.named_parameters():
            self.register_parameter(name, parameter)

    def forward(self, x: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:  # [T, B, D] -> [T, B, H]
        projected = nn.functional.linear(x, self.weight_ih_l0, self.bias_ih_l0 + self.bias_hh_l0)
        h = c = x.new_zeros(x.shape[1], self.hidden_size)
        outputs = []
        for step in projected.unbind(0):
            i, f, g, o = (step + h @ self.weight_hh_l0.t()).chunk(4, dim=1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
            outputs.append(h)
        return torch.stack(outputs), (h, c)
