// What Python hands over: addresses and sizes, which recurra/ops/native.py has checked, and the problem that they make.
#pragma once

#include <array>
#include <cstdint>

#include "kernels.h"

namespace recurra {

using Address = std::uintptr_t;
using Triple = std::array<Address, 3>;

template <class T> T* at(Address address) { return reinterpret_cast<T*>(address); }
template <class T> Steps<T> steps(const Triple& a) {
    return {at<T>(a[0]), static_cast<long>(a[1]), static_cast<long>(a[2])};
}

// What does not change from call to call: which cell, which rows of the weights its sums take, its deviations.
struct Operator {
    bool f64;
    Cell cell;
    Blocks input_rows, recurrent_rows, cell_rows, gate_rows;
    bool coupled, linear_candidate, linear_output, layer_norm;
    double cell_clip, zoneout_h, zoneout_c;
};

using Masks = std::array<Triple, 3>;  // keep_h, keep_c, drop_h

// Sizes T, B, D, H, P; addresses in the order of recurra/ops/native.py's `Given`.
struct Given {
    std::array<long, 5> sizes;
    Address lengths;
    bool reverse, brief;
    int threads;
    Triple x;
    Address w_input, w_recurrent, bias_input, bias_recurrent, h0, c0, peephole_i, peephole_f, peephole_o;
    Address norm_input, norm_recurrent, norm_cell, norm_cell_bias, w_projection, w_cell, bias_cell, w_gates, gates0;
    Masks masks;
};

template <class T> Problem<T> problem(const Operator& op, const Given& g) {
    Problem<T> p;
    p.cell = op.cell;
    p.T_ = g.sizes[0], p.B = g.sizes[1], p.D = g.sizes[2], p.H = g.sizes[3], p.P = g.sizes[4];
    p.lengths = at<const long>(g.lengths);
    p.reverse = g.reverse, p.brief = g.brief;
    p.threads = g.threads;
    p.input_rows = op.input_rows, p.recurrent_rows = op.recurrent_rows;
    p.cell_rows = op.cell_rows, p.gate_rows = op.gate_rows;
    p.w_input = at<const T>(g.w_input), p.w_recurrent = at<const T>(g.w_recurrent);
    p.bias_input = at<const T>(g.bias_input), p.bias_recurrent = at<const T>(g.bias_recurrent);
    p.x = steps<const T>(g.x);
    p.w_projection = at<const T>(g.w_projection);
    p.w_cell = at<const T>(g.w_cell), p.bias_cell = at<const T>(g.bias_cell), p.w_gates = at<const T>(g.w_gates);
    p.h0 = at<const T>(g.h0), p.c0 = at<const T>(g.c0), p.gates0 = at<const T>(g.gates0);
    Variant<T>& v = p.variant;
    v.coupled = op.coupled, v.linear_candidate = op.linear_candidate, v.linear_output = op.linear_output;
    v.layer_norm = op.layer_norm;
    v.cell_clip = static_cast<T>(op.cell_clip);
    v.zoneout_h = static_cast<T>(op.zoneout_h), v.zoneout_c = static_cast<T>(op.zoneout_c);
    v.peephole_i = at<const T>(g.peephole_i), v.peephole_f = at<const T>(g.peephole_f);
    v.peephole_o = at<const T>(g.peephole_o);
    v.norm_input = at<const T>(g.norm_input), v.norm_recurrent = at<const T>(g.norm_recurrent);
    v.norm_cell = at<const T>(g.norm_cell), v.norm_cell_bias = at<const T>(g.norm_cell_bias);
    const auto& [keep_h, keep_c, drop_h] = g.masks;
    v.keep_h = steps<const T>(keep_h), v.keep_c = steps<const T>(keep_c), v.drop_h = steps<const T>(drop_h);
    return p;
}

template <class T> const Kernels<T>& kernels();
template <> inline const Kernels<float>& kernels<float>() { return instruction_set().f32; }
template <> inline const Kernels<double>& kernels<double>() { return instruction_set().f64; }

template <class T> Outputs<T> outputs(const Triple& y, const Triple& cells, const Triple& state, Address saved) {
    Outputs<T> out;
    out.y = steps<T>(y), out.cells = steps<T>(cells);
    out.h = at<T>(state[0]), out.c = at<T>(state[1]), out.gates = at<T>(state[2]), out.saved = at<void>(saved);
    return out;
}

// dh0, dc0; of the weights, in their order in `Given`; dgates0.
using Written = std::array<Address, 17>;

template <class T>
Gradients<T> gradients(const std::array<Triple, 3>& read, const Triple& dstate, Address saved,
                       const std::array<Triple, 3>& write_steps, const Written& write) {
    Gradients<T> grad;
    grad.y = steps<const T>(read[0]), grad.dy = steps<const T>(read[1]), grad.dcells = steps<const T>(read[2]);
    grad.dh = at<const T>(dstate[0]), grad.dc = at<const T>(dstate[1]), grad.dgates = at<const T>(dstate[2]);
    grad.saved = at<void>(saved);
    grad.dx = steps<T>(write_steps[0]);
    grad.dprojected = steps<T>(write_steps[1]), grad.hidden = steps<T>(write_steps[2]);
    grad.dh0 = at<T>(write[0]), grad.dc0 = at<T>(write[1]);
    grad.dw_input = at<T>(write[2]), grad.dw_recurrent = at<T>(write[3]);
    grad.db_input = at<T>(write[4]), grad.db_recurrent = at<T>(write[5]);
    grad.dpeephole_i = at<T>(write[6]), grad.dpeephole_f = at<T>(write[7]), grad.dpeephole_o = at<T>(write[8]);
    grad.dnorm_input = at<T>(write[9]), grad.dnorm_recurrent = at<T>(write[10]);
    grad.dnorm_cell = at<T>(write[11]), grad.dnorm_cell_bias = at<T>(write[12]);
    grad.dw_cell = at<T>(write[13]), grad.db_cell = at<T>(write[14]);
    grad.dw_gates = at<T>(write[15]), grad.dgates0 = at<T>(write[16]);
    return grad;
}

}  // namespace recurra
