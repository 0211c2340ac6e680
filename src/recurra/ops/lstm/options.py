"""Which LSTM: the one description of all variants."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Literal, TypeAlias, get_args

from recurra.errors import SettingsError, nearest
from recurra.ops.scan import check_probability

GATES = ("i", "f", "g", "o")
Ablation: TypeAlias = Literal["NIG", "NFG", "NOG", "NIAF", "NOAF", "FGR"]


@dataclass(frozen=True, kw_only=True)
class LSTMOptions:
    """The variants of the LSTM; without arguments, the plain form of torch.

    ``gates`` is one of six ablations of Greff et al. 2015: NIG, NFG, NOG (a gate fixed to 1), NIAF, NOAF (the tanh of
    the candidate or of the output left out), FGR (the gates see the last gates). The other two of the eight are
    ``peephole=None`` (NP) and ``coupled=True`` (CIFG).

    >>> LSTMOptions(coupled=True).rows
    ('i', 'g', 'o')
    """

    peephole: Literal["diagonal", "full"] | None = None
    candidate: Literal["cell"] | None = None
    coupled: bool = False
    gates: Ablation | None = None
    layer_norm: bool = False
    proj_size: int = 0
    zoneout: tuple[float, float] = (0.0, 0.0)
    recurrent_dropout: float = 0.0
    weight_drop: float = 0.0
    cell_clip: float | None = None
    forget_bias: float | None = None
    chrono: int | None = None

    def __post_init__(self) -> None:
        _one_of("peephole", self.peephole, ("diagonal", "full"))
        _one_of("candidate", self.candidate, ("cell",))
        _one_of("gates", self.gates, get_args(Ablation))
        for z in self.zoneout:
            check_probability("LSTM.zoneout", z)
        check_probability("LSTM.recurrent_dropout", self.recurrent_dropout)
        check_probability("LSTM.weight_drop", self.weight_drop)
        if self.cell_clip is not None and not self.cell_clip > 0:
            raise SettingsError("LSTM.cell_clip", f"must be above 0, got {self.cell_clip}.")
        if self.chrono is not None and self.chrono < 2:
            raise SettingsError("LSTM.chrono", f"must be at least 2 steps, got {self.chrono}.")
        self._check_combinations()
        object.__setattr__(self, "_text", json.dumps(asdict(self)))

    def _check_combinations(self) -> None:
        if self.coupled and self.gates in ("NIG", "NFG"):
            raise SettingsError("LSTM.gates", f"{self.gates} fixes a gate that coupled=True ties to another. Drop one.")
        if self.forget_bias is not None and self.chrono is not None:
            raise SettingsError("LSTM.chrono", "forget_bias and chrono both set the forget gate's bias. Drop one.")
        if self.gates == "NFG" and (self.forget_bias is not None or self.chrono is not None):
            raise SettingsError("LSTM.gates", "NFG has no forget gate, so there is no bias of it to set. Drop one.")

    @property
    def rows(self) -> tuple[str, ...]:
        """The gates that have rows in the weights, in torch's order; a gate that is not computed has none."""
        absent = {"f"} if self.coupled else set()
        absent |= {"NIG": {"i"}, "NFG": {"f"}, "NOG": {"o"}}.get(self.gates or "", set())
        absent |= {"g"} if self.candidate == "cell" else set()
        return tuple(gate for gate in GATES if gate not in absent)

    @property
    def gate_rows(self) -> tuple[str, ...]:
        """The gates proper (without the candidate) that have rows."""
        return tuple(gate for gate in self.rows if gate != "g")

    @property
    def peephole_rows(self) -> tuple[str, ...]:
        """The gates that see the cell: with ``"full"`` the candidate too."""
        return self.rows if self.peephole == "full" else self.gate_rows

    @property
    def plain(self) -> bool:
        """Whether this is torch's own LSTM (with or without projection) once the masks are drawn."""
        special = (self.peephole, self.candidate, self.gates, self.cell_clip)
        return special == (None,) * 4 and not self.coupled and not self.layer_norm and not any(self.zoneout)

    @property
    def as_text(self) -> str:
        """All options as JSON."""
        text: str = self._text  # type: ignore[attr-defined] # made once: tracers cannot make it
        return text

    @property
    def in_parts(self) -> bool:
        """Whether a step needs all units at once: for a mean, or for a product beside those with x and h."""
        return self.layer_norm or self.peephole == "full" or self.candidate == "cell" or self.gates == "FGR"

    @property
    def compresses(self) -> bool:
        """Whether single compiled steps of this form can read their weights in fewer bits."""
        return not (self.in_parts or self.proj_size)

    def state_sizes(self, hidden_size: int) -> tuple[int, ...]:
        """The sizes of the carry: h, c, and for FGR the last gates."""
        sizes = (self.proj_size or hidden_size, hidden_size)
        return (*sizes, len(self.gate_rows) * hidden_size) if self.gates == "FGR" else sizes


def _one_of(name: str, value: str | None, known: tuple[str, ...]) -> None:
    if value is not None and value not in known:
        raise SettingsError(f"LSTM.{name}", f"there is no {value!r}. {nearest(str(value), known)}")
