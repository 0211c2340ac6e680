// Whether weights have changed since they were packed: 64 bits that depend on each of their bits and its place.
#pragma once

#include <cstdint>
#include <cstring>
#include <numeric>

#include "plan.h"
#include "threads.h"

namespace recurra::RECURRA_ISA {

// Two sums of each lane, of its numbers and of these sums (Fletcher 1982), modulo 2^64. It guards against what training
// or loading does to weights, not against somebody who looks for two weights with one print.
class Fingerprint {
public:
    template <class T> static uint64_t of_weights(const Problem<T>& p) {
        const long input = count(p.input_rows) * p.H, recurrent = count(p.recurrent_rows) * p.H;
        const long cell = count(p.cell_rows) * p.H, gates = count(p.gate_rows) * p.H;
        Fingerprint print;
        print.add(p.w_input, input * p.D), print.add(p.w_recurrent, recurrent * p.P);
        print.add(p.bias_input, input), print.add(p.bias_recurrent, recurrent);
        print.add(p.w_projection, p.P * p.H);
        print.add(p.w_cell, cell * p.H), print.add(p.bias_cell, cell);
        print.add(p.w_gates, gates * gates);
        return print.take(p.threads);
    }

private:
    typedef uint64_t Lanes __attribute__((vector_size(64)));
    static constexpr std::size_t kPiece = 1 << 16, kWorthATeam = 1 << 21;  // bytes; from 40 us on

    struct Piece {
        const char* data;
        std::size_t bytes;
    };

    template <class T> void add(const T* data, long count) {
        const char* bytes = reinterpret_cast<const char*>(data);
        const std::size_t all = data ? count * sizeof(T) : 0;
        for (std::size_t at = 0; at < all; at += kPiece) pieces_.push_back({bytes + at, std::min(kPiece, all - at)});
        bytes_ += all;
    }

    // Pieces are numbered, so it does not matter who takes which.
    uint64_t take(int threads) const {
        const double additions = bytes_ / 4.0;
        const int members = threads > 1 && bytes_ >= kWorthATeam && worth_a_team(additions) ? threads : 1;
        std::vector<uint64_t> sums(members);
        run_team(members, [&](int me) {
            const long all = static_cast<long>(pieces_.size());
            for (long k = share(all, me, members); k < share(all, me + 1, members); ++k) {
                sums[me] += mix(of(pieces_[k]) + static_cast<uint64_t>(k + 1) * 0x9e3779b97f4a7c15u);
            }
        });
        return std::accumulate(sums.begin(), sums.end(), uint64_t{bytes_});
    }

    static uint64_t of(const Piece& piece) {
        Lanes sum{}, sums{};
        const auto add = [&](const Lanes& lanes) { sum += lanes, sums += sum; };
        std::size_t at = 0;
        for (; at + sizeof(Lanes) <= piece.bytes; at += sizeof(Lanes)) {
            Lanes lanes;
            std::memcpy(&lanes, piece.data + at, sizeof lanes);
            add(lanes);
        }
        Lanes rest{};
        std::memcpy(&rest, piece.data + at, piece.bytes - at);
        add(rest);
        uint64_t print = piece.bytes;
        for (std::size_t k = 0; k < sizeof(Lanes) / sizeof(uint64_t); ++k) print = mix(mix(print + sum[k]) + sums[k]);
        return print;
    }

    // The finaliser of SplitMix64 (Steele 2014).
    static uint64_t mix(uint64_t bits) {
        bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9u;
        bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebu;
        return bits ^ (bits >> 31);
    }

    std::vector<Piece> pieces_;
    std::size_t bytes_ = 0;
};

}  // namespace recurra::RECURRA_ISA
