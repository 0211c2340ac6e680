// All weights of a problem as the tiles of forward read them.
#pragma once

#include <vector>

#include "layout.h"
#include "memory.h"

namespace recurra::RECURRA_ISA {

template <class C, class T> class Packed {
public:
    explicit Packed(const Layout<C, T>& layout)
        : layout_(layout), p_(layout.problem), factors_(layout.early()), memory_(pieces()) {}

    const T* bias(long panel) const { return bias_ + panel * kPanelWidth; }
    const T* factor(long k, long panel) const { return factors_[k] + first(k, panel); }
    const T* late() const { return late_; }              // [vector of units][H][W]
    const T* projection() const { return projection_; }  // [vector of outputs][H][W]

    // The share of member `me`.
    void pack(int me, int members) {
        for (long panel = share(layout_.panels, me, members); panel < share(layout_.panels, me + 1, members); ++panel) {
            for (long k = 0; k < layout_.early(); ++k) {
                layout_.pack_panel(layout_.factors[k], panel, factors_[k] + first(k, panel));
            }
            layout_.pack_bias(panel, bias_ + panel * kPanelWidth);
        }
        if (const Factor<T>* late = layout_.late()) {
            const T* weights = late->weights + late->rows[3] * p_.H * late->stride;
            pack_vectors(weights, p_.H, layout_.padded / W, me, members, late_);
        }
        if (p_.w_projection) pack_vectors(p_.w_projection, p_.P, layout_.padded_h / W, me, members, projection_);
    }

private:
    static constexpr long W = kWidth<T>, kPanelWidth = 4 * W;

    long first(long k, long panel) const { return panel * kPanelWidth * layout_.factors[k].width; }

    std::vector<Piece<T>> pieces() {
        std::vector<Piece<T>> pieces{{&bias_, layout_.columns()},
                                     {&late_, layout_.late() ? p_.H * layout_.padded : 0},
                                     {&projection_, p_.w_projection ? p_.H * layout_.padded_h : 0}};
        for (long k = 0; k < layout_.early(); ++k) pieces.push_back({&factors_[k], first(k, layout_.panels)});
        return pieces;
    }

    // weights [rows, H] -> [vector of rows][H][W]
    void pack_vectors(const T* weights, long rows, long vectors, int me, int members, T* packed) const {
        for (long v = share(vectors, me, members); v < share(vectors, me + 1, members); ++v) {
            pack_rows(weights + v * W * p_.H, p_.H, rows - v * W, p_.H, packed + v * W * p_.H, W);
        }
    }

    const Layout<C, T>& layout_;
    const Problem<T>& p_;
    std::vector<T*> factors_;
    T *bias_, *late_, *projection_;
    const Scratch memory_;
};

// A problem of which only the weights matter, and these packed: for sequences of other sizes.
template <class C, class T> struct Ready {
    const Problem<T> problem;
    const Layout<C, T> layout;
    Packed<C, T> packed;

    explicit Ready(const Problem<T>& p) : problem(p), layout(problem), packed(layout) { packed.pack(0, 1); }
};

}  // namespace recurra::RECURRA_ISA
