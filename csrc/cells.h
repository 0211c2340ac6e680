// What a cell does between the products: from a unit's four sums to its new state, and back.
//
// A unit's four sums lie side by side in a panel, one vector each: i f g o; r z n(input) n(recurrent). The simple
// network has one sum, and its panel holds four vectors of units. A cell says
//   kUnits     vectors of units per panel
//   kSeesState whether the new state is made of the old h itself, beside the product with it
//   saved()    vectors per panel that backward needs
//   forward()  sums -> new h
//   backward() dh -> gradient of the sums, and the part of the old h's gradient that does not go through the product
#pragma once

#include "sequence.h"
#include "simd.h"

namespace recurra::RECURRA_ISA {

// One row at one step, for the units of one panel.
template <class T> struct Unit {
    long at, count;            // first unit, and how many of the panel's are real
    T* c;                      // the carried cell state, or its gradient; padded
    T* saved;                  // may be null in forward
    const T* c_before;         // backward: the cell state before the step
    long c_before_count;
    const T *keep_h, *keep_c;  // zoneout's masks from unit `at` on; null without
};

template <class T> inline Vec<T> derivative_of_sigmoid(Vec<T> s) { return s * (static_cast<T>(1) - s); }
template <class T> inline Vec<T> derivative_of_tanh(Vec<T> s) { return static_cast<T>(1) - s * s; }

template <class T> struct Lstm {
    static constexpr int kUnits = 1;
    static constexpr bool kHasCell = true;
    using V = Vec<T>;
    static constexpr long W = kWidth<T>;

    const Variant<T> v;
    const bool i_open, f_open, o_open;  // a gate that is taken away stays open

    explicit Lstm(const Problem<T>& p)
        : v(p.variant),
          i_open(p.input_rows[0] < 0),
          f_open(p.input_rows[1] < 0 && !p.variant.coupled),
          o_open(p.input_rows[3] < 0) {}

    bool sees_state() const { return v.zoneout_h != 0 || v.keep_h; }
    bool keeps_cell() const { return v.zoneout_c != 0 || v.keep_c; }
    long saved() const { return keeps_cell() ? 6 : 5; }  // i f g o c, and c before zoneout

    V keep(const T* mask, T expected, long count) const { return mask ? load(mask, count) : all(expected); }

    void forward(const V (&a)[4], const V (&h_before)[1], const Unit<T>& u, V (&h)[1]) const {
        const V before = load(u.c);
        V ai = a[0], af = a[1], ao = a[3];
        if (v.peephole_i) ai += load(v.peephole_i + u.at, u.count) * before;
        if (v.peephole_f) af += load(v.peephole_f + u.at, u.count) * before;
        const V one = all(static_cast<T>(1));
        const V i = i_open ? one : sigmoid<T>(ai);
        const V f = v.coupled ? one - i : f_open ? one : sigmoid<T>(af);
        const V g = v.linear_candidate ? a[2] : tanh<T>(a[2]);
        V c = f * before + i * g;
        if (v.cell_clip != 0) c = clamp<T>(c, -v.cell_clip, v.cell_clip);
        if (v.peephole_o) ao += load(v.peephole_o + u.at, u.count) * c;
        const V o = o_open ? one : sigmoid<T>(ao);
        h[0] = o * (v.linear_output ? c : tanh<T>(c));
        if (sees_state()) {
            const V stay = keep(u.keep_h, v.zoneout_h, u.count);
            h[0] = stay * h_before[0] + (one - stay) * h[0];
        }
        const V computed = c;
        if (keeps_cell()) {
            const V stay = keep(u.keep_c, v.zoneout_c, u.count);
            c = stay * before + (one - stay) * c;
        }
        store(u.c, c);
        if (!u.saved) return;
        store(u.saved, i);
        store(u.saved + W, f);
        store(u.saved + 2 * W, g);
        store(u.saved + 3 * W, o);
        store(u.saved + 4 * W, c);
        if (keeps_cell()) store(u.saved + 5 * W, computed);
    }

    // peephole: gradients of the three peepholes, [3, stride] from this unit on, or null
    void backward(V (&dh)[1], const V (&)[1], const V (&)[1], const Unit<T>& u, V (&da)[4], V (&direct)[1],
                  T* peephole, long stride) const {
        const V one = all(static_cast<T>(1));
        const V i = load(u.saved), f = load(u.saved + W), g = load(u.saved + 2 * W), o = load(u.saved + 3 * W);
        const V c = load(u.saved + (keeps_cell() ? 5 : 4) * W);
        const V before = u.c_before ? load(u.c_before, u.c_before_count) : V{};
        V dc_after = load(u.c), dc_direct{};
        direct[0] = V{};
        if (sees_state()) {
            const V stay = keep(u.keep_h, v.zoneout_h, u.count);
            direct[0] = stay * dh[0];
            dh[0] *= one - stay;
        }
        if (keeps_cell()) {
            const V stay = keep(u.keep_c, v.zoneout_c, u.count);
            dc_direct = stay * dc_after;
            dc_after *= one - stay;
        }
        const V squashed = v.linear_output ? c : tanh<T>(c);
        da[3] = o_open ? V{} : dh[0] * squashed * derivative_of_sigmoid<T>(o);
        V dc = dc_after + dh[0] * o * (v.linear_output ? one : derivative_of_tanh<T>(squashed));
        if (v.peephole_o) dc += load(v.peephole_o + u.at, u.count) * da[3];
        if (v.cell_clip != 0) {
            const V free = f * before + i * g;
            dc = (free < all(-v.cell_clip)) | (free > all(v.cell_clip)) ? V{} : dc;
        }
        V di = dc * g;
        const V df = dc * before;
        if (v.coupled) di -= df;
        da[0] = i_open ? V{} : di * derivative_of_sigmoid<T>(i);
        da[1] = v.coupled || f_open ? V{} : df * derivative_of_sigmoid<T>(f);
        da[2] = dc * i;
        if (!v.linear_candidate) da[2] *= derivative_of_tanh<T>(g);
        V dc_before = dc * f + dc_direct;
        if (v.peephole_i) dc_before += load(v.peephole_i + u.at, u.count) * da[0];
        if (v.peephole_f) dc_before += load(v.peephole_f + u.at, u.count) * da[1];
        store(u.c, dc_before);
        if (!peephole) return;
        store(peephole, load(peephole) + da[0] * before);
        store(peephole + stride, load(peephole + stride) + da[1] * before);
        store(peephole + 2 * stride, load(peephole + 2 * stride) + da[3] * c);
    }
};

// Reset gate after the product, as in torch.
template <class T> struct Gru {
    static constexpr int kUnits = 1;
    static constexpr bool kHasCell = false;
    using V = Vec<T>;
    static constexpr long W = kWidth<T>;

    explicit Gru(const Problem<T>&) {}
    bool sees_state() const { return true; }
    long saved() const { return 4; }  // r z n, and the recurrent sum of n

    void forward(const V (&a)[4], const V (&h_before)[1], const Unit<T>& u, V (&h)[1]) const {
        const V r = sigmoid<T>(a[0]), z = sigmoid<T>(a[1]);
        const V n = tanh<T>(a[2] + r * a[3]);
        h[0] = n + z * (h_before[0] - n);
        if (!u.saved) return;
        store(u.saved, r);
        store(u.saved + W, z);
        store(u.saved + 2 * W, n);
        store(u.saved + 3 * W, a[3]);
    }

    void backward(V (&dh)[1], const V (&h_before)[1], const V (&)[1], const Unit<T>& u, V (&da)[4], V (&direct)[1], T*,
                  long) const {
        const V r = load(u.saved), z = load(u.saved + W), n = load(u.saved + 2 * W), seen = load(u.saved + 3 * W);
        direct[0] = dh[0] * z;
        da[1] = dh[0] * (h_before[0] - n) * derivative_of_sigmoid<T>(z);
        da[2] = (dh[0] - direct[0]) * derivative_of_tanh<T>(n);
        da[3] = da[2] * r;
        da[0] = da[2] * seen * derivative_of_sigmoid<T>(r);
    }
};

template <class T, bool kTanh> struct Rnn {
    static constexpr int kUnits = 4;
    static constexpr bool kHasCell = false;
    using V = Vec<T>;

    explicit Rnn(const Problem<T>&) {}
    bool sees_state() const { return false; }
    long saved() const { return 0; }

    void forward(const V (&a)[4], const V (&)[4], const Unit<T>&, V (&h)[4]) const {
#pragma GCC unroll 4
        for (int k = 0; k < 4; ++k) {
            if constexpr (kTanh) {
                h[k] = tanh<T>(a[k]);
            } else {
                h[k] = a[k] < V{} ? V{} : a[k];
            }
        }
    }

    void backward(V (&dh)[4], const V (&)[4], const V (&h)[4], const Unit<T>&, V (&da)[4], V (&direct)[4], T*,
                  long) const {
#pragma GCC unroll 4
        for (int k = 0; k < 4; ++k) {
            direct[k] = V{};
            if constexpr (kTanh) {
                da[k] = dh[k] * derivative_of_tanh<T>(h[k]);
            } else {
                da[k] = h[k] > V{} ? dh[k] : V{};
            }
        }
    }
};

}  // namespace recurra::RECURRA_ISA
