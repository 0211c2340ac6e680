// Masks of independent coins: Philox4x32-10 (Salmon et al. 2011), a number for each place out of a seed alone, so that
// they do not depend on the number of threads or on the instruction set.
#pragma once

#include <cstdint>

#include "plan.h"
#include "simd.h"
#include "threads.h"

namespace recurra::RECURRA_ISA {

constexpr int kCounters = 16;  // worked on side by side
using Philox = uint32_t[4][kCounters];

inline void philox(Philox& x, uint64_t key) {
    uint32_t k0 = static_cast<uint32_t>(key), k1 = static_cast<uint32_t>(key >> 32);
    for (int round = 0; round < 10; ++round, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u) {
#pragma GCC ivdep
        for (int l = 0; l < kCounters; ++l) {
            const uint64_t a = uint64_t{0xD2511F53u} * x[0][l], b = uint64_t{0xCD9E8D57u} * x[2][l];
            x[0][l] = static_cast<uint32_t>(b >> 32) ^ x[1][l] ^ k0;
            x[1][l] = static_cast<uint32_t>(b);
            x[2][l] = static_cast<uint32_t>(a >> 32) ^ x[3][l] ^ k1;
            x[3][l] = static_cast<uint32_t>(a);
        }
    }
}

// `value` with the given probability and 0 otherwise, `count` times. Place 64 q + 16 j + l takes number j of counter
// 16 q + l.
template <class T> void toss(T* to, long count, double probability, T value, uint64_t seed, int threads) {
    constexpr long kBlock = 4 * kCounters, kWorthAThread = 1 << 15;
    const auto bound = static_cast<uint64_t>(probability * 0x1p32);  // up to 2^32, for a coin that always falls so
    const long blocks = (count + kBlock - 1) / kBlock;
    const int members = static_cast<int>(std::min<long>(threads, 1 + count / kWorthAThread));
    run_team(members, [&](int member) {
        for (long q = share(blocks, member, members); q < share(blocks, member + 1, members); ++q) {
            Philox x = {};
            for (int l = 0; l < kCounters; ++l) {
                const uint64_t counter = static_cast<uint64_t>(q) * kCounters + static_cast<uint64_t>(l);
                x[0][l] = static_cast<uint32_t>(counter), x[1][l] = static_cast<uint32_t>(counter >> 32);
            }
            philox(x, seed);
            T block[kBlock];
            for (int k = 0; k < kBlock; ++k) block[k] = x[k / kCounters][k % kCounters] < bound ? value : T(0);
            std::copy_n(block, std::min(kBlock, count - q * kBlock), to + q * kBlock);
        }
    });
}

}  // namespace recurra::RECURRA_ISA
