// Compiled once for each instruction set, with -DRECURRA_ISA=<its name>.
#include "backward_parts.h"
#include "inference.h"
#include "random.h"
#include "sequence_step.h"
#include "step.h"

namespace recurra::RECURRA_ISA {
namespace {

template <class T> bool is_plain(const Problem<T>& p) {
    const Variant<T>& v = p.variant;
    return !(v.coupled || v.linear_candidate || v.linear_output || v.cell_clip != 0 || v.peephole_i || v.peephole_f ||
             v.peephole_o || v.zoneout_h != 0 || v.zoneout_c != 0 || v.keep_h || v.keep_c || v.drop_h || v.layer_norm ||
             p.w_projection) &&
           count(p.recurrent_rows) == 4;
}

// Call body with the cell of a problem: body(type).
template <template <class> class Body, class T, class... Rest> auto with_cell(const Problem<T>& p, Rest&&... rest) {
    switch (p.cell) {
        case Cell::lstm_in_parts: return Body<LstmInParts<T>>{}(p, rest...);
        case Cell::gru: return Body<Gru<T>>{}(p, rest...);
        case Cell::gru_in_parts: return Body<GruInParts<T>>{}(p, rest...);
        case Cell::rnn_tanh: return Body<Rnn<T, true>>{}(p, rest...);
        case Cell::rnn_relu: return Body<Rnn<T, false>>{}(p, rest...);
        default: return is_plain(p) ? Body<PlainLstm<T>>{}(p, rest...) : Body<Lstm<T>>{}(p, rest...);
    }
}

template <class C> struct CountSaved {
    template <class T> std::size_t operator()(const Problem<T>& p) {
        long steps = p.T_ * p.B;
        if (p.lengths) steps = std::accumulate(p.lengths, p.lengths + p.B, 0L);
        const long vectors = saved_of<C>(p, nullptr).bytes(steps * Layout<C, T>(p).panels * kWidth<T> * C(p).saved());
        return kGridBytes + vectors + (p.variant.layer_norm ? steps * kMoments * sizeof(T) : 0);
    }
};
template <class C> struct RunForward {
    template <class T> void operator()(const Problem<T>& p, const Outputs<T>& out) { Forward<C, T>(p, out).run(); }
};
template <class C> struct RunBackward {
    template <class T> void operator()(const Problem<T>& p, const Gradients<T>& g) { Backward<C, T>(p, g).run(); }
};

template <class C> struct MakeStepper {
    template <class T> std::unique_ptr<Stepper<T>> operator()(const Problem<T>& p, Storage storage) {
        if constexpr (C::kParts) {
            return std::make_unique<SequenceStep<C, T>>(p);
        } else {
            if (p.w_projection) return std::make_unique<SequenceStep<C, T>>(p);
            if constexpr (sizeof(T) == sizeof(float)) {
                if (storage == Storage::bfloat16) return std::make_unique<Step<C, T, Bfloat16>>(p);
                if (storage == Storage::int8) return std::make_unique<Step<C, T, int8_t>>(p);
            }
            return std::make_unique<Step<C, T, T>>(p);
        }
    }
};

template <class C> struct MakeInference {
    template <class T> std::unique_ptr<Inference<T>> operator()(const Problem<T>&) {
        return std::make_unique<PackedInference<C, T>>();
    }
};

template <class T> std::size_t saved(const Problem<T>& p) { return with_cell<CountSaved>(p); }
template <class T> void forward(const Problem<T>& p, const Outputs<T>& out) { with_cell<RunForward>(p, out); }
template <class T> void backward(const Problem<T>& p, const Gradients<T>& g) { with_cell<RunBackward>(p, g); }

template <class T> std::unique_ptr<Stepper<T>> stepper(const Problem<T>& p, Storage storage) {
    return with_cell<MakeStepper>(p, storage);
}
template <class T> std::unique_ptr<Inference<T>> inference(const Problem<T>& p) { return with_cell<MakeInference>(p); }

}  // namespace

extern const Kernels<float> kernels_f32;
extern const Kernels<double> kernels_f64;
const Kernels<float> kernels_f32{saved<float>,   forward<float>,   backward<float>,
                                 stepper<float>, inference<float>, toss<float>};
const Kernels<double> kernels_f64{saved<double>,   forward<double>,   backward<double>,
                                  stepper<double>, inference<double>, toss<double>};

}  // namespace recurra::RECURRA_ISA
