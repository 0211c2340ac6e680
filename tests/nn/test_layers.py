"""What the layers do beyond torch: options, lengths, cells, single steps, errors."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence

from recurra.errors import SettingsError, ShapeError
from recurra.nn import GRU, LSTM, RNN
from recurra.ops.native import module
from tolerances import assert_close

LSTM_OPTIONS: dict[str, dict[str, Any]] = {
    "peephole": {"peephole": "diagonal"},
    "full": {"peephole": "full"},
    "candidate": {"candidate": "cell"},
    "coupled": {"coupled": True},
    **{name: {"gates": name} for name in ("NIG", "NFG", "NOG", "NIAF", "NOAF", "FGR")},
    "layer_norm": {"layer_norm": True},
    "proj_size": {"proj_size": 3},
    "zoneout": {"zoneout": (0.3, 0.2)},
    "recurrent_dropout": {"recurrent_dropout": 0.4},
    "weight_drop": {"weight_drop": 0.4},
    "cell_clip": {"cell_clip": 0.05},
    "forget_bias": {"forget_bias": 1.0},
    "chrono": {"chrono": 50},
    "many": {"peephole": "diagonal", "coupled": True, "layer_norm": True, "proj_size": 3, "cell_clip": 1.0},
}
RANDOM = {"zoneout", "recurrent_dropout", "weight_drop"}
LAYERS = [pytest.param(LSTM, o, id=f"LSTM-{name}") for name, o in {"plain": {}, **LSTM_OPTIONS}.items()] + [
    pytest.param(GRU, {}, id="GRU"),
    pytest.param(GRU, {"reset": "before"}, id="GRU-before"),
    pytest.param(GRU, {"recurrent_dropout": 0.4, "weight_drop": 0.2}, id="GRU-dropouts"),
    pytest.param(RNN, {}, id="RNN"),
    pytest.param(RNN, {"nonlinearity": "relu"}, id="RNN-relu"),
    pytest.param(RNN, {"recurrent_dropout": 0.4, "weight_drop": 0.2}, id="RNN-dropouts"),
]


def parts(state: Any) -> tuple[Tensor, ...]:
    return (state,) if isinstance(state, Tensor) else state


def rows_of(layer: LSTM, weight: Tensor) -> Tensor:
    """The rows of a plain layer's weight that ``layer`` has too."""
    blocks = dict(zip("ifgo", weight.chunk(4), strict=True))
    return torch.cat([blocks[gate] for gate in layer.options.rows])


@pytest.mark.parametrize("name", [name for name in LSTM_OPTIONS if name not in ("proj_size", "many")])
def test_every_option_of_the_lstm_changes_the_result(name: str) -> None:
    """With all weights that it shares with the plain layer the same."""
    torch.manual_seed(0)
    plain, other = LSTM(3, 5), LSTM(3, 5, **LSTM_OPTIONS[name])
    if name not in ("forget_bias", "chrono"):
        shared = {key: rows_of(other, weight) for key, weight in plain.state_dict().items()}
        other.load_state_dict(shared, strict=False)
    x = torch.randn(7, 4, 3)
    with torch.no_grad():
        assert (plain(x)[0] - other(x)[0]).abs().max() > 1e-3
        if name in RANDOM - {"zoneout"}:
            assert torch.equal(plain(x)[0], other.eval()(x)[0])


@pytest.mark.parametrize("cell", [LSTM, GRU, RNN])
@pytest.mark.parametrize("option", ["recurrent_dropout", "weight_drop"])
def test_masks_act_in_training_only(cell: type, option: str) -> None:
    layer, x = cell(3, 5, **{option: 0.5}), torch.randn(7, 4, 3)
    torch.manual_seed(1)
    first, second = layer(x)[0], layer(x)[0]
    assert not torch.equal(first, second)
    torch.manual_seed(1)
    assert torch.equal(layer(x)[0], first)
    still = layer.eval()(x)[0]
    assert torch.equal(still, layer(x)[0])
    assert_close(still, cell_like(layer)(x)[0])


def cell_like(layer: Any) -> Any:
    plain = type(layer)(3, 5).eval()
    plain.load_state_dict(layer.state_dict())
    return plain


def test_zoneout_keeps_old_values_in_training_and_expects_them_in_eval() -> None:
    layer, x = LSTM(3, 200, zoneout=(0.3, 0.1)), torch.randn(6, 2, 3)
    y, _, cells = layer(x, return_cells=True)
    assert abs(float((y[1:] == y[:-1]).float().mean()) - 0.3) < 0.05
    assert abs(float((cells[1:] == cells[:-1]).float().mean()) - 0.1) < 0.05
    still, _, _ = layer.eval()(x, return_cells=True)
    assert not (still[1:] == still[:-1]).any()


def test_one_mask_for_all_steps() -> None:
    """With a cell that only sums its past, what recurrent dropout drops is dropped at every step."""
    layer = RNN(1, 100, nonlinearity="relu", bias=False, recurrent_dropout=0.5)
    with torch.no_grad():
        layer.weight_ih_l0.fill_(1.0)
        layer.weight_hh_l0.copy_(torch.eye(100))
        y, _ = layer(torch.ones(4, 1, 1))
    dropped = y[1] == 1
    assert 20 < int(dropped.sum()) < 80
    assert (y[:, dropped] == 1).all() if y[:, dropped].dim() else True
    assert_close(y[3][~dropped], torch.full_like(y[3][~dropped], 15.0))


@pytest.mark.parametrize("lengths", [None, [7, 3, 0, 1]], ids=["full", "lengths"])
@pytest.mark.parametrize("options", [{}, {"peephole": "diagonal"}], ids=["plain", "peephole"])
def test_dropout_is_between_layers(options: dict[str, Any], lengths: list[int] | None) -> None:
    """With all of it dropped, the last layer sees zeros, whatever the input; in eval it sees the input."""
    layer = LSTM(3, 5, 2, dropout=1.0, **options)
    x, other = torch.randn(2, 7, 4, 3)
    assert torch.equal(layer(x, lengths=lengths)[0], layer(other, lengths=lengths)[0])
    layer.eval()
    assert not torch.equal(layer(x, lengths=lengths)[0], layer(other, lengths=lengths)[0])


@pytest.mark.parametrize(("cell", "options"), LAYERS)
def test_autocast_keeps_the_dtype_of_the_weights(cell: type, options: dict[str, Any]) -> None:
    layer, x = cell(3, 5, **options).eval(), torch.randn(7, 4, 3).bfloat16()
    want, state = layer(x.float())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y, final = layer(x)
        first, _ = layer.step(x[0])
    assert torch.equal(y, want)
    assert_close(first, want[0])
    assert all(torch.equal(a, b) for a, b in zip(parts(final), parts(state), strict=True))


@pytest.mark.skipif(module is None, reason="the compiled kernels were not built")
@pytest.mark.parametrize(("cell", "options"), LAYERS)
def test_autocast_keeps_half_as_much_for_backward(cell: type, options: dict[str, Any]) -> None:
    """Outputs stay to the bit; gradients come from gates and cells of 8 bits: near, and not the same."""
    layer, x = cell(3, 5, **options), torch.randn(7, 4, 3)
    gradients, outputs = [], []
    for enabled in (False, True):
        torch.manual_seed(0)
        layer.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            y, _ = layer(x, lengths=[7, 3, 0, 5])
        y.square().sum().backward()
        outputs.append(y)
        gradients.append(torch.cat([p.grad.flatten() for p in layer.parameters()]))
    whole, brief = gradients
    assert torch.equal(*outputs)
    assert (whole - brief).abs().max() < 0.02 * whole.abs().max()
    in_parts = {"layer_norm", "candidate", "reset"} & set(options) or {"full", "FGR"} & set(options.values())
    assert torch.equal(whole, brief) == bool(in_parts or cell is RNN)  # these keep all of it, or nothing


@pytest.mark.parametrize("shape", [{}, {"num_layers": 2, "bidirectional": True}], ids=["one", "both-ways"])
@pytest.mark.parametrize(("cell", "options"), LAYERS)
def test_lengths(cell: type, options: dict[str, Any], shape: dict[str, Any]) -> None:
    """A padded batch gives what each sequence gives alone; padding counts for nothing, NaN included."""
    layer = cell(3, 5, dtype=torch.float64, **shape, **options).eval()
    x, lengths = torch.randn(7, 4, 3, dtype=torch.float64), [3, 7, 0, 5]
    for b, n in enumerate(lengths):
        x[n:, b] = float("nan")
    y, state = layer(x, lengths=torch.tensor(lengths))
    for b, n in enumerate(lengths):
        alone, final = layer(x[:n, b : b + 1])
        assert_close(y[:n, b], alone[:, 0])
        assert not y[n:, b].any()
        for part, want in zip(parts(state), parts(final), strict=True):
            assert_close(part[:, b], want[:, 0])
    y.sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in layer.parameters())


@pytest.mark.parametrize(("cell", "options"), LAYERS)
def test_halves_and_steps_are_the_whole(cell: type, options: dict[str, Any]) -> None:
    layer = cell(3, 5, num_layers=2, dtype=torch.float64, **options).eval()
    x = torch.randn(6, 4, 3, dtype=torch.float64)
    y, final = layer(x)
    first, state = layer(x[:2])
    second, state = layer(x[2:], state)
    assert_close(torch.cat([first, second]), y)
    stepped, state, alone = [], None, None
    for t in range(6):
        y_t, state = layer.step(x[t], state)
        lone, alone = layer.step(x[t, 1], alone)
        assert_close(lone, y_t[1])
        stepped.append(y_t)
    assert_close(torch.stack(stepped), y)
    for part, want, single in zip(parts(state), parts(final), parts(alone), strict=True):
        assert_close(part, want)
        assert_close(single, want[:, 1])


@pytest.mark.parametrize("options", LSTM_OPTIONS.values(), ids=LSTM_OPTIONS)
def test_forms_of_input(options: dict[str, Any]) -> None:
    """Batch first, packed and unbatched input give the same numbers."""
    layer = LSTM(3, 5, bidirectional=True, dtype=torch.float64, **options).eval()
    x, lengths = torch.randn(7, 3, 3, dtype=torch.float64), torch.tensor([4, 7, 1])
    y, state = layer(x, lengths=lengths)
    packed, other = layer(pack_padded_sequence(x, lengths, enforce_sorted=False))
    assert_close(torch.nn.utils.rnn.pad_packed_sequence(packed)[0], y)
    alone, single = layer(x[:4, 0])
    assert_close(alone, y[:4, 0])
    for part, same, lone in zip(state, other, single, strict=True):
        assert_close(same, part)
        assert_close(lone, part[:, 0])
    layer.batch_first = True
    assert_close(layer(x.transpose(0, 1), lengths=lengths)[0], y.transpose(0, 1))


def test_cells_of_all_steps() -> None:
    layer = LSTM(3, 5, num_layers=2, bidirectional=True, proj_size=2, batch_first=True)
    x = torch.randn(4, 6, 3)
    output, (h, c), cells = layer(x, return_cells=True, lengths=[6, 2, 0, 6])
    assert cells.shape == (4, 6, 10)
    assert_close(cells[1, 1, :5], c[-2, 1])
    assert_close(cells[:2, 0, 5:], c[-1, :2])
    assert not cells[1, 2:].any()
    same, (h_same, c_same) = layer(x, lengths=[6, 2, 0, 6])
    for a, b in ((output, same), (h, h_same), (c, c_same)):
        assert_close(a, b)
    torch_cell = torch.nn.LSTMCell(3, 5)
    one = LSTM(3, 5)
    one.load_state_dict({f"{name}_l0": weight for name, weight in torch_cell.state_dict().items()})
    _, _, cells = one(x[0], return_cells=True)
    state = None
    for t in range(6):
        state = torch_cell(x[0, t], state)
        assert_close(cells[t], state[1])


def test_absent_gates_have_no_rows() -> None:
    assert LSTM(3, 5, coupled=True).weight_ih_l0.shape == (15, 3)
    assert LSTM(3, 5, coupled=True, peephole="diagonal").peephole_l0.shape == (2, 5)
    assert LSTM(3, 5, peephole="diagonal", bidirectional=True).peephole_l0_reverse.shape == (3, 5)
    assert LSTM(3, 5, peephole="full").peephole_l0.shape == (20, 5)
    assert LSTM(3, 5, candidate="cell").bias_hh_l0.shape == (15,)
    assert LSTM(3, 5, gates="NOG").weight_hh_l0.shape == (15, 5)
    names = ["weight_ih", "weight_hh", "bias_ih", "bias_hh", "norm_ih", "norm_hh", "norm_cell", "norm_cell_bias"]
    assert list(LSTM(3, 5, layer_norm=True).state_dict()) == [f"{name}_l0" for name in names]
    assert LSTM(3, 5, gates="FGR").gate_recurrence_l0.shape == (15, 15)


@pytest.mark.parametrize("coupled", [False, True])
def test_initial_forget_gate(coupled: bool) -> None:
    layer = LSTM(3, 400, 2, forget_bias=2.0, coupled=coupled)
    gate = dict(zip(layer.options.rows, (layer.bias_ih_l1 + layer.bias_hh_l1).chunk(4 - coupled), strict=True))
    assert torch.equal(gate["i"], torch.full((400,), -2.0)) if coupled else (gate["f"] == 2).all()
    layer = LSTM(3, 400, 2, chrono=100, coupled=coupled)
    gate = dict(zip(layer.options.rows, (layer.bias_ih_l1 + layer.bias_hh_l1).chunk(4 - coupled), strict=True))
    b = -gate["i"].detach()
    assert coupled or torch.equal(gate["f"], b)
    assert 0 <= b.min() < b.max() <= math.log(99)
    assert abs(float(b.exp().mean()) - 50) < 8  # uniform from 1 to 99


def test_fgr_carries_its_gates() -> None:
    layer, x = LSTM(3, 5, gates="FGR"), torch.randn(4, 2, 3)
    _, state = layer(x)
    assert [part.shape[-1] for part in state] == [5, 5, 15]
    assert_close(layer(x, state[:2])[0], layer(x, (*state[:2], torch.zeros(1, 2, 15)))[0])
    assert (layer(x, state)[0] - layer(x, state[:2])[0]).abs().max() > 1e-4


def test_errors_say_what_to_do() -> None:
    layer, x = LSTM(3, 5), torch.randn(7, 4, 3)
    with pytest.raises(SettingsError, match="one direction"):
        LSTM(3, 5, bidirectional=True).step(x[0])
    with pytest.raises(ShapeError, match=r"LSTM\.input\] must have 3 features, got \[7, 4, 2\]"):
        layer(x[..., :2])
    with pytest.raises(ShapeError, match="float64"):
        layer(x.double())
    with pytest.raises(ShapeError, match="float64"):
        layer(x, (torch.zeros(1, 4, 5).double(), torch.zeros(1, 4, 5).double()))
    with pytest.raises(ShapeError, match=r"LSTM\.hx"):
        layer(x, (torch.zeros(1, 3, 5), torch.zeros(1, 4, 5)))
    with pytest.raises(ShapeError, match=r"LSTM\.hx"):
        layer(x, torch.zeros(1, 4, 5))
    with pytest.raises(ShapeError, match="2 axes"):
        layer(x[0, 0])
    with pytest.raises(ShapeError, match="batch axis"):
        layer(x[0], lengths=[3])
    with pytest.raises(ShapeError, match="PackedSequence"):
        layer(pack_padded_sequence(x, torch.tensor([7, 7, 7, 7])), lengths=[7, 7, 7, 7])
    with pytest.raises(ShapeError, match="T = 7"):
        layer(x, lengths=[8, 1, 1, 1])
    with pytest.raises(SettingsError, match="hidden_size"):
        GRU(3, 0)
    with pytest.raises(SettingsError, match="dropout"):
        GRU(3, 1, dropout=2.0)
    with pytest.raises(SettingsError, match="proj_size"):
        LSTM(3, 5, proj_size=5)
    with pytest.raises(SettingsError, match="bias"):
        LSTM(3, 5, bias=False, forget_bias=1.0)
    with pytest.raises(SettingsError, match="before"):
        GRU(3, 5, reset="befor")
    with pytest.raises(SettingsError, match="relu"):
        RNN(3, 5, nonlinearity="rel")
    with pytest.warns(UserWarning, match="between layers"):
        GRU(3, 5, dropout=0.5)
