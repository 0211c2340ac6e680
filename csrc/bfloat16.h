// The upper half of a float, a vector at a time.
#pragma once

#include "simd.h"

namespace recurra::RECURRA_ISA {

typedef uint16_t Halves __attribute__((vector_size(kBytes / 2)));
typedef uint32_t Words __attribute__((vector_size(kBytes)));

// To the nearest, ties to even; NaN stays NaN.
inline Halves to_bfloat16(Vec<float> v) {
    Words bits;
    std::memcpy(&bits, &v, sizeof bits);
    const Words rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16, quiet = bits >> 16 | 0x40;
    const Words upper = v != v ? quiet : rounded;
    return __builtin_convertvector(upper, Halves);
}

// The intrinsics are what GCC 12 does not make of a conversion of such vectors: a third of the time.
inline Vec<float> load_bfloat16(const uint16_t* from) {
#if defined(__AVX512F__)
    const auto wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
    return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
#elif defined(__AVX2__)
    const auto wide = _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
    return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
#else
    Int<float> wide;
    for (int k = 0; k < kWidth<float>; ++k) wide[k] = from[k];
    return bits_to_vec<float>(wide << 16);
#endif
}

}  // namespace recurra::RECURRA_ISA
