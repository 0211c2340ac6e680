// What forward leaves for backward: vectors of one row, step and panel, in full or, of float, as bfloat16.
#pragma once

#include "sequence.h"
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
inline Vec<float> from_bfloat16(Halves halves) {
    const Words bits = __builtin_convertvector(halves, Words) << 16;
    Vec<float> v;
    std::memcpy(&v, &bits, sizeof v);
    return v;
}

template <class T> struct Saved {
    char* data = nullptr;
    bool brief = false;

    explicit operator bool() const { return data != nullptr; }
    long bytes(long elements) const { return elements * static_cast<long>(brief ? sizeof(uint16_t) : sizeof(T)); }
    Saved behind(long elements) const { return {data + bytes(elements), brief}; }

    void put(long vector, Vec<T> v) const {
        if constexpr (sizeof(T) == sizeof(float)) {
            if (brief) {
                const Halves halves = to_bfloat16(v);
                std::memcpy(data + vector * sizeof halves, &halves, sizeof halves);
                return;
            }
        }
        std::memcpy(data + vector * sizeof v, &v, sizeof v);
    }

    Vec<T> get(long vector) const {
        if constexpr (sizeof(T) == sizeof(float)) {
            if (brief) {
                Halves halves;
                std::memcpy(&halves, data + vector * sizeof halves, sizeof halves);
                return from_bfloat16(halves);
            }
        }
        Vec<T> v;
        std::memcpy(&v, data + vector * sizeof v, sizeof v);
        return v;
    }
};

}  // namespace recurra::RECURRA_ISA
