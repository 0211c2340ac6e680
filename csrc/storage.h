// How the weights of single steps are stored: in full, or in fewer bits where reading them is what takes the time.
#pragma once

#include <cmath>
#include <cstdint>

#include "bfloat16.h"
#include "tile.h"

namespace recurra::RECURRA_ISA {

struct Bfloat16 {
    uint16_t bits;
};

// S as it lies in memory: kScaled tells whether each column has a scale, of() makes a number of S from one of T that is
// divided by its column's scale, and scale() is that scale, of the column's largest magnitude. place() is where a
// column of a panel's 4 W lies among those of a feature, and load() makes its four vectors of them.
template <class T, class S> struct Stored {
    static constexpr bool kScaled = false;
    static long place(long column) { return column; }
    static T of(T value) { return value; }
    static T scale(T) { return 1; }
};

// Two vectors share their words, one in the lower halves and one in the upper ones: no lane moves then.
template <> struct Stored<float, Bfloat16> {
    static constexpr bool kScaled = false;
    static long place(long column) {
        constexpr long W = kWidth<float>;
        const long vector = column / W;
        return vector / 2 * 2 * W + column % W * 2 + vector % 2;
    }
    static inline __attribute__((always_inline)) void load(const Bfloat16* from, Vec<float> (&b)[4]) {
        for (int two = 0; two < 2; ++two) {
            Words words;
            std::memcpy(&words, from + two * 2 * kWidth<float>, sizeof words);
            const Words lower = words << 16, upper = words & 0xffff0000;
            std::memcpy(&b[2 * two], &lower, sizeof lower);
            std::memcpy(&b[2 * two + 1], &upper, sizeof upper);
        }
    }
    static Bfloat16 of(float value) { return {to_bfloat16(all(value))[0]}; }
    static float scale(float) { return 1; }
};

template <> struct Stored<float, int8_t> {
    static constexpr bool kScaled = true;
    static long place(long column) { return column; }
    static inline __attribute__((always_inline)) void load(const int8_t* from, Vec<float> (&b)[4]) {
#pragma GCC unroll 4
        for (int j = 0; j < 4; ++j) b[j] = load(from + j * kWidth<float>);
    }
    static Vec<float> load(const int8_t* from) {
#if defined(__AVX512F__)
        return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from))));
#elif defined(__AVX2__)
        return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from))));
#else
        Int<float> wide;
        for (int k = 0; k < kWidth<float>; ++k) wide[k] = from[k];
        return __builtin_convertvector(wide, Vec<float>);
#endif
    }
    static int8_t of(float value) { return static_cast<int8_t>(std::lrintf(value)); }
    static float scale(float largest) { return largest > 0 ? largest / 127 : 1; }
};

// acc [R, 4] += rows [R, count] * panel [count, 4 W], as multiply() of tile.h.
template <class T, class S, int R>
inline __attribute__((always_inline)) void multiply_stored(Tile<T, R, 4>& acc, long count, const T* const (&rows)[R],
                                                           const S* panel) {
    if constexpr (sizeof(S) == sizeof(T)) {
        multiply<T, R, 4>(acc, count, rows, panel);
    } else {
        constexpr int kStep = 4 * kWidth<T>;
        const auto add = [&](Tile<T, R, 4>& sum, long k) __attribute__((always_inline)) {
            Vec<T> b[4];
            Stored<T, S>::load(panel + k * kStep, b);
#pragma GCC unroll 8
            for (int i = 0; i < R; ++i) {
                const Vec<T> a = all(rows[i][k]);
#pragma GCC unroll 4
                for (int j = 0; j < 4; ++j) sum[i][j] += a * b[j];
            }
        };
        long k = 0;
        if constexpr (R == 1) {  // two sums in turn: one alone would wait for itself
            Tile<T, R, 4> odd = {};
            for (; k + 2 <= count; k += 2) add(acc, k), add(odd, k + 1);
            for (int j = 0; j < 4; ++j) acc[0][j] += odd[0][j];
        }
        for (; k < count; ++k) add(acc, k);
    }
}

}  // namespace recurra::RECURRA_ISA
