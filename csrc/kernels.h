// The two kernels, chosen for the machine at run time.
#pragma once

#include "sequence.h"

namespace recurra {

// Elements that forward writes for backward.
template <class T> struct Kernels {
    long (*saved)(const Problem<T>&);
    void (*forward)(const Problem<T>&, const Outputs<T>&);
    void (*backward)(const Problem<T>&, const Gradients<T>&);
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
