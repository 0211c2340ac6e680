"""The equations once more, in NumPy, for one sequence and apart from the package: what operators must agree with.

Every gate has its own matrices here, and a sequence is cut to its real steps first: there are no masks, no batches and
no stacked weights.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def sigma(a: Array) -> Array:
    return 0.5 * (1 + np.tanh(a / 2))


def normalise(a: Array) -> Array:
    return (a - a.mean()) / np.sqrt(a.var() + 1e-5)


def by_gate(stacked: Array | None, gates: str) -> dict[str, Any]:
    if stacked is None:
        return dict.fromkeys(gates, 0.0)
    size = len(stacked) // len(gates)
    return {gate: stacked[k * size : (k + 1) * size] for k, gate in enumerate(gates)}


def lstm_rows(o: Any) -> str:
    gates = "ifgo"
    if o.coupled:
        gates = gates.replace("f", "")
    if o.candidate == "cell":
        gates = gates.replace("g", "")
    return gates.replace({"NIG": "i", "NFG": "f", "NOG": "o"}.get(o.gates, "-"), "")


def lstm(x: Array, state: list[Array], w: dict[str, Array | None], o: Any, masks: dict[str, Array]) -> Any:
    """Over ``x [n, D]``: h and c of all steps, and the final state."""
    gates = lstm_rows(o)
    sigmoid_gates = gates.replace("g", "")
    bias = by_gate(w["bias_input"], gates), by_gate(w["bias_recurrent"], gates)
    p = by_gate(w["peephole"], gates if o.peephole == "full" else sigmoid_gates)
    h, c = state[0], state[1]
    last = by_gate(state[2], sigmoid_gates) if o.gates == "FGR" else {}
    hs, cs = [], []

    def peep(gate: str, cell: Array) -> Any:
        if o.peephole == "full":
            return p[gate] @ cell
        return p[gate][0] * cell if o.peephole == "diagonal" and gate != "g" else 0.0

    for t in range(len(x)):
        from_input = w["input"] @ x[t]
        from_past = w["recurrent"] @ (h * masks["drop_h"] if "drop_h" in masks else h)
        if o.layer_norm:
            from_input = w["norm_input"] * normalise(from_input)
            from_past = w["norm_recurrent"] * normalise(from_past)
        wx, uh = by_gate(from_input, gates), by_gate(from_past, gates)
        a = {k: wx[k] + uh[k] + bias[0][k] + bias[1][k] for k in gates}
        if o.gates == "FGR":
            size = len(c)
            for row, k in enumerate(sigmoid_gates):
                for column, j in enumerate(sigmoid_gates):
                    R = w["gate_recurrence"][row * size : (row + 1) * size, column * size : (column + 1) * size]
                    a[k] = a[k] + R @ last[j]
        one = np.ones_like(c)
        i = one if o.gates == "NIG" else sigma(a["i"] + peep("i", c))
        f = 1 - i if o.coupled else one if o.gates == "NFG" else sigma(a["f"] + peep("f", c))
        if o.candidate == "cell":
            g = w["candidate"] @ c + (0.0 if w["candidate_bias"] is None else w["candidate_bias"])
        else:
            g = a["g"] + peep("g", c)
        g = g if o.gates == "NIAF" else np.tanh(g)
        new_c = f * c + i * g
        if o.cell_clip is not None:
            new_c = np.minimum(np.maximum(new_c, -o.cell_clip), o.cell_clip)
        out = one if o.gates == "NOG" else sigma(a["o"] + peep("o", new_c))
        seen = new_c
        if o.layer_norm:
            seen = w["norm_cell"] * normalise(new_c) + (0.0 if w["norm_cell_bias"] is None else w["norm_cell_bias"])
        new_h = out * (seen if o.gates == "NOAF" else np.tanh(seen))
        if w["projection"] is not None:
            new_h = w["projection"] @ new_h
        keep_h = masks["keep_h"][t] if "keep_h" in masks else o.zoneout[0]
        keep_c = masks["keep_c"][t] if "keep_c" in masks else o.zoneout[1]
        h, c = keep_h * h + (1 - keep_h) * new_h, keep_c * c + (1 - keep_c) * new_c
        last = {k: {"i": i, "f": f, "o": out}[k] for k in sigmoid_gates}
        hs.append(h)
        cs.append(c)
    final = [h, c] + ([np.concatenate([last[k] for k in sigmoid_gates])] if o.gates == "FGR" else [])
    return hs, cs, final


def gru(x: Array, state: list[Array], w: dict[str, Array | None], o: Any, masks: dict[str, Array]) -> Any:
    W, U = by_gate(w["input"], "rzn"), by_gate(w["recurrent"], "rzn")
    b, d = by_gate(w["bias_input"], "rzn"), by_gate(w["bias_recurrent"], "rzn")
    h, hs = state[0], []
    for x_t in x:
        seen = h * masks.get("drop_h", 1.0)
        r = sigma(W["r"] @ x_t + b["r"] + U["r"] @ seen + d["r"])
        z = sigma(W["z"] @ x_t + b["z"] + U["z"] @ seen + d["z"])
        product = r * (U["n"] @ seen + d["n"]) if o.reset == "after" else U["n"] @ (r * seen) + d["n"]
        h = z * h + (1 - z) * np.tanh(W["n"] @ x_t + b["n"] + product)
        hs.append(h)
    return hs, [], [h]


def rnn(x: Array, state: list[Array], w: dict[str, Array | None], o: Any, masks: dict[str, Array]) -> Any:
    b, d = by_gate(w["bias_input"], "h")["h"], by_gate(w["bias_recurrent"], "h")["h"]
    h, hs = state[0], []
    for x_t in x:
        a = w["input"] @ x_t + b + w["recurrent"] @ (h * masks.get("drop_h", 1.0)) + d
        h = np.tanh(a) if o.nonlinearity == "tanh" else np.maximum(a, 0.0)
        hs.append(h)
    return hs, [], [h]
