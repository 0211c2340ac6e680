// A step forward in parts.
#pragma once

#include "forward.h"
#include "normalized.h"
#include "parts.h"

namespace recurra::RECURRA_ISA {

// Always inline: a Unit that goes through memory costs layer norm a twentieth.
template <class C, class T>
inline __attribute__((always_inline)) Unit<T> Forward<C, T>::Member::unit_in_parts(long i, long panel) const {
    const Going& g = going[i];
    Unit<T> u = unit_of(g, panel);
    u.seen = rows[i] + u.at;
    u.kept = f.kept_ + (g.place * f.layout_.panels + panel) * C::kKept * W;
    if (g.gates) u.gates = g.gates + u.at, u.gates_apart = f.gates_apart();
    return u;
}

template <class C, class T> void Forward<C, T>::Member::advance_in_parts(long step, long row) {
    const long n = f.plan_.count(step, part);
    list(step, 0, n);
    Team* const team = f.grid_.ranges > 1 ? &f.team_ : nullptr;
    const auto open = [&](long i) { open_row(i, row + i); };
    const auto close = [&](long i) { close_row(i); };
    multiply_old_state(n);
    if (team) team->wait();
    if (f.layout_.late()) {
        for (long i = 0; i < n; ++i) open(i);
        if (team) team->wait();
        multiply_made(n);
        for (long i = 0; i < n; ++i) close(i);
    } else {
        in_parts(n, team, open, close);
    }
    if constexpr (C::kHasCell) {
        if (f.p_.w_projection) project_hidden(n);
    }
}

// The products with the old state, and their place with the rows.
template <class C, class T> void Forward<C, T>::Member::multiply_old_state(long n) {
    const Layout<C, T>& layout = f.layout_;
    const auto old = [&](Operand operand, long i) -> const T* {
        if (operand == Operand::h) return rows[i];
        return operand == Operand::cell ? going[i].c : going[i].gates + number_of(operand) * f.gates_apart();
    };
    for (long panel = first_panel; panel < last_panel; ++panel) {
        for_rows(0, n, [&](long first, long r) {
            alignas(64) T tile[kRows * kPanelWidth];
            const auto leave = [&](T* sums) {
                for (long i = 0; i < r; ++i) {
                    T* to = sums + going[first + i].place * layout.columns() + panel * kPanelWidth;
                    std::copy_n(tile + i * kPanelWidth, kPanelWidth, to);
                }
            };
            for (long k = 1; k < layout.early(); ++k) {
                const T* states[kRows];
                for (long i = 0; i < r; ++i) states[i] = old(layout.factors[k].operand, first + i);
                const bool anew = k == 1 || (k == 2 && f.others_apart());
                if (anew && k == 2) leave(f.products_);
                add_products<T>(r, tile, anew ? nullptr : tile, kPanelWidth,
                                {layout.factors[k].width, states, f.packed_->factor(k, panel)});
            }
            leave(f.others_apart() ? f.others_ : f.products_);
        });
    }
}

// From the sums of going row i, which is number `row` of the chunk, to what it makes.
template <class C, class T> void Forward<C, T>::Member::open_row(long i, long row) {
    const Variant<T>& v = f.p_.variant;
    const Going& g = going[i];
    const long begin = g.place * f.layout_.columns();
    const bool normed = v.layer_norm, others_apart = f.others_apart();
    Moments<T> of_x{}, of_h{};
    if (normed) {
        of_x = moments_of_sums(f.layout_, sums(0, row), f.chunk_ * kPanelWidth);
        of_h = moments_of_sums(f.layout_, f.products_ + begin, kPanelWidth);
        if (g.moments) g.moments[0] = of_x.mean, g.moments[1] = of_x.scale;
        if (g.moments) g.moments[2] = of_h.mean, g.moments[3] = of_h.scale;
    }
    for (long panel = first_panel; panel < last_panel; ++panel) {
        const Unit<T> u = unit_in_parts(i, panel);
        Vec<T> a[4];
        for (int j = 0; j < 4; ++j) {
            const long at = begin + panel * kPanelWidth + j * W;
            const Vec<T> from_x = load(sums(panel, row) + j * W), from_h = load(f.products_ + at);
            a[j] = load(f.packed_->bias(panel) + j * W);
            if (others_apart) a[j] += load(f.others_ + at);
            if (!normed) {
                a[j] += from_x + from_h;
            } else if (long n, gains = f.layout_.weight_row(f.p_.recurrent_rows, panel, j, &n); gains >= 0) {
                a[j] += of_x.normalize(from_x) * load(v.norm_input + gains, n);
                a[j] += of_h.normalize(from_h) * load(v.norm_recurrent + gains, n);
                if constexpr (C::kHasCell) f.cell_.save_sums(from_x, from_h, j, u);
            }
        }
        store(f.made_ + g.place * f.layout_.padded + u.at, f.cell_.open(a, u));
    }
}

// The product with what all rows have made.
template <class C, class T> void Forward<C, T>::Member::multiply_made(long n) {
    const auto of = [&](long i) { return going[i].place * f.layout_.padded; };
    multiply_vectors<T>(
        first_panel, last_panel, 0, n, {1, f.p_.H, 0, nullptr, f.packed_->late()},
        [&](long i) { return f.made_ + of(i); },
        [&](Vec<T> sum, long v, long i) { store(f.late_ + of(i) + v * W, sum); });
}

// To the new h.
template <class C, class T> void Forward<C, T>::Member::close_row(long i) {
    const Going& g = going[i];
    const bool normed = f.p_.variant.layer_norm, late = f.layout_.late();
    const T* made = f.made_ + g.place * f.layout_.padded;
    Moments<T> of_c{};
    if (normed) {
        of_c = moments_of_cell(made, f.p_.H);
        if (g.moments) g.moments[4] = of_c.mean, g.moments[5] = of_c.scale;
    }
    for (long panel = first_panel; panel < last_panel; ++panel) {
        const Unit<T> u = unit_in_parts(i, panel);
        const Vec<T> product = late ? load(f.late_ + g.place * f.layout_.padded + u.at) : Vec<T>{};
        if constexpr (C::kHasCell) {
            Vec<T> inside = load(made + u.at);
            if (normed) inside = of_c.normalize(inside) * f.cell_.gain(u) + f.cell_.bias(u);
            leave_hidden(f.cell_.close(inside, product, u), u.at, g);
            if (g.last) leave_gates(u, g.b);
        } else {
            leave(f.cell_.close(old_h(g, u.at), product, u), u.at, g);
        }
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

}  // namespace recurra::RECURRA_ISA
