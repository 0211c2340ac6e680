// Steps that go in parts, as something needs all units of a row before any can go on: a mean, under layer norm, or a
// product with what the step makes, which is the new c for the LSTM's o and r * h for the GRU's candidate.
//
// Forward: the products with the old state; from all sums the gates and what is made; its product; from that, or from
// LN(c), the new h. Backward the same way round. Where units are shared out, the members wait for each other between the
// parts; otherwise each row goes through as many of them at once as it can.
#pragma once

#include "backward.h"
#include "forward.h"
#include "normalized.h"

namespace recurra::RECURRA_ISA {

// Every part for each of the rows, all rows of a part before the next one where there is a barrier between them.
template <class First, class... Parts>
inline void in_parts(long rows, Barrier* barrier, First&& first, Parts&&... parts) {
    const auto all_rows = [&](auto&& part) {
        barrier->wait();
        for (long i = 0; i < rows; ++i) part(i);
    };
    for (long i = 0; i < rows; ++i) {
        first(i);
        if (!barrier) (parts(i), ...);
    }
    if (barrier) (all_rows(parts), ...);
}

// The products with the old state, and their place with the rows.
template <class C, class T> void Forward<C, T>::Member::multiply_old_state(long n) {
    const Layout<C, T>& layout = f.layout_;
    const auto old = [&](const Factor<T>& factor, long i) -> const T* {
        if (factor.operand == Operand::h) return rows[i];
        return factor.operand == Operand::cell ? going[i].c : going[i].gates + number_of(factor.operand) * f.gates_apart();
    };
    for (long panel = first_panel; panel < last_panel; ++panel) {
        for_rows(0, n, [&](long first, auto R) {
            constexpr int r = decltype(R)::value;
            Tile<T, r, 4> acc = {};
            const auto leave = [&](T* sums) {
                for (int i = 0; i < r; ++i) {
                    T* to = sums + going[first + i].place * layout.columns() + panel * kPanelWidth;
                    for (int j = 0; j < 4; ++j) store(to + j * W, acc[i][j]);
                }
            };
            for (long k = 1; k < layout.early(); ++k) {
                const T* states[r];
                for (int i = 0; i < r; ++i) states[i] = old(layout.factors[k], first + i);
                if (k == 2 && f.others_apart()) {
                    leave(f.products_);
                    for (auto& row : acc) std::fill_n(row, 4, Vec<T>{});
                }
                multiply<T, r, 4>(acc, layout.factors[k].width, states, f.packed_->factor(k, panel));
            }
            leave(f.others_apart() ? f.others_ : f.products_);
        });
    }
}

template <class C, class T> void Forward<C, T>::Member::advance_in_parts(long step, long row) {
    const Problem<T>& p = f.p_;
    const long n = list(step), columns = f.layout_.columns(), padded = f.layout_.padded;
    const bool normed = p.variant.layer_norm;
    Barrier* const barrier = f.grid_.ranges > 1 ? &f.barrier_ : nullptr;
    multiply_old_state(n);
    if (barrier) barrier->wait();
    const auto made = [&](long i) { return f.made_ + going[i].place * padded; };
    const auto unit = [&](long i, long panel) {
        const Going& g = going[i];
        Unit<T> u = unit_of(g, panel);
        u.seen = rows[i] + u.at;
        u.kept = f.kept_ + (g.place * f.layout_.panels + panel) * C::kKept * W;
        u.gates = g.gates ? g.gates + u.at : nullptr, u.gates_apart = f.gates_apart();
        return u;
    };
    const auto open = [&](long i) {
        const Going& g = going[i];
        const T* products = f.products_ + g.place * columns;
        Moments<T> of_x{}, of_h{};
        if (normed) {
            of_x = moments_of_sums(f.layout_, sums(0, row + i), f.chunk_ * kPanelWidth);
            of_h = moments_of_sums(f.layout_, products, kPanelWidth);
            if (g.moments) g.moments[0] = of_x.mean, g.moments[1] = of_x.scale;
            if (g.moments) g.moments[2] = of_h.mean, g.moments[3] = of_h.scale;
        }
        for (long panel = first_panel; panel < last_panel; ++panel) {
            const Unit<T> u = unit(i, panel);
            Vec<T> a[4];
            for (int j = 0; j < 4; ++j) {
                const long at = panel * kPanelWidth + j * W;
                const Vec<T> from_x = load(sums(panel, row + i) + j * W), from_h = load(products + at);
                a[j] = load(f.packed_->bias(panel) + j * W);
                if (f.others_apart()) a[j] += load(f.others_ + g.place * columns + at);
                if (!normed) {
                    a[j] += from_x + from_h;
                } else if (long count, row = f.layout_.weight_row(p.recurrent_rows, panel, j, &count); row >= 0) {
                    a[j] += of_x.normalize(from_x) * load(p.variant.norm_input + row, count);
                    a[j] += of_h.normalize(from_h) * load(p.variant.norm_recurrent + row, count);
                    if constexpr (C::kHasCell) f.cell_.save_sums(from_x, from_h, j, u);
                }
            }
            store(made(i) + u.at, f.cell_.open(a, u));
        }
    };
    const auto close = [&](long i) {
        const Going& g = going[i];
        Moments<T> of_c{};
        if (normed) {
            of_c = moments_of_cell(made(i), p.H);
            if (g.moments) g.moments[4] = of_c.mean, g.moments[5] = of_c.scale;
        }
        for (long panel = first_panel; panel < last_panel; ++panel) {
            const Unit<T> u = unit(i, panel);
            const Vec<T> product = f.layout_.late() ? load(f.late_ + g.place * padded + u.at) : Vec<T>{};
            if constexpr (C::kHasCell) {
                Vec<T> inside = load(made(i) + u.at);
                if (normed) inside = of_c.normalize(inside) * f.cell_.gain(u) + f.cell_.bias(u);
                leave_hidden(f.cell_.close(inside, product, u), u, g);
                if (g.last) leave_gates(u, g.b);
            } else {
                leave(f.cell_.close(old_h(g, u.at), product, u), u.at, g);
            }
        }
    };
    if (f.layout_.late()) {
        for (long i = 0; i < n; ++i) open(i);
        if (barrier) barrier->wait();
        multiply_vectors<T>(first_panel, last_panel, 0, n, p.H, f.packed_->late(), made, [&](Vec<T> sum, long v, long i) {
            store(f.late_ + going[i].place * padded + v * W, sum);
        });
        for (long i = 0; i < n; ++i) close(i);
    } else {
        in_parts(n, barrier, open, close);
    }
    if constexpr (C::kHasCell) {
        if (p.w_projection) project_hidden(n);
    }
}

// The gates that the first step sees, and those that are left of no steps at all.
template <class C, class T> void Forward<C, T>::Member::begin_gates(long place, long b, bool ended) {
    const Problem<T>& p = f.p_;
    for (const Factor<T>& factor : f.layout_.factors) {
        if (!is_gate(factor.operand)) continue;
        const long from = b * factor.stride + p.gate_rows[sum_of(factor.operand)] * p.H;
        for (long at = first_panel * W; at < last_panel * W; at += W) {
            const Vec<T> gate = load(p.gates0 + from + at, p.H - at);
            store(f.gates_ + number_of(factor.operand) * f.gates_apart() + place * f.layout_.padded + at, gate);
            if (ended) store(f.out_.gates + from + at, gate, p.H - at);
        }
    }
}

template <class C, class T> void Forward<C, T>::Member::leave_gates(const Unit<T>& u, long b) {
    const Problem<T>& p = f.p_;
    for (const Factor<T>& factor : f.layout_.factors) {
        if (!is_gate(factor.operand)) continue;
        T* to = f.out_.gates + b * factor.stride + p.gate_rows[sum_of(factor.operand)] * p.H + u.at;
        store(to, load(u.gates + number_of(factor.operand) * u.gates_apart), u.count);
    }
}

// What layer norm adds for one row at one step, on the way back.
template <class C, class T> class Backward<C, T>::Member::Norms {
public:
    Norms(Member& m, long step, long i)
        : m_(m), f_(m.f), place_(f_.plan_.begin(m.part) + i),
          moments_(f_.g_.saved + saved_moments_at(f_.plan_, f_.layout_, f_.cell_.saved(), step, m.part, i)) {}

    // LN(c), of which h is made.
    Vec<T> inside(const Unit<T>& u) const { return y_of_c(u) * f_.cell_.gain(u) + f_.cell_.bias(u); }

    // From the gradient of LN(c) to that of what its gain multiplies.
    Vec<T> into(Vec<T> dinside, const Unit<T>& u) {
        const Vec<T> y = y_of_c(u), dy = dinside * f_.cell_.gain(u);
        sums_[0] += dy, sums_[1] += dy * y;
        add(12, u, dinside * y);
        add(13, u, dinside);
        return dy;
    }
    void share_cell() const { leave_sums(0, 2); }
    void read_cell() { of_c_ = NormBack<T>(moments_ + 4, total(0), total(1), f_.p_.H); }
    Vec<T> through_cell(Vec<T> dy, const Unit<T>& u) const { return first_lanes<T>(of_c_(dy, y_of_c(u)), u.count); }

    // The same of W x and of U h, for sum j of a panel.
    void into_sums(Vec<T> da, long panel, int j, const Unit<T>& u, T* dinput, T* drecurrent) {
        long count;
        const long row = f_.layout_.weight_row(f_.p_.recurrent_rows, panel, j, &count);
        Vec<T> dx{}, dh{};
        if (row >= 0) {
            const Vec<T> x = y_of_x(u, j), h = y_of_h(u, j);
            add(j, u, da * x);
            add(4 + j, u, da * h);
            add(8 + j, u, da);
            dx = da * load(f_.p_.variant.norm_input + row, count);
            dh = da * load(f_.p_.variant.norm_recurrent + row, count);
            sums_[0] += dx, sums_[1] += dx * x;
            sums_[2] += dh, sums_[3] += dh * h;
        }
        store(dinput, dx);
        store(drecurrent, dh);
    }
    void share_sums() const { leave_sums(2, 4); }
    void read_sums() {
        const long count = f_.layout_.sums() * f_.p_.H;
        of_x_ = NormBack<T>(moments_, total(2), total(3), count), of_h_ = NormBack<T>(moments_ + 2, total(4), total(5), count);
    }
    void through_sums(const Unit<T>& u, int j, T* dinput, T* drecurrent) const {
        if (f_.p_.recurrent_rows[j] < 0) return;
        store(dinput, of_x_(load(dinput), y_of_x(u, j)));
        store(drecurrent, of_h_(load(drecurrent), y_of_h(u, j)));
    }

private:
    Moments<T> moments(int k) const { return {moments_[2 * k], moments_[2 * k + 1]}; }
    Vec<T> y_of_x(const Unit<T>& u, int j) const { return moments(0).normalize(load(u.saved + (f_.cell_.input_sums() + j) * W)); }
    Vec<T> y_of_h(const Unit<T>& u, int j) const { return moments(1).normalize(load(u.saved + (f_.cell_.recurrent_sums() + j) * W)); }
    Vec<T> y_of_c(const Unit<T>& u) const { return moments(2).normalize(f_.cell_.saved_c(u)); }

    void add(int k, const Unit<T>& u, Vec<T> v) const {
        T* const to = m_.dnorms() + k * f_.layout_.padded + u.at;
        store(to, load(to) + v);
    }
    void leave_sums(int first, int count) const {
        for (int k = 0; k < count; ++k) m_.partial(place_, m_.range)[first + k] = add_lanes<T>(sums_[k]);
    }
    T total(int k) const {
        T sum = 0;
        for (int r = 0; r < f_.grid_.ranges; ++r) sum += m_.partial(place_, r)[k];
        return sum;
    }

    Member& m_;
    Backward& f_;
    const long place_;
    const T* const moments_;
    Vec<T> sums_[4] = {};
    NormBack<T> of_c_{}, of_x_{}, of_h_{};
};

template <class C, class T> bool Backward<C, T>::Member::apply_in_parts(long step, long base, long chunk) {
    const Problem<T>& p = f.p_;
    const long n = f.plan_.count(step, part), padded = f.layout_.padded, place0 = f.plan_.begin(part);
    const bool normed = p.variant.layer_norm, late = f.layout_.late();
    Barrier* const barrier = f.grid_.ranges > 1 ? &f.barrier_ : nullptr;
    bool live = false;
    const auto unit = [&](long i, long panel) {
        Unit<T> u = unit_of(step, panel, i);
        u.gates = p.w_gates ? f.dgates_ + (place0 + i) * padded + u.at : nullptr, u.gates_apart = f.gates_apart();
        return u;
    };
    const auto sums_of = [&](long i, long panel) { return sums_at(step, base, chunk, panel) + i * kPanelWidth; };
    const auto close = [&](long i) {  // dh -> the gradients of what h is made of, and of the last sum
        const long place = place0 + i, b = f.plan_.row(place), t = f.plan_.time(step, place, p.reverse);
        if constexpr (C::kHasCell) {
            Norms norms(*this, step, i);
            for (long panel = first_panel; panel < last_panel; ++panel) {
                const Unit<T> u = unit(i, panel);
                const Vec<T> inside = normed ? norms.inside(u) : f.cell_.saved_c(u);
                Vec<T> dinside;
                if (f.g_.dcells) store(u.c, load(u.c) + load(f.g_.dcells.at(t, b) + u.at, u.count));
                if (f.g_.hidden) {
                    store(f.g_.hidden.at(t, b) + u.at, load(u.saved + 3 * W) * f.cell_.squash(inside), u.count);
                }
                const Vec<T> dlate = f.cell_.close_back(arriving(u, step, place, b, t), inside, u, dinside);
                store(f.dlate_ + place * padded + u.at, dlate);
                store(f.dinside_ + place * padded + u.at, normed ? norms.into(dinside, u) : dinside);
            }
            if (normed) norms.share_cell();
        } else {
            const T* old = step > 0 ? f.g_.y.at(f.plan_.time(step - 1, place, p.reverse), b) : p.h0 + b * p.H;
            for (long panel = first_panel; panel < last_panel; ++panel) {
                const Unit<T> u = unit(i, panel);
                T* const dh = f.dh_ + place * padded + u.at;
                const Vec<T> dy = f.g_.dy ? load(f.g_.dy.at(t, b) + u.at, u.count) : Vec<T>{};
                Vec<T> da[4];
                store(dh, f.cell_.close_back(load(dh) + dy, load(old + u.at, u.count), u, da));
                for (int j = 1; j < 4; ++j) store(f.dsums_ + sums_of(i, panel) + j * W, da[j]), live |= any_nonzero<T>(da[j]);
                store(f.dlate_ + place * padded + u.at, da[3]);
            }
        }
    };
    const auto open = [&](long i) {  // with the gradient of what is made, to those of all sums
        const long place = place0 + i;
        if constexpr (C::kHasCell) {
            Norms norms(*this, step, i);
            if (normed) norms.read_cell();
            for (long panel = first_panel; panel < last_panel; ++panel) {
                const Unit<T> u = unit(i, panel);
                const long at = place * padded + u.at, to = sums_of(i, panel);
                Vec<T> dc = load(f.dinside_ + at), da[4];
                if (normed) dc = norms.through_cell(dc, u);
                if (late) dc += load(f.dmade_ + at);
                da[3] = load(f.dlate_ + at);
                f.cell_.open_back(dc, da, u, dpeephole ? dpeephole + u.at : nullptr, padded);
                for (int j = 0; j < 4; ++j) {
                    live |= any_nonzero<T>(da[j]);
                    if (!normed || f.others_apart()) store(f.dother_sums_ + to + j * W, da[j]);
                    if (normed) norms.into_sums(da[j], panel, j, u, f.dinput_sums_ + to + j * W, f.dsums_ + to + j * W);
                }
            }
            if (normed) norms.share_sums();
        } else {
            for (long panel = first_panel; panel < last_panel; ++panel) {
                const Unit<T> u = unit(i, panel);
                const long at = place * padded + u.at;
                Vec<T> dr, dh = f.cell_.open_back(load(f.dmade_ + at), u, dr);
                if (const auto& mask = p.variant.drop_h) dh *= load(mask.at(0, f.plan_.row(place)) + u.at, u.count);
                store(f.dh_ + at, load(f.dh_ + at) + dh);
                store(f.dsums_ + sums_of(i, panel), dr), live |= any_nonzero<T>(dr);
            }
        }
    };
    const auto through = [&](long i) {  // layer norm of W x and of U h
        if constexpr (C::kHasCell) {
            if (!normed) return;
            Norms norms(*this, step, i);
            norms.read_sums();
            for (long panel = first_panel; panel < last_panel; ++panel) {
                const long to = sums_of(i, panel);
                for (int j = 0; j < 4; ++j) {
                    norms.through_sums(unit(i, panel), j, f.dinput_sums_ + to + j * W, f.dsums_ + to + j * W);
                }
            }
        }
    };
    if (late) {
        for (long i = 0; i < n; ++i) close(i);
        if (barrier) barrier->wait();
        multiply_vectors<T>(
            first_panel, last_panel, place0, place0 + n, p.H, f.late_,
            [&](long place) { return f.dlate_ + place * padded; },
            [&](Vec<T> dmade, long v, long place) { store(f.dmade_ + place * padded + v * W, dmade); });
        in_parts(n, barrier, open, through);
    } else {
        in_parts(n, barrier, close, open, through);
    }
    return live;
}

template <class C, class T> void Backward<C, T>::Member::begin_gates(long place, long b) {
    const Problem<T>& p = f.p_;
    for (int k = 0; k < 3; ++k) {
        T* dgates = f.dgates_ + k * f.gates_apart() + place * f.layout_.padded;
        std::fill(dgates + first_panel * W, dgates + last_panel * W, T(0));
    }
    for (const Factor<T>& factor : f.layout_.factors) {
        if (!is_gate(factor.operand) || !f.g_.dgates) continue;
        T* dgates = f.dgates_ + number_of(factor.operand) * f.gates_apart() + place * f.layout_.padded;
        const T* from = f.g_.dgates + b * factor.stride + p.gate_rows[sum_of(factor.operand)] * p.H;
        for (long at = first_panel * W; at < last_panel * W; at += W) store(dgates + at, load(from + at, p.H - at));
    }
}

template <class C, class T> void Backward<C, T>::Member::finish_gates(long place, long b) const {
    const Problem<T>& p = f.p_;
    for (const Factor<T>& factor : f.layout_.factors) {
        if (!is_gate(factor.operand)) continue;
        const T* dgates = f.dgates_ + number_of(factor.operand) * f.gates_apart() + place * f.layout_.padded;
        T* to = f.g_.dgates0 + b * factor.stride + p.gate_rows[sum_of(factor.operand)] * p.H;
        for (long at = first_panel * W; at < last_panel * W; at += W) store(to + at, load(dgates + at), p.H - at);
    }
}

}  // namespace recurra::RECURRA_ISA
