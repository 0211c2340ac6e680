// Layer norm (Ba et al. 2016) of a row's sums and of its cell state.
#pragma once

#include <cmath>

#include "layout.h"

namespace recurra::RECURRA_ISA {

template <class T> struct Moments {
    T mean, scale;  // scale: 1 / standard deviation
    Vec<T> normalize(Vec<T> x) const { return (x - mean) * scale; }
};

// The moments of `count` numbers; each(visit) calls visit(vector, lanes that are real) for all of their vectors.
template <class T, class Each> inline Moments<T> moments(long count, Each&& each) {
    constexpr T kEpsilon = static_cast<T>(1e-5);  // torch's
    Vec<T> sum{}, squares{};
    each([&](Vec<T> v, long lanes) { sum += first_lanes<T>(v, lanes); });
    const T mean = add_lanes<T>(sum) / static_cast<T>(count);
    each([&](Vec<T> v, long lanes) {
        const Vec<T> d = first_lanes<T>(v - mean, lanes);
        squares += d * d;
    });
    return {mean, static_cast<T>(1) / std::sqrt(add_lanes<T>(squares) / static_cast<T>(count) + kEpsilon)};
}

// Of a row's sums, [panel][4 W] with `stride` from one panel to the next.
template <class C, class T> inline Moments<T> moments_of_sums(const Layout<C, T>& layout, const T* sums, long stride) {
    constexpr long W = kWidth<T>;
    const long H = layout.problem.H;
    return moments<T>(layout.sums() * H, [&](auto&& visit) {
        for (long panel = 0; panel < layout.panels; ++panel) {
            for (int j = 0; j < 4; ++j) {
                if (layout.problem.recurrent_rows[j] >= 0) visit(load(sums + panel * stride + j * W), H - panel * W);
            }
        }
    });
}

// Of a row's cell state.
template <class T> inline Moments<T> moments_of_cell(const T* c, long H) {
    return moments<T>(H, [&](auto&& visit) {
        for (long at = 0; at < H; at += kWidth<T>) visit(load(c + at), H - at);
    });
}

// From dy, where y = (x - mean) scale and the sums of dy and of dy y over all `count` of them are known, to dx.
template <class T> struct NormBack {
    Moments<T> moments;
    T mean_dy, mean_dy_y;
    NormBack() = default;
    NormBack(const T* m, T sum, T sum_y, long count)
        : moments{m[0], m[1]}, mean_dy(sum / static_cast<T>(count)), mean_dy_y(sum_y / static_cast<T>(count)) {}
    Vec<T> operator()(Vec<T> dy, Vec<T> y) const { return (dy - mean_dy - y * mean_dy_y) * moments.scale; }
};

}  // namespace recurra::RECURRA_ISA
