// How weights lie for the tiles: gathered once per call, zeros where there is no unit or no gate.
#pragma once

#include <cstring>

#include "cells.h"
#include "factors.h"
#include "plan.h"
#include "threads.h"
#include "tile.h"

namespace recurra::RECURRA_ISA {

// W rows of K numbers as columns, [K, W], `apart` numbers from one to the next; zeros behind the first `count` rows.
template <class T>
__attribute__((noinline)) void pack_rows(const T* rows, long stride, long count, long K, T* to, long apart) {
    constexpr long W = kWidth<T>;
    for (long k = 0; k < K; k += W) {
        Vec<T> some[kWidth<T>];
        for (long w = 0; w < W; ++w) some[w] = w < count ? load(rows + w * stride + k, K - k) : Vec<T>{};
        transpose<T>(some);
        for (long i = 0; i < std::min(W, K - k); ++i) store(to + (k + i) * apart, some[i]);
    }
}

// Units are numbered in panels: panel p holds the sums j = 0 … 3 of its units, one vector each.
template <class C, class T> struct Layout {
    static constexpr long W = kWidth<T>, kPanelWidth = 4 * W, kUnitsOfPanel = C::kUnits * W;
    const Problem<T>& problem;
    const std::vector<Factor<T>> factors;
    long panels, padded, padded_h;  // padded: units, rounded up to whole panels; padded_h: what goes out, likewise

    explicit Layout(const Problem<T>& p)
        : problem(p), factors(factors_of(p, C::kLate)), panels((p.H + kUnitsOfPanel - 1) / kUnitsOfPanel),
          padded(panels * kUnitsOfPanel), padded_h(p.w_projection ? (p.P + W - 1) / W * W : padded) {}

    // The product with what the step makes, or null.
    const Factor<T>* late() const { return factors.back().operand == Operand::made ? &factors.back() : nullptr; }
    long early() const { return static_cast<long>(factors.size()) - (late() != nullptr); }  // how many are not

    // Sums that a unit has rows of the weights for.
    long sums() const { return count(problem.recurrent_rows); }
    long columns() const { return panels * kPanelWidth; }
    long unit(long panel, int j) const { return C::kUnits == 1 ? panel * W : (panel * 4 + j) * W; }

    // The first vector of what goes out in a range of the units; behind the last one, how many there are.
    long first_output(int range, int ranges) const {
        if (problem.w_projection) return share(padded_h / W, range, ranges);
        return share(panels, range, ranges) * C::kUnits;
    }

    // The first row of the weights for sum j of a panel, or -1; `count` of its W rows are real.
    long weight_row(const Blocks& blocks, long panel, int j, long* count) const {
        const int block = blocks[C::kUnits == 1 ? j : 0];
        const long first = unit(panel, j);
        *count = std::min(W, std::max(0L, problem.H - first));
        return block < 0 || *count == 0 ? -1 : block * problem.H + first;
    }

    // The weights of a factor [·, K] -> one panel [K, 4 W]
    void pack_panel(const Factor<T>& factor, long panel, T* to) const {
        for (int j = 0; j < 4; ++j) {
            long count;
            const long row = weight_row(factor.rows, panel, j, &count);
            if (row < 0) count = 0;
            const T* const first = factor.weights + std::max(0L, row) * factor.stride;
            pack_rows(first, factor.stride, count, factor.width, to + j * W, kPanelWidth);
        }
    }

    void pack_bias(long panel, T* to) const {
        for (int j = 0; j < 4; ++j) {
            long count;
            const long input = weight_row(problem.input_rows, panel, j, &count);
            const long recurrent = weight_row(problem.recurrent_rows, panel, j, &count);
            const long cell = weight_row(problem.cell_rows, panel, j, &count);
            for (long w = 0; w < W; ++w) {
                T sum = 0;
                if (problem.bias_input && input >= 0 && w < count) sum += problem.bias_input[input + w];
                if (problem.bias_recurrent && recurrent >= 0 && w < count) sum += problem.bias_recurrent[recurrent + w];
                if (problem.bias_cell && cell >= 0 && w < count) sum += problem.bias_cell[cell + w];
                to[j * W + w] = sum;
            }
        }
    }

    // The weights of a factor [·, K] -> vectors of their columns for all sums, [vector][columns()][W]: those from
    // `first` to `last`, some at a time, as a line here and there would come from memory alone.
    void pack_streams(const Factor<T>& factor, long first, long last, T* to) const {
        for_vectors(first, last, [&](long v, long some) {
            T* out = to + v * W * columns();
            for (long panel = 0; panel < panels; ++panel) {
                for (int j = 0; j < 4; ++j) {
                    long count;
                    const long row = weight_row(factor.rows, panel, j, &count);
                    for (long w = 0; w < W; ++w, out += W) {
                        for (long n = 0; n < some; ++n) {
                            const long at = (v + n) * W;
                            const bool real = row >= 0 && w < count;
                            store(out + n * W * columns(),
                                  real ? load(factor.weights + (row + w) * factor.stride + at, factor.width - at)
                                       : Vec<T>{});
                        }
                    }
                }
            }
        });
    }
};

// The team as a grid: each member has one part of the rows and one range of the panels.
struct Grid {
    int parts, ranges;
    int members() const { return parts * ranges; }
    int part(int member) const { return member % parts; }
    int range(int member) const { return member / parts; }
};

// Rows are shared out where there are enough of them: then no step waits for another member. Otherwise the units are,
// with a barrier at each step, if a step is long enough to be worth one. Units alone come out the same, bit for bit,
// however many members share them, so there a clock may have a say; not in training, whose two passes need one grid.
template <class T> inline Grid choose_grid(const Problem<T>& p, long panels, bool training) {
    const double step = 8.0 * p.B * p.H * p.H;  // operations of the recurrent product
    const double whole = step * p.T_ * (1.0 + static_cast<double>(p.D) / p.H);
    constexpr double kWorthATeam = 2e6, kWorthABarrier = 1e5;
    constexpr long kCache = 1 << 20;
    if (p.threads <= 1 || whole < kWorthATeam) return {1, 1};
    const bool in_parts = p.cell == Cell::lstm_in_parts || p.cell == Cell::gru_in_parts;
    // Weights that no cache near a core holds: better half of them for all rows than all of them for half the rows.
    const bool far = 4 * p.H * p.P * static_cast<long>(sizeof(T)) > kFar;
    if (p.B >= 2 * kRows * p.threads && !(far && !in_parts && panels >= p.threads)) return {p.threads, 1};
    // Some rows are enough where each member has all weights in a cache of its own, and where steps go in parts, which
    // would have three barriers or more.
    const bool near = 4 * p.H * p.P * static_cast<long>(sizeof(T)) <= kCache;
    if (in_parts ? p.B >= 2 * p.threads : near && p.B >= 4 * p.threads) return {p.threads, 1};
    if (panels >= p.threads && step >= kWorthABarrier) {
        return {1, training || worth_a_team(whole) ? p.threads : 1};
    }
    if (p.B >= p.threads) return {p.threads, 1};
    return {1, 1};
}

// Whether a panel's product at a step lasts long enough, some microseconds, for another member to take it over.
template <class T> inline bool worth_sharing(const Problem<T>& p, long panels, const Grid& grid) {
    constexpr double kWorthSharing = 2e5;  // operations
    return grid.ranges > 1 && 8.0 * p.B * p.H * p.P >= kWorthSharing * panels;
}

// Elements between what two parts of the rows carry from step to step: a processor reads ahead as far as a page goes,
// and would take from another what that is writing.
template <class T> constexpr long kPage = 4096 / sizeof(T);

// What forward saves for backward: by part, step, panel, going row; `vectors` of them each.
template <class C, class T>
inline long saved_at(const Plan& plan, const Layout<C, T>& layout, long vectors, long step, int part, long panel,
                     long i) {
    const long first = plan.before(step, part) * layout.panels + panel * plan.count(step, part);
    return (first + i) * vectors * kWidth<T>;
}

// Before all that, forward's grid: backward must have the same, though there may be more threads by then, or fewer.
constexpr long kGridBytes = 64;
static_assert(sizeof(Grid) <= kGridBytes);
inline void save_grid(const Grid& grid, void* data) { std::memcpy(data, &grid, sizeof grid); }
inline Grid saved_grid(const void* data) {
    Grid grid;
    std::memcpy(&grid, data, sizeof grid);
    return grid;
}

// Steps in parts keep all of it in full: it goes into products.
template <class C, class T> inline Saved<T> saved_of(const Problem<T>& p, void* data) {
    char* const vectors = data ? static_cast<char*>(data) + kGridBytes : nullptr;
    return {vectors, p.brief && !C::kParts && sizeof(T) == sizeof(float)};
}

// Behind all of these: kMoments numbers for each going row, under layer norm.
constexpr long kMoments = 8;
template <class C, class T>
inline T* saved_moments(const Saved<T>& saved, const Plan& plan, const Layout<C, T>& layout, long vectors, long step,
                        int part, long i) {
    T* const first = reinterpret_cast<T*>(saved.behind(plan.total() * layout.panels * vectors * kWidth<T>).data);
    return first + (plan.before(step, part) + i) * kMoments;
}

}  // namespace recurra::RECURRA_ISA
