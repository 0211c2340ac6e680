// Register tiles: the inner loops of all products, and the packed layouts that they read.
//
// A panel is 4 vectors wide. `rows` of a tile are pointers, so that the rows of a product may lie anywhere in memory.
#pragma once

#include <algorithm>

#include "simd.h"

namespace recurra::RECURRA_ISA {

#if defined(__AVX512F__) || defined(__aarch64__)  // 32 vector registers
constexpr int kRows = 6, kSumRows = 8, kAtOnce = 2;
#else
constexpr int kRows = 3, kSumRows = 4, kAtOnce = 1;
#endif
constexpr int kPanel = 4;
constexpr int kChains = 8;  // sums that must be under way at once to keep the units busy: 4 cycles each, 2 in a cycle
// Rows of a tile of N vectors in a sum over rows: a narrow one needs more of them to keep the units busy.
constexpr int sum_rows(int N) { return N <= 2 ? kSumRows : kRows; }

template <class T, int R, int N> using Tile = Vec<T>[R][N];

// From and to rows that lie `apart`. Unrolled, as only then a tile stays in registers.
template <class T, int R, int N>
inline __attribute__((always_inline)) void read_tile(Tile<T, R, N>& tile, const T* from, long apart) {
#pragma GCC unroll 8
    for (int i = 0; i < R; ++i) {
#pragma GCC unroll 8
        for (int j = 0; j < N; ++j) tile[i][j] = load(from + i * apart + j * kWidth<T>);
    }
}
template <class T, int R, int N>
inline __attribute__((always_inline)) void write_tile(const Tile<T, R, N>& tile, T* to, long apart) {
#pragma GCC unroll 8
    for (int i = 0; i < R; ++i) {
#pragma GCC unroll 8
        for (int j = 0; j < N; ++j) store(to + i * apart + j * kWidth<T>, tile[i][j]);
    }
}

constexpr long kFar = 2 << 20;  // bytes that no cache near a core holds

// What is read next, asked for in good time: weights that no cache near the core holds come too late by themselves. The
// second cache gets them in pairs of lines.
template <class T> struct Ahead {
    const T* from = nullptr;  // null for nothing
    long step = 0;            // elements for each feature of the product at hand

    // For the rows from `first` on, one of the groups of n: their share of `next`, K features with kPanel vectors each.
    static Ahead share(const T* next, long K, long first, long n) {
        constexpr long width = kPanel * kWidth<T>;
        const long groups = (n + kRows - 1) / kRows, group = first * groups / n;
        return {next + group * K / groups * width, width / groups};
    }

    inline __attribute__((always_inline)) void ask(long k) const {
        __builtin_prefetch(from + k * step, 0, 2);
        __builtin_prefetch(from + k * step + step / 2, 0, 2);
    }
};

// acc [R, N] += rows [R, count] * panel [count, N], the panel's rows N vectors side by side. They are read in the order
// in which they lie: the second cache delivers them a third faster so.
template <class T, int R, int N>
inline __attribute__((always_inline)) void multiply(Tile<T, R, N>& acc, long count, const T* const (&rows)[R],
                                                    const T* panel, const Ahead<T>& ahead = {}) {
    constexpr int kStep = N * kWidth<T>;
    const auto add = [&](Tile<T, R, N>& sum, long k, const T* from) __attribute__((always_inline)) {
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
    if (ahead.from) {
        for (; k < count; ++k, panel += kStep) ahead.ask(k), add(acc, k, panel);
    }
#pragma GCC unroll kAtOnce  // features in a turn of the loop; with fewer registers two would not stay in them
    for (; k < count; ++k, panel += kStep) add(acc, k, panel);
}

// The same with the N vectors of the panel in streams of their own, `stride` elements apart.
template <class T, int R, int N>
inline __attribute__((always_inline)) void multiply_streams(Tile<T, R, N>& acc, long count, const T* const (&rows)[R],
                                                            const T* panel, long stride) {
    const auto add = [&](Tile<T, R, N>& sum, long k) __attribute__((always_inline)) {
        Vec<T> b[N];
#pragma GCC unroll 8
        for (int j = 0; j < N; ++j) b[j] = load(panel + k * kWidth<T> + j * stride);
#pragma GCC unroll 16
        for (int i = 0; i < R; ++i) {
            const Vec<T> a = all(rows[i][k]);
#pragma GCC unroll 8
            for (int j = 0; j < N; ++j) sum[i][j] += a * b[j];
        }
    };
    constexpr int kSums = std::max(1, kChains / (R * N));  // of a small tile, in turn: one alone would wait for itself
    long k = 0;
    if constexpr (kSums > 1) {
        Tile<T, R, N> more[kSums - 1] = {};
        for (; k + kSums <= count; k += kSums) {
            add(acc, k);
#pragma GCC unroll 8
            for (int s = 1; s < kSums; ++s) add(more[s - 1], k + s);
        }
#pragma GCC unroll 8
        for (int s = 1; s < kSums; ++s) {
            for (int i = 0; i < R; ++i) {
                for (int j = 0; j < N; ++j) acc[i][j] += more[s - 1][i][j];
            }
        }
    }
    for (; k < count; ++k) add(acc, k);
}

// sum [R, N] += a^T b over `count` steps: a's R elements are neighbours and its steps `a_step` apart; b [count, N].
template <class T, int R, int N>
inline __attribute__((always_inline)) void multiply_sum(Tile<T, R, N>& sum, long count, const T* a, long a_step,
                                                        const T* b) {
    for (long k = 0; k < count; ++k, a += a_step, b += N * kWidth<T>) {
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

// Call body(first, count) for groups of at most `most` rows, as even as may be. A full group and two rows left over
// would read the weights at the pace of the two rows.
template <int most = kRows, class Body> inline void for_rows(long begin, long end, Body&& body) {
    for (long first = begin, groups = (end - begin + most - 1) / most; groups > 0; --groups) {
        const long count = (end - first + groups - 1) / groups;
        body(first, count);
        first += count;
    }
}

// Likewise for vectors, in groups of up to kPanel.
template <class Body> inline void for_vectors(long begin, long end, Body&& body) {
    for (long first = begin; first < end; first += kPanel) body(first, std::min<long>(kPanel, end - first));
}

// Call body(k, following) from begin to end at even turns and back at odd ones; following: the next k, -1 for none.
// What a turn ends with is still in a near cache when the next one begins with it.
template <class Body> inline void for_turning(long begin, long end, long turn, Body&& body) {
    const long step = turn % 2 ? -1 : 1;
    for (long k = step > 0 ? begin : end - 1, n = end - begin; n > 0; --n, k += step) body(k, n > 1 ? k + step : -1);
}

// Call body(constant) for a count from 1 to most.
template <int R> struct Count {
    static constexpr int value = R;
};
template <int most, class Body> inline void with_count(long count, Body&& body) {
    if constexpr (most > 1) {
        if (count < most) return with_count<most - 1>(count, body);
    }
    body(Count<most>{});
}

// Some rows, wherever they lie, with the weights of one panel.
template <class T> struct Product {
    long count = 0;  // features
    const T* const* rows = nullptr;
    const T* panel = nullptr;
    Ahead<T> ahead = {};
};

// The three below stand by themselves and know no cell, so that all cells share one copy of their loops.

// sums [r, 4 W] = begun + a + b, in registers; begun: rows `apart` elements apart, null for 0.
template <class T>
__attribute__((noinline)) void add_products(long r, T* sums, const T* begun, long apart, const Product<T>& a,
                                            const Product<T>& b = {}) {
    with_count<kRows>(r, [&](auto R) {
        constexpr int n = decltype(R)::value;
        Tile<T, n, kPanel> acc = {};
        if (begun) read_tile<T, n, kPanel>(acc, begun, apart);
        const auto add = [&](const Product<T>& product) __attribute__((always_inline)) {
            const T* rows[n];
            for (int i = 0; i < n; ++i) rows[i] = product.rows[i];
            multiply<T, n, kPanel>(acc, product.count, rows, product.panel, product.ahead);
        };
        add(a);
        if (b.count) add(b);
        write_tile<T, n, kPanel>(acc, sums, kPanel * kWidth<T>);
    });
}

// Rows that lie in blocks, `apart` elements from one to the next, with weights [vector][feature of all blocks][W].
template <class T> struct Blocked {
    long blocks, count, apart;  // count: features of a block
    const T* const* rows;       // their first block
    const T* weights;
};

// sums [r, kPanel W]: the first `vectors` vectors of the product of the blocks [from, to), added to what is there
// unless they are the first ones.
template <class T>
__attribute__((noinline)) void multiply_blocks(long r, long vectors, T* sums, const Blocked<T>& p, long from, long to) {
    constexpr int W = kWidth<T>;
    with_count<kRows>(r, [&](auto R) {
        with_count<kPanel>(vectors, [&](auto N) {
            constexpr int n = decltype(R)::value, m = decltype(N)::value;
            Tile<T, n, m> acc = {};
            if (from > 0) read_tile<T, n, m>(acc, sums, kPanel * W);
            const T* rows[n];
            for (int i = 0; i < n; ++i) rows[i] = p.rows[i] + from * p.apart;
            for (long block = from; block < to; ++block) {
                multiply_streams<T, n, m>(acc, p.count, rows, p.weights + block * p.count * W, p.blocks * p.count * W);
                for (int i = 0; i < n; ++i) rows[i] += p.apart;
            }
            write_tile<T, n, m>(acc, sums, kPanel * W);
        });
    });
}

// Sums [·, vectors W] whose rows lie `apart`; anew: they begin with what is added now, whatever is there.
template <class T> struct Sums {
    T* first;
    long apart;
    bool anew;
};

// sums [width, vectors W] += a^T b over `count` steps: a's elements are neighbours and its steps `a_step` apart;
// b [count, vectors W].
template <class T>
__attribute__((noinline)) void add_sum(long width, long vectors, const Sums<T>& sums, long count, const T* a,
                                       long a_step, const T* b) {
    with_count<kPanel>(vectors, [&](auto N) {
        constexpr int m = decltype(N)::value;
        for_rows<sum_rows(m)>(0, width, [&](long first, long r) {
            with_count<sum_rows(m)>(r, [&](auto R) {
                constexpr int n = decltype(R)::value;
                T* const at = sums.first + first * sums.apart;
                Tile<T, n, m> acc = {};
                if (!sums.anew) read_tile<T, n, m>(acc, at, sums.apart);
                multiply_sum<T, n, m>(acc, count, a + first, a_step, b);
                write_tile<T, n, m>(acc, at, sums.apart);
            });
        });
    });
}

// Rows [begin, end) times the weights of the vectors [first, last): leave(sum, vector, row) for each. The rows of `of`
// are those that row(i) tells. Weights are taken a few blocks at a time for many rows, so that they stay in the nearest
// cache from one group of rows to the next.
template <class T, class Row, class Leave>
inline void multiply_vectors(long first, long last, long begin, long end, Blocked<T> of, Row&& row, Leave&& leave,
                             long turn = 0) {
    constexpr long W = kWidth<T>, kMany = 16 * kRows, kNearest = 32 << 10;  // bytes
    const long block_bytes = of.count * kPanel * W * static_cast<long>(sizeof(T));
    const long few = end - begin > kRows ? std::max(1L, kNearest / block_bytes) : of.blocks;
    const T* const weights = of.weights;
    const T* rows[kRows];
    of.rows = rows;
    alignas(64) T all_sums[kMany * kPanel * kWidth<T>];
    for_turning(0, (last - first + kPanel - 1) / kPanel, turn, [&](long group, long) {
        const long v = first + group * kPanel, vectors = std::min<long>(kPanel, last - v);
        of.weights = weights + v * of.blocks * of.count * W;
        for (long start = begin; start < end; start += kMany) {
            for (long from = 0; from < of.blocks; from += few) {
                const long to = std::min(of.blocks, from + few);
                for_rows(start, std::min(end, start + kMany), [&](long at, long r) {
                    T* const sums = all_sums + (at - start) * kPanel * W;
                    for (long i = 0; i < r; ++i) rows[i] = row(at + i);
                    multiply_blocks<T>(r, vectors, sums, of, from, to);
                    for (long i = 0; to == of.blocks && i < r; ++i) {
                        for (long j = 0; j < vectors; ++j) leave(load(sums + (i * kPanel + j) * W), v + j, at + i);
                    }
                });
            }
        }
    });
}

}  // namespace recurra::RECURRA_ISA
