// Register tiles: the inner loops of all products, and the packed layouts that they read.
//
// A panel is 4 vectors wide. `rows` of a tile are pointers, so that the rows of a product may lie anywhere in memory.
#pragma once

#include "simd.h"

namespace recurra::RECURRA_ISA {

#if defined(__AVX512F__) || defined(__aarch64__)  // 32 vector registers
constexpr int kRows = 6;
constexpr int kSumRows = 8, kSumVecs = 2;
#else
constexpr int kRows = 3;
constexpr int kSumRows = 4, kSumVecs = 2;
#endif
constexpr int kPanel = 4;

template <class T, int R, int N> using Tile = Vec<T>[R][N];

// acc [R, N] += rows [R, count] * panel [count, N], the panel's rows N vectors side by side. They are read in the order in
// which they lie: the second cache delivers them a third faster so.
template <class T, int R, int N>
inline __attribute__((always_inline)) void multiply(Tile<T, R, N>& acc, long count, const T* const (&rows)[R],
                                                    const T* panel) {
    constexpr int kStep = N * kWidth<T>;
    const auto add = [&](Tile<T, R, N>& sum, long k, const T* from) {
        Vec<T> b[N];
#pragma GCC unroll 8
        for (int j = 0; j < N; ++j) b[j] = load(from + j * kWidth<T>);
#pragma GCC unroll 16
        for (int i = 0; i < R; ++i) {
            const Vec<T> a = all(rows[i][k]);
#pragma GCC unroll 8
            for (int j = 0; j < N; ++j) sum[i][j] += a * b[j];
        }
    };
    long k = 0;
    if constexpr (R == 1) {  // two sums in turn: one alone would wait for itself
        Tile<T, R, N> odd = {};
        for (; k + 2 <= count; k += 2, panel += 2 * kStep) add(acc, k, panel), add(odd, k + 1, panel + kStep);
        for (int j = 0; j < N; ++j) acc[0][j] += odd[0][j];
    }
    for (; k < count; ++k, panel += kStep) add(acc, k, panel);
}

// The same with the N vectors of the panel in streams of their own, `stride` elements apart.
template <class T, int R, int N>
inline __attribute__((always_inline)) void multiply_streams(Tile<T, R, N>& acc, long count, const T* const (&rows)[R],
                                                            const T* panel, long stride) {
    for (long k = 0; k < count; ++k, panel += kWidth<T>) {
        Vec<T> b[N];
#pragma GCC unroll 8
        for (int j = 0; j < N; ++j) b[j] = load(panel + j * stride);
#pragma GCC unroll 16
        for (int i = 0; i < R; ++i) {
            const Vec<T> a = all(rows[i][k]);
#pragma GCC unroll 8
            for (int j = 0; j < N; ++j) acc[i][j] += a * b[j];
        }
    }
}

// sum [R, N] += a^T b over `count` steps: a's R elements are neighbours and its steps `a_step` apart; b's likewise.
template <class T, int R, int N>
inline __attribute__((always_inline)) void multiply_sum(Tile<T, R, N>& sum, long count, const T* a, long a_step,
                                                        const T* b, long b_step) {
    for (long k = 0; k < count; ++k, a += a_step, b += b_step) {
        Vec<T> v[N];
#pragma GCC unroll 8
        for (int j = 0; j < N; ++j) v[j] = load(b + j * kWidth<T>);
#pragma GCC unroll 16
        for (int i = 0; i < R; ++i) {
            const Vec<T> s = all(a[i]);
#pragma GCC unroll 8
            for (int j = 0; j < N; ++j) sum[i][j] += s * v[j];
        }
    }
}

// Call body for groups of at most kRows rows, as even as may be: body(first, constant). A full group and two rows left over
// would read the weights at the pace of the two rows.
template <int R> struct Count {
    static constexpr int value = R;
};
template <class Body, int R = kRows> inline void group_of_rows(long first, long count, Body&& body) {
    if constexpr (R > 0) {
        if (count == R) return body(first, Count<R>{});
        group_of_rows<Body, R - 1>(first, count, static_cast<Body&&>(body));
    }
}
template <class Body> inline void for_rows(long begin, long end, Body&& body) {
    for (long first = begin, groups = (end - begin + kRows - 1) / kRows; groups > 0; --groups) {
        const long count = (end - first + groups - 1) / groups;
        group_of_rows(first, count, body);
        first += count;
    }
}

// Likewise for vectors, in groups of up to kPanel: body(first, constant).
template <class Body> inline void for_vectors(long begin, long end, Body&& body) {
    long first = begin;
    for (; first + 4 <= end; first += 4) body(first, Count<4>{});
    const long rest = end - first;
    if (rest == 3) body(first, Count<3>{});
    if (rest == 2) body(first, Count<2>{});
    if (rest == 1) body(first, Count<1>{});
}

// Rows [begin, end) times weights [vector][K][W], for the vectors [first, last): leave(sum, vector, row) for each.
template <class T, class Row, class Leave>
inline void multiply_vectors(long first, long last, long begin, long end, long K, const T* weights, Row&& row,
                             Leave&& leave) {
    constexpr long W = kWidth<T>;
    for_vectors(first, last, [&](long v, auto N) {
        constexpr int vecs = decltype(N)::value;
        for_rows(begin, end, [&](long at, auto R) {
            constexpr int r = decltype(R)::value;
            Tile<T, r, vecs> acc = {};
            const T* rows[r];
            for (int i = 0; i < r; ++i) rows[i] = row(at + i);
            multiply_streams<T, r, vecs>(acc, K, rows, weights + v * W * K, K * W);
            for (int i = 0; i < r; ++i) {
                for (int j = 0; j < vecs; ++j) leave(acc[i][j], v + j, at + i);
            }
        });
    });
}

}  // namespace recurra::RECURRA_ISA
