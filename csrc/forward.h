// All steps of one layer in one direction.
//
// Time is walked in chunks: the input's share of a chunk's sums is one product, then step by step the recurrent share is
// added in registers, and the cell's functions are applied there before anything goes back to memory.
#pragma once

#include "layout.h"
#include "memory.h"
#include "threads.h"

namespace recurra::RECURRA_ISA {

template <class C, class T> class Forward {
public:
    Forward(const Problem<T>& problem, const Outputs<T>& out)
        : p_(problem),
          out_(out),
          cell_(problem),
          layout_(problem),
          grid_(choose_grid(problem, layout_.panels)),
          plan_(problem.T_, problem.B, problem.lengths, grid_.parts),
          barrier_(grid_.members()) {}

    void run() {
        const long columns = layout_.columns(), state = p_.B * layout_.padded;
        chunk_ = longest_chunk();
        joined_ = joins();
        const bool cell = C::kHasCell, old = cell_.sees_state(), drop = static_cast<bool>(p_.variant.drop_h);
        Scratch scratch(size(columns * p_.D) + size(columns * p_.H) + size(columns) + size(grid_.parts * columns * chunk_) +
                        size(cell ? state : 0) + size(old ? state : 0) + size(drop ? 2 * p_.B * p_.H : 0) +
                        (C::kNormed ? size(p_.B * columns) + 2 * size(state) : 0));
        input_ = scratch.take<T>(columns * p_.D);
        recurrent_ = scratch.take<T>(columns * p_.H);
        bias_ = scratch.take<T>(columns);
        sums_ = scratch.take<T>(grid_.parts * columns * chunk_);
        c_ = scratch.take<T>(cell ? state : 0);
        h_ = scratch.take<T>(old ? state : 0);
        dropped_ = scratch.take<T>(drop ? 2 * p_.B * p_.H : 0);
        if (C::kNormed) {
            products_ = scratch.take<T>(p_.B * columns);
            computed_ = scratch.take<T>(state);
            o_ = scratch.take<T>(state);
        }
        going_of_.assign(grid_.members(), std::vector<Going>(p_.B));
        rows_of_.assign(grid_.members(), std::vector<const T*>(std::max(chunk_, p_.B)));
        run_team(grid_.members(), [this](int member) {
            const FlushDenormals flush(sizeof(T) == sizeof(float));
            Member{*this, member}.run();
        });
    }

private:
    static constexpr long W = kWidth<T>, kPanelWidth = 4 * W, kChunk = 96;  // rows of a chunk, at least

    // A panel of both weights that fits into the nearest cache, and full tiles at each step: then the input's share is
    // added in the same registers, and no sums wait in memory.
    bool joins() const {
        constexpr std::size_t kNearest = 40 << 10;
        return !C::kNormed && (p_.D + p_.H) * kPanelWidth * sizeof(T) <= kNearest && p_.B >= 2 * kRows * grid_.parts;
    }

    static std::size_t size(long count) { return Scratch::size<T>(count); }

    // Rows of one part in the longest chunk.
    long longest_chunk() const {
        long longest = 0;
        for (long from = 0; from < plan_.steps;) {
            const long to = plan_.forward_until(from, kChunk);
            for (int part = 0; part < grid_.parts; ++part) longest = std::max(longest, plan_.count(from, to, part));
            from = to;
        }
        return longest;
    }

    // One row at one step.
    struct Going {
        T *y, *cells, *c, *h, *saved, *moments, *dropped;  // saved: of the first panel
        const T *x, *keep_h, *keep_c, *drop_h;
        long place, b;
        bool last;
    };

    struct Member {
        Forward& f;
        const int part, range;
        const long first_panel, last_panel;
        std::vector<const T*>& rows;  // where those of a product lie
        std::vector<Going>& going;
        long saved_panel = 0;  // elements that are saved for one panel at this step

        Member(Forward& forward, int member)
            : f(forward),
              part(f.grid_.part(member)),
              range(f.grid_.range(member)),
              first_panel(share(f.layout_.panels, range, f.grid_.ranges)),
              last_panel(share(f.layout_.panels, range + 1, f.grid_.ranges)),
              rows(f.rows_of_[member]),
              going(f.going_of_[member]) {}

        void run() {
            pack();
            begin();
            f.barrier_.wait();
            for (long from = 0; from < f.plan_.steps;) {
                const long to = f.plan_.forward_until(from, kChunk);
                if (!f.joined_) project(from, to);
                long row = 0;  // of the part's rows in the chunk
                for (long step = from; step < to; ++step) {
                    if constexpr (C::kNormed) {
                        advance_normed(step, row);
                    } else {
                        advance(step, row);
                    }
                    row += f.plan_.count(step, part);
                    if (f.grid_.ranges > 1) f.barrier_.wait();
                }
                from = to;
            }
        }

        // The members of a part share its panels out to be packed; with parts, all share all.
        void pack() {
            const Problem<T>& p = f.p_;
            const int members = f.grid_.members(), me = range * f.grid_.parts + part;
            const long first = share(f.layout_.panels, me, members), last = share(f.layout_.panels, me + 1, members);
            for (long panel = first; panel < last; ++panel) {
                f.layout_.pack_panel(p.w_input, p.input_rows, p.D, panel, f.input_ + panel * kPanelWidth * p.D);
                f.layout_.pack_panel(p.w_recurrent, p.recurrent_rows, p.H, panel,
                                     f.recurrent_ + panel * kPanelWidth * p.H);
                f.layout_.pack_bias(panel, f.bias_ + panel * kPanelWidth);
            }
        }

        // States before the first step, and zeros where there are no steps.
        void begin() {
            const Problem<T>& p = f.p_;
            const long padded = f.layout_.padded;
            for (long place = f.plan_.begin(part); place < f.plan_.begin(part + 1); ++place) {
                const long b = f.plan_.row(place);
                for (long panel = first_panel; panel < last_panel; ++panel) {
                    for (int j = 0; j < C::kUnits; ++j) {
                        const long unit = f.layout_.unit(panel, j), count = std::max(0L, std::min(W, p.H - unit));
                        const Vec<T> h = load(p.h0 + b * p.H + unit, count);
                        if (f.cell_.sees_state()) store(f.h_ + place * padded + unit, h);
                        if (C::kHasCell) store(f.c_ + place * padded + unit, load(p.c0 + b * p.H + unit, count));
                        if (p.variant.drop_h) {
                            store(f.dropped_ + place * p.H + unit, h * load(p.variant.drop_h.at(0, b) + unit, count),
                                  count);
                        }
                        if (f.plan_.length(place) == 0) finish(place, b, unit, count, h);
                        for (long t = f.plan_.length(place); t < p.T_; ++t) {
                            store(f.out_.y.at(t, b) + unit, Vec<T>{}, count);
                            if (f.out_.cells) store(f.out_.cells.at(t, b) + unit, Vec<T>{}, count);
                        }
                    }
                }
            }
        }

        void finish(long place, long b, long unit, long count, Vec<T> h) {
            store(f.out_.h + b * f.p_.H + unit, h, count);
            if (C::kHasCell) store(f.out_.c + b * f.p_.H + unit, load(f.c_ + place * f.layout_.padded + unit), count);
        }

        // The part's sums, [panel][row of the chunk][4 W]; parts do not wait for each other, so each has its own.
        T* sums(long panel, long row) const {
            return f.sums_ + ((part * f.layout_.panels + panel) * f.chunk_ + row) * kPanelWidth;
        }

        // The input's share of the sums of the steps [from, to).
        void project(long from, long to) {
            const Problem<T>& p = f.p_;
            long n = 0;
            for (long step = from; step < to; ++step) {
                for (long i = 0; i < f.plan_.count(step, part); ++i, ++n) {
                    const long place = f.plan_.begin(part) + i;
                    rows[n] = p.x.at(f.plan_.time(step, place, p.reverse), f.plan_.row(place));
                }
            }
            for (long panel = first_panel; panel < last_panel; ++panel) {
                const T *weights = f.input_ + panel * kPanelWidth * p.D, *bias = f.bias_ + panel * kPanelWidth;
                for_rows(0, n, [&](long first, auto R) {
                    constexpr int r = decltype(R)::value;
                    Tile<T, r, 4> acc;
                    const T* from_rows[r];
                    for (int i = 0; i < r; ++i) {
                        from_rows[i] = rows[first + i];
                        for (int j = 0; j < 4; ++j) acc[i][j] = C::kNormed ? Vec<T>{} : load(bias + j * W);
                    }
                    multiply<T, r, 4>(acc, p.D, from_rows, weights);
                    for (int i = 0; i < r; ++i) {
                        for (int j = 0; j < 4; ++j) store(sums(panel, first + i) + j * W, acc[i][j]);
                    }
                });
            }
        }

        // The rows that go on at a step: how many, and where each finds and leaves its own.
        long list(long step) {
            const long n = f.plan_.count(step, part);
            for (long i = 0; i < n; ++i) {
                rows[i] = before(step, f.plan_.begin(part) + i);
                going[i] = at(step, i);
            }
            saved_panel = f.plan_.going(step) * f.cell_.saved() * W;
            return n;
        }

        // One step of all going rows; their sums begin at `row`.
        void advance(long step, long row) {
            const Problem<T>& p = f.p_;
            const long n = list(step);
            for (long panel = first_panel; panel < last_panel; ++panel) {
                const T* weights = f.recurrent_ + panel * kPanelWidth * p.H;
                const T* begun = f.joined_ ? f.bias_ + panel * kPanelWidth : sums(panel, row);
                const long next = f.joined_ ? 0 : kPanelWidth;  // from one row's begun sums to the next one's
                for_rows(0, n, [&](long first, auto R) {
                    constexpr int r = decltype(R)::value;
                    Tile<T, r, 4> acc;
                    const T *inputs[r], *states[r];
                    for (int i = 0; i < r; ++i) {
                        inputs[i] = going[first + i].x;
                        states[i] = rows[first + i];
                        for (int j = 0; j < 4; ++j) acc[i][j] = load(begun + (first + i) * next + j * W);
                    }
                    if (f.joined_) multiply<T, r, 4>(acc, p.D, inputs, f.input_ + panel * kPanelWidth * p.D);
                    multiply<T, r, 4>(acc, p.H, states, weights);
                    for (int i = 0; i < r; ++i) apply(acc[i], panel, going[first + i]);
                });
            }
        }

        void advance_normed(long step, long row);  // the same with layer norm: normalized.h

        // The h that goes into the product of a step.
        const T* before(long step, long place) const {
            const Problem<T>& p = f.p_;
            const long b = f.plan_.row(place);
            if (p.variant.drop_h) return f.dropped_ + (step % 2 * p.B + place) * p.H;
            return step == 0 ? p.h0 + b * p.H : f.out_.y.at(f.plan_.time(step - 1, place, p.reverse), b);
        }

        // Where row i of the part finds and leaves its own at a step.
        Going at(long step, long i) const {
            const Problem<T>& p = f.p_;
            const long place = f.plan_.begin(part) + i, b = f.plan_.row(place), t = f.plan_.time(step, place, p.reverse);
            const long padded = f.layout_.padded;
            Going g{};
            g.place = place, g.b = b;
            g.x = p.x.at(t, b);
            g.y = f.out_.y.at(t, b);
            if (f.out_.cells) g.cells = f.out_.cells.at(t, b);
            g.c = f.c_ + place * padded, g.h = f.h_ + place * padded;
            if (f.out_.saved) {
                g.saved = f.out_.saved + saved_at(f.plan_, f.layout_, f.cell_.saved(), step, part, 0, i);
                g.moments = f.out_.saved + saved_moments_at(f.plan_, f.layout_, f.cell_.saved(), step, part, i);
            }
            if (p.variant.keep_h) g.keep_h = p.variant.keep_h.at(step, b);
            if (p.variant.keep_c) g.keep_c = p.variant.keep_c.at(step, b);
            if (p.variant.drop_h) {
                g.drop_h = p.variant.drop_h.at(0, b);
                g.dropped = f.dropped_ + ((step + 1) % 2 * p.B + place) * p.H;
            }
            g.last = step + 1 == f.plan_.length(place);
            return g;
        }

        Unit<T> unit_of(const Going& g, long panel) const {
            const long unit = f.layout_.unit(panel, 0);
            Unit<T> u{};
            u.at = unit;
            u.count = std::min(W, f.p_.H - unit);
            u.c = g.c + unit;
            if (g.saved) u.saved = g.saved + panel * saved_panel;
            if (g.keep_h) u.keep_h = g.keep_h + unit;
            if (g.keep_c) u.keep_c = g.keep_c + unit;
            return u;
        }

        void apply(const Vec<T> (&a)[4], long panel, const Going& g) {
            const Unit<T> u = unit_of(g, panel);
            Vec<T> old[C::kUnits], h[C::kUnits];
            for (int j = 0; j < C::kUnits; ++j) {
                old[j] = f.cell_.sees_state() ? load(g.h + f.layout_.unit(panel, j)) : Vec<T>{};
            }
            f.cell_.forward(a, old, u, h);
            leave(h, panel, g, u.c);
        }

        // The new h of a panel's units goes wherever it is needed.
        void leave(const Vec<T> (&h)[C::kUnits], long panel, const Going& g, const T* c) {
            for (int j = 0; j < C::kUnits; ++j) {
                const long at = f.layout_.unit(panel, j), count = std::max(0L, std::min(W, f.p_.H - at));
                store(g.y + at, h[j], count);
                if (f.cell_.sees_state()) store(g.h + at, h[j]);
                if (g.dropped) store(g.dropped + at, h[j] * load(g.drop_h + at, count), count);
                if (g.cells) store(g.cells + at, load(c), count);
                if (g.last) finish(g.place, g.b, at, count, h[j]);
            }
        }
    };

    const Problem<T>& p_;
    const Outputs<T>& out_;
    const C cell_;
    const Layout<C, T> layout_;
    const Grid grid_;
    const Plan plan_;
    Barrier barrier_;
    T *input_, *recurrent_, *bias_, *sums_, *c_, *h_, *dropped_;
    T *products_ = nullptr, *computed_ = nullptr, *o_ = nullptr;  // of a step under layer norm: U h, c, o
    std::vector<std::vector<const T*>> rows_of_;
    std::vector<std::vector<Going>> going_of_;
    long chunk_ = 0;
    bool joined_ = false;
};

}  // namespace recurra::RECURRA_ISA
