// What forward leaves for backward: vectors of one row, step and panel, in full or, of float, as bfloat16.
#pragma once

#include "bfloat16.h"
#include "sequence.h"

namespace recurra::RECURRA_ISA {

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
            if (brief) return load_bfloat16(reinterpret_cast<const uint16_t*>(data) + vector * kWidth<float>);
        }
        Vec<T> v;
        std::memcpy(&v, data + vector * sizeof v, sizeof v);
        return v;
    }
};

}  // namespace recurra::RECURRA_ISA
