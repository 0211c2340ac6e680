// Vectors of the width that this translation unit is compiled for, and the functions of a gate on them.
//
// GCC's and Clang's vector extensions serve every machine from one source: x86 from SSE2 to AVX-512, and NEON.
#pragma once

#include <cstdint>
#include <cstring>
#include <utility>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#ifndef RECURRA_ISA
#error "compile with -DRECURRA_ISA=<name of the namespace for this instruction set>"
#endif

namespace recurra::RECURRA_ISA {

#if defined(__AVX512F__)
constexpr int kBytes = 64;
#elif defined(__AVX2__)
constexpr int kBytes = 32;
#else
constexpr int kBytes = 16;
#endif

template <class T> struct Lanes;
template <> struct Lanes<float> {
    typedef float Vec __attribute__((vector_size(kBytes)));
    typedef int32_t Int __attribute__((vector_size(kBytes)));
    static constexpr float kRound = 0x1.8p23f;  // adding it rounds to a whole number and leaves that in the low bits
    static constexpr int kMantissa = 23, kBias = 127, kDegree = 7;
    static constexpr float kLimit = 87.0f, kLn2High = 0x1.62e4p-1f, kLn2Low = 0x1.7f7d1cp-20f;
};
template <> struct Lanes<double> {
    typedef double Vec __attribute__((vector_size(kBytes)));
    typedef int64_t Int __attribute__((vector_size(kBytes)));
    static constexpr double kRound = 0x1.8p52;
    static constexpr int kMantissa = 52, kBias = 1023, kDegree = 13;
    static constexpr double kLimit = 708.0, kLn2High = 0x1.62e42fee00000p-1, kLn2Low = 0x1.a39ef35793c76p-33;
};

template <class T> using Vec = typename Lanes<T>::Vec;
template <class T> using Int = typename Lanes<T>::Int;
template <class T> constexpr int kWidth = kBytes / static_cast<int>(sizeof(T));

template <class T> inline Vec<T> load(const T* from) {
    Vec<T> v;
    std::memcpy(&v, from, sizeof v);
    return v;
}
template <class T> inline void store(T* to, Vec<T> v) { std::memcpy(to, &v, sizeof v); }
template <class T> inline Vec<T> all(T value) { return Vec<T>{} + value; }

// The first `count` lanes; the others are 0 or stay untouched.
template <class T> inline Vec<T> load(const T* from, long count) {
    if (count >= kWidth<T>) return load(from);
    T lanes[kWidth<T>] = {};
    for (long k = 0; k < count; ++k) lanes[k] = from[k];
    return load(lanes);
}
template <class T> inline void store(T* to, Vec<T> v, long count) {
    if (count >= kWidth<T>) return store(to, v);
    for (long k = 0; k < count; ++k) to[k] = v[k];
}

template <class T> inline Vec<T> first_lanes(Vec<T> v, long count) {
    if (count >= kWidth<T>) return v;
    T lanes[kWidth<T>];
    store(lanes, v);
    return load(lanes, count);
}

// a0 b0 a1 b1 …, of the lower halves and of the upper ones.
template <class T, std::size_t... k> inline Vec<T> interleave_low(Vec<T> a, Vec<T> b, std::index_sequence<k...>) {
    return __builtin_shufflevector(a, b, (k / 2 + k % 2 * sizeof...(k))...);
}
template <class T, std::size_t... k> inline Vec<T> interleave_high(Vec<T> a, Vec<T> b, std::index_sequence<k...>) {
    return __builtin_shufflevector(a, b, ((sizeof...(k) + k) / 2 + k % 2 * sizeof...(k))...);
}

// Rows become columns: as many perfect shuffles as it takes to bring each half of the rows between the other's.
template <class T> inline __attribute__((always_inline)) void transpose(Vec<T> (&rows)[kWidth<T>]) {
    constexpr int W = kWidth<T>;
    constexpr std::make_index_sequence<W> lanes;
#pragma GCC unroll 8
    for (int apart = 1; apart < W; apart *= 2) {
        Vec<T> next[W];
#pragma GCC unroll 8
        for (int i = 0; i < W / 2; ++i) {
            next[2 * i] = interleave_low<T>(rows[i], rows[i + W / 2], lanes);
            next[2 * i + 1] = interleave_high<T>(rows[i], rows[i + W / 2], lanes);
        }
#pragma GCC unroll 16
        for (int i = 0; i < W; ++i) rows[i] = next[i];
    }
}

// The sum of all lanes, by halves.
template <class T> inline T add_lanes(Vec<T> v) {
    T lanes[kWidth<T>];
    store(lanes, v);
#pragma GCC unroll 4
    for (int half = kWidth<T> / 2; half > 0; half /= 2) {
#pragma GCC unroll 8
        for (int k = 0; k < half; ++k) lanes[k] += lanes[k + half];
    }
    return lanes[0];
}

template <class T> inline Vec<T> bits_to_vec(Int<T> bits) {
    Vec<T> v;
    std::memcpy(&v, &bits, sizeof v);
    return v;
}
template <class T> inline Int<T> vec_to_bits(Vec<T> v) {
    Int<T> bits;
    std::memcpy(&bits, &v, sizeof v);
    return bits;
}

// NaN passes: a comparison with it is false, and x86's min and max return their second operand then.
template <class T> inline Vec<T> clamp(Vec<T> x, T low, T high) {
#if defined(__AVX512F__)
    if constexpr (sizeof(T) == sizeof(float)) return _mm512_min_ps(all(high), _mm512_max_ps(all(low), x));
    if constexpr (sizeof(T) == sizeof(double)) return _mm512_min_pd(all(high), _mm512_max_pd(all(low), x));
#elif defined(__AVX2__)
    if constexpr (sizeof(T) == sizeof(float)) return _mm256_min_ps(all(high), _mm256_max_ps(all(low), x));
    if constexpr (sizeof(T) == sizeof(double)) return _mm256_min_pd(all(high), _mm256_max_pd(all(low), x));
#endif
    x = x < all(low) ? all(low) : x;
    return x > all(high) ? all(high) : x;
}

template <class T> inline bool any_nonzero(Vec<T> v) {
    const Int<T> lanes = v != Vec<T>{};
    auto seen = lanes[0];
    for (int k = 1; k < kWidth<T>; ++k) seen |= lanes[k];
    return seen != 0;
}

// e^x = power (1 + rest), with the fraction of x / ln 2 in rest: a Taylor polynomial, good to one or two units in the
// last place on [-ln2/2, ln2/2].
template <class T> struct Exp {
    Vec<T> power, rest;
};
template <class T> inline Exp<T> exp_parts(Vec<T> x) {
    using L = Lanes<T>;
    const Vec<T> shifted = x * static_cast<T>(1.44269504088896340736) + L::kRound;
    const Vec<T> n = shifted - L::kRound;
    const Vec<T> r = (x - n * L::kLn2High) - n * L::kLn2Low;
    T factor = 1;
    for (int k = 2; k <= L::kDegree; ++k) factor /= static_cast<T>(k);
    Vec<T> p = all(factor);
#pragma GCC unroll 16
    for (int k = L::kDegree - 1; k >= 1; --k) {
        factor *= static_cast<T>(k + 1);
        p = p * r + factor;
    }
    const Vec<T> power = bits_to_vec<T>((vec_to_bits<T>(shifted) + L::kBias) << L::kMantissa);
    return {power, p * r};
}

// 1 / (1 + e^-x)
template <class T> inline Vec<T> sigmoid(Vec<T> x) {
    const Exp<T> e = exp_parts<T>(clamp<T>(-x, -Lanes<T>::kLimit, Lanes<T>::kLimit));
    return static_cast<T>(1) / (static_cast<T>(1) + (e.power + e.power * e.rest));
}

// (e^2x - 1) / (e^2x + 1), with e^2x - 1 exact to the last digits near 0, too
template <class T> inline Vec<T> tanh(Vec<T> x) {
    const Exp<T> e = exp_parts<T>(clamp<T>(x + x, -80, 80));
    const Vec<T> m = e.power * e.rest + (e.power - static_cast<T>(1));
    return m / (m + static_cast<T>(2));
}

}  // namespace recurra::RECURRA_ISA
