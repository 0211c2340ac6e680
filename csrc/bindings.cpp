// The only file that knows Python. Arrays come as addresses: recurra/ops/native.py has checked what they are.
#include <nanobind/nanobind.h>
#include <nanobind/stl/array.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kernels.h"
#include "memory.h"

namespace nb = nanobind;

namespace recurra {
namespace {

using Address = std::uintptr_t;
using Triple = std::array<Address, 3>;

template <class T> T* at(Address address) { return reinterpret_cast<T*>(address); }
template <class T> Steps<T> steps(const std::array<Address, 3>& a) {
    return {at<T>(a[0]), static_cast<long>(a[1]), static_cast<long>(a[2])};
}

// What does not change from call to call: which cell, which rows of the weights its sums take, its deviations.
struct Operator {
    bool f64;
    Cell cell;
    Blocks input_rows, recurrent_rows, cell_rows, gate_rows;
    bool coupled, linear_candidate, linear_output, layer_norm;
    double cell_clip, zoneout_h, zoneout_c;
};

// Sizes T, B, D, H, P; addresses in the order of recurra/ops/native.py's `Given`.
struct Given {
    std::array<long, 5> sizes;
    Address lengths;
    bool reverse, brief;
    int threads;
    std::array<Address, 3> x;
    Address w_input, w_recurrent, bias_input, bias_recurrent, h0, c0, peephole_i, peephole_f, peephole_o;
    Address norm_input, norm_recurrent, norm_cell, norm_cell_bias, w_projection, w_cell, bias_cell, w_gates, gates0;
    std::array<Address, 3> keep_h, keep_c, drop_h;
};

template <class T> Problem<T> problem(const Operator& op, const Given& g) {
    Problem<T> p;
    p.cell = op.cell;
    p.T_ = g.sizes[0], p.B = g.sizes[1], p.D = g.sizes[2], p.H = g.sizes[3], p.P = g.sizes[4];
    p.lengths = at<const long>(g.lengths);
    p.reverse = g.reverse, p.brief = g.brief;
    p.threads = g.threads;
    p.input_rows = op.input_rows, p.recurrent_rows = op.recurrent_rows;
    p.cell_rows = op.cell_rows, p.gate_rows = op.gate_rows;
    p.w_input = at<const T>(g.w_input), p.w_recurrent = at<const T>(g.w_recurrent);
    p.bias_input = at<const T>(g.bias_input), p.bias_recurrent = at<const T>(g.bias_recurrent);
    p.x = steps<const T>(g.x);
    p.w_projection = at<const T>(g.w_projection);
    p.w_cell = at<const T>(g.w_cell), p.bias_cell = at<const T>(g.bias_cell), p.w_gates = at<const T>(g.w_gates);
    p.h0 = at<const T>(g.h0), p.c0 = at<const T>(g.c0), p.gates0 = at<const T>(g.gates0);
    Variant<T>& v = p.variant;
    v.coupled = op.coupled, v.linear_candidate = op.linear_candidate, v.linear_output = op.linear_output;
    v.layer_norm = op.layer_norm;
    v.cell_clip = static_cast<T>(op.cell_clip);
    v.zoneout_h = static_cast<T>(op.zoneout_h), v.zoneout_c = static_cast<T>(op.zoneout_c);
    v.peephole_i = at<const T>(g.peephole_i), v.peephole_f = at<const T>(g.peephole_f);
    v.peephole_o = at<const T>(g.peephole_o);
    v.norm_input = at<const T>(g.norm_input), v.norm_recurrent = at<const T>(g.norm_recurrent);
    v.norm_cell = at<const T>(g.norm_cell), v.norm_cell_bias = at<const T>(g.norm_cell_bias);
    v.keep_h = steps<const T>(g.keep_h), v.keep_c = steps<const T>(g.keep_c), v.drop_h = steps<const T>(g.drop_h);
    return p;
}

template <class T> const Kernels<T>& kernels();
template <> const Kernels<float>& kernels<float>() { return instruction_set().f32; }
template <> const Kernels<double>& kernels<double>() { return instruction_set().f64; }

std::size_t saved_bytes(const Operator& op, const Given& g) {
    return op.f64 ? kernels<double>().saved(problem<double>(op, g)) : kernels<float>().saved(problem<float>(op, g));
}

template <class T> Outputs<T> outputs(const Triple& y, const Triple& cells, const Triple& state, Address saved) {
    Outputs<T> out;
    out.y = steps<T>(y), out.cells = steps<T>(cells);
    out.h = at<T>(state[0]), out.c = at<T>(state[1]), out.gates = at<T>(state[2]), out.saved = at<void>(saved);
    return out;
}

template <class T>
void forward_of(const Operator& op, const Given& g, const Triple& y, const Triple& cells, const Triple& state,
                Address saved) {
    const nb::gil_scoped_release free;
    kernels<T>().forward(problem<T>(op, g), outputs<T>(y, cells, state, saved));
}

template <class T>
void backward_of(const Operator& op, const Given& g, const std::array<Triple, 3>& read, const Triple& dstate,
                 Address saved, const std::array<Triple, 3>& write_steps, const std::array<Address, 17>& write) {
    Gradients<T> grad;
    grad.y = steps<const T>(read[0]), grad.dy = steps<const T>(read[1]), grad.dcells = steps<const T>(read[2]);
    grad.dh = at<const T>(dstate[0]), grad.dc = at<const T>(dstate[1]), grad.dgates = at<const T>(dstate[2]);
    grad.saved = at<void>(saved);
    grad.dx = steps<T>(write_steps[0]);
    grad.dprojected = steps<T>(write_steps[1]), grad.hidden = steps<T>(write_steps[2]);
    grad.dh0 = at<T>(write[0]), grad.dc0 = at<T>(write[1]);
    grad.dw_input = at<T>(write[2]), grad.dw_recurrent = at<T>(write[3]);
    grad.db_input = at<T>(write[4]), grad.db_recurrent = at<T>(write[5]);
    grad.dpeephole_i = at<T>(write[6]), grad.dpeephole_f = at<T>(write[7]), grad.dpeephole_o = at<T>(write[8]);
    grad.dnorm_input = at<T>(write[9]), grad.dnorm_recurrent = at<T>(write[10]);
    grad.dnorm_cell = at<T>(write[11]), grad.dnorm_cell_bias = at<T>(write[12]);
    grad.dw_cell = at<T>(write[13]), grad.db_cell = at<T>(write[14]);
    grad.dw_gates = at<T>(write[15]), grad.dgates0 = at<T>(write[16]);
    const nb::gil_scoped_release free;
    kernels<T>().backward(problem<T>(op, g), grad);
}

// Where tensors lie, and how often each has changed: what tells that they are those of before. At each step of a stream
// the interpreter itself would take half as long again.
class Mark {
public:
    // Raises where one has no memory, or is an inference tensor, whose changes nobody counts.
    explicit Mark(const nb::dict& tensors) {
        each(tensors, [this](const nb::object& address, const nb::object& version) {
            values_.push_back(address);
            values_.push_back(version);
            return true;
        });
    }

    bool fits(const nb::dict& tensors) const {
        std::size_t k = 0;
        const auto same = [&](const nb::object& value) { return k < values_.size() && values_[k++].equal(value); };
        try {
            return each(tensors, [&](const nb::object& address, const nb::object& version) {
                return same(address) && same(version);
            }) && k == values_.size();
        } catch (const nb::python_error&) {
            return false;
        }
    }

private:
    template <class See> static bool each(const nb::dict& tensors, See&& see) {
        static PyObject* const data_ptr = PyUnicode_InternFromString("data_ptr");
        static PyObject* const version = PyUnicode_InternFromString("_version");
        const auto given = [](PyObject* value) {
            if (!value) nb::raise_python_error();
            return nb::steal(value);
        };
        for (const auto [name, tensor] : tensors) {
            PyObject* const one = tensor.ptr();
            const nb::object address = given(PyObject_CallMethodNoArgs(one, data_ptr));
            if (!see(address, given(PyObject_GetAttr(one, version)))) return false;
        }
        return true;
    }

    std::vector<nb::object> values_;
};

// Layers one upon the other, of one direction, a step at a time.
class Stack {
public:
    Stack(const Operator& op, const std::vector<Given>& layers, Storage storage)
        : f64_(op.f64), sizes_(layers.front().sizes), gates_(count(op.gate_rows) * sizes_[3]) {
        for (const Given& layer : layers) {
            if (f64_) {
                double_.push_back(kernels<double>().stepper(problem<double>(op, layer), storage));
            } else {
                float_.push_back(kernels<float>().stepper(problem<float>(op, layer), storage));
            }
        }
    }

    Stack(const Stack&) = delete;
    Stack& operator=(const Stack&) = delete;

    // x [B, D]; the parts of the states [L, B, ·]. To give the interpreter to other threads costs as much as a small step.
    void step(long B, int threads, Address x, Address h, Address c, Address gates, Address new_h, Address new_c,
              Address new_gates) const {
        constexpr long kLong = 1 << 18;  // products: 5 us or more
        std::optional<nb::gil_scoped_release> free;
        if (B * sizes_[3] * (sizes_[2] + sizes_[3]) >= kLong) free.emplace();
        if (f64_) {
            run<double>(double_, B, threads, x, {h, c, gates}, {new_h, new_c, new_gates});
        } else {
            run<float>(float_, B, threads, x, {h, c, gates}, {new_h, new_c, new_gates});
        }
    }

private:
    template <class T>
    void run(const std::vector<std::unique_ptr<Stepper<T>>>& layers, long B, int threads, Address x, Triple before,
             Triple after) const {
        const long sizes[] = {sizes_[4], sizes_[3], gates_};  // of a row's h, c and gates
        for (const std::unique_ptr<Stepper<T>>& one : layers) {
            one->run(B, threads, at<const T>(x), {at<const T>(before[0]), at<const T>(before[1]), at<const T>(before[2])},
                     {at<T>(after[0]), at<T>(after[1]), at<T>(after[2])});
            x = after[0];
            for (int k = 0; k < 3; ++k) {
                const Address layer = static_cast<Address>(B * sizes[k]) * sizeof(T);
                before[k] += before[k] ? layer : 0, after[k] += after[k] ? layer : 0;
            }
        }
    }

    bool f64_;
    std::array<long, 5> sizes_;
    long gates_;  // of a row
    std::vector<std::unique_ptr<Stepper<float>>> float_;
    std::vector<std::unique_ptr<Stepper<double>>> double_;
};

// Layers one upon the other, each with its directions side by side, over whole sequences without gradients. What is
// given says where the weights lie.
class Passage {
public:
    Passage(const Operator& op, const std::vector<Given>& given, int directions)
        : op_(op), given_(given), directions_(directions) {
        for (const Given& one : given) {
            if (op.f64) {
                double_.push_back(kernels<double>().inference(problem<double>(op, one)));
            } else {
                float_.push_back(kernels<float>().inference(problem<float>(op, one)));
            }
        }
    }

    Passage(const Passage&) = delete;
    Passage& operator=(const Passage&) = delete;

    // The parts of the states are [layers and directions, B, ·].
    void run(long T, long B, int threads, Address lengths, const Triple& x, const Triple& before, const Triple& y,
             const Triple& cells, const Triple& after) const {
        const nb::gil_scoped_release free;
        if (op_.f64) {
            run_layers(double_, T, B, threads, lengths, x, before, y, cells, after);
        } else {
            run_layers(float_, T, B, threads, lengths, x, before, y, cells, after);
        }
    }

private:
    template <class T>
    void run_layers(const std::vector<std::unique_ptr<Inference<T>>>& runs, long steps, long B, int threads,
                    Address lengths, const Triple& x, const Triple& before, const Triple& y, const Triple& cells,
                    const Triple& after) const {
        const long H = given_[0].sizes[3], P = given_[0].sizes[4], width = directions_ * P;
        const long layers = static_cast<long>(runs.size()) / directions_;
        const std::size_t between = layers > 1 ? steps * B * width * sizeof(T) : 0;
        const Block even(between), odd(between);
        const auto behind = [&](long layer) {
            if (layer == layers - 1) return y;
            const Block& block = layer % 2 ? odd : even;
            return Triple{reinterpret_cast<Address>(block.data()), static_cast<Address>(B * width),
                          static_cast<Address>(width)};
        };
        const std::array<long, 3> sizes{P, H, count(op_.gate_rows) * H};
        for (std::size_t k = 0; k < runs.size(); ++k) {
            const long layer = static_cast<long>(k) / directions_, direction = static_cast<long>(k) % directions_;
            const auto of_layer = [&](Triple state) {
                for (int part = 0; part < 3; ++part) state[part] += state[part] ? k * B * sizes[part] * sizeof(T) : 0;
                return state;
            };
            const auto of_direction = [&](Triple steps, long features) {
                steps[0] += steps[0] ? direction * features * sizeof(T) : 0;
                return steps;
            };
            Given one = given_[k];
            const auto [h0, c0, gates0] = of_layer(before);
            one.sizes[0] = steps, one.sizes[1] = B, one.threads = threads, one.lengths = lengths;
            one.x = layer == 0 ? x : behind(layer - 1), one.h0 = h0, one.c0 = c0, one.gates0 = gates0;
            const Triple of_cells = layer == layers - 1 ? of_direction(cells, H) : Triple{};
            runs[k]->run(problem<T>(op_, one),
                         outputs<T>(of_direction(behind(layer), P), of_cells, of_layer(after), 0));
        }
    }

    const Operator op_;
    const std::vector<Given> given_;
    const int directions_;
    std::vector<std::unique_ptr<Inference<float>>> float_;
    std::vector<std::unique_ptr<Inference<double>>> double_;
};

}  // namespace
}  // namespace recurra

NB_MODULE(_native, m) {
    using namespace recurra;
    nb::set_leak_warnings(false);  // operators are kept by caches that end with the process
    m.def("isa", [] { return std::string(instruction_set().name); });
    m.def("toss", [](bool f64, Address to, long count, double probability, double value, std::uint64_t seed, int threads) {
        const nb::gil_scoped_release free;
        if (f64) {
            kernels<double>().toss(at<double>(to), count, probability, value, seed, threads);
        } else {
            kernels<float>().toss(at<float>(to), count, probability, static_cast<float>(value), seed, threads);
        }
    });
    nb::enum_<Cell>(m, "Cell")
        .value("lstm", Cell::lstm)
        .value("lstm_in_parts", Cell::lstm_in_parts)
        .value("gru", Cell::gru)
        .value("gru_in_parts", Cell::gru_in_parts)
        .value("rnn_tanh", Cell::rnn_tanh)
        .value("rnn_relu", Cell::rnn_relu);
    nb::class_<Block>(m, "Block").def(nb::init<std::size_t>()).def_prop_ro("address", [](const Block& block) {
        return reinterpret_cast<Address>(block.data());
    });
    nb::class_<Operator>(m, "Operator")
        .def(
            "__init__",
            [](Operator* self, bool f64, Cell cell, const Blocks& input_rows, const Blocks& recurrent_rows,
               const Blocks& cell_rows, const Blocks& gate_rows, bool coupled, bool linear_candidate,
               bool linear_output, bool layer_norm, double cell_clip, double zoneout_h, double zoneout_c) {
                new (self) Operator{f64,        cell,    input_rows,       recurrent_rows, cell_rows,
                                    gate_rows,  coupled, linear_candidate, linear_output,  layer_norm,
                                    cell_clip, zoneout_h, zoneout_c};
            },
            nb::arg("f64"), nb::arg("cell"), nb::arg("input_rows"), nb::arg("recurrent_rows"),
            nb::arg("cell_rows") = kNoBlocks, nb::arg("gate_rows") = kNoBlocks, nb::arg("coupled") = false,
            nb::arg("linear_candidate") = false, nb::arg("linear_output") = false, nb::arg("layer_norm") = false,
            nb::arg("cell_clip") = 0.0, nb::arg("zoneout_h") = 0.0, nb::arg("zoneout_c") = 0.0)
        .def_ro("f64", &Operator::f64)
        .def("saved_bytes", &saved_bytes)
        .def("forward",
             [](const Operator& op, const Given& g, const Triple& y, const Triple& cells, const Triple& state,
                Address saved) {
                 (op.f64 ? forward_of<double> : forward_of<float>)(op, g, y, cells, state, saved);
             })
        .def("backward", [](const Operator& op, const Given& g, const std::array<Triple, 3>& read,
                            const Triple& dstate, Address saved, const std::array<Triple, 3>& write_steps,
                            const std::array<Address, 17>& write) {
            (op.f64 ? backward_of<double> : backward_of<float>)(op, g, read, dstate, saved, write_steps, write);
        });
    nb::enum_<Storage>(m, "Storage")
        .value("full", Storage::full)
        .value("bfloat16", Storage::bfloat16)
        .value("int8", Storage::int8);
    nb::class_<Mark>(m, "Mark").def(nb::init<const nb::dict&>()).def("fits", &Mark::fits);
    nb::class_<Stack>(m, "Stack")
        .def(nb::init<const Operator&, const std::vector<Given>&, Storage>())
        .def("step", &Stack::step);
    nb::class_<Passage>(m, "Passage")
        .def(nb::init<const Operator&, const std::vector<Given>&, int>())
        .def("run", &Passage::run);
    nb::class_<Given>(m, "Given")
        .def("__init__", [](Given* self, const std::array<long, 5>& sizes, Address lengths, bool reverse, bool brief,
                            int threads, const Triple& x, const std::array<Address, 18>& tensors, const Triple& keep_h,
                            const Triple& keep_c, const Triple& drop_h) {
            const auto& [w_input, w_recurrent, bias_input, bias_recurrent, h0, c0, i, f, o, norm_input, norm_recurrent,
                         norm_cell, norm_cell_bias, w_projection, w_cell, bias_cell, w_gates, gates0] = tensors;
            new (self) Given{sizes, lengths, reverse, brief, threads, x, w_input, w_recurrent, bias_input, bias_recurrent,
                             h0, c0, i, f, o, norm_input, norm_recurrent, norm_cell, norm_cell_bias, w_projection,
                             w_cell, bias_cell, w_gates, gates0, keep_h, keep_c, drop_h};
        });
}
