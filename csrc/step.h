// One step at a time, for streams: weights packed once, nothing else between the caller and the arithmetic.
#pragma once

#include "kernels.h"
#include "layout.h"
#include "memory.h"
#include "threads.h"

namespace recurra::RECURRA_ISA {

template <class C, class T> class Step final : public Stepper<T> {
public:
    explicit Step(const Problem<T>& problem)
        : p_(problem), cell_(problem), layout_(p_), weights_(Scratch::size<T>(layout_.columns() * rows())) {
        T* to = packed();
        for (long panel = 0; panel < layout_.panels; ++panel, to += kPanelWidth * rows()) {
            layout_.pack_bias(panel, to);
            layout_.pack_panel(p_.w_input, p_.input_rows, p_.D, panel, to + kPanelWidth);
            layout_.pack_panel(p_.w_recurrent, p_.recurrent_rows, p_.H, panel, to + kPanelWidth * (1 + p_.D));
        }
    }

    void run(long B, int threads, const T* x, const T* h, const T* c, T* new_h, T* new_c) const override {
        const bool shared = threads > 1 && layout_.panels >= threads && layout_.columns() * rows() * B >= kWorthATeam;
        run_team(shared ? threads : 1, [&](int member) {
            const FlushDenormals flush(sizeof(T) == sizeof(float));
            const int members = shared ? threads : 1;
            const long last = share(layout_.panels, member + 1, members);
            for (long panel = share(layout_.panels, member, members); panel < last; ++panel) {
                const T* weights = packed() + panel * kPanelWidth * rows();
                for_rows(0, B, [&](long first, auto R) {
                    constexpr int r = decltype(R)::value;
                    Tile<T, r, 4> acc;
                    const T *inputs[r], *states[r];
                    for (int i = 0; i < r; ++i) {
                        inputs[i] = x + (first + i) * p_.D;
                        states[i] = h + (first + i) * p_.H;
                        for (int j = 0; j < 4; ++j) acc[i][j] = load(weights + j * W);
                    }
                    multiply<T, r, 4>(acc, p_.D, inputs, weights + kPanelWidth);
                    multiply<T, r, 4>(acc, p_.H, states, weights + kPanelWidth * (1 + p_.D));
                    for (int i = 0; i < r; ++i) apply(acc[i], panel, (first + i) * p_.H, h, c, new_h, new_c);
                });
            }
        });
    }

private:
    static constexpr long W = kWidth<T>, kPanelWidth = 4 * W, kWorthATeam = 1 << 18;  // weights

    long rows() const { return 1 + p_.D + p_.H; }  // of a panel: the bias, then the weights
    T* packed() const { return reinterpret_cast<T*>(weights_.data()); }

    void apply(const Vec<T> (&a)[4], long panel, long row, const T* h, const T* c, T* new_h, T* new_c) const {
        T cell[kWidth<T>];
        Unit<T> u{};
        u.at = layout_.unit(panel, 0);
        u.count = std::min(W, p_.H - u.at);
        u.c = cell;
        if (C::kHasCell) store(cell, load(c + row + u.at, u.count));
        Vec<T> old[C::kUnits], now[C::kUnits];
        for (int j = 0; j < C::kUnits; ++j) {
            const long unit = layout_.unit(panel, j);
            old[j] = load(h + row + unit, std::max(0L, p_.H - unit));
        }
        cell_.forward(a, old, u, now);
        for (int j = 0; j < C::kUnits; ++j) {
            const long unit = layout_.unit(panel, j);
            store(new_h + row + unit, now[j], std::max(0L, p_.H - unit));
        }
        if (C::kHasCell) store(new_c + row + u.at, load(cell), u.count);
    }

    const Problem<T> p_;
    const C cell_;
    const Layout<C, T> layout_;
    const Block weights_;
};

}  // namespace recurra::RECURRA_ISA
