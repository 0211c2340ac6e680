// Random problems for every kernel: forward against the equations as they are printed, in plain loops, and backward
// against differences of forward. Then problems so long that members of a team take over each other's work, against one
// thread. Run it under the sanitizers: csrc/tests/run.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "../kernels.h"
#include "../memory.h"
#include "../threads.h"

using namespace recurra;

namespace {

using Values = std::vector<double>;
std::mt19937_64 generator(0);

Values random_values(long count, double scale = 0.5) {
    std::normal_distribution<double> normal(0, scale);
    Values values(count);
    for (double& value : values) value = normal(generator);
    return values;
}
long random_number(long low, long high) { return std::uniform_int_distribution<long>(low, high)(generator); }

// A problem that owns its arrays, each of exactly its size, so that a step beyond its end is seen.
struct Case {
    Problem<double> p;
    std::vector<long> lengths;
    Values x, w_input, w_recurrent, bias_input, bias_recurrent, h0, c0, peephole, keep_h, keep_c, drop_h;
    Values norm_input, norm_recurrent, norm_cell, norm_cell_bias, w_projection, w_cell, bias_cell, w_gates, gates0;

    Case() {
        p.cell = static_cast<Cell>(random_number(0, 5));
        p.T_ = random_number(1, 9), p.B = random_number(1, 20);
        p.D = random_number(1, 40), p.H = p.P = random_number(1, 70);
        if (has_cell() && random_number(0, 2) == 0) {
            p.P = random_number(1, 40), w_projection = random_values(p.P * p.H, 0.3);
        }
        p.reverse = random_number(0, 1);
        p.threads = static_cast<int>(random_number(1, 3));
        if (random_number(0, 1)) {
            for (long b = 0; b < p.B; ++b) lengths.push_back(random_number(0, p.T_));
            p.lengths = lengths.data();
        }
        fill();
    }

    // A plain LSTM of full sequences.
    Case(long T, long B, long H, int threads) {
        p.cell = Cell::lstm, p.T_ = T, p.B = B, p.D = p.H = p.P = H, p.threads = threads;
        fill(false);
    }

    void fill(bool varied = true) {
        const bool gru = is_gru(), lstm = has_cell();
        const long blocks = lstm ? 4 : gru ? 3 : 1;
        const Blocks one{0, -1, -1, -1};
        p.input_rows = lstm ? Blocks{0, 1, 2, 3} : gru ? Blocks{0, 1, 2, -1} : one;
        p.recurrent_rows = lstm ? Blocks{0, 1, 2, 3} : gru ? Blocks{0, 1, -1, 2} : one;
        x = random_values(p.T_ * p.B * p.D);
        w_input = random_values(blocks * p.H * p.D, 0.3), w_recurrent = random_values(blocks * p.H * p.P, 0.3);
        bias_input = random_values(blocks * p.H), bias_recurrent = random_values(blocks * p.H);
        h0 = random_values(p.B * p.P), c0 = random_values(p.B * p.H);
        if (lstm && varied) vary();
        if (varied && random_number(0, 2) == 0) drop_h = random_values(p.B * p.P, 1);
        point();
    }

    void vary() {
        Variant<double>& v = p.variant;
        if (random_number(0, 1)) peephole = random_values(3 * p.H);
        v.linear_candidate = random_number(0, 3) == 0, v.linear_output = random_number(0, 3) == 0;
        if (random_number(0, 2) == 0) v.zoneout_h = 0.3, v.zoneout_c = 0.2;
        if (random_number(0, 2) == 0) {
            keep_h = random_values(p.T_ * p.B * p.P), keep_c = random_values(p.T_ * p.B * p.H);
        }
        if (p.cell == Cell::lstm_in_parts) vary_parts();
    }

    void vary_parts() {
        Variant<double>& v = p.variant;
        const double scale = 0.6 / std::sqrt(static_cast<double>(p.H));
        if (random_number(0, 1)) {  // full peepholes, or a candidate that sees the cell state
            const bool full = random_number(0, 1);
            p.cell_rows = full ? Blocks{0, 1, 2, 3} : Blocks{-1, -1, 0, -1};
            w_cell = random_values((full ? 4 : 1) * p.H * p.H, scale), bias_cell = random_values((full ? 4 : 1) * p.H);
        }
        if (random_number(0, 1)) {
            p.gate_rows = {0, 1, -1, 2};
            w_gates = random_values(9 * p.H * p.H, scale), gates0 = random_values(p.B * 3 * p.H);
        }
        v.layer_norm = random_number(0, 1);
        if (!v.layer_norm) return;
        norm_input = random_values(4 * p.H, 1), norm_recurrent = random_values(4 * p.H, 1);
        norm_cell = random_values(p.H, 1), norm_cell_bias = random_values(p.H);
        v.norm_input = norm_input.data(), v.norm_recurrent = norm_recurrent.data();
        v.norm_cell = norm_cell.data(), v.norm_cell_bias = norm_cell_bias.data();
    }

    void point() {
        p.w_input = w_input.data(), p.w_recurrent = w_recurrent.data();
        p.bias_input = bias_input.data(), p.bias_recurrent = bias_recurrent.data();
        p.x = {x.data(), p.B * p.D, p.D};
        if (!w_projection.empty()) p.w_projection = w_projection.data();
        p.h0 = h0.data(), p.c0 = c0.data();
        if (!w_cell.empty()) p.w_cell = w_cell.data(), p.bias_cell = bias_cell.data();
        if (!w_gates.empty()) p.w_gates = w_gates.data(), p.gates0 = gates0.data();
        Variant<double>& v = p.variant;
        if (!peephole.empty()) {
            v.peephole_i = peephole.data(), v.peephole_f = v.peephole_i + p.H, v.peephole_o = v.peephole_f + p.H;
        }
        if (!keep_h.empty()) v.keep_h = {keep_h.data(), p.B * p.P, p.P}, v.keep_c = {keep_c.data(), p.B * p.H, p.H};
        if (!drop_h.empty()) v.drop_h = {drop_h.data(), 0, p.P};
    }
    bool has_cell() const { return p.cell == Cell::lstm || p.cell == Cell::lstm_in_parts; }
    bool is_gru() const { return p.cell == Cell::gru || p.cell == Cell::gru_in_parts; }
    long length(long b) const { return p.lengths ? lengths[b] : p.T_; }
};

struct Result {
    Values y, cells, h, c, gates;
};

// (x - mean) / standard deviation * gain
Values normalize(const Values& x, const Values& gain) {
    double mean = 0, variance = 0;
    for (const double v : x) mean += v / static_cast<double>(x.size());
    for (const double v : x) variance += (v - mean) * (v - mean) / static_cast<double>(x.size());
    Values y(x.size());
    for (std::size_t k = 0; k < x.size(); ++k) y[k] = (x[k] - mean) / std::sqrt(variance + 1e-5) * gain[k];
    return y;
}

double sigmoid(double a) { return 1 / (1 + std::exp(-a)); }

// The equations, one row and one unit after the other.
Result by_equations(const Case& s) {
    const Problem<double>& p = s.p;
    const Variant<double>& v = p.variant;
    const long H = p.H;
    const long P = p.P;
    Result r{Values(p.T_ * p.B * P), Values(p.T_ * p.B * H), s.h0, s.c0, s.gates0};
    for (long b = 0; b < p.B; ++b) {
        for (long step = 0; step < s.length(b); ++step) {
            const long t = p.reverse ? s.length(b) - 1 - step : step;
            Values h(r.h.begin() + b * P, r.h.begin() + (b + 1) * P), c(r.c.begin() + b * H, r.c.begin() + (b + 1) * H);
            Values seen = h;
            for (long k = 0; k < P && v.drop_h; ++k) seen[k] *= v.drop_h.at(0, b)[k];
            Values from_x(s.bias_input.size()), from_h(s.bias_input.size());
            for (std::size_t row = 0; row < from_x.size(); ++row) {
                for (long d = 0; d < p.D; ++d) from_x[row] += p.x.at(t, b)[d] * p.w_input[row * p.D + d];
                for (long k = 0; k < P; ++k) from_h[row] += seen[k] * p.w_recurrent[row * P + k];
            }
            const bool normed = v.layer_norm;
            if (normed) from_x = normalize(from_x, s.norm_input), from_h = normalize(from_h, s.norm_recurrent);
            const auto input = [&](int block, long u) { return from_x[block * H + u] + p.bias_input[block * H + u]; };
            const auto recurrent = [&](int block, long u) {
                return from_h[block * H + u] + p.bias_recurrent[block * H + u];
            };
            const auto reset = [&](long u) { return sigmoid(input(0, u) + recurrent(0, u)); };
            for (long u = 0; u < H && !s.has_cell(); ++u) {
                double new_h;
                if (s.is_gru()) {
                    const double z = sigmoid(input(1, u) + recurrent(1, u));
                    double product = reset(u) * recurrent(2, u);
                    if (p.cell == Cell::gru_in_parts) {
                        product = p.bias_recurrent[2 * H + u];
                        for (long k = 0; k < H; ++k) product += p.w_recurrent[(2 * H + u) * H + k] * reset(k) * seen[k];
                    }
                    new_h = (1 - z) * std::tanh(input(2, u) + product) + z * h[u];
                } else {
                    const double a = input(0, u) + recurrent(0, u);
                    new_h = p.cell == Cell::rnn_tanh ? std::tanh(a) : std::fmax(a, 0);
                }
                r.h[b * H + u] = r.y[(t * p.B + b) * H + u] = new_h;
            }
            if (!s.has_cell()) continue;
            const long G = p.w_gates ? 3 * H : 0;
            const Values gates(r.gates.begin() + b * G, r.gates.begin() + (b + 1) * G);
            // All that adds up to sum j of a unit: products with the input, h, the given cell state and the last gates.
            const auto sum = [&](int j, long u, const Values& cell) {
                double a = input(j, u) + recurrent(j, u);
                if (p.w_cell && p.cell_rows[j] >= 0) {
                    const long row = p.cell_rows[j] * H + u;
                    a += p.bias_cell[row];
                    for (long k = 0; k < H; ++k) a += p.w_cell[row * H + k] * cell[k];
                }
                for (long k = 0; k < G && p.gate_rows[j] >= 0; ++k) {
                    a += p.w_gates[(p.gate_rows[j] * H + u) * G + k] * gates[k];
                }
                return a;
            };
            const auto peep = [&](const double* w, long u, double cell) { return w ? w[u] * cell : 0.0; };
            Values squashed(H), output(H), opened[2] = {Values(H), Values(H)};
            for (long u = 0; u < H; ++u) {
                const double i = sigmoid(sum(0, u, c) + peep(v.peephole_i, u, c[u]));
                const double f = sigmoid(sum(1, u, c) + peep(v.peephole_f, u, c[u]));
                const double g = v.linear_candidate ? sum(2, u, c) : std::tanh(sum(2, u, c));
                opened[0][u] = i, opened[1][u] = f, squashed[u] = f * c[u] + i * g;
                const double keep_c = v.keep_c ? v.keep_c.at(step, b)[u] : v.zoneout_c;
                r.c[b * H + u] = r.cells[(t * p.B + b) * H + u] = keep_c * c[u] + (1 - keep_c) * squashed[u];
            }
            for (long u = 0; u < H; ++u) output[u] = sigmoid(sum(3, u, squashed) + peep(v.peephole_o, u, squashed[u]));
            for (long u = 0; u < H && G > 0; ++u) {
                double* to = r.gates.data() + b * G + u;
                to[0] = opened[0][u], to[H] = opened[1][u], to[2 * H] = output[u];
            }
            if (normed) squashed = normalize(squashed, s.norm_cell);
            Values made(H);
            for (long u = 0; u < H; ++u) {
                const double inside = squashed[u] + (normed ? s.norm_cell_bias[u] : 0);
                made[u] = output[u] * (v.linear_output ? inside : std::tanh(inside));
            }
            for (long u = 0; u < P; ++u) {
                double new_h = p.w_projection ? 0 : made[u];
                for (long k = 0; p.w_projection && k < H; ++k) new_h += p.w_projection[u * H + k] * made[k];
                const double keep = v.keep_h ? v.keep_h.at(step, b)[u] : v.zoneout_h;
                r.h[b * P + u] = r.y[(t * p.B + b) * P + u] = keep * h[u] + (1 - keep) * new_h;
            }
        }
    }
    return r;
}

Result room_for(const Case& s) {
    const Problem<double>& p = s.p;
    return {Values(p.T_ * p.B * p.P, NAN), Values(p.T_ * p.B * p.H, NAN), Values(p.B * p.P, NAN),
            Values(p.B * p.H, NAN), Values(s.gates0.size(), NAN)};
}

Outputs<double> outputs_in(Result& r, const Case& s) {
    const Problem<double>& p = s.p;
    Outputs<double> out;
    out.y = {r.y.data(), p.B * p.P, p.P};
    if (s.has_cell()) out.cells = {r.cells.data(), p.B * p.H, p.H};
    out.h = r.h.data(), out.c = r.c.data(), out.gates = r.gates.data();
    return out;
}

Result by_kernel(const Case& s, const Block* saved) {
    Result r = room_for(s);
    Outputs<double> out = outputs_in(r, s);
    out.saved = saved ? saved->data() : nullptr;
    instruction_set().f64.forward(s.p, out);
    return r;
}

Result by_inference(const Case& s, Inference<double>& inference) {
    Result r = room_for(s);
    inference.run(s.p, outputs_in(r, s));
    return r;
}

int failures = 0;
void expect_close(const char* what, double got, double want, double bound) {
    if (std::fabs(got - want) <= bound * (1 + std::fabs(want))) return;  // false for NaN
    if (++failures < 20) std::printf("FAILED %s: got %.17g, want %.17g\n", what, got, want);
}
void expect_close(const char* what, const Values& got, const Values& want) {
    for (std::size_t k = 0; k < got.size(); ++k) expect_close(what, got[k], want[k], 1e-12);
}
double dot(const Values& a, const Values& b) {
    double sum = 0;
    for (std::size_t k = 0; k < a.size(); ++k) sum += a[k] * b[k];
    return sum;
}

// The derivative of a random mixture of all results in a random direction, both ways.
void check_backward(Case& s, const Result& result, const Block& saved) {
    const Problem<double>& p = s.p;
    const bool lstm = s.has_cell();
    const Values dy = random_values(result.y.size(), 1), dh = random_values(result.h.size(), 1);
    const Values dc = random_values(lstm ? result.c.size() : 0, 1), dgates = random_values(result.gates.size(), 1);
    Values *inputs[] = {&s.x, &s.h0, &s.c0, &s.w_input, &s.w_recurrent, &s.bias_input, &s.bias_recurrent, &s.peephole,
                        &s.norm_input, &s.norm_recurrent, &s.norm_cell, &s.norm_cell_bias, &s.w_projection,
                        &s.w_cell, &s.bias_cell, &s.w_gates, &s.gates0};
    std::vector<Values> gradients;
    for (Values* input : inputs) gradients.emplace_back(input->size(), NAN);
    if (!lstm) gradients[2].assign(s.c0.size(), 0);
    Gradients<double> g;
    g.y = {result.y.data(), p.B * p.P, p.P}, g.dy = {dy.data(), p.B * p.P, p.P};
    g.dh = dh.data(), g.dc = lstm ? dc.data() : nullptr, g.dgates = p.w_gates ? dgates.data() : nullptr;
    g.saved = saved.data();
    g.dx = {gradients[0].data(), p.B * p.D, p.D};
    g.dh0 = gradients[1].data(), g.dc0 = gradients[2].data();
    g.dw_input = gradients[3].data(), g.dw_recurrent = gradients[4].data();
    g.db_input = gradients[5].data(), g.db_recurrent = gradients[6].data();
    if (!s.peephole.empty()) {
        g.dpeephole_i = gradients[7].data(), g.dpeephole_f = g.dpeephole_i + p.H, g.dpeephole_o = g.dpeephole_f + p.H;
    }
    g.dnorm_input = gradients[8].data(), g.dnorm_recurrent = gradients[9].data();
    g.dnorm_cell = gradients[10].data(), g.dnorm_cell_bias = gradients[11].data();
    if (p.w_cell) g.dw_cell = gradients[13].data(), g.db_cell = gradients[14].data();
    if (p.w_gates) g.dw_gates = gradients[15].data(), g.dgates0 = gradients[16].data();
    Values dprojected(p.T_ * p.B * p.P), hidden(p.T_ * p.B * p.H);
    if (p.w_projection) {
        g.dprojected = {dprojected.data(), p.B * p.P, p.P}, g.hidden = {hidden.data(), p.B * p.H, p.H};
        gradients[12].assign(gradients[12].size(), 0);
    }
    instruction_set().f64.backward(p, g);
    for (long row = 0; p.w_projection && row < p.T_ * p.B; ++row) {
        for (long u = 0; u < p.P; ++u) {
            for (long k = 0; k < p.H; ++k) {
                gradients[12][u * p.H + k] += dprojected[row * p.P + u] * hidden[row * p.H + k];
            }
        }
    }
    constexpr double kStep = 1e-6;
    const auto mixture = [&] {
        const Result r = by_equations(s);
        return dot(dy, r.y) + dot(dh, r.h) + dot(dc, r.c) + dot(dgates, r.gates);
    };
    for (int k = 0; k < 17; ++k) {
        if (inputs[k]->empty()) continue;
        const Values kept = *inputs[k], direction = random_values(kept.size(), 1);
        double sides[2];
        for (int side = 0; side < 2; ++side) {
            for (std::size_t i = 0; i < kept.size(); ++i) {
                (*inputs[k])[i] = kept[i] + (side ? -kStep : kStep) * direction[i];
            }
            sides[side] = mixture();
        }
        *inputs[k] = kept;
        if (p.cell == Cell::rnn_relu) continue;  // its kinks are compared in the Python tests
        char what[32];
        std::snprintf(what, sizeof what, "gradient %d", k);
        expect_close(what, dot(gradients[k], direction), (sides[0] - sides[1]) / (2 * kStep), 2e-4);
    }
}

void check_step(const Case& s) {
    const Problem<double>& p = s.p;
    if (!s.drop_h.empty() || !s.keep_h.empty() || p.lengths || p.reverse) return;
    const std::unique_ptr<Stepper<double>> stepper = instruction_set().f64.stepper(p, Storage::full);
    Values h = s.h0, c = s.c0, gates = s.gates0;
    Values new_h(h.size(), NAN), new_c(c.size(), NAN), new_gates(gates.size(), NAN);
    for (long t = 0; t < p.T_; ++t) {
        stepper->run(p.B, p.threads, p.x.at(t, 0), {h.data(), c.data(), gates.data()},
                     {new_h.data(), new_c.data(), new_gates.data()});
        std::swap(h, new_h);
        if (s.has_cell()) std::swap(c, new_c), std::swap(gates, new_gates);
    }
    const Result want = by_equations(s);
    expect_close("step h", h, want.h);
    expect_close("step gates", gates, want.gates);
}

// Packed weights serve from call to call, until any number of them is another.
void check_inference(Case& s) {
    const std::unique_ptr<Inference<double>> inference = instruction_set().f64.inference(s.p);
    expect_close("first inference", by_inference(s, *inference).y, by_kernel(s, nullptr).y);
    expect_close("second inference", by_inference(s, *inference).y, by_kernel(s, nullptr).y);
    Values* weights[] = {&s.w_input, &s.w_recurrent, &s.bias_input, &s.bias_recurrent, &s.w_projection, &s.w_cell,
                         &s.bias_cell, &s.w_gates};
    for (Values* some : weights) {
        if (some->empty()) continue;
        (*some)[random_number(0, static_cast<long>(some->size()) - 1)] += 0.5;
        expect_close("inference after a change", by_inference(s, *inference).y, by_kernel(s, nullptr).y);
    }
}

struct Both {
    Result forward;
    Values dx, dw_input, dw_recurrent;
};

// y and the gradients of its sum.
Both both_ways(const Case& s) {
    const Problem<double>& p = s.p;
    const Block saved(instruction_set().f64.saved(p));
    Both b{by_kernel(s, &saved), Values(s.x.size(), NAN), Values(s.w_input.size(), NAN),
           Values(s.w_recurrent.size(), NAN)};
    const Values dy(b.forward.y.size(), 1);
    Gradients<double> g;
    g.y = {b.forward.y.data(), p.B * p.P, p.P}, g.dy = {dy.data(), p.B * p.P, p.P}, g.saved = saved.data();
    g.dx = {b.dx.data(), p.B * p.D, p.D}, g.dw_input = b.dw_input.data(), g.dw_recurrent = b.dw_recurrent.data();
    instruction_set().f64.backward(p, g);
    return b;
}

// Rows shared out, and units: a team gives what one thread gives, and the same bits each time.
void check_team(long T, long B, long H, int threads) {
    Case s(T, B, H, threads);
    const Both team = both_ways(s), again = both_ways(s);
    expect_close("team again", team.forward.y == again.forward.y && team.dx == again.dx, 1, 0);
    expect_close("team again, dw_input", team.dw_input == again.dw_input, 1, 0);
    expect_close("team again, dw_recurrent", team.dw_recurrent == again.dw_recurrent, 1, 0);
    s.p.threads = 1;
    const Both alone = both_ways(s);
    expect_close("y of a team", team.forward.y, alone.forward.y);
    expect_close("cells of a team", team.forward.cells, alone.forward.cells);
    expect_close("c of a team", team.forward.c, alone.forward.c);
    expect_close("dx of a team", team.dx, alone.dx);
    expect_close("dw_input of a team", team.dw_input, alone.dw_input);
    expect_close("dw_recurrent of a team", team.dw_recurrent, alone.dw_recurrent);
}

// Whoever takes it: each turn of a loop is done once, and before the loop ends.
void check_shared_loops() {
    constexpr int kMembers = 3, kRounds = 200, kCount = 17;
    Team team(kMembers);
    std::vector<std::atomic<int>> done(kRounds * kCount);
    run_team(kMembers, [&](int me) {
        for (int round = 0; round < kRounds; ++round) {
            if (round % kMembers == me) {  // the others have nothing to do
                team.share(me, kCount, [&](long k) { ++done[round * kCount + k]; });
                for (int k = 0; k < kCount; ++k) expect_close("turns of a loop", done[round * kCount + k], 1, 0);
            }
            team.wait();
        }
    });
}

void check_one() {
    Case s;
    const Block saved(instruction_set().f64.saved(s.p));
    const Result want = by_equations(s), inference = by_kernel(s, nullptr), training = by_kernel(s, &saved);
    expect_close("y", training.y, want.y);
    expect_close("h", training.h, want.h);
    expect_close("y without saving", inference.y, want.y);
    if (s.has_cell()) {
        expect_close("c", training.c, want.c);
        expect_close("cells", training.cells, want.cells);
        expect_close("gates", training.gates, want.gates);
    }
    check_backward(s, training, saved);
    check_step(s);
    check_inference(s);
}

}  // namespace

int main(int count, char** arguments) {
    const int rounds = count > 1 ? std::atoi(arguments[1]) : 200;
    for (int round = 0; round < rounds; ++round) check_one();
    std::vector<std::thread> callers;  // several callers at once share the pool of memory
    const Case shared;
    const Result want = by_equations(shared);
    std::vector<Result> results(4);
    for (Result& result : results) callers.emplace_back([&] { result = by_kernel(shared, nullptr); });
    for (std::thread& caller : callers) caller.join();
    for (const Result& result : results) expect_close("called at once", result.y, want.y);
    check_shared_loops();
    for (const int threads : {2, 3}) check_team(20, 40, 56, threads), check_team(4, 7, 512, threads);
    std::printf("%s: %d random problems, %d failures\n", instruction_set().name, rounds, failures);
    return failures != 0;
}
