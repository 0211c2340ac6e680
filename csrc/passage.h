// Layers one upon the other, each with its directions side by side, over whole sequences: one call for all of them.
#pragma once

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <vector>

#include "given.h"
#include "memory.h"
#include "threads.h"

namespace recurra {

// What differs from call to call. The parts of the states are [layers and directions, B, ·].
struct Ends {
    long T, B;
    int threads;
    Address lengths;
    Triple x, before;             // before: h, c and the gates; 0 for what the cell has not, and all of them for zeros
    std::vector<Masks> masks;     // of each layer and direction; empty for none
    std::vector<Triple> dropout;  // masks of what each layer but the first reads; empty for none
};

// What forward leaves for backward: what each layer but the last puts out; where that is dropped, what the next one
// reads; and what each layer and direction saves.
struct Trail {
    Trail() = default;
    Trail(const Trail&) = delete;
    std::vector<std::unique_ptr<Block>> between, dropped, saved;
};

// The memory of a weight.
struct Span {
    Address begin;
    std::size_t bytes;
};

template <class T> class Layers {
public:
    // What is given says where the weights lie, parts of which are in `weights`.
    Layers(const Operator& op, const std::vector<Given>& given, int directions, const std::vector<Span>& weights)
        : op_(op), given_(given), directions_(directions), last_(static_cast<long>(given.size()) / directions - 1) {
        for (const Given& one : given_) {
            runs_.push_back(kernels<T>().inference(problem<T>(op_, one)));
            parts_.push_back(parts_of(one, weights));
        }
    }

    // Without gradients and masks: the weights stay packed from call to call.
    void run(const Ends& ends, const Triple& y, const Triple& cells, const Triple& after) const {
        const std::size_t bytes = last_ > 0 ? between(ends) : 0;
        const Block even(bytes), odd(bytes), zeros(bytes_of_zeros(ends));
        const auto writes = [&](long layer) {
            return layer == last_ ? y : dense(ends, layer % 2 ? odd : even, width());
        };
        const auto reads = [&](long layer) { return layer == 0 ? ends.x : writes(layer - 1); };
        walk(ends, zeros, reads, writes, cells, after,
             [&](std::size_t k, const Problem<T>& p, const Outputs<T>& out) { runs_[k]->run(p, out); });
    }

    std::unique_ptr<Trail> train(const Ends& ends, const Triple& y, const Triple& after) const {
        auto trail = std::make_unique<Trail>();
        for (long layer = 0; layer < last_; ++layer) {
            trail->between.push_back(std::make_unique<Block>(between(ends)));
            if (!ends.dropout.empty()) trail->dropped.push_back(std::make_unique<Block>(between(ends)));
        }
        const Block zeros(bytes_of_zeros(ends));
        const auto writes = [&](long layer) { return layer == last_ ? y : written(ends, *trail, layer); };
        const auto reads = [&](long layer) { return read(ends, *trail, layer); };
        walk(ends, zeros, reads, writes, Triple{}, after, [&](std::size_t k, const Problem<T>& p, Outputs<T> out) {
            trail->saved.push_back(std::make_unique<Block>(kernels<T>().saved(p)));
            out.saved = trail->saved.back()->data();
            kernels<T>().forward(p, out);
            const long layer = static_cast<long>(k) / directions_;
            if (layer < last_ && (k + 1) % directions_ == 0) drop(ends, layer + 1, writes(layer), reads(layer + 1));
        });
        return trail;
    }

    // The gradients of x, of the states before and of each of the weights; 0 for those that are not wanted, or do not
    // arrive.
    void back(const Ends& ends, const Trail& trail, const Triple& y, const Triple& dy, const Triple& dafter,
              const Triple& dx, const Triple& dbefore, const std::vector<Address>& dweights) const {
        const bool both = directions_ > 1;
        const std::size_t bytes = last_ > 0 ? between(ends) : 0;
        const std::size_t of_x = ends.T * ends.B * given_[0].sizes[2] * sizeof(T);
        const Block even(bytes), odd(bytes), second(both ? std::max(bytes, dx[0] ? of_x : 0) : 0);
        const Block zeros(bytes_of_zeros(ends));
        const auto gradient = [&](long layer) { return dense(ends, layer % 2 ? odd : even, width()); };
        for (long layer = last_; layer >= 0; --layer) {
            const long D = given_[layer * directions_].sizes[2];
            const Triple out = layer == last_ ? y : written(ends, trail, layer);
            const Triple dout = layer == last_ ? dy : gradient(layer), din = layer == 0 ? dx : gradient(layer - 1);
            for (int direction = 0; direction < directions_; ++direction) {
                const std::size_t k = layer * directions_ + direction;
                const Triple of_second = din[0] ? dense(ends, second, D) : Triple{};
                const Triple dh = of_layer(ends, dbefore, k);
                Written write{dh[0], dh[1]};
                for (std::size_t n = 0; n < kParts; ++n) write[2 + n] = parts_[k][n].in(dweights);
                write[2 + kParts] = dh[2];
                const Triple own = of_direction(out, direction, P()), down = of_direction(dout, direction, P());
                const std::array<Triple, 3> given{own, down}, steps{direction == 0 ? din : of_second};
                const Address saved = address(*trail.saved[k]);
                kernels<T>().backward(problem<T>(op_, at_ends(ends, zeros, k, read(ends, trail, layer))),
                                      gradients<T>(given, of_layer(ends, dafter, k), saved, steps, write));
                if (direction > 0 && din[0]) add(ends, din, of_second, D);
            }
            if (layer > 0) drop(ends, layer, din, din);
        }
    }

private:
    // The weights in the order of `Written`.
    static constexpr std::size_t kParts = 14;

    // Where the gradient of what a cell reads lies: where that itself lies in its weight.
    struct Part {
        long weight = -1;  // -1 for what is not there
        std::size_t offset = 0;
        Address in(const std::vector<Address>& gradients) const {
            return weight < 0 || !gradients[weight] ? 0 : gradients[weight] + offset;
        }
    };

    static std::array<Part, kParts> parts_of(const Given& g, const std::vector<Span>& weights) {
        const std::array<Address, kParts> read{g.w_input,    g.w_recurrent, g.bias_input,     g.bias_recurrent,
                                               g.peephole_i, g.peephole_f,  g.peephole_o,     g.norm_input,
                                               g.norm_recurrent, g.norm_cell, g.norm_cell_bias, g.w_cell,
                                               g.bias_cell,  g.w_gates};
        std::array<Part, kParts> parts;
        for (std::size_t n = 0; n < kParts; ++n) {
            for (std::size_t k = 0; k < weights.size(); ++k) {
                const Span& weight = weights[k];
                if (read[n] >= weight.begin && read[n] < weight.begin + weight.bytes) {
                    parts[n] = {static_cast<long>(k), read[n] - weight.begin};
                }
            }
        }
        return parts;
    }

    long H() const { return given_[0].sizes[3]; }
    long P() const { return given_[0].sizes[4]; }
    long width() const { return directions_ * P(); }  // of what a layer puts out
    std::size_t between(const Ends& ends) const { return ends.T * ends.B * width() * sizeof(T); }

    static Address address(const Block& block) { return reinterpret_cast<Address>(block.data()); }

    static Triple dense(const Ends& ends, const Block& block, long features) {
        return {address(block), static_cast<Address>(ends.B * features),
                static_cast<Address>(features)};
    }

    static Triple of_direction(Triple steps, int direction, long features) {
        steps[0] += steps[0] ? direction * features * sizeof(T) : 0;
        return steps;
    }

    Triple of_layer(const Ends& ends, Triple state, std::size_t k) const {
        const std::array<long, 3> sizes{P(), H(), count(op_.gate_rows) * H()};
        for (int part = 0; part < 3; ++part) state[part] += state[part] ? k * ends.B * sizes[part] * sizeof(T) : 0;
        return state;
    }

    // Room for a state of one layer, if none is given.
    std::size_t bytes_of_zeros(const Ends& ends) const {
        return ends.before[0] ? 0 : ends.B * std::max(P(), H() * std::max(1L, count(op_.gate_rows))) * sizeof(T);
    }

    Given at_ends(const Ends& ends, const Block& zeros, std::size_t k, const Triple& x) const {
        Given one = given_[k];
        one.sizes[0] = ends.T, one.sizes[1] = ends.B, one.threads = ends.threads, one.lengths = ends.lengths;
        one.x = x;
        if (!ends.masks.empty()) one.masks = ends.masks[k];
        if (ends.before[0]) {
            const auto [h0, c0, gates0] = of_layer(ends, ends.before, k);
            one.h0 = h0, one.c0 = c0, one.gates0 = gates0;
        } else {
            std::memset(zeros.data(), 0, bytes_of_zeros(ends));
            for (Address* part : {&one.h0, &one.c0, &one.gates0}) *part = *part ? address(zeros) : 0;
        }
        return one;
    }

    // From the first layer to the last: forward(k, problem, outputs). Each reads and writes where it is told to.
    template <class Reads, class Writes, class Run>
    void walk(const Ends& ends, const Block& zeros, Reads&& reads, Writes&& writes, const Triple& cells,
              const Triple& after, Run&& forward) const {
        for (std::size_t k = 0; k < given_.size(); ++k) {
            const long layer = static_cast<long>(k) / directions_;
            const int direction = static_cast<int>(k) % directions_;
            const Triple of_cells = layer == last_ ? cells : Triple{};
            forward(k, problem<T>(op_, at_ends(ends, zeros, k, reads(layer))),
                    outputs<T>(of_direction(writes(layer), direction, P()), of_direction(of_cells, direction, H()),
                               of_layer(ends, after, k), 0));
        }
    }

    // What a layer but the last puts out, and what a layer reads.
    Triple written(const Ends& ends, const Trail& trail, long layer) const {
        return dense(ends, *trail.between[layer], width());
    }
    Triple read(const Ends& ends, const Trail& trail, long layer) const {
        if (layer == 0) return ends.x;
        return ends.dropout.empty() ? written(ends, trail, layer - 1) : dense(ends, *trail.dropped[layer - 1], width());
    }

    // to = from · the mask of what a layer reads, if there are masks.
    void drop(const Ends& ends, long layer, const Triple& from, const Triple& to) const {
        if (ends.dropout.empty()) return;
        const auto mask = steps<const T>(ends.dropout[layer - 1]), given = steps<const T>(from);
        const Steps<T> dropped = steps<T>(to);
        for_steps(ends, width(), [&](long t, long b) {
            for (long k = 0; k < width(); ++k) dropped.at(t, b)[k] = given.at(t, b)[k] * mask.at(t, b)[k];
        });
    }

    // What the second direction has to add to the gradient of a layer's input.
    static void add(const Ends& ends, const Triple& to, const Triple& second, long features) {
        const Steps<T> sum = steps<T>(to);
        const auto more = steps<const T>(second);
        for_steps(ends, features, [&](long t, long b) {
            for (long k = 0; k < features; ++k) sum.at(t, b)[k] += more.at(t, b)[k];
        });
    }

    // body(t, b) for all steps of all rows, shared out if they are many.
    template <class Body> static void for_steps(const Ends& ends, long features, Body&& body) {
        const int members = ends.T * ends.B * features < (1 << 16) ? 1 : ends.threads;
        run_team(members, [&](int member) {
            for (long t = ends.T * member / members; t < ends.T * (member + 1) / members; ++t) {
                for (long b = 0; b < ends.B; ++b) body(t, b);
            }
        });
    }

    const Operator op_;
    const std::vector<Given> given_;
    const int directions_;
    const long last_;  // layer
    std::vector<std::unique_ptr<Inference<T>>> runs_;
    std::vector<std::array<Part, kParts>> parts_;
};

// The same in either precision.
class Passage {
public:
    Passage(const Operator& op, const std::vector<Given>& given, int directions, const std::vector<Span>& weights) {
        if (op.f64) {
            double_ = std::make_unique<Layers<double>>(op, given, directions, weights);
        } else {
            float_ = std::make_unique<Layers<float>>(op, given, directions, weights);
        }
    }

    template <class Call> auto with(Call&& call) const { return float_ ? call(*float_) : call(*double_); }

private:
    std::unique_ptr<Layers<float>> float_;
    std::unique_ptr<Layers<double>> double_;
};

}  // namespace recurra
