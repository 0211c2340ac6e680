// Vectors of the width that this translation unit is compiled for, and the functions of a gate on them.
//
// GCC's and Clang's vector extensions serve every machine from one source: x86 from SSE2 to AVX-512, and NEON.
#pragma once

#include <cstdint>
#include <cstring>
#include <limits>
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

#if defined(__FMA__) || defined(__aarch64__)
constexpr bool kFused = true;  // whether a product and a sum are one operation, rounded once
#else
constexpr bool kFused = false;
#endif

template <class T> struct Lanes;
template <> struct Lanes<float> {
    typedef float Vec __attribute__((vector_size(kBytes)));
    typedef int32_t Int __attribute__((vector_size(kBytes)));
    // To add it rounds to a whole number n, and leaves n and the exponent's bias in the low bits.
    static constexpr float kRound = 0x1.8p23f + 127;
    static constexpr int kMantissa = 23;
    // Minimax for relative error: of e^r 9e-8, of tanh 1.3e-8.
    static constexpr float kExp[] = {0x1.fffff6p-1f, 0x1.fffdc6p-2f, 0x1.555a6ap-3f, 0x1.573a54p-5f, 0x1.0fa834p-7f};
    static constexpr float kTanhOver[] = {1.0f, 0x1.1292a4p-3f, 0x1.ce3668p-9f, 0x1.625ff6p-16f, 0x1.e3ded6p-27f};
    static constexpr float kTanhUnder[] = {1.0f, 0x1.de9eap-2f, 0x1.a9e252p-6f, 0x1.5dd554p-12f, 0x1.b14a0ap-21f};
    static constexpr float kLimit = 87.0f, kTanhLimit = 8.6f, kLn2High = 0x1.62e4p-1f, kLn2Low = 0x1.7f7d1cp-20f;
};
template <> struct Lanes<double> {
    typedef double Vec __attribute__((vector_size(kBytes)));
    typedef int64_t Int __attribute__((vector_size(kBytes)));
    static constexpr double kRound = 0x1.8p52 + 1023;
    static constexpr int kMantissa = 52;
    static constexpr double kExp[] = {1,           1.0 / 2,       1.0 / 6,        1.0 / 24,       1.0 / 120,
                                      1.0 / 720,   1.0 / 5040,    1.0 / 40320,    1.0 / 362880,   1.0 / 3628800,
                                      1.0 / 39916800, 1.0 / 479001600, 1.0 / 6227020800};
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
template <class T> inline Vec<T> all(T value) { return value - Vec<T>{}; }  // -0 + 0 would be 0: x + 0 must be computed

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

// Whether any of the numbers whose bits are here, or were added up by |, is not zero.
template <class T> inline bool any_nonzero(Int<T> bits) {
    auto seen = bits[0];
    for (int k = 1; k < kWidth<T>; ++k) seen |= bits[k];
    return (seen & std::numeric_limits<decltype(seen)>::max()) != 0;  // the sign of a zero says nothing
}

// k[0] + k[1] x + …
template <class T, int n> inline __attribute__((always_inline)) Vec<T> polynomial(Vec<T> x, const T (&k)[n]) {
    Vec<T> sum = all(k[n - 1]);
#pragma GCC unroll 16
    for (int i = n - 2; i >= 0; --i) sum = sum * x + k[i];
    return sum;
}

// e^x = power (1 + r slope), r in [-ln2/2, ln2/2] what x leaves beyond whole multiples of ln 2.
template <class T> struct Exp {
    Vec<T> power, r, slope;

    inline __attribute__((always_inline)) explicit Exp(Vec<T> x) {
        using L = Lanes<T>;
        const Vec<T> shifted = x * static_cast<T>(1.44269504088896340736) + L::kRound;
        const Vec<T> n = shifted - L::kRound;
        if constexpr (kFused && sizeof(T) == sizeof(float)) {  // the product is exact; ln 2 is so to 2e-9
            r = x - n * (L::kLn2High + L::kLn2Low);
        } else {
            r = (x - n * L::kLn2High) - n * L::kLn2Low;
        }
        slope = polynomial<T>(r, L::kExp);
        power = bits_to_vec<T>(vec_to_bits<T>(shifted) << L::kMantissa);
    }
};

// a / b for b from 1 to about 1e38. An estimate of 14 bits and one of Newton's steps spare the divider.
template <class T> inline Vec<T> quotient(Vec<T> a, Vec<T> b) {
#if defined(__AVX512F__)
    if constexpr (sizeof(T) == sizeof(float)) {
        const Vec<T> inverse = _mm512_rcp14_ps(b), q = a * inverse;
        return _mm512_fmadd_ps(inverse, _mm512_fnmadd_ps(q, b, a), q);
    }
#endif
    return a / b;
}

// 1 / (1 + e^-x)
template <class T> inline __attribute__((always_inline)) Vec<T> sigmoid(Vec<T> x) {
    constexpr T one = 1;
    const Exp<T> e(-clamp<T>(x, -Lanes<T>::kLimit, Lanes<T>::kLimit));
    return quotient<T>(all(one), e.power * (e.r * e.slope + one) + one);
}

// Float: a quotient of polynomials in x^2. Double: (e^2x - 1) / (e^2x + 1), with e^2x - 1 exact to the last digits near
// 0.
template <class T> inline __attribute__((always_inline)) Vec<T> tanh(Vec<T> x) {
    using L = Lanes<T>;
    if constexpr (sizeof(T) == sizeof(float)) {
        x = clamp<T>(x, -L::kTanhLimit, L::kTanhLimit);
        const Vec<T> square = x * x;
        return quotient<T>(x * polynomial<T>(square, L::kTanhOver), polynomial<T>(square, L::kTanhUnder));
    } else {
        x = clamp<T>(x, -40, 40);
        const Exp<T> e(x + x);
        const Vec<T> m = e.power * (e.r * e.slope) + (e.power - static_cast<T>(1));
        return quotient<T>(m, m + static_cast<T>(2));
    }
}

}  // namespace recurra::RECURRA_ISA
