// The kernels, chosen for the machine at run time.
#pragma once

#include <cstdint>
#include <memory>

#include "sequence.h"

namespace recurra {

// What goes from step to step, [B, P], [B, H] and [B, K H]; dense. A cell does not look at parts that it has not.
template <class T> struct State {
    T *h, *c, *gates;
};

// One step of one layer, its weights packed once and for all.
template <class T> struct Stepper {
    virtual ~Stepper() = default;
    // x [B, D], dense. The new h may not lie where the old one does.
    virtual void run(long B, int threads, const T* x, const State<const T>& before, const State<T>& after) const = 0;
};

// Whole sequences of one layer in one direction, without gradients; weights are packed again only where they have
// changed.
template <class T> struct Inference {
    virtual ~Inference() = default;
    virtual void run(const Problem<T>&, const Outputs<T>&) = 0;
};

// How a stepper stores its weights; the short forms are of float only.
enum class Storage { full, bfloat16, int8 };

template <class T> struct Kernels {
    std::size_t (*saved)(const Problem<T>&);  // bytes that forward writes for backward
    void (*forward)(const Problem<T>&, const Outputs<T>&);
    void (*backward)(const Problem<T>&, const Gradients<T>&);
    std::unique_ptr<Stepper<T>> (*stepper)(const Problem<T>&, Storage);
    std::unique_ptr<Inference<T>> (*inference)(const Problem<T>&);  // of a problem of this form
    void (*toss)(T* to, long count, double probability, T value, std::uint64_t seed, int threads);  // random.h
};

struct InstructionSet {
    const char* name;
    bool (*supported)();
    const Kernels<float>& f32;
    const Kernels<double>& f64;
};

// The best one that this machine has, or the one that RECURRA_ISA names; throws std::runtime_error if it has not that.
const InstructionSet& instruction_set();

}  // namespace recurra
