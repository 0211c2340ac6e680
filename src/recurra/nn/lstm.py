"""The LSTM layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from recurra.errors import SettingsError
from recurra.nn.recurrent import Recurrent
from recurra.ops.lstm import LSTMNoise, LSTMOptions, LSTMWeights, cpu, lstm, stack
from recurra.ops.lstm.options import Ablation
from recurra.ops.native import Call
from recurra.ops.native import Sequence as Weights
from recurra.ops.scan import keep_mask
from recurra.ops.scan.checks import Kernel
from recurra.types import State


class LSTM(Recurrent):
    """An LSTM with the arguments, shapes and ``state_dict`` of :class:`torch.nn.LSTM`, in every variant.

    ``input`` is ``[T, B, D]``, ``[B, T, D]`` with ``batch_first``, ``[T, D]`` or a ``PackedSequence``; ``hx`` is
    ``(h [L, B, P], c [L, B, H])``, where L counts layers times directions; P is ``proj_size`` or H. The options and
    their papers are those of :class:`recurra.ops.LSTMOptions`. They add parameters with torch's suffixes:

    - ``peephole_l{k}``: ``[3, H]``, i f o; with ``peephole="full"`` ``[4H, H]``, i f g o;
    - ``candidate_weight_l{k} [H, H]`` and ``candidate_bias_l{k} [H]`` with ``candidate="cell"``;
    - ``gate_recurrence_l{k} [3H, 3H]``, i f o, with ``gates="FGR"``; the state is then ``(h, c, gates [L, B, 3H])``;
    - ``norm_ih_l{k} [4H]``, ``norm_hh_l{k} [4H]``, ``norm_cell_l{k} [H]`` and ``norm_cell_bias_l{k} [H]`` with
      ``layer_norm``: the gains over ``W x``, over ``U h`` and over c, and the bias of the latter.

    A gate that an option takes away has no rows in any of them. Masks (dropout, zoneout, recurrent dropout, weight
    drop) are drawn from torch's generator in training mode, anew for each call. Hochreiter & Schmidhuber 1997.

    >>> layer = LSTM(3, 4, peephole="diagonal", batch_first=True)
    >>> y, (h, c) = layer(torch.randn(2, 5, 3), lengths=[5, 0])
    >>> y.shape, layer.peephole_l0.shape
    (torch.Size([2, 5, 4]), torch.Size([3, 4]))
    """

    cell = "LSTM"
    options: LSTMOptions

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        peephole: Literal["diagonal", "full"] | None = None,
        candidate: Literal["cell"] | None = None,
        coupled: bool = False,
        gates: Ablation | None = None,
        layer_norm: bool = False,
        zoneout: tuple[float, float] = (0.0, 0.0),
        recurrent_dropout: float = 0.0,
        weight_drop: float = 0.0,
        cell_clip: float | None = None,
        forget_bias: float | None = None,
        chrono: int | None = None,
    ) -> None:
        if not 0 <= proj_size < max(hidden_size, 1):
            raise SettingsError("LSTM.proj_size", f"must be at least 0 and below hidden_size, got {proj_size}.")
        if not bias and (forget_bias is not None or chrono is not None):
            raise SettingsError("LSTM.bias", "must be True for forget_bias or chrono to have something to set.")
        options = LSTMOptions(
            peephole=peephole,
            candidate=candidate,
            coupled=coupled,
            gates=gates,
            layer_norm=layer_norm,
            proj_size=proj_size,
            zoneout=(float(zoneout[0]), float(zoneout[1])),
            recurrent_dropout=recurrent_dropout,
            weight_drop=weight_drop,
            cell_clip=cell_clip,
            forget_bias=forget_bias,
            chrono=chrono,
        )
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, options, device, dtype
        )

    def forward(
        self,
        input: Tensor | PackedSequence,
        hx: State | None = None,
        *,
        lengths: Tensor | Sequence[int] | None = None,
        return_cells: bool = False,
    ) -> tuple[Any, ...]:
        """Return ``(output, (h_n, c_n))`` as torch does, and the cell states as a third with ``return_cells``.

        ``lengths [B]`` (0 is legal) says how many steps are real: results on those never depend on padding, outputs on
        padding are zero, and the final state is that after each sequence's last real step. The cell states are those of
        the last layer at all steps, laid out like the output with H features for each direction.
        """
        output, state, cells = self._run(input, self._completed(hx), lengths, return_cells)
        return (output, state, cells) if return_cells else (output, state)

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw the weights as torch does; gains are 1, and the forget gate's bias follows forget_bias or chrono."""
        super().reset_parameters()
        for _, suffix in self._suffixes():
            self._reset_norms(suffix)
            if self.options.forget_bias is not None or self.options.chrono is not None:
                self._reset_forget_bias(suffix)

    def _reset_norms(self, suffix: str) -> None:
        for name, value in (("norm_ih", 1.0), ("norm_hh", 1.0), ("norm_cell", 1.0), ("norm_cell_bias", 0.0)):
            norm = self._weight(name, suffix)
            if norm is not None:
                nn.init.constant_(norm, value)

    def _reset_forget_bias(self, suffix: str) -> None:
        """Set b_f; with coupled gates f = σ(-a_i), so the same value with the other sign goes to b_i."""
        rows, H = self.options.rows, self.hidden_size
        f = torch.full((H,), self.options.forget_bias or 0.0)
        if self.options.chrono is not None:  # Tallec & Ollivier 2018: b_f = log U(1, T_max - 1), b_i = -b_f
            f = torch.log(torch.empty(H).uniform_(1, self.options.chrono - 1))
        values = {"f": f} if self.options.chrono is None and not self.options.coupled else {"f": f, "i": -f}
        for gate, value in values.items():
            if gate in rows:
                part = slice(rows.index(gate) * H, (rows.index(gate) + 1) * H)
                getattr(self, "bias_ih" + suffix)[part] = value
                getattr(self, "bias_hh" + suffix)[part] = 0.0

    def _shapes(self, width: int) -> dict[str, tuple[int, ...]]:
        o, H = self.options, self.hidden_size
        G, K, P = len(o.rows) * H, len(o.gate_rows), o.proj_size
        shapes: dict[str, tuple[int, ...]] = {"weight_ih": (G, width), "weight_hh": (G, P or H)}
        if self.bias:
            shapes |= {"bias_ih": (G,), "bias_hh": (G,)}
        if P:
            shapes["weight_hr"] = (P, H)
        if o.peephole is not None:
            shapes["peephole"] = (K, H) if o.peephole == "diagonal" else (G, H)
        if o.candidate is not None:
            shapes |= {"candidate_weight": (H, H)} | ({"candidate_bias": (H,)} if self.bias else {})
        if o.gates == "FGR":
            shapes["gate_recurrence"] = (K * H, K * H)
        if o.layer_norm:
            shapes |= {"norm_ih": (G,), "norm_hh": (G,), "norm_cell": (H,)}
            shapes |= {"norm_cell_bias": (H,)} if self.bias else {}
        return shapes

    def _state_sizes(self) -> tuple[int, ...]:
        return self.options.state_sizes(self.hidden_size)

    def _completed(self, state: State | None) -> State | None:
        """Start FGR's last gates at 0 where the caller gives ``(h, c)`` only."""
        if self.options.gates != "FGR" or state is None or len(state) != 2:
            return state
        c = state[1]
        return (*state, c.new_zeros((*c.shape[:-1], self._state_sizes()[2])))

    def _weights(self, suffix: str) -> LSTMWeights:
        return LSTMWeights(
            input=self._own("weight_ih" + suffix),
            recurrent=self._recurrent_weight(suffix),
            bias_input=self._weight("bias_ih", suffix),
            bias_recurrent=self._weight("bias_hh", suffix),
            projection=self._weight("weight_hr", suffix),
            peephole=self._weight("peephole", suffix),
            candidate=self._weight("candidate_weight", suffix),
            candidate_bias=self._weight("candidate_bias", suffix),
            gate_recurrence=self._weight("gate_recurrence", suffix),
            norm_input=self._weight("norm_ih", suffix),
            norm_recurrent=self._weight("norm_hh", suffix),
            norm_cell=self._weight("norm_cell", suffix),
            norm_cell_bias=self._weight("norm_cell_bias", suffix),
        )

    def _masks(self, x: Tensor) -> dict[str, Tensor]:
        masks, shape = super()._masks(x), tuple(x.shape[:2])
        z_h, z_c = self.options.zoneout if self.training else (0.0, 0.0)
        if z_h:
            masks["keep_h"] = keep_mask((*shape, self.proj_size or self.hidden_size), z_h, x)
        if z_c:
            masks["keep_c"] = keep_mask((*shape, self.hidden_size), z_c, x)
        return masks

    def _fused_stack(self, x: Tensor, state: State, dropout: float) -> tuple[Tensor, State]:
        weights = self._flat_weights
        return stack(x, state, weights, self.bias, self.num_layers, dropout, self.bidirectional)

    def _compiled(self, suffix: str) -> tuple[Call, Weights]:
        return cpu.compiled(self._weights(suffix), self.options, suffix.endswith("_reverse"))

    def _operate(
        self, x: Tensor, state: State, suffix: str, lengths: Tensor | None, return_cells: bool, kernel: Kernel | None
    ) -> tuple[Tensor, Tensor | None, State]:
        weights, masks = self._weights(suffix), self._masks(x)
        return lstm(
            x,
            state,
            weights,
            self.options,
            lengths=lengths,
            noise=LSTMNoise(**masks) if masks else None,
            reverse=suffix.endswith("_reverse"),
            return_cells=return_cells,
            kernel=kernel,
        )
