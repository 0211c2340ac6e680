// The only file that knows Python. Arrays come as addresses: recurra/ops/native.py has checked what they are.
#include <nanobind/nanobind.h>
#include <nanobind/stl/array.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "passage.h"

namespace nb = nanobind;

namespace recurra {
namespace {

std::size_t saved_bytes(const Operator& op, const Given& g) {
    return op.f64 ? kernels<double>().saved(problem<double>(op, g)) : kernels<float>().saved(problem<float>(op, g));
}

template <class T>
void forward_of(const Operator& op, const Given& g, const Triple& y, const Triple& cells, const Triple& state,
                Address saved) {
    const nb::gil_scoped_release free;
    kernels<T>().forward(problem<T>(op, g), outputs<T>(y, cells, state, saved));
}

template <class T>
void backward_of(const Operator& op, const Given& g, const std::array<Triple, 3>& read, const Triple& dstate,
                 Address saved, const std::array<Triple, 3>& write_steps, const Written& write) {
    const nb::gil_scoped_release free;
    kernels<T>().backward(problem<T>(op, g), gradients<T>(read, dstate, saved, write_steps, write));
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

    // x [B, D]; the parts of the states [L, B, ·]. To give the interpreter to other threads costs as much as a small
    // step.
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
            one->run(B, threads, at<const T>(x),
                     {at<const T>(before[0]), at<const T>(before[1]), at<const T>(before[2])},
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

}  // namespace
}  // namespace recurra

NB_MODULE(_native, m) {
    using namespace recurra;
    const nb::call_guard<nb::gil_scoped_release> released;  // other threads may run Python meanwhile
    nb::set_leak_warnings(false);  // operators are kept by caches that end with the process
    m.def("isa", [] { return std::string(instruction_set().name); });
    m.def("toss", [](bool f64, Address to, long count, double probability, double value, std::uint64_t seed,
                     int threads) {
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
                            const Written& write) {
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
    nb::class_<Trail>(m, "Trail");
    nb::class_<Passage>(m, "Passage")
        .def("__init__",
             [](Passage* self, const Operator& op, const std::vector<Given>& given, int directions,
                const std::vector<std::array<Address, 2>>& weights) {
                 std::vector<Span> spans;
                 for (const auto [begin, bytes] : weights) spans.push_back({begin, bytes});
                 new (self) Passage(op, given, directions, spans);
             })
        .def(
            "run",
            [](const Passage& passage, long T, long B, int threads, Address lengths, const Triple& x,
               const Triple& before, const Triple& y, const Triple& cells, const Triple& after) {
                passage.with([&](const auto& layers) {
                    layers.run({T, B, threads, lengths, x, before, {}, {}}, y, cells, after);
                });
            },
            released)
        .def(
            "train",
            [](const Passage& passage, long T, long B, int threads, Address lengths, const Triple& x,
               const Triple& before, const std::vector<Masks>& masks, const std::vector<Triple>& dropout,
               const Triple& y, const Triple& after) {
                return passage.with([&](const auto& layers) {
                    return layers.train({T, B, threads, lengths, x, before, masks, dropout}, y, after);
                });
            },
            released)
        .def(
            "back",
            [](const Passage& passage, long T, long B, int threads, Address lengths, const Triple& x,
               const Triple& before, const std::vector<Masks>& masks, const std::vector<Triple>& dropout,
               const Trail& trail, const Triple& y, const Triple& dy, const Triple& dafter, const Triple& dx,
               const Triple& dbefore, const std::vector<Address>& dweights) {
                passage.with([&](const auto& layers) {
                    const Ends ends{T, B, threads, lengths, x, before, masks, dropout};
                    layers.back(ends, trail, y, dy, dafter, dx, dbefore, dweights);
                });
            },
            released);
    nb::class_<Given>(m, "Given")
        .def("__init__", [](Given* self, const std::array<long, 5>& sizes, Address lengths, bool reverse, bool brief,
                            int threads, const Triple& x, const std::array<Address, 18>& tensors, const Masks& masks) {
            const auto& [w_input, w_recurrent, bias_input, bias_recurrent, h0, c0, i, f, o, norm_input, norm_recurrent,
                         norm_cell, norm_cell_bias, w_projection, w_cell, bias_cell, w_gates, gates0] = tensors;
            new (self) Given{sizes, lengths, reverse, brief, threads, x, w_input, w_recurrent, bias_input,
                             bias_recurrent, h0, c0, i, f, o, norm_input, norm_recurrent, norm_cell, norm_cell_bias,
                             w_projection, w_cell, bias_cell, w_gates, gates0, masks};
        });
}
