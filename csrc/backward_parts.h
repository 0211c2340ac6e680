// A step back in parts.
#pragma once

#include "backward.h"
#include "normalized.h"
#include "parts.h"

namespace recurra::RECURRA_ISA {

// Always inline: a Unit that goes through memory costs layer norm a twentieth.
template <class C, class T>
inline __attribute__((always_inline)) Unit<T> Backward<C, T>::Member::unit_in_parts(const Going& g, long panel) const {
    Unit<T> u = unit_of(g, panel);
    if (f.p_.w_gates) u.gates = f.dgates_ + g.place * f.layout_.padded + u.at, u.gates_apart = f.gates_apart();
    return u;
}

// The gradient of the sums of all rows at a step. Tells whether any of it is not zero.
template <class C, class T> bool Backward<C, T>::Member::apply_in_parts(long step) {
    const long n = f.plan_.count(step, part), first = sums_at(step, 0), apart = chunk.rows * kPanelWidth;
    Team* const team = f.grid_.ranges > 1 ? &f.team_ : nullptr;
    bool live = false;
    const auto close = [&](long i) { close_row(step, i, {first + i * kPanelWidth, apart}); };
    const auto open = [&](long i) { live |= open_row(step, i, {first + i * kPanelWidth, apart}); };
    const auto through = [&](long i) {
        if (f.p_.variant.layer_norm) through_norms(step, i, {first + i * kPanelWidth, apart});
    };
    if (f.layout_.late()) {
        for (long i = 0; i < n; ++i) close(i);
        if (team) team->wait();
        multiply_late(n);
        in_parts(n, team, open, through);
    } else {
        in_parts(n, team, close, open, through);
    }
    return live;
}

// What layer norm adds for one row at one step, on the way back.
template <class C, class T> class Backward<C, T>::Member::Norms {
public:
    Norms(Member& m, long step, long i)
        : m_(m), f_(m.f), place_(f_.plan_.begin(m.part) + i),
          moments_(saved_moments(f_.saved_, f_.plan_, f_.layout_, f_.cell_.saved(), step, m.part, i)) {
        if (f_.p_.variant.layer_norm) x_ = moments(0), h_ = moments(1), c_ = moments(2);
    }

    // LN(c), of which h is made.
    Vec<T> inside(const Unit<T>& u) const { return y_of_c(u) * f_.cell_.gain(u) + f_.cell_.bias(u); }

    // From the gradient of LN(c) to that of what its gain multiplies.
    Vec<T> into_cell(Vec<T> dinside, const Unit<T>& u) {
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
        of_x_ = NormBack<T>(moments_, total(2), total(3), count);
        of_h_ = NormBack<T>(moments_ + 2, total(4), total(5), count);
    }
    void through_sums(const Unit<T>& u, int j, T* dinput, T* drecurrent) const {
        if (f_.p_.recurrent_rows[j] < 0) return;
        store(dinput, of_x_(load(dinput), y_of_x(u, j)));
        store(drecurrent, of_h_(load(drecurrent), y_of_h(u, j)));
    }

private:
    Moments<T> moments(int k) const { return {moments_[2 * k], moments_[2 * k + 1]}; }
    Vec<T> y_of_x(const Unit<T>& u, int j) const {
        return x_.normalize(u.saved.get(f_.cell_.input_sums() + j));
    }
    Vec<T> y_of_h(const Unit<T>& u, int j) const {
        return h_.normalize(u.saved.get(f_.cell_.recurrent_sums() + j));
    }
    Vec<T> y_of_c(const Unit<T>& u) const { return c_.normalize(f_.cell_.saved_c(u)); }

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
    Moments<T> x_{}, h_{}, c_{};
    Vec<T> sums_[4] = {};
    NormBack<T> of_c_{}, of_x_{}, of_h_{};
};

// From dh to the gradients of what h is made of, and of the last sum.
template <class C, class T> void Backward<C, T>::Member::close_row(long step, long i, const RowSums& sums) {
    const Going& g = going[i];
    if constexpr (C::kHasCell) {
        const bool normed = f.p_.variant.layer_norm;
        Norms norms(*this, step, i);
        for (long panel = first_panel; panel < last_panel; ++panel) {
            const Unit<T> u = unit_in_parts(g, panel);
            const long at = g.place * f.layout_.padded + u.at;
            const Vec<T> inside = normed ? norms.inside(u) : f.cell_.saved_c(u), o = u.saved.get(3);
            Vec<T> dinside;
            if (g.dcells) store(u.c, load(u.c) + load(g.dcells + u.at, u.count));
            if (g.hidden) store(g.hidden + u.at, o * f.cell_.squash(inside), u.count);
            store(f.dlate_ + at, f.cell_.close_back(arriving(u, g), inside, u, dinside));
            store(f.dinside_ + at, normed ? norms.into_cell(dinside, u) : dinside);
        }
        if (normed) norms.share_cell();
    } else {
        for (long panel = first_panel; panel < last_panel; ++panel) {
            const Unit<T> u = unit_in_parts(g, panel);
            const long at = g.place * f.layout_.padded + u.at;
            Vec<T> dh = load(g.dh + u.at), da[4];
            if (g.dy) dh += load(g.dy + u.at, u.count);
            store(g.dh + u.at, f.cell_.close_back(dh, load(g.old_h + u.at, u.count), u, da));
            store(f.dlate_ + at, da[3]);
            for (int j = 1; j < 4; ++j) store(f.dsums_ + sums.of(panel) + j * W, da[j]);
        }
    }
}

// From the gradient of the last sum to that of what was made.
template <class C, class T> void Backward<C, T>::Member::multiply_late(long n) {
    const long place0 = f.plan_.begin(part), padded = f.layout_.padded;
    multiply_vectors<T>(
        first_panel, last_panel, place0, place0 + n, {1, f.p_.H, 0, nullptr, f.late_},
        [&](long place) { return f.dlate_ + place * padded; },
        [&](Vec<T> dmade, long v, long place) { store(f.dmade_ + place * padded + v * W, dmade); });
}

// To the gradients of all sums, and of the old state where no product is between. Tells whether any sum has one.
template <class C, class T> bool Backward<C, T>::Member::open_row(long step, long i, const RowSums& sums) {
    const Problem<T>& p = f.p_;
    const long place = f.plan_.begin(part) + i;
    Int<T> seen{};
    if constexpr (C::kHasCell) {
        const bool normed = p.variant.layer_norm, whole = !normed || f.others_apart(), late = f.layout_.late();
        Norms norms(*this, step, i);
        if (normed) norms.read_cell();
        for (long panel = first_panel; panel < last_panel; ++panel) {
            const Unit<T> u = unit_in_parts(going[i], panel);
            const long at = place * f.layout_.padded + u.at, to = sums.of(panel);
            Vec<T> dc = load(f.dinside_ + at), da[4];
            if (normed) dc = norms.through_cell(dc, u);
            if (late) dc += load(f.dmade_ + at);
            da[3] = load(f.dlate_ + at);
            f.cell_.open_back(dc, da, u, dpeephole ? dpeephole + u.at : nullptr, f.layout_.padded);
            for (int j = 0; j < 4; ++j) {
                seen |= vec_to_bits<T>(da[j]);
                if (whole) store(f.dother_sums_ + to + j * W, da[j]);
                if (normed) norms.into_sums(da[j], panel, j, u, f.dinput_sums_ + to + j * W, f.dsums_ + to + j * W);
            }
        }
        if (normed) norms.share_sums();
    } else {
        for (long panel = first_panel; panel < last_panel; ++panel) {
            const Unit<T> u = unit_in_parts(going[i], panel);
            const long at = place * f.layout_.padded + u.at;
            T* const to = f.dsums_ + sums.of(panel);
            Vec<T> dr, dh = f.cell_.open_back(load(f.dmade_ + at), u, dr);
            if (const auto& mask = p.variant.drop_h) dh *= load(mask.at(0, f.plan_.row(place)) + u.at, u.count);
            store(going[i].dh + u.at, load(going[i].dh + u.at) + dh);
            store(to, dr);
            for (int j = 0; j < 4; ++j) seen |= vec_to_bits<T>(load(to + j * W));
        }
    }
    return any_nonzero<T>(seen);
}

// Back through layer norm over W x and U h.
template <class C, class T>
void Backward<C, T>::Member::through_norms(long step, long i, const RowSums& sums) {
    if constexpr (C::kHasCell) {
        Norms norms(*this, step, i);
        norms.read_sums();
        for (long panel = first_panel; panel < last_panel; ++panel) {
            const Unit<T> u = unit_in_parts(going[i], panel);
            T *const dinput = f.dinput_sums_ + sums.of(panel), *const drecurrent = f.dsums_ + sums.of(panel);
            for (int j = 0; j < 4; ++j) norms.through_sums(u, j, dinput + j * W, drecurrent + j * W);
        }
    }
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
