// One step at a time, for streams: weights packed once, nothing else between the caller and the arithmetic.
#pragma once

#include <atomic>

#include "kernels.h"
#include "layout.h"
#include "memory.h"
#include "storage.h"
#include "threads.h"

namespace recurra::RECURRA_ISA {

// S: how the weights are stored.
template <class C, class T, class S> class Step final : public Stepper<T> {
public:
    explicit Step(const Problem<T>& problem)
        : p_(problem),
          cell_(problem),
          layout_(p_),
          columns_(Scratch::size<T>(3 * layout_.columns())),
          weights_(Scratch::size<S>(layout_.columns() * (p_.D + p_.H))) {
        for (long panel = 0; panel < layout_.panels; ++panel) {
            layout_.pack_bias(panel, of_columns(panel, 0));
            pack(layout_.factors[0], panel, of_columns(panel, 1), weights(panel));
            pack(layout_.factors[1], panel, of_columns(panel, 2), weights(panel) + p_.D * kPanelWidth);
        }
    }

    void run(long B, int threads, const T* x, const State<const T>& before, const State<T>& after) const override {
        const long total = layout_.columns() * (p_.D + p_.H) * B;
        const bool shared = threads > 1 && layout_.panels >= threads && total >= kWorthATeam;
        const int members = shared && worth_a_team(2.0 * total) ? threads : 1;
        const long turn = turn_.load(std::memory_order_relaxed);
        turn_.store(turn + 1, std::memory_order_relaxed);  // of two at once one may be missed: only speed knows
        run_team(members, [&](int member) {
            const FlushDenormals flush(sizeof(T) == sizeof(float));
            const long first_panel = share(layout_.panels, member, members);
            for_turning(first_panel, share(layout_.panels, member + 1, members), turn, [&](long panel, long) {
                for_rows(0, B, [&](long first, long count) { with_count<kRows>(count, [&](auto R) {
                    constexpr int r = decltype(R)::value;
                    Tile<T, r, 4> acc;
                    for (int i = 0; i < r; ++i) {
                        for (int j = 0; j < 4; ++j) acc[i][j] = load(of_columns(panel, 0) + j * W);
                    }
#pragma GCC unroll 1  // one loop, which the processor sees read on and on
                    for (int part = 0; part < 2; ++part) {
                        const long K = part ? p_.H : p_.D;
                        add<r>(acc, K, (part ? before.h : x) + first * K, of_columns(panel, 1 + part),
                               weights(panel) + (part ? p_.D * kPanelWidth : 0));
                    }
                    for (int i = 0; i < r; ++i) apply(acc[i], panel, (first + i) * p_.H, before, after);
                }); });
            });
        });
    }

private:
    static constexpr long W = kWidth<T>, kPanelWidth = 4 * W, kWorthATeam = 1 << 18;  // weights

    // Of a panel's columns: the bias, the scales of the input's weights, those of the recurrent ones.
    T* of_columns(long panel, int which) const {
        return reinterpret_cast<T*>(columns_.data()) + (panel * 3 + which) * kPanelWidth;
    }
    S* weights(long panel) const {
        return reinterpret_cast<S*>(weights_.data()) + panel * (p_.D + p_.H) * kPanelWidth;
    }

    void pack(const Factor<T>& factor, long panel, T* scales, S* to) const {
        const long K = factor.width;
        std::vector<T> full(K * kPanelWidth);
        layout_.pack_panel(factor, panel, full.data());
        for (long column = 0; column < kPanelWidth; ++column) {
            T largest = 0;
            for (long k = 0; k < K; ++k) largest = std::max(largest, std::abs(full[k * kPanelWidth + column]));
            const T scale = scales[column] = Stored<T, S>::scale(largest);
            for (long k = 0; k < K; ++k) {
                const T value = full[k * kPanelWidth + column] / scale;
                to[k * kPanelWidth + Stored<T, S>::place(column)] = Stored<T, S>::of(value);
            }
        }
    }

    // acc += rows [r, K] * weights
    template <int r> static void add(Tile<T, r, 4>& acc, long K, const T* from, const T* scales, const S* weights) {
        const T* rows[r];
        for (int i = 0; i < r; ++i) rows[i] = from + i * K;
        if constexpr (Stored<T, S>::kScaled) {
            Tile<T, r, 4> sum = {};
            multiply_stored<T, S, r>(sum, K, rows, weights);
            for (int i = 0; i < r; ++i) {
                for (int j = 0; j < 4; ++j) acc[i][j] += sum[i][j] * load(scales + j * W);
            }
        } else {
            multiply_stored<T, S, r>(acc, K, rows, weights);
        }
    }

    void apply(const Vec<T> (&a)[4], long panel, long row, const State<const T>& before, const State<T>& after) const {
        T cell[kWidth<T>];
        Unit<T> u;
        u.at = layout_.unit(panel, 0);
        u.count = std::min(W, p_.H - u.at);
        u.c = cell;
        if (C::kHasCell) store(cell, load(before.c + row + u.at, u.count));
        Vec<T> old[C::kUnits], now[C::kUnits];
        for (int j = 0; j < C::kUnits; ++j) {
            const long unit = layout_.unit(panel, j);
            old[j] = load(before.h + row + unit, std::max(0L, p_.H - unit));
        }
        cell_.forward(a, old, u, now);
        for (int j = 0; j < C::kUnits; ++j) {
            const long unit = layout_.unit(panel, j);
            store(after.h + row + unit, now[j], std::max(0L, p_.H - unit));
        }
        if (C::kHasCell) store(after.c + row + u.at, load(cell), u.count);
    }

    const Problem<T> p_;
    const C cell_;
    const Layout<C, T> layout_;
    const Block columns_, weights_;
    mutable std::atomic<long> turn_{0};  // steps there and back over the panels
};

}  // namespace recurra::RECURRA_ISA
