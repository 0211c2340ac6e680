// What a cell does between the products: from a unit's four sums to its new state, and back.
//
// A unit's four sums lie side by side in a panel, one vector each: i f g o; r z n(input) n(recurrent). The simple
// network has one sum, and its panel holds four vectors of units. A cell says
//   kUnits     vectors of units per panel
//   kSeesState whether the new state is made of the old h itself, beside the product with it
//   saved()    vectors per panel that backward needs
//   forward()  sums -> new h
//   backward() dh -> gradient of the sums, and the part of the old h's gradient that does not go through the product
//   kPlain     whether it has no options at all
//   kLate      whose last sum is a product with what the step makes, if its steps go in parts (parts.h):
//   open()     sums -> what is made, which a product and layer norm may wait for
//   close()    that, and its product -> new h
//   close_back(), open_back() the other way round
#pragma once

#include "factors.h"
#include "saved.h"

namespace recurra::RECURRA_ISA {

// One row at one step, for the units of one panel.
template <class T> struct Unit {
    long at, count;           // first unit, and how many of the panel's are real
    T* c = nullptr;           // the carried cell state, or its gradient; padded
    Saved<T> saved;           // may be null in forward
    Vec<T> c_before;          // backward: the cell state before the step
    const T *keep_h = nullptr, *keep_c = nullptr;  // zoneout's masks from unit `at` on; null without
    T* kept = nullptr;        // in parts: kKept vectors, from one part of the step to the next
    const T* seen = nullptr;  // in parts: the h that goes into the products
    T* gates = nullptr;       // i f o for the next step, or the gradients of the last ones; null if nobody sees them
    long gates_apart = 0;     // from one of the three to the next
};

template <class T> inline Vec<T> derivative_of_sigmoid(Vec<T> s) { return s * (static_cast<T>(1) - s); }
template <class T> inline Vec<T> derivative_of_tanh(Vec<T> s) { return static_cast<T>(1) - s * s; }

// kVaries: whether there may be any deviation from the plain cell.
template <class T, bool kVaries = true> struct Lstm {
    static constexpr int kUnits = 1;
    static constexpr bool kHasCell = true, kParts = false, kPlain = !kVaries;
    static constexpr Late kLate = Late::none;
    static constexpr long kKept = 0;
    using V = Vec<T>;
    static constexpr long W = kWidth<T>;

    const Variant<T> v;
    const Blocks rows;

    explicit Lstm(const Problem<T>& p) : v(p.variant), rows(p.recurrent_rows) {}

    // A gate that is taken away stays open.
    bool i_open() const { return kVaries && rows[0] < 0; }
    bool f_open() const { return kVaries && rows[1] < 0 && !v.coupled; }
    bool o_open() const { return kVaries && rows[3] < 0; }
    bool sees_state() const { return kVaries && (v.zoneout_h != 0 || v.keep_h); }
    bool keeps_cell() const { return kVaries && (v.zoneout_c != 0 || v.keep_c); }
    bool coupled() const { return kVaries && v.coupled; }
    bool linear_candidate() const { return kVaries && v.linear_candidate; }
    bool linear_output() const { return kVaries && v.linear_output; }
    bool clips() const { return kVaries && v.cell_clip != 0; }
    // Of a gate's diagonal weights; null without.
    const T* peephole_i() const { return kVaries ? v.peephole_i : nullptr; }
    const T* peephole_f() const { return kVaries ? v.peephole_f : nullptr; }
    const T* peephole_o() const { return kVaries ? v.peephole_o : nullptr; }
    long saved() const { return keeps_cell() ? 6 : 5; }  // i f g o c, and c before zoneout

    V keep(const T* mask, T expected, long count) const { return mask ? load(mask, count) : all(expected); }
    V squash(V c) const { return linear_output() ? c : tanh<T>(c); }

    struct Opened {
        V i, f, g, c;  // c: before zoneout
    };

    Opened open(const V (&a)[4], V before, const Unit<T>& u) const {
        V ai = a[0], af = a[1];
        if (peephole_i()) ai += load(peephole_i() + u.at, u.count) * before;
        if (peephole_f()) af += load(peephole_f() + u.at, u.count) * before;
        const V one = all(static_cast<T>(1));
        Opened s;
        s.i = i_open() ? one : sigmoid<T>(ai);
        s.f = coupled() ? one - s.i : f_open() ? one : sigmoid<T>(af);
        s.g = linear_candidate() ? a[2] : tanh<T>(a[2]);
        s.c = s.f * before + s.i * s.g;
        if (clips()) s.c = clamp<T>(s.c, -v.cell_clip, v.cell_clip);
        return s;
    }

    V peep_o(V ao, V c, const Unit<T>& u) const {
        return peephole_o() ? ao + load(peephole_o() + u.at, u.count) * c : ao;
    }

    V open_o(V ao, const Unit<T>& u) const {
        const V o = o_open() ? all(static_cast<T>(1)) : sigmoid<T>(ao);
        if (u.saved) u.saved.put(3, o);
        return o;
    }

    // The h that goes on.
    V carry_h(V h, V before, const T* mask, long count) const {
        if (!sees_state()) return h;
        const V stay = keep(mask, v.zoneout_h, count);
        return stay * before + (static_cast<T>(1) - stay) * h;
    }

    // The c that goes on, and what backward needs.
    void carry_c(const Opened& s, V before, const Unit<T>& u) const {
        V c = s.c;
        if (keeps_cell()) {
            const V stay = keep(u.keep_c, v.zoneout_c, u.count);
            c = stay * before + (static_cast<T>(1) - stay) * c;
        }
        store(u.c, c);
        if (!u.saved) return;
        u.saved.put(0, s.i);
        u.saved.put(1, s.f);
        u.saved.put(2, s.g);
        u.saved.put(4, c);
        if (keeps_cell()) u.saved.put(5, s.c);
    }

    struct Made {
        V o, c;
    };

    // To the new cell state; h, or what is projected, is made of o and c.
    Made make(const V (&a)[4], const Unit<T>& u) const {
        const V before = load(u.c);
        const Opened s = open(a, before, u);
        carry_c(s, before, u);
        return {open_o(peep_o(a[3], s.c, u), u), s.c};
    }
    V finish(const Made& made) const { return made.o * squash(made.c); }

    void forward(const V (&a)[4], const V (&h_before)[1], const Unit<T>& u, V (&h)[1]) const {
        h[0] = carry_h(finish(make(a, u)), h_before[0], u.keep_h, u.count);
    }

    V saved_c(const Unit<T>& u) const { return u.saved.get(keeps_cell() ? 5 : 4); }  // before zoneout

    // dh becomes the part that goes through the gates; the part that goes straight to the old h is returned.
    V split_dh(V& dh, const T* mask, long count) const {
        if (!sees_state()) return V{};
        const V direct = keep(mask, v.zoneout_h, count) * dh;
        dh -= direct;
        return direct;
    }

    // Through h = o squash(n): the gradient of o's sum, and of n.
    V close_back(V dh, V n, V o, V& dn) const {
        const V squashed = squash(n);
        dn = dh * o;
        if (!linear_output()) dn *= derivative_of_tanh<T>(squashed);
        return o_open() ? V{} : dh * squashed * derivative_of_sigmoid<T>(o);
    }

    // Through the gates, from the gradient dc that h = o squash(c) brings and that of o's sum, da[3]: the gradients of
    // the other sums and of the old c. peephole: gradients of the three, [3, stride] from this unit on, or null.
    void open_back(V dc, V (&da)[4], const Unit<T>& u, T* peephole, long stride) const {
        const V i = u.saved.get(0), f = u.saved.get(1), g = u.saved.get(2), c = saved_c(u);
        const V before = u.c_before;
        V dc_after = load(u.c), dc_direct{};
        if (keeps_cell()) {
            dc_direct = keep(u.keep_c, v.zoneout_c, u.count) * dc_after;
            dc_after -= dc_direct;
        }
        dc += dc_after;
        if (peephole_o()) dc += load(peephole_o() + u.at, u.count) * da[3];
        if (clips()) {
            const V free = f * before + i * g;
            dc = (free < all(-v.cell_clip)) | (free > all(v.cell_clip)) ? V{} : dc;
        }
        V di = dc * g, df = dc * before;
        if (coupled()) di -= df;
        if (u.gates) di += load(u.gates), df += load(u.gates + u.gates_apart);
        da[0] = i_open() ? V{} : di * derivative_of_sigmoid<T>(i);
        da[1] = coupled() || f_open() ? V{} : df * derivative_of_sigmoid<T>(f);
        da[2] = dc * i;
        if (!linear_candidate()) da[2] *= derivative_of_tanh<T>(g);
        V dc_before = dc * f + dc_direct;
        if (peephole_i()) dc_before += load(peephole_i() + u.at, u.count) * da[0];
        if (peephole_f()) dc_before += load(peephole_f() + u.at, u.count) * da[1];
        store(u.c, dc_before);
        if (!peephole) return;
        store(peephole, load(peephole) + da[0] * before);
        store(peephole + stride, load(peephole + stride) + da[1] * before);
        store(peephole + 2 * stride, load(peephole + 2 * stride) + da[3] * c);
    }

    void backward(V dh, const Unit<T>& u, V (&da)[4], T* peephole, long stride) const {
        V dc;
        da[3] = close_back(dh, saved_c(u), u.saved.get(3), dc);
        open_back(dc, da, u, peephole, stride);
    }
};

template <class T> using PlainLstm = Lstm<T, false>;

// Makes c. Layer norm is over W x and U h, and over the c that h is made of.
template <class T> struct LstmInParts : Lstm<T> {
    static constexpr bool kParts = true;
    static constexpr Late kLate = Late::cell;
    static constexpr long kKept = 1;  // the sum of o
    using Lstm<T>::Lstm;
    using V = Vec<T>;
    static constexpr long W = kWidth<T>;

    long input_sums() const { return Lstm<T>::saved(); }          // where among what is saved W x begins
    long recurrent_sums() const { return Lstm<T>::saved() + 4; }  // and U h
    long saved() const { return Lstm<T>::saved() + (this->v.layer_norm ? 8 : 0); }
    long made() const { return this->keeps_cell() ? 5 : 4; }      // and what is made

    void save_sums(V from_x, V from_h, int j, const Unit<T>& u) const {
        if (!u.saved) return;
        u.saved.put(input_sums() + j, from_x);
        u.saved.put(recurrent_sums() + j, from_h);
    }

    V open(const V (&a)[4], const Unit<T>& u) const {
        const V before = load(u.c);
        const auto s = Lstm<T>::open(a, before, u);
        this->carry_c(s, before, u);
        store(u.kept, this->peep_o(a[3], s.c, u));
        if (u.gates) store(u.gates, s.i), store(u.gates + u.gates_apart, s.f);
        return s.c;
    }

    // inside: c, or LN(c)
    V close(V inside, V product, const Unit<T>& u) const {
        const V o = this->open_o(load(u.kept) + product, u);
        if (u.gates) store(u.gates + 2 * u.gates_apart, o);
        return o * this->squash(inside);
    }

    V close_back(V dh, V inside, const Unit<T>& u, V& dinside) const {
        const V o = u.saved.get(3);
        const V da = Lstm<T>::close_back(dh, inside, o, dinside);
        return u.gates ? da + load(u.gates + 2 * u.gates_apart) * derivative_of_sigmoid<T>(o) : da;
    }

    // Layer norm's gain over c and its bias.
    V gain(const Unit<T>& u) const { return load(this->v.norm_cell + u.at, u.count); }
    V bias(const Unit<T>& u) const {
        return this->v.norm_cell_bias ? load(this->v.norm_cell_bias + u.at, u.count) : V{};
    }
};

// Reset gate after the product, as in torch.
template <class T> struct Gru {
    static constexpr int kUnits = 1;
    static constexpr bool kHasCell = false, kParts = false, kPlain = false;
    static constexpr Late kLate = Late::none;
    static constexpr long kKept = 0;
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
        u.saved.put(0, r);
        u.saved.put(1, z);
        u.saved.put(2, n);
        u.saved.put(3, a[3]);
    }

    void backward(V (&dh)[1], const V (&h_before)[1], const V (&)[1], const Unit<T>& u, V (&da)[4],
                  V (&direct)[1]) const {
        const V r = u.saved.get(0), z = u.saved.get(1), n = u.saved.get(2), seen = u.saved.get(3);
        direct[0] = dh[0] * z;
        da[1] = dh[0] * (h_before[0] - n) * derivative_of_sigmoid<T>(z);
        da[2] = (dh[0] - direct[0]) * derivative_of_tanh<T>(n);
        da[3] = da[2] * r;
        da[0] = da[2] * seen * derivative_of_sigmoid<T>(r);
    }
};

// Reset gate before the product (Cho et al. 2014): makes r * h.
template <class T> struct GruInParts : Gru<T> {
    static constexpr bool kParts = true;
    static constexpr Late kLate = Late::recurrent;
    static constexpr long kKept = 2;  // z, and the sum of n
    using Gru<T>::Gru;
    using V = Vec<T>;
    static constexpr long W = kWidth<T>;

    long saved() const { return 4; }  // r z n, and what is made
    long made() const { return 3; }

    V open(const V (&a)[4], const Unit<T>& u) const {
        const V r = sigmoid<T>(a[0]), z = sigmoid<T>(a[1]), made = r * load(u.seen, u.count);
        store(u.kept, z);
        store(u.kept + W, a[2] + a[3]);
        if (u.saved) u.saved.put(0, r), u.saved.put(1, z), u.saved.put(3, made);
        return made;
    }

    V close(V h_before, V product, const Unit<T>& u) const {
        const V z = load(u.kept), n = tanh<T>(load(u.kept + W) + product);
        if (u.saved) u.saved.put(2, n);
        return n + z * (h_before - n);
    }

    // The gradients of the sums of z and n; what goes straight to the old h is returned.
    V close_back(V dh, V h_before, const Unit<T>& u, V (&da)[4]) const {
        const V z = u.saved.get(1), n = u.saved.get(2), direct = dh * z;
        da[1] = dh * (h_before - n) * derivative_of_sigmoid<T>(z);
        da[2] = da[3] = (dh - direct) * derivative_of_tanh<T>(n);
        return direct;
    }

    // Through r * h: the gradient of r's sum, and of the h in it.
    V open_back(V dmade, const Unit<T>& u, V& dr) const {
        const V r = u.saved.get(0), made = u.saved.get(3);
        dr = dmade * made * (static_cast<T>(1) - r);
        return dmade * r;
    }
};

template <class T, bool kTanh> struct Rnn {
    static constexpr int kUnits = 4;
    static constexpr bool kHasCell = false, kParts = false, kPlain = false;
    static constexpr Late kLate = Late::none;
    static constexpr long kKept = 0;
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

    void backward(V (&dh)[4], const V (&)[4], const V (&h)[4], const Unit<T>&, V (&da)[4], V (&direct)[4]) const {
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
