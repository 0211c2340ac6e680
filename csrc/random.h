// Masks of independent coins: Philox4x32-10 (Salmon et al. 2011), a number for each place out of a seed alone, so that
// they do not depend on the number of threads or on the instruction set.
#pragma once

#include <cstdint>

#include "plan.h"
#include "simd.h"
#include "threads.h"

namespace recurra::RECURRA_ISA {

constexpr int kCounters = 16;  // worked on side by side

// Words of 32 bits, each in the lower half of 64; what stands above does not count.
typedef uint64_t Wide __attribute__((vector_size(kBytes)));
typedef uint32_t Narrow __attribute__((vector_size(kBytes / 2)));
constexpr int kWide = kBytes / static_cast<int>(sizeof(uint64_t)), kVectors = kCounters / kWide;

// Products of words, in 64 bits.
inline Wide multiply_wide(Wide a, uint32_t by) {
#if defined(__AVX512F__)
    return reinterpret_cast<Wide>(_mm512_mul_epu32(reinterpret_cast<__m512i>(a), _mm512_set1_epi64(by)));
#elif defined(__AVX2__)
    return reinterpret_cast<Wide>(_mm256_mul_epu32(reinterpret_cast<__m256i>(a), _mm256_set1_epi64x(by)));
#else
    return (a & uint64_t{0xFFFFFFFFu}) * uint64_t{by};
#endif
}

// 0, 1, 2, …
inline Wide numbered() {
    Wide lanes;
    for (int l = 0; l < kWide; ++l) lanes[l] = static_cast<uint64_t>(l);
    return lanes;
}

// From counters to numbers; the first index is the word of a counter.
inline void philox(Wide (&x)[4][kVectors], uint64_t key) {
    uint64_t k0 = key & 0xFFFFFFFFu, k1 = key >> 32;
    for (int round = 0; round < 10; ++round, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u) {
#pragma GCC unroll 8
        for (int v = 0; v < kVectors; ++v) {
            const Wide a = multiply_wide(x[0][v], 0xD2511F53u), b = multiply_wide(x[2][v], 0xCD9E8D57u);
            x[0][v] = (b >> 32) ^ x[1][v] ^ k0;
            x[1][v] = b;
            x[2][v] = (a >> 32) ^ x[3][v] ^ k1;
            x[3][v] = a;
        }
    }
}

// `value` with the given probability and 0 otherwise, `count` times. Place 64 q + 16 j + l takes number j of counter
// 16 q + l.
template <class T> void toss(T* to, long count, double probability, T value, uint64_t seed, int threads) {
    constexpr long kBlock = 4 * kCounters, kWorthAThread = 1 << 16;
    const auto bound = static_cast<uint64_t>(probability * 0x1p32);  // up to 2^32, for a coin that always falls so
    const long blocks = (count + kBlock - 1) / kBlock;
    const int members = static_cast<int>(std::min<long>(threads, 1 + count / kWorthAThread));
    run_team(members, [&](int member) {
        const auto last = static_cast<uint32_t>(bound - 1);  // number that makes it fall so
        const T heads = bound > 0 ? value : T(0);
        for (long q = share(blocks, member, members); q < share(blocks, member + 1, members); ++q) {
            Wide x[4][kVectors] = {};
            for (int v = 0; v < kVectors; ++v) {
                x[0][v] = numbered() + static_cast<uint64_t>(q * kCounters + v * kWide);
                x[1][v] = x[0][v] >> 32;
            }
            philox(x, seed);
            uint32_t numbers[kBlock];
            for (int k = 0; k < kBlock; k += kWide) {
                const Narrow lower = __builtin_convertvector(x[k / kCounters][k % kCounters / kWide], Narrow);
                std::memcpy(numbers + k, &lower, sizeof lower);
            }
            T block[kBlock];
            for (int k = 0; k < kBlock; ++k) block[k] = numbers[k] <= last ? heads : T(0);
            std::copy_n(block, std::min(kBlock, count - q * kBlock), to + q * kBlock);
        }
    });
}

}  // namespace recurra::RECURRA_ISA
