// The gradients of all steps of one layer in one direction.
//
// Chunks of time are walked from the end. Within one: step by step the gradient of the sums, and from it that of the
// old h; then, for the chunk as a whole, the gradients of the weights and of the input as large products. Steps at
// which nothing arrives (a loss on the last step only, once its gradient has died away) are passed over. Where the team
// shares the rows, each part sums up its own gradients of the weights, and they are added at the end: what one core has
// written reaches another slowly.
#pragma once

#include "layout.h"
#include "memory.h"

namespace recurra::RECURRA_ISA {

template <class C, class T> class Backward {
public:
    Backward(const Problem<T>& problem, const Gradients<T>& gradients)
        : p_(problem),
          g_(gradients),
          cell_(problem),
          layout_(problem),
          grid_(saved_grid(gradients.saved)),
          plan_(problem.T_, problem.B, problem.lengths, grid_.parts),
          team_(grid_.members()),
          saved_(saved_of<C>(problem, gradients.saved)),
          live_(plan_.steps),
          streams_(layout_.factors.size()) {
        list_strips();
    }

    void run() {
        const long columns = layout_.columns(), state = p_.B * layout_.padded, state_h = p_.B * layout_.padded_h;
        const long parts = grid_.parts, members = grid_.members(), projected = p_.w_projection ? 1 : 0;
        const long apart = grid_.parts * kPage<T>;
        const bool normed = p_.variant.layer_norm;
        chunk_ = longest_chunk();
        direct_ = adds_directly();
        shares_panels_ = worth_sharing(p_, layout_.panels, grid_);
        std::vector<Piece<T>> pieces{
            {&dsums_, parts * columns * chunk_},
            {&dh_, state_h + apart},
            {&projection_, projected * p_.P * layout_.padded},
            {&dprojected_, projected * state_h},
            {&dhidden_, projected * state},
            {&dc_, C::kHasCell ? state + apart : 0},
            {&packed_, parts * strip_vectors_ * W * chunk_},
            {&dweights_, direct_ ? 0 : parts * size_of_dweights()},
            {&dbias_, parts * columns},
            {&dpeephole_, peepholes_wanted() ? 3 * layout_.padded * members : 0},
            {&dinput_sums_, normed ? parts * columns * chunk_ : 0},
            {&dother_sums_, others_apart() ? parts * columns * chunk_ : 0},
            {&dnorms_, normed ? kNorms * layout_.padded * members : 0},
            {&dinside_, C::kParts ? state : 0},
            {&dlate_, C::kParts ? state : 0},
            {&late_, layout_.late() ? p_.H * layout_.padded : 0},
            {&dmade_, layout_.late() ? state : 0},
            {&dgates_, p_.w_gates ? 3 * state : 0},
            {&partial_, normed ? p_.B * grid_.ranges * kPartial : 0},
        };
        for (long k = 0; k < layout_.early(); ++k) {
            const bool wanted = k > 0 || g_.dx;
            pieces.push_back({&streams_[k], wanted ? vectors_of(k) * W * columns : 0});
        }
        const Scratch scratch(pieces);
        if (!normed) dinput_sums_ = dsums_;
        if (!others_apart()) dother_sums_ = dsums_;
        chunk_rows_.resize(parts * chunk_);
        places_.resize(parts * chunk_ * layout_.factors.size());
        for (std::atomic<char>& live : live_) live = 0;
        going_of_.assign(members, std::vector<Going>(p_.B));
        run_team(grid_.members(), [this](int member) {
            const FlushDenormals flush(sizeof(T) == sizeof(float));
            Member{*this, member}.run();
        });
    }

private:
    static constexpr long W = kWidth<T>, kPanelWidth = 4 * W, kChunk = 256;
    static constexpr long kPiece = 64;  // rows
    static constexpr long kNorms = 14;  // i f g o of the gains over W x and U h, and of the bias; gain and bias of c
    static constexpr long kPartial = 64 / sizeof(T);  // sums of one row and one member under layer norm: a cache line

    static long vectors(long count) { return (count + W - 1) / W; }
    // Under layer norm those of the input and of U h are added up elsewhere.
    bool biases_wanted() const { return g_.db_cell || (!p_.variant.layer_norm && (g_.db_input || g_.db_recurrent)); }
    // Layer norm is of W x and U h: the gradients of the other products with the old state are those of the whole sums.
    bool others_apart() const { return p_.variant.layer_norm && layout_.factors.size() > 2; }
    long gates_apart() const { return p_.B * layout_.padded; }  // from one of i f o to the next
    // Of the operand of a product.
    long vectors_of(long k) const {
        const Operand operand = layout_.factors[k].operand;
        return operand == Operand::x ? vectors(p_.D) : (operand == Operand::h ? layout_.padded_h : layout_.padded) / W;
    }
    // Where the gradient of a factor's weights goes, or null.
    T* dweights_of(const Factor<T>& factor) const {
        switch (factor.operand) {
            case Operand::x: return g_.dw_input;
            case Operand::h: return g_.dw_recurrent;
            case Operand::cell: return g_.dw_cell;
            case Operand::made: return C::kLate == Late::recurrent ? g_.dw_recurrent : g_.dw_cell;
            default: return g_.dw_gates ? g_.dw_gates + p_.gate_rows[sum_of(factor.operand)] * p_.H : nullptr;
        }
    }
    // The gradients of its sums.
    T* dsums_of(const Factor<T>& factor) const {
        return factor.operand == Operand::x ? dinput_sums_ : factor.operand == Operand::h ? dsums_ : dother_sums_;
    }

    // Some vectors of the operand of a product that gives the gradient of its weights: as many as a tile is wide.
    struct Strip {
        long factor, first, vectors;
        long before;  // vectors of the strips before this one
    };
    void list_strips() {
        for (std::size_t k = 0; k < layout_.factors.size(); ++k) {
            const Factor<T>& factor = layout_.factors[k];
            for_vectors(0, dweights_of(factor) ? vectors(factor.width) : 0, [&](long first, long some) {
                strips_.push_back({static_cast<long>(k), first, some, strip_vectors_});
                strip_vectors_ += some;
            });
        }
    }
    // Where the sums [4 W, vectors W] of a panel with a strip begin.
    long sums_of(long panel, const Strip& strip) const {
        return (panel * strip_vectors_ + strip.before) * W * kPanelWidth;
    }
    long size_of_dweights() const { return strip_vectors_ * W * layout_.columns(); }
    // All steps in one chunk, of one part, and nothing but whole vectors: then the tiles of the weights' gradients are
    // written where the caller wants them, once.
    bool adds_directly() const {
        bool whole = grid_.parts == 1 && plan_.steps > 0 && chunk_before(plan_.steps) == 0 && p_.H % W == 0;
        for (const Factor<T>& factor : layout_.factors) whole &= factor.width % W == 0;
        return whole;
    }
    bool peepholes_wanted() const { return g_.dpeephole_i || g_.dpeephole_f || g_.dpeephole_o; }

    long chunk_before(long to) const { return plan_.backward_until(to, kChunk * grid_.parts); }

    // Rows of one part in the longest chunk.
    long longest_chunk() const {
        long longest = 0;
        for (long to = plan_.steps; to > 0;) {
            const long from = chunk_before(to);
            for (int part = 0; part < grid_.parts; ++part) longest = std::max(longest, plan_.count(from, to, part));
            to = from;
        }
        return longest;
    }

    // One real step of one row, for the products over a chunk.
    struct Row {
        T* dx;
        long b;
    };
    // Its part in one of them: vectors of the operand, so far apart.
    struct Place {
        const T* first;
        long apart;
    };

    // One row: what stays with it and is carried from later steps; and what arrives at a step, and where the rest lies.
    struct Going {
        long place, b, length;
        T *dh, *dc;
        const T *dy, *dcells;        // null for none
        const T *h, *old_h, *c0;     // c0: at the first step only
        Saved<T> saved, before;      // of the first panel, at this step and at the one before
        const T *keep_h, *keep_c;
        T *dprojected, *hidden;
    };

    // The steps [from, to), with the part's rows at all of them.
    struct Chunk {
        long from, to, rows;
        bool live;  // whether any gradient reached the sums
    };

    struct Member {
        Backward& f;
        const int me, part, range;
        const long first_panel, last_panel;
        const long first_h, last_h;  // vectors of what goes out
        // The part's own: parts do not wait for each other from the first step to the last.
        const long sums0;  // where the gradients of its sums begin
        Row* const rows;
        Place* const places;
        T *const packed, *const dweights, *const dbias;
        T* const dpeephole;
        std::vector<Going>& going;
        long saved_panel = 0, before_panel = 0;  // elements that are saved for one panel at a step, at the one before
        bool carried = true;                     // whether any gradient may come from the later steps
        bool anew = true;                        // whether nothing has been added to the gradients of the weights yet
        Chunk chunk{};

        Member(Backward& backward, int member)
            : f(backward),
              me(member),
              part(f.grid_.part(member)),
              range(f.grid_.range(member)),
              first_panel(share(f.layout_.panels, range, f.grid_.ranges)),
              last_panel(share(f.layout_.panels, range + 1, f.grid_.ranges)),
              first_h(f.layout_.first_output(range, f.grid_.ranges)),
              last_h(f.layout_.first_output(range + 1, f.grid_.ranges)),
              sums0(part * f.chunk_ * f.layout_.columns()),
              rows(f.chunk_rows_.data() + part * f.chunk_),
              places(f.places_.data() + part * f.chunk_ * f.layout_.factors.size()),
              packed(f.packed_ + part * f.chunk_ * f.strip_vectors_ * W),
              dweights(f.dweights_ + part * f.size_of_dweights()),
              dbias(f.dbias_ + part * f.layout_.columns()),
              dpeephole(f.peepholes_wanted() ? f.dpeephole_ + member * 3 * f.layout_.padded : nullptr),
              going(f.going_of_[member]) {}

        // Shares of what the whole team does, and of what the members of a part do.
        long mine(long count) const { return share(count, me, f.grid_.members()); }
        long mine_end(long count) const { return share(count, me + 1, f.grid_.members()); }
        long of_part(long count) const { return share(count, range, f.grid_.ranges); }
        long of_part_end(long count) const { return share(count, range + 1, f.grid_.ranges); }
        void wait_for_part() const {
            if (f.grid_.ranges > 1) f.team_.wait();
        }

        void run() {
            begin();
            f.team_.wait();
            for (long to = f.plan_.steps; to > 0;) {
                const long from = f.chunk_before(to);
                chunk = {from, to, f.plan_.count(from, to, part), false};
                for (long step = to - 1; step >= from; --step) step_back(step);
                wait_for_part();
                products();
                wait_for_part();
                to = from;
            }
            finish();
        }

        void begin() {
            const Problem<T>& p = f.p_;
            const long padded = f.layout_.padded;
            for (long k = f.g_.dx ? 0 : 1; k < f.layout_.early(); ++k) {
                const long count = f.vectors_of(k);
                f.layout_.pack_streams(f.layout_.factors[k], mine(count), mine_end(count), f.streams_[k]);
            }
            if (p.w_projection) pack_columns(p.w_projection, p.P, f.projection_);
            if (const Factor<T>* late = f.layout_.late()) {
                pack_columns(late->weights + late->rows[3] * p.H * late->stride, p.H, f.late_);
            }
            std::fill_n(dbias + first_panel * kPanelWidth, (last_panel - first_panel) * kPanelWidth, T(0));
            if (dpeephole) std::fill_n(dpeephole, 3 * padded, T(0));
            if (p.variant.layer_norm) std::fill_n(dnorms(), kNorms * padded, T(0));
            for (long place = f.plan_.begin(part); place < f.plan_.begin(part + 1); ++place) {
                const long b = f.plan_.row(place);
                Going& row = going[place - f.plan_.begin(part)];
                row.place = place, row.b = b, row.length = f.plan_.length(place);
                row.dh = f.dh_ + part * kPage<T> + place * f.layout_.padded_h;
                row.dc = f.dc_ + part * kPage<T> + place * padded;
                for (long at = first_h * W; at < last_h * W; at += W) {
                    const long count = std::max(0L, std::min(W, p.P - at));
                    store(row.dh + at, f.g_.dh ? load(f.g_.dh + b * p.P + at, count) : Vec<T>{});
                }
                for (long at = first_panel * W; C::kHasCell && at < last_panel * W; at += W) {
                    const long count = std::min(W, p.H - at);
                    store(row.dc + at, f.g_.dc ? load(f.g_.dc + b * p.H + at, count) : Vec<T>{});
                }
                if (p.w_gates) begin_gates(place, b);
                if (f.g_.dx && range == 0) {
                    for (long t = f.plan_.length(place); t < p.T_; ++t) std::fill_n(f.g_.dx.at(t, b), p.D, T(0));
                }
            }
        }

        // weights [rows, H] -> [vector of columns][rows][W]
        void pack_columns(const T* weights, long rows, T* to) const {
            const long H = f.p_.H, vectors = f.layout_.padded / W;
            for_vectors(mine(vectors), mine_end(vectors), [&](long v, long some) {
                for (long k = 0; k < rows; ++k) {
                    for (long n = 0; n < some; ++n) {
                        const long at = (v + n) * W;
                        store(to + (at / W * rows + k) * W, load(weights + k * H + at, H - at));
                    }
                }
            });
        }

        // The number in the chunk of the first row at a step.
        long row_at(long step) const { return f.plan_.count(chunk.from, step, part); }

        void step_back(long step) {
            const long n = f.plan_.count(step, part);
            // Members that wait for each other within a step must all take it.
            const bool together = (C::kParts || f.p_.w_projection) && f.grid_.ranges > 1;
            const bool arrives = together || (n > 0 && (carried || begins(step, n) || arrives_at(step, n)));
            bool live = false;
            if (arrives) {
                live = apply(step);
            } else {
                clear(step, n);
            }
            if (f.grid_.ranges > 1) {
                if (live) f.live_[step].store(1, std::memory_order_relaxed);
                wait_for_part();
                live = f.live_[step].load(std::memory_order_relaxed);
            }
            if (live) {
                to_the_old_state(step, n);
                carried = chunk.live = true;
            } else if (arrives) {
                carried = settle(n);
            }
        }

        void clear(long step, long n) {
            for (long panel = first_panel; panel < last_panel; ++panel) {
                const long at = sums_at(step, panel);
                std::fill_n(f.dsums_ + at, n * kPanelWidth, T(0));
                if (f.dinput_sums_ != f.dsums_) std::fill_n(f.dinput_sums_ + at, n * kPanelWidth, T(0));
                if (f.dother_sums_ != f.dsums_) std::fill_n(f.dother_sums_ + at, n * kPanelWidth, T(0));
            }
        }

        // Where the gradients of the sums of the part's rows begin.
        long sums_at(long step, long panel) const {
            return sums0 + (panel * chunk.rows + row_at(step)) * kPanelWidth;
        }

        // Rows whose last step this is bring the gradient of their final state.
        bool begins(long step, long n) const {
            const long last = f.plan_.begin(part) + n - 1;
            return (f.g_.dh || f.g_.dc || f.g_.dgates) && f.plan_.length(last) == step + 1;
        }

        static bool any_of(const T* values, long begin, long end) {
            Int<T> seen{};
            for (long k = begin; k < end; k += W) seen |= vec_to_bits<T>(load(values + k, std::min(W, end - k)));
            return any_nonzero<T>(seen);
        }

        bool arrives_at(long step, long n) const {
            const Problem<T>& p = f.p_;
            for (long i = 0; i < n; ++i) {
                const long b = going[i].b, t = time(step, going[i]);
                if (f.g_.dy && any_of(f.g_.dy.at(t, b), first_h * W, std::min(p.P, last_h * W))) return true;
                if (!f.g_.dcells) continue;
                if (any_of(f.g_.dcells.at(t, b), first_panel * W, std::min(p.H, last_panel * W))) return true;
            }
            return false;
        }

        // Nothing reached the sums, so nothing the last gates; what is left in the other carried gradients may be a
        // cell's, beyond closed gates.
        bool settle(long n) {
            bool left = false;
            for (long i = 0; i < n; ++i) {
                const Going& row = going[i];
                if (!f.cell_.sees_state()) std::fill(row.dh + first_h * W, row.dh + last_h * W, T(0));
                for (long k = first_h * W; k < last_h * W; ++k) left |= row.dh[k] != 0;
                for (long k = first_panel * W; C::kHasCell && k < last_panel * W; ++k) left |= row.dc[k] != 0;
                for (int k = 0; f.p_.w_gates && k < 3; ++k) {
                    T* dgates = f.dgates_ + k * f.gates_apart() + row.place * f.layout_.padded;
                    std::fill(dgates + first_panel * W, dgates + last_panel * W, T(0));
                }
            }
            return left;
        }

        // What forward left of one panel of row i.
        Saved<T> saved(long step, long panel, long i) const {
            return f.saved_.behind(saved_at(f.plan_, f.layout_, f.cell_.saved(), step, part, panel, i));
        }

        // The rows that go on at a step: how many, and where each has its own.
        long list(long step) {
            const long n = f.plan_.count(step, part), of_panel = f.cell_.saved() * W;
            const Saved<T> here = saved(step, 0, 0), before = step > 0 ? saved(step - 1, 0, 0) : here;
            for (long i = 0; i < n; ++i) {
                Going& row = going[i];
                const long t = time(step, row);
                if (f.g_.dy) row.dy = f.g_.dy.at(t, row.b);
                row.saved = here.behind(i * of_panel), row.before = before.behind(i * of_panel);
                if constexpr (C::kHasCell) {
                    if (f.g_.dcells) row.dcells = f.g_.dcells.at(t, row.b);
                    if (step == 0) row.c0 = f.p_.c0 + row.b * f.p_.H;
                } else {
                    row.h = f.g_.y.at(t, row.b);
                    row.old_h = step > 0 ? f.g_.y.at(time(step - 1, row), row.b) : f.p_.h0 + row.b * f.p_.H;
                }
                if constexpr (!C::kPlain) list_variant(step, t, row);
            }
            saved_panel = n * of_panel;
            before_panel = step > 0 ? f.plan_.count(step - 1, part) * of_panel : 0;
            return n;
        }

        long time(long step, const Going& row) const { return f.p_.reverse ? row.length - 1 - step : step; }

        void list_variant(long step, long t, Going& row) {
            const Variant<T>& v = f.p_.variant;
            if (f.g_.hidden) row.hidden = f.g_.hidden.at(t, row.b);
            if (f.g_.dprojected) row.dprojected = f.g_.dprojected.at(t, row.b);
            if (v.keep_h) row.keep_h = v.keep_h.at(step, row.b);
            if (v.keep_c) row.keep_c = v.keep_c.at(step, row.b);
        }

        // The units of one panel in a row.
        Unit<T> unit_of(const Going& g, long panel) const {
            Unit<T> u;
            u.at = f.layout_.unit(panel, 0);
            u.count = std::min(W, f.p_.H - u.at);
            u.c = g.dc + u.at;
            if (C::kHasCell) {
                u.c_before = g.c0 ? load(g.c0 + u.at, u.count) : g.before.behind(panel * before_panel).get(4);
            }
            if (g.saved) u.saved = g.saved.behind(panel * saved_panel);
            if (!C::kPlain && g.keep_c) u.keep_c = g.keep_c + u.at;
            return u;
        }

        // The gradient of the sums of all rows at a step. Tells whether any of it is not zero.
        bool apply(long step) {
            const long n = list(step);
            if constexpr (C::kHasCell) {
                if (!C::kPlain && f.p_.w_projection) through_projection(n);
            }
            if constexpr (C::kParts) {
                return apply_in_parts(step);
            } else {
                Int<T> seen{};
                for (long panel = first_panel; panel < last_panel; ++panel) {
                    T* to = f.dsums_ + sums_at(step, panel);
                    for (long i = 0; i < n; ++i, to += kPanelWidth) {
                        Vec<T> da[4];
                        apply(going[i], panel, da);
                        for (int j = 0; j < 4; ++j) {
                            store(to + j * W, da[j]);
                            seen |= vec_to_bits<T>(da[j]);
                        }
                    }
                }
                return any_nonzero<T>(seen);
            }
        }

        // One row, the units of one panel: the gradient of their sums.
        void apply(const Going& g, long panel, Vec<T> (&da)[4]) {
            const Unit<T> u = unit_of(g, panel);
            if constexpr (C::kHasCell) {
                if (g.dcells) store(u.c, load(u.c) + load(g.dcells + u.at, u.count));
                if (!C::kPlain && g.hidden) {
                    store(g.hidden + u.at, u.saved.get(3) * f.cell_.squash(f.cell_.saved_c(u)), u.count);
                }
                T* const peephole = !C::kPlain && dpeephole ? dpeephole + u.at : nullptr;
                f.cell_.backward(arriving(u, g), u, da, peephole, f.layout_.padded);
            } else {
                Vec<T> dh[C::kUnits], old[C::kUnits], h[C::kUnits], direct[C::kUnits];
                for (int j = 0; j < C::kUnits; ++j) {
                    const long at = f.layout_.unit(panel, j), count = std::max(0L, std::min(W, f.p_.H - at));
                    dh[j] = load(g.dh + at);
                    if (g.dy) dh[j] += load(g.dy + at, count);
                    h[j] = load(g.h + at, count);
                    old[j] = load(g.old_h + at, count);
                }
                f.cell_.backward(dh, old, h, u, da, direct);
                for (int j = 0; f.cell_.sees_state() && j < C::kUnits; ++j) {
                    store(g.dh + f.layout_.unit(panel, j), direct[j]);
                }
            }
        }

        // The gradient of what the units of a panel make; what goes straight to the old h stays with the row.
        Vec<T> arriving(const Unit<T>& u, const Going& g) {
            if (!C::kPlain && f.p_.w_projection) return load(f.dhidden_ + g.place * f.layout_.padded + u.at);
            return split(u.at, g);
        }

        Vec<T> split(long at, const Going& g) {
            const long count = std::max(0L, std::min(W, f.p_.P - at));
            Vec<T> dh = load(g.dh + at);
            if (g.dy) dh += load(g.dy + at, count);
            const Vec<T> direct = f.cell_.split_dh(dh, g.keep_h ? g.keep_h + at : nullptr, count);
            if (f.cell_.sees_state()) store(g.dh + at, direct);
            return dh;
        }

        // With projection: back through it, for all rows of a step.
        void through_projection(long n) {
            const Problem<T>& p = f.p_;
            const long place0 = f.plan_.begin(part), padded_h = f.layout_.padded_h;
            for (long i = 0; i < n; ++i) {
                const Going& g = going[i];
                for (long at = first_h * W; at < last_h * W; at += W) {
                    const Vec<T> dh = split(at, g);
                    store(f.dprojected_ + g.place * padded_h + at, dh);
                    if (g.dprojected) store(g.dprojected + at, dh, p.P - at);
                }
            }
            wait_for_part();
            multiply_vectors<T>(
                first_panel, last_panel, place0, place0 + n, {1, p.P, 0, nullptr, f.projection_},
                [&](long place) { return f.dprojected_ + place * padded_h; },
                [&](Vec<T> dh, long v, long place) { store(f.dhidden_ + place * f.layout_.padded + v * W, dh); });
        }

        T* dnorms() const { return f.dnorms_ + me * kNorms * f.layout_.padded; }
        T* partial(long place, int of_range) const {
            return f.partial_ + (place * f.grid_.ranges + of_range) * kPartial;
        }
        // Steps in parts: backward_parts.h.
        class Norms;
        struct RowSums {  // where the gradients of a row's sums lie
            long first, apart;
            long of(long panel) const { return first + panel * apart; }
        };
        bool apply_in_parts(long step);
        void close_row(long step, long i, const RowSums& sums);
        void multiply_late(long n);
        bool open_row(long step, long i, const RowSums& sums);
        void through_norms(long step, long i, const RowSums& sums);
        Unit<T> unit_in_parts(const Going& g, long panel) const;
        void begin_gates(long place, long b);
        void finish_gates(long place, long b) const;

        // The gradients of the old state: through its products, and directly.
        void to_the_old_state(long step, long n) {
            const long row0 = row_at(step);
            const auto through_h = [&](long first, long last) {
                through(1, step, first, last, row0, row0 + n, [&](Vec<T> dh, long v, long row) {
                    const Going& g = going[row - row0];
                    const long at = v * W;
                    if (const auto& mask = f.p_.variant.drop_h) {
                        dh *= load(mask.at(0, g.b) + at, std::max(0L, std::min(W, f.p_.P - at)));
                    }
                    if (f.cell_.sees_state()) dh += load(g.dh + at);
                    store(g.dh + at, dh);
                });
            };
            if (f.shares_panels_) {
                const long groups = (last_h - first_h + kPanel - 1) / kPanel;
                f.team_.share(me, groups, [&](long k) {
                    const long first = first_h + kPanel * (step % 2 ? groups - 1 - k : k);
                    through_h(first, std::min(first + kPanel, last_h));
                });
                f.team_.wait();
            } else {
                through_h(first_h, last_h);
            }
            for (long k = 2; k < f.layout_.early(); ++k) {
                const Operand operand = f.layout_.factors[k].operand;
                through(k, step, first_panel, last_panel, row0, row0 + n, [&](Vec<T> sum, long v, long row) {
                    const Going& g = going[row - row0];
                    const long at = v * W;
                    if (operand == Operand::cell) return store(g.dc + at, load(g.dc + at) + sum);
                    store(f.dgates_ + number_of(operand) * f.gates_apart() + g.place * f.layout_.padded + at, sum);
                });
            }
        }

        // Through a product, from the sums of the chunk's rows [begin, end): leave(gradient, vector, row), of the
        // operand.
        template <class Leave>
        void through(long k, long turn, long first, long last, long begin, long end, Leave&& leave) const {
            const T* dsums = f.dsums_of(f.layout_.factors[k]) + sums0;
            const Blocked<T> of{f.layout_.panels, kPanelWidth, chunk.rows * kPanelWidth, nullptr, f.streams_[k]};
            const auto at = [&](long row) { return dsums + row * kPanelWidth; };
            multiply_vectors<T>(first, last, begin, end, of, at, leave, turn);
        }

        // The products over the chunk: dx, and what it adds to the gradients of the weights.
        void products() {
            if (range == 0) list_rows();
            if (!chunk.live) return;
            wait_for_part();
            pack_rows();
            if (f.g_.dx) input_gradient();
            wait_for_part();
            if (f.biases_wanted()) bias_gradient();
            weight_gradient();
        }

        // Where the rows have theirs for these products. Nothing is left of a chunk that is not live.
        void list_rows() {
            const Problem<T>& p = f.p_;
            const long factors = f.layout_.factors.size();
            for (long step = chunk.from, row = 0; step < chunk.to; ++step) {
                for (long i = 0, n = f.plan_.count(step, part); i < n; ++i, ++row) {
                    const long b = going[i].b;
                    T* const dx = f.g_.dx ? f.g_.dx.at(time(step, going[i]), b) : nullptr;
                    if (!chunk.live && dx) std::fill_n(dx, p.D, T(0));
                    rows[row] = {dx, b};
                    for (long k = 0; k < factors; ++k) {
                        places[row * factors + k] = place_of(f.layout_.factors[k], step, i);
                    }
                }
            }
        }

        // Where the operand of a product lies: with the caller, or among what forward saved at this step or the last.
        Place place_of(const Factor<T>& factor, long step, long i) const {
            const Problem<T>& p = f.p_;
            const Operand operand = factor.operand;
            const Going& g = going[i];
            const long b = g.b;
            if (operand == Operand::x) return {p.x.at(time(step, g), b), W};
            if (operand == Operand::h && step == 0) return {p.h0 + b * p.P, W};
            if (operand == Operand::h) return {f.g_.y.at(time(step - 1, g), b), W};
            if constexpr (C::kParts) {
                if (operand == Operand::made) return saved_place(step, i, f.cell_.made());
            }
            if (operand == Operand::cell) return step > 0 ? saved_place(step - 1, i, 4) : Place{p.c0 + b * p.H, W};
            if (step > 0) return saved_place(step - 1, i, sum_of(operand));
            return {p.gates0 + b * factor.stride + p.gate_rows[sum_of(operand)] * p.H, W};
        }

        Place saved_place(long step, long i, long vector) const {
            const long vectors = f.cell_.saved();
            const T* first = reinterpret_cast<const T*>(saved(step, 0, i).data);
            return {first + vector * W, f.plan_.count(step, part) * vectors * W};
        }

        // The operands of all rows in strips [row][vectors of the strip][W], as the sums over rows read them.
        void pack_rows() {
            const long factors = f.layout_.factors.size(), strips = f.strips_.size();
            for (long k = of_part(strips); k < of_part_end(strips); ++k) {
                const Strip& strip = f.strips_[k];
                const Factor<T>& factor = f.layout_.factors[strip.factor];
                const auto& mask = f.p_.variant.drop_h;
                const bool drops = mask && factor.operand == Operand::h;
                T* to = packed + strip.before * W * chunk.rows;
                for (long row = 0; row < chunk.rows; ++row) {
                    const Place& place = places[row * factors + strip.factor];
                    for (long v = strip.first; v < strip.first + strip.vectors; ++v, to += W) {
                        const long count = std::min(W, factor.width - v * W);
                        Vec<T> values = load(place.first + v * place.apart, count);
                        if (drops) values *= load(mask.at(0, rows[row].b) + v * W, count);
                        store(to, values);
                    }
                }
            }
        }

        void input_gradient() {
            const long D = f.p_.D, first = of_part(chunk.rows), n = of_part_end(chunk.rows) - first;
            const long pieces = std::max(1L, n / kPiece);
            f.team_.share(me, pieces, [&](long piece) {
                through(0, 0, 0, vectors(D), first + share(n, piece, pieces), first + share(n, piece + 1, pieces),
                        [&](Vec<T> dx, long v, long row) { store(rows[row].dx + v * W, dx, D - v * W); });
            });
        }

        // Some rows and some panels at a time: the rows of a strip stay in the nearest cache from one tile to the next,
        // and the strips, which may be more than a cache holds, are read less often.
        void weight_gradient() {
            constexpr long kSomePanels = 4, kSomeVectors = 512;
            const long panels = last_panel - first_panel, somes = (panels + kSomePanels - 1) / kSomePanels;
            const long groups = f.team_.waiting() ? panels : somes;
            f.team_.share(me, groups, [&](long group) {
                const long first = first_panel + share(panels, group, groups);
                const long end = first_panel + share(panels, group + 1, groups);
                for (const Strip& strip : f.strips_) {
                    const long some = kSomeVectors / strip.vectors;
                    for (long row = 0; row < chunk.rows; row += some) {
                        for (long panel = first; panel < end; ++panel) {
                            add_product(strip, panel, row, std::min(chunk.rows, row + some));
                        }
                    }
                }
            });
            anew = false;
        }

        void bias_gradient() {
            for (long panel = first_panel; panel < last_panel; ++panel) {
                const T* dsums = f.dother_sums_ + sums0 + panel * chunk.rows * kPanelWidth;
                for (int j = 0; j < 4; ++j) {
                    T* const to = dbias + panel * kPanelWidth + j * W;
                    Vec<T> sum = load(to);
                    for (long row = 0; row < chunk.rows; ++row) sum += load(dsums + row * kPanelWidth + j * W);
                    store(to, sum);
                }
            }
        }

        // What the rows [begin, end) add to the gradients of a panel's weights for a strip, where there are weights.
        void add_product(const Strip& strip, long panel, long begin, long end) const {
            const Factor<T>& factor = f.layout_.factors[strip.factor];
            const T* const dsums = f.dsums_of(factor) + sums0 + (panel * chunk.rows + begin) * kPanelWidth;
            const T* const operands = packed + (strip.before * chunk.rows + begin * strip.vectors) * W;
            for (int j = 0; j < 4; ++j) {
                long count;
                const long row = f.layout_.weight_row(factor.rows, panel, j, &count);
                if (row < 0) continue;
                const long width = strip.vectors * W;
                T* const there = f.direct_ ? f.dweights_of(factor) + row * factor.stride + strip.first * W
                                           : dweights + f.sums_of(panel, strip) + j * W * width;
                add_sum<T>(W, strip.vectors, {there, f.direct_ ? factor.stride : width, anew && begin == 0},
                           end - begin, dsums + j * W, kPanelWidth, operands);
            }
        }

        // From the scratch to the caller's tensors.
        void finish() {
            const Problem<T>& p = f.p_;
            for (long place = f.plan_.begin(part); place < f.plan_.begin(part + 1); ++place) {
                const Going& row = going[place - f.plan_.begin(part)];
                for (long at = first_h * W; f.g_.dh0 && at < std::min(p.P, last_h * W); at += W) {
                    store(f.g_.dh0 + row.b * p.P + at, load(row.dh + at), p.P - at);
                }
                const long end = C::kHasCell && f.g_.dc0 ? std::min(p.H, last_panel * W) : 0;
                for (long at = first_panel * W; at < end; at += W) {
                    store(f.g_.dc0 + row.b * p.H + at, load(row.dc + at), p.H - at);
                }
                if (f.g_.dgates0) finish_gates(place, row.b);
            }
            const long of_panel = f.strip_vectors_ * W * kPanelWidth;
            if (anew && !f.direct_) {
                std::fill_n(dweights + first_panel * of_panel, (last_panel - first_panel) * of_panel, T(0));
            }
            f.team_.wait();
            for (long panel = mine(f.layout_.panels); panel < mine_end(f.layout_.panels); ++panel) {
                add_parts(f.dweights_ + panel * of_panel, of_panel, f.size_of_dweights());
                add_parts(f.dbias_ + panel * kPanelWidth, kPanelWidth, f.layout_.columns());
                for (int j = 0; j < 4; ++j) {
                    long count;
                    const long input = f.layout_.weight_row(p.input_rows, panel, j, &count);
                    const long recurrent = f.layout_.weight_row(p.recurrent_rows, panel, j, &count);
                    const long cell = f.layout_.weight_row(p.cell_rows, panel, j, &count);
                    const T* sum = f.dbias_ + panel * kPanelWidth + j * W;
                    const bool sums = !p.variant.layer_norm;  // whether they are those of these biases
                    if (sums && f.g_.db_input && input >= 0) std::copy_n(sum, count, f.g_.db_input + input);
                    if (sums && f.g_.db_recurrent && recurrent >= 0) {
                        std::copy_n(sum, count, f.g_.db_recurrent + recurrent);
                    }
                    if (f.g_.db_cell && cell >= 0) std::copy_n(sum, count, f.g_.db_cell + cell);
                    for (const Strip& strip : f.strips_) {
                        const Factor<T>& factor = f.layout_.factors[strip.factor];
                        const long row = f.layout_.weight_row(factor.rows, panel, j, &count);
                        const long at = strip.first * W, width = std::min(strip.vectors * W, factor.width - at);
                        const T* from = f.dweights_ + f.sums_of(panel, strip) + j * W * strip.vectors * W;
                        for (long w = 0; row >= 0 && w < count; ++w, from += strip.vectors * W) {
                            T* const to = f.dweights_of(factor) + (row + w) * factor.stride + at;
                            if (!f.direct_) std::copy_n(from, width, to);
                            if (f.direct_ && anew) std::fill_n(to, width, T(0));
                        }
                    }
                }
            }
            if (dpeephole) {
                T* const results[3] = {f.g_.dpeephole_i, f.g_.dpeephole_f, f.g_.dpeephole_o};
                add_members(f.dpeephole_, results);
            }
            if (p.variant.layer_norm) finish_norms();
        }

        // sums [parts, ·], so far `apart`: those of all parts go into the first one's.
        void add_parts(T* sums, long count, long apart) const {
            for (int other = 1; other < f.grid_.parts; ++other) {
                for (long k = 0; k < count; k += W) store(sums + k, load(sums + k) + load(sums + other * apart + k));
            }
        }

        void finish_norms() const {
            const Gradients<T>& g = f.g_;
            for (T* const of_bias : {g.db_input, g.db_recurrent}) {  // they are added up: the same gradient
                T* const of_rows[3] = {g.dnorm_input, g.dnorm_recurrent, of_bias};
                T* results[kNorms] = {};
                for (int k = 0; k < 12; ++k) {
                    const int block = f.p_.recurrent_rows[k % 4];
                    if (of_rows[k / 4] && block >= 0) results[k] = of_rows[k / 4] + block * f.p_.H;
                }
                results[12] = g.dnorm_cell, results[13] = g.dnorm_cell_bias;
                add_members(f.dnorms_, results);
            }
        }

        // Every member has summed up [N, padded] over its rows and units.
        template <int N> void add_members(const T* sums, T* const (&results)[N]) const {
            for (int k = me; k < N; k += f.grid_.members()) {
                for (long unit = 0; results[k] && unit < f.p_.H; ++unit) {
                    T sum = 0;
                    for (int m = 0; m < f.grid_.members(); ++m) sum += sums[(m * N + k) * f.layout_.padded + unit];
                    results[k][unit] = sum;
                }
            }
        }
    };

    const Problem<T>& p_;
    const Gradients<T>& g_;
    const C cell_;
    const Layout<C, T> layout_;
    const Grid grid_;
    const Plan plan_;
    Team team_;
    const Saved<T> saved_;
    std::vector<std::atomic<char>> live_;
    std::vector<Row> chunk_rows_;
    std::vector<Place> places_;  // [row of the chunk][factor]
    std::vector<std::vector<Going>> going_of_;
    std::vector<T*> streams_;  // the weights of each factor
    std::vector<Strip> strips_;
    long strip_vectors_ = 0;  // of all of them
    long chunk_ = 0;  // rows of one part
    bool direct_ = false;  // adds_directly()
    bool shares_panels_ = false;
    T *dsums_, *dh_, *dc_, *packed_, *dweights_, *dbias_, *dpeephole_;
    T *projection_, *dprojected_, *dhidden_;  // with projection: its weights, and gradients at a step
    T *dinput_sums_, *dother_sums_;  // of W x and of the whole sums; without layer norm, the same as of U h
    // In parts: of a step, the gradients of what h is made of, of the last sum, and of what is made; the weights of its
    // product; the gradients of i f o, [3, B, padded].
    T *dinside_, *dlate_, *dmade_, *late_, *dgates_;
    // Under layer norm: sums [member, kNorms, padded] for the gradients of its gains and biases; each row's and
    // member's share of the means.
    T *dnorms_, *partial_;
};

}  // namespace recurra::RECURRA_ISA
