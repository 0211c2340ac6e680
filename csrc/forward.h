// All steps of one layer in one direction.
//
// Time is walked in chunks: the input's share of a chunk's sums is one product, then step by step the recurrent share
// is added in registers, and the cell's functions are applied there before anything goes back to memory.
#pragma once

#include <optional>

#include "packed.h"

namespace recurra::RECURRA_ISA {

template <class C, class T> class Forward {
public:
    // ready: the weights, where they are packed already.
    Forward(const Problem<T>& problem, const Outputs<T>& out, const Packed<C, T>* ready = nullptr)
        : p_(problem),
          out_(out),
          cell_(problem),
          layout_(problem),
          grid_(choose_grid(problem, layout_.panels, out.saved)),
          plan_(problem.T_, problem.B, problem.lengths, grid_.parts),
          team_(grid_.members()),
          saved_(saved_of<C>(problem, out.saved)) {
        if (!ready) to_pack_.emplace(layout_);
        packed_ = ready ? ready : &*to_pack_;
    }

    void run() {
        const long columns = layout_.columns(), state = p_.B * layout_.padded, state_h = p_.B * layout_.padded_h;
        const long apart = grid_.parts * kPage<T>;
        if (out_.saved) save_grid(grid_, out_.saved);
        chunk_ = longest_chunk();
        joined_ = joins();
        helps_ = helps();
        shares_panels_ = worth_sharing(p_, layout_.panels, grid_);
        const Scratch scratch(std::vector<Piece<T>>{
            {&sums_, grid_.parts * columns * chunk_},
            {&c_, C::kHasCell ? state + apart : 0},
            {&h_, cell_.sees_state() ? state_h + apart : 0},
            {&dropped_, p_.variant.drop_h ? 2 * p_.B * p_.P : 0},
            {&hidden_, p_.w_projection ? state : 0},
            {&products_, C::kParts ? p_.B * columns : 0},
            {&others_, others_apart() ? p_.B * columns : 0},
            {&made_, C::kParts ? state : 0},
            {&late_, layout_.late() ? state : 0},
            {&kept_, C::kKept * state},
            {&gates_, p_.w_gates ? 3 * state : 0},
        });
        going_of_.assign(grid_.members(), std::vector<Going>(p_.B));
        rows_of_.assign(grid_.members(), std::vector<const T*>(std::max(chunk_, p_.B)));
        inputs_of_.assign(grid_.members(), std::vector<const T*>(p_.B));
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
        return !C::kParts && (p_.D + p_.P) * kPanelWidth * sizeof(T) <= kNearest && p_.B >= 2 * kRows * grid_.parts;
    }

    // Whether a part lasts long enough for a member that is done with its own to take over some of it.
    bool helps() const {
        constexpr double kWorthHelp = 4e7;  // operations: some hundred microseconds
        return grid_.parts > 1 && 8.0 * p_.B * p_.H * (p_.D + p_.P) * p_.T_ >= kWorthHelp;
    }

    // Layer norm is of U h alone: other products with the old state are added up beside it.
    bool others_apart() const { return p_.variant.layer_norm && layout_.early() > 2; }

    long gates_apart() const { return p_.B * layout_.padded; }  // from one of i f o to the next

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

    // One row: what stays with it, and what it finds and leaves at a step.
    struct Going {
        long place, b, length;
        T *c, *h, *gates;
        const T* drop_h;
        T *y, *moments, *dropped;
        Saved<T> saved;    // of the first panel
        long saved_panel;  // elements that are saved for one panel at this step
        const T *keep_h, *keep_c;
        bool last;  // in parts: whether the row ends with this step
    };

    struct Member {
        Forward& f;
        const int me, part, range;
        const long first_panel, last_panel;
        const long first_h, last_h;  // vectors of what goes out
        std::vector<const T*>&rows, &inputs;  // where those of the products lie
        std::vector<Going>& going;

        Member(Forward& forward, int member)
            : f(forward),
              me(member),
              part(f.grid_.part(member)),
              range(f.grid_.range(member)),
              first_panel(share(f.layout_.panels, range, f.grid_.ranges)),
              last_panel(share(f.layout_.panels, range + 1, f.grid_.ranges)),
              first_h(f.layout_.first_output(range, f.grid_.ranges)),
              last_h(f.layout_.first_output(range + 1, f.grid_.ranges)),
              rows(f.rows_of_[member]),
              inputs(f.inputs_of_[member]),
              going(f.going_of_[member]) {}

        void run() {
            if (f.to_pack_) f.to_pack_->pack(me, f.grid_.members());
            begin();
            f.team_.wait();
            for (long from = 0; from < f.plan_.steps;) {
                const long to = f.plan_.forward_until(from, kChunk);
                if (!f.joined_) project(from, to);
                walk_in_groups(from, to);
                from = to;
            }
            if (f.helps_) f.team_.wait();
        }

        // All rows go through a chunk together, as they share the weights in the nearest cache; in groups only where
        // others have nothing to do. Each group keeps two rows to the end: a product of one row is added up in another
        // order, and the bits must not tell who was done first.
        void walk_in_groups(long from, long to) {
            const long n = f.plan_.count(from, part), stay = f.plan_.count(to - 1, part);
            const bool together = C::kParts || f.p_.w_projection || f.grid_.parts == 1;
            const long groups = together ? 1 : std::max(1L, std::min<long>(1 + f.team_.waiting(), stay / 2));
            f.team_.share(me, groups, [&](long group) {
                walk(from, to, share(stay, group, groups), group + 1 < groups ? share(stay, group + 1, groups) : n);
            });
        }

        // The going rows [first, end) through the steps [from, to).
        void walk(long from, long to, long first, long end) {
            for (long step = from, row = 0; step < to; ++step) {  // row: of the part's rows in the chunk
                const long n = f.plan_.count(step, part);
                if constexpr (C::kParts) {
                    advance_in_parts(step, row);
                } else {
                    advance(step, row, first, std::min(end, n));
                }
                if (f.grid_.ranges > 1) f.team_.wait();
                leave_states(step, first, std::min(end, n));
                row += n;
            }
        }

        // The rows, their states before the first step, and zeros where there are no steps.
        void begin() {
            const Problem<T>& p = f.p_;
            for (long place = f.plan_.begin(part); place < f.plan_.begin(part + 1); ++place) {
                const long b = f.plan_.row(place), length = f.plan_.length(place);
                Going& g = going[place - f.plan_.begin(part)];
                g.place = place, g.b = b, g.length = length;
                g.c = f.c_ + part * kPage<T> + place * f.layout_.padded;
                g.h = f.h_ + part * kPage<T> + place * f.layout_.padded_h;
                if (p.w_gates) g.gates = f.gates_ + place * f.layout_.padded;
                if (p.variant.drop_h) g.drop_h = p.variant.drop_h.at(0, b);
                for (long at = first_h * W; at < last_h * W; at += W) {
                    const long count = std::max(0L, std::min(W, p.P - at));
                    const Vec<T> h = load(p.h0 + b * p.P + at, count);
                    if (f.cell_.sees_state()) store(g.h + at, h);
                    if (p.variant.drop_h) {
                        store(f.dropped_ + place * p.P + at, h * load(p.variant.drop_h.at(0, b) + at, count), count);
                    }
                    if (length == 0) store(f.out_.h + b * p.P + at, h, count);
                    for (long t = length; t < p.T_; ++t) store(f.out_.y.at(t, b) + at, Vec<T>{}, count);
                }
                for (long at = first_panel * W; C::kHasCell && at < last_panel * W; at += W) {
                    const long count = std::min(W, p.H - at);
                    const Vec<T> c = load(p.c0 + b * p.H + at, count);
                    store(g.c + at, c);
                    if (length == 0) store(f.out_.c + b * p.H + at, c, count);
                    for (long t = length; f.out_.cells && t < p.T_; ++t) {
                        store(f.out_.cells.at(t, b) + at, Vec<T>{}, count);
                    }
                }
                if constexpr (C::kParts) begin_gates(place, b, length == 0);
            }
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
                    rows[n] = p.x.at(time(step, going[i]), going[i].b);
                }
            }
            f.team_.share(me, last_panel - first_panel, [&](long k) {
                const long panel = first_panel + k, following = panel + 1 < last_panel ? panel + 1 : -1;
                const T *weights = f.packed_->factor(0, panel), *bias = C::kParts ? nullptr : f.packed_->bias(panel);
                for_rows(0, n, [&](long first, long r) {
                    add_products<T>(r, sums(panel, first), bias, 0,
                                    {p.D, &rows[first], weights, ahead(0, p.D, following, first, n)});
                });
            });
        }

        // While a group of rows is multiplied by a panel of K features, it asks for its share of the following one.
        Ahead<T> ahead(long factor, long K, long following, long first, long n) const {
            if (following < 0 || f.layout_.columns() * K * static_cast<long>(sizeof(T)) <= kFar) return {};
            return Ahead<T>::share(f.packed_->factor(factor, following), K, first, n);
        }

        long time(long step, const Going& g) const { return f.p_.reverse ? g.length - 1 - step : step; }

        // The rows [first, end) at a step: where each finds and leaves its own.
        void list(long step, long first, long end) {
            const Problem<T>& p = f.p_;
            const long of_panel = f.cell_.saved() * W;
            long saved_panel = 0;
            Saved<T> saved{};
            if (f.out_.saved) {
                saved_panel = f.plan_.count(step, part) * of_panel;
                saved = f.saved_.behind(saved_at(f.plan_, f.layout_, f.cell_.saved(), step, part, 0, 0));
            }
            for (long i = first; i < end; ++i) {
                Going& g = going[i];
                const long t = time(step, g);
                rows[i] = before(step, g);
                if (f.joined_) inputs[i] = p.x.at(t, g.b);
                g.y = f.out_.y.at(t, g.b);
                if (saved) g.saved = saved.behind(i * of_panel), g.saved_panel = saved_panel;
                if constexpr (!C::kPlain) list_variant(step, i);
            }
        }

        void list_variant(long step, long i) {
            const Variant<T>& v = f.p_.variant;
            Going& g = going[i];
            g.last = step + 1 == g.length;
            if (C::kParts && f.out_.saved) {
                g.moments = saved_moments(f.saved_, f.plan_, f.layout_, f.cell_.saved(), step, part, i);
            }
            if (v.keep_h) g.keep_h = v.keep_h.at(step, g.b);
            if (v.keep_c) g.keep_c = v.keep_c.at(step, g.b);
            if (v.drop_h) g.dropped = f.dropped_ + ((step + 1) % 2 * f.p_.B + g.place) * f.p_.P;
        }

        // One step of the rows [begin, end); the part's sums begin at `row`.
        void advance(long step, long row, long begin, long end) {
            list(step, begin, end);
            if (f.shares_panels_) {
                advance_together(step, row, begin, end);
            } else {
                for_turning(first_panel, last_panel, step, [&](long panel, long following) {
                    advance_panel(panel, following, row, begin, end);
                });
            }
            if constexpr (C::kHasCell) {
                if (!C::kPlain && f.p_.w_projection) project_hidden(end);
            }
        }

        // Panels that last long enough: who is done with its own takes over some. A loop of its own, as the one above
        // must not go through a pointer.
        __attribute__((noinline)) void advance_together(long step, long row, long begin, long end) {
            const long panels = last_panel - first_panel;
            const auto panel = [&](long k) { return step % 2 ? last_panel - 1 - k : first_panel + k; };
            f.team_.share(me, panels, [&](long k) {
                advance_panel(panel(k), k + 1 < panels ? panel(k + 1) : -1, row, begin, end);
            });
        }

        inline __attribute__((always_inline)) void advance_panel(long panel, long following, long row, long begin,
                                                                 long end) {
            const Problem<T>& p = f.p_;
            const T* begun = f.joined_ ? f.packed_->bias(panel) : sums(panel, row);
            const long next = f.joined_ ? 0 : kPanelWidth;  // from one row's begun sums to the next one's
            for_rows(begin, end, [&](long first, long r) {
                alignas(64) T tile[kRows * kPanelWidth];
                add_products<T>(r, tile, begun + first * next, next,
                                {p.P, &rows[first], f.packed_->factor(1, panel), ahead(1, p.P, following, first, end)},
                                {f.joined_ ? p.D : 0, &inputs[first], f.packed_->factor(0, panel)});
                for (long i = 0; i < r; ++i) apply(tile + i * kPanelWidth, panel, going[first + i]);
                for (long i = 0; C::kHasCell && i < r; ++i) finish(tile + i * kPanelWidth, panel, going[first + i]);
            });
        }

        // Steps in parts: forward_parts.h.
        void advance_in_parts(long step, long row);
        void multiply_old_state(long n);
        void open_row(long i, long row);
        void multiply_made(long n);
        void close_row(long i);
        Unit<T> unit_in_parts(long i, long panel) const;
        void begin_gates(long place, long b, bool ended);
        void leave_gates(const Unit<T>& u, long b);

        // The h that goes into the product of a step: what the row left at the one before.
        const T* before(long step, const Going& g) const {
            const Problem<T>& p = f.p_;
            if (!C::kPlain && p.variant.drop_h) return f.dropped_ + (step % 2 * p.B + g.place) * p.P;
            return step == 0 ? p.h0 + g.b * p.P : g.y;
        }

        Unit<T> unit_of(const Going& g, long panel) const {
            const long unit = f.layout_.unit(panel, 0);
            Unit<T> u;
            u.at = unit;
            u.count = std::min(W, f.p_.H - unit);
            u.c = g.c + unit;
            if (g.saved) u.saved = g.saved.behind(panel * g.saved_panel);
            if (!C::kPlain && g.keep_c) u.keep_c = g.keep_c + unit;
            return u;
        }

        Vec<T> old_h(const Going& g, long at) const { return f.cell_.sees_state() ? load(g.h + at) : Vec<T>{}; }

        // From the sums of a row's units to the new h. An LSTM leaves what h is made of in their place: the tanh of one
        // row would wait for its gates, but those of all rows together do not.
        void apply(T* sums, long panel, const Going& g) {
            const Unit<T> u = unit_of(g, panel);
            const Vec<T> a[4] = {load(sums), load(sums + W), load(sums + 2 * W), load(sums + 3 * W)};
            if constexpr (C::kHasCell) {
                const auto made = f.cell_.make(a, u);
                store(sums, made.o);
                store(sums + W, made.c);
            } else {
                Vec<T> old[C::kUnits], h[C::kUnits];
                for (int j = 0; j < C::kUnits; ++j) old[j] = old_h(g, f.layout_.unit(panel, j));
                f.cell_.forward(a, old, u, h);
                for (int j = 0; j < C::kUnits; ++j) leave(h[j], f.layout_.unit(panel, j), g);
            }
        }

        void finish(const T* made, long panel, const Going& g) {
            if constexpr (C::kHasCell) leave_hidden(f.cell_.finish({load(made), load(made + W)}), panel * W, g);
        }

        // What an LSTM's units make goes on as the new h, or to the projection.
        void leave_hidden(Vec<T> hidden, long at, const Going& g) {
            if (!C::kPlain && f.p_.w_projection) {
                store(f.hidden_ + g.place * f.layout_.padded + at, hidden);
            } else {
                leave_carried(hidden, at, g);
            }
        }

        void leave_carried(Vec<T> h, long at, const Going& g) {
            leave(f.cell_.carry_h(h, old_h(g, at), g.keep_h ? g.keep_h + at : nullptr, f.p_.P - at), at, g);
        }

        // The new h from output `at` on.
        void leave(Vec<T> h, long at, const Going& g) {
            const long count = std::max(0L, std::min(W, f.p_.P - at));
            store(g.y + at, h, count);
            if (f.cell_.sees_state()) store(g.h + at, h);
            if (!C::kPlain && g.dropped) store(g.dropped + at, h * load(g.drop_h + at, count), count);
        }

        // Once a step is done, of the rows [first, end): the cell states, if they are asked for, and the final state of
        // those that end with it, which are the last ones.
        void leave_states(long step, long first, long end) {
            const Problem<T>& p = f.p_;
            const long next = step + 1 < f.plan_.steps ? f.plan_.count(step + 1, part) : 0;
            const long on = std::max(first, next);
            for (long i = f.out_.cells ? first : on; C::kHasCell && i < end; ++i) {
                const Going& g = going[i];
                const auto copy = [&](T* to) { leave_range(first_panel * W, last_panel * W, g.c, p.H, to); };
                if (f.out_.cells) copy(f.out_.cells.at(time(step, g), g.b));
                if (i >= on) copy(f.out_.c + g.b * p.H);
            }
            for (long i = on; i < end; ++i) {
                leave_range(first_h * W, last_h * W, going[i].y, p.P, f.out_.h + going[i].b * p.P);
            }
        }

        static void leave_range(long begin, long end, const T* from, long size, T* to) {
            if (begin < std::min(end, size)) std::copy(from + begin, from + std::min(end, size), to + begin);
        }

        // The projection of all going rows, once their units are there.
        void project_hidden(long n) {
            const Problem<T>& p = f.p_;
            if (f.grid_.ranges > 1) f.team_.wait();
            const auto hidden = [&](long i) { return f.hidden_ + going[i].place * f.layout_.padded; };
            multiply_vectors<T>(first_h, last_h, 0, n, {1, p.H, 0, nullptr, f.packed_->projection()}, hidden,
                                [&](Vec<T> h, long v, long i) { leave_carried(h, v * W, going[i]); });
        }
    };

    const Problem<T>& p_;
    const Outputs<T>& out_;
    const C cell_;
    const Layout<C, T> layout_;
    const Grid grid_;
    const Plan plan_;
    Team team_;
    const Saved<T> saved_;
    std::optional<Packed<C, T>> to_pack_;
    const Packed<C, T>* packed_;
    T *sums_, *c_, *h_, *dropped_, *hidden_;
    // In parts. Of a step: the products with the old state (under layer norm that with h, and the others apart), what
    // is made and its product, what is kept; and i f o [3, B, padded] for the next one.
    T *products_, *others_, *made_, *late_, *kept_, *gates_;
    std::vector<std::vector<const T*>> rows_of_, inputs_of_;
    std::vector<std::vector<Going>> going_of_;
    long chunk_ = 0;
    bool joined_ = false, helps_ = false, shares_panels_ = false;
};

}  // namespace recurra::RECURRA_ISA
