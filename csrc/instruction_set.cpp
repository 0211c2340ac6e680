#include <cstdlib>
#include <stdexcept>
#include <string>

#include "kernels.h"

namespace recurra {

#define RECURRA_DECLARE(isa)                       \
    namespace isa {                                \
    extern const Kernels<float> kernels_f32;       \
    extern const Kernels<double> kernels_f64;      \
    }
RECURRA_DECLARE(baseline)
#if defined(__x86_64__)
RECURRA_DECLARE(avx2)
RECURRA_DECLARE(avx512)
#endif

namespace {

const InstructionSet kKnown[] = {  // the best one first
#if defined(__x86_64__)
    {"avx512",
     [] {
         return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
     },
     avx512::kernels_f32, avx512::kernels_f64},
    {"avx2", [] { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }, avx2::kernels_f32,
     avx2::kernels_f64},
#endif
    {"baseline", [] { return true; }, baseline::kernels_f32, baseline::kernels_f64},
};

const InstructionSet& choose() {
    const char* wanted = std::getenv("RECURRA_ISA");
    std::string known;
    for (const InstructionSet& one : kKnown) {
        if (!one.supported()) continue;
        if (!wanted || !*wanted || std::string(wanted) == one.name) return one;
        known += (known.empty() ? "" : ", ") + std::string(one.name);
    }
    throw std::runtime_error("[RECURRA_ISA] must name an instruction set of this machine (" + known + "), got '" +
                             wanted + "'. Unset it to have the best one.");
}

}  // namespace

const InstructionSet& instruction_set() {
    static const InstructionSet& chosen = choose();
    return chosen;
}

}  // namespace recurra
