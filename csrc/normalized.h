// Layer norm inside the LSTM (Ba et al. 2016): a step in parts, as a mean needs all units of a row before any can go on.
//
// Forward: W x and U h; gates and c from LN(W x) + b + LN(U h); h from LN(c). Backward the same way round. Where units
// are shared out, the members wait for each other between the parts; otherwise each row goes through all of them at once.
#pragma once

#include <cmath>

#include "backward.h"
#include "forward.h"

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
    NormBack(const T* m, T sum, T sum_y, long count)
        : moments{m[0], m[1]}, mean_dy(sum / static_cast<T>(count)), mean_dy_y(sum_y / static_cast<T>(count)) {}
    Vec<T> operator()(Vec<T> dy, Vec<T> y) const { return (dy - mean_dy - y * mean_dy_y) * moments.scale; }
};

// Every part for each of the rows, all rows of a part before the next one where there is a barrier between them.
template <class First, class... Parts>
inline void in_parts(long rows, Barrier* barrier, First&& first, Parts&&... parts) {
    const auto all_rows = [&](auto&& part) {
        barrier->wait();
        for (long i = 0; i < rows; ++i) part(i);
    };
    for (long i = 0; i < rows; ++i) {
        first(i);
        if (!barrier) (parts(i), ...);
    }
    if (barrier) (all_rows(parts), ...);
}

template <class C, class T> void Forward<C, T>::Member::advance_normed(long step, long row) {
    const Problem<T>& p = f.p_;
    const long n = list(step), columns = f.layout_.columns(), padded = f.layout_.padded;
    for (long panel = first_panel; panel < last_panel; ++panel) {
        for_rows(0, n, [&](long first, auto R) {
            constexpr int r = decltype(R)::value;
            Tile<T, r, 4> acc = {};
            const T* states[r];
            for (int i = 0; i < r; ++i) states[i] = rows[first + i];
            multiply<T, r, 4>(acc, p.P, states, f.recurrent_ + panel * kPanelWidth * p.P);
            for (int i = 0; i < r; ++i) {
                T* to = f.products_ + going[first + i].place * columns + panel * kPanelWidth;
                for (int j = 0; j < 4; ++j) store(to + j * W, acc[i][j]);
            }
        });
    }
    Barrier* const barrier = f.grid_.ranges > 1 ? &f.barrier_ : nullptr;
    if (barrier) barrier->wait();
    const auto open = [&](long i) {
        const Going& g = going[i];
        const T* products = f.products_ + g.place * columns;
        const Moments<T> of_x = moments_of_sums(f.layout_, sums(0, row + i), f.chunk_ * kPanelWidth);
        const Moments<T> of_h = moments_of_sums(f.layout_, products, kPanelWidth);
        if (g.moments) g.moments[0] = of_x.mean, g.moments[1] = of_x.scale;
        if (g.moments) g.moments[2] = of_h.mean, g.moments[3] = of_h.scale;
        for (long panel = first_panel; panel < last_panel; ++panel) {
            const Unit<T> u = unit_of(g, panel);
            Vec<T> a[4];
            for (int j = 0; j < 4; ++j) {
                long count;
                const long at = f.layout_.weight_row(p.recurrent_rows, panel, j, &count);
                a[j] = load(f.bias_ + panel * kPanelWidth + j * W);
                if (at < 0) continue;
                const Vec<T> from_x = load(sums(panel, row + i) + j * W), from_h = load(products + panel * kPanelWidth + j * W);
                a[j] += of_x.normalize(from_x) * load(p.variant.norm_input + at, count);
                a[j] += of_h.normalize(from_h) * load(p.variant.norm_recurrent + at, count);
                if (!u.saved) continue;
                store(u.saved + (f.cell_.input_sums() + j) * W, from_x);
                store(u.saved + (f.cell_.recurrent_sums() + j) * W, from_h);
            }
            const Vec<T> before = load(u.c);
            const auto s = f.cell_.open(a, before, u);
            f.cell_.carry_c(s, before, u);
            store(f.o_ + g.place * padded + u.at, s.o);
            store(f.computed_ + g.place * padded + u.at, s.c);
        }
    };
    const auto close = [&](long i) {
        const Going& g = going[i];
        const T* computed = f.computed_ + g.place * padded;
        const Moments<T> of_c = moments_of_cell(computed, p.H);
        if (g.moments) g.moments[4] = of_c.mean, g.moments[5] = of_c.scale;
        for (long panel = first_panel; panel < last_panel; ++panel) {
            const Unit<T> u = unit_of(g, panel);
            const Vec<T> o = load(f.o_ + g.place * padded + u.at);
            const Vec<T> normed = of_c.normalize(load(computed + u.at)) * f.cell_.gain(u) + f.cell_.bias(u);
            leave_hidden(o * f.cell_.squash(normed), u, g);
        }
    };
    in_parts(n, barrier, open, close);
    if (p.w_projection) project_hidden(n);
}

template <class C, class T> bool Backward<C, T>::Member::apply_normed(long step, long base, long chunk) {
    const Problem<T>& p = f.p_;
    const long n = f.plan_.count(step, part), padded = f.layout_.padded;
    const long from_x = f.cell_.input_sums() * W, from_h = f.cell_.recurrent_sums() * W;
    T* const norms = dnorms();
    bool live = false;
    const auto add = [&](int k, const Unit<T>& u, Vec<T> v) {
        T* const to = norms + k * padded + u.at;
        store(to, load(to) + v);
    };
    const auto saved_moments = [&](long i) {
        return f.g_.saved + saved_moments_at(f.plan_, f.layout_, f.cell_.saved(), step, part, i);
    };
    const auto total = [&](long place, int k) {
        T sum = 0;
        for (int r = 0; r < f.grid_.ranges; ++r) sum += partial(place, r)[k];
        return sum;
    };
    const auto close = [&](long i) {  // dh -> dLN(c), and the gradient of o's sum
        const long place = f.plan_.begin(part) + i, b = f.plan_.row(place), t = f.plan_.time(step, place, p.reverse);
        const Moments<T> of_c{saved_moments(i)[4], saved_moments(i)[5]};
        Vec<T> sum{}, sum_y{};
        for (long panel = first_panel; panel < last_panel; ++panel) {
            const Unit<T> u = unit_of(step, panel, i);
            const long at = place * padded + u.at;
            const Vec<T> y = of_c.normalize(f.cell_.saved_c(u)), gain = f.cell_.gain(u), o = load(u.saved + 3 * W);
            const Vec<T> inside = y * gain + f.cell_.bias(u);
            Vec<T> dn;
            if (f.g_.dcells) store(u.c, load(u.c) + load(f.g_.dcells.at(t, b) + u.at, u.count));
            if (f.g_.hidden) store(f.g_.hidden.at(t, b) + u.at, o * f.cell_.squash(inside), u.count);
            store(f.doutput_ + at, f.cell_.close_back(arriving(u, step, place, b, t), inside, o, dn));
            const Vec<T> dy = dn * gain;
            store(f.dnormed_ + at, dy);
            sum += dy;
            sum_y += dy * y;
            add(12, u, dn * y);
            add(13, u, dn);
        }
        partial(place, range)[0] = add_lanes<T>(sum), partial(place, range)[1] = add_lanes<T>(sum_y);
    };
    const auto open = [&](long i) {  // dLN(c) -> the gradient of all sums, and from it dLN(W x) and dLN(U h)
        const long place = f.plan_.begin(part) + i;
        const T* m = saved_moments(i);
        const Moments<T> of_x{m[0], m[1]}, of_h{m[2], m[3]};
        const NormBack<T> back(m + 4, total(place, 0), total(place, 1), p.H);
        Vec<T> sums[4] = {};
        for (long panel = first_panel; panel < last_panel; ++panel) {
            const Unit<T> u = unit_of(step, panel, i);
            const long at = place * padded + u.at, to = sums_at(step, base, chunk, panel) + i * kPanelWidth;
            const Vec<T> y = back.moments.normalize(f.cell_.saved_c(u));
            Vec<T> da[4];
            da[3] = load(f.doutput_ + at);
            f.cell_.open_back(first_lanes<T>(back(load(f.dnormed_ + at), y), u.count), da, u,
                              dpeephole ? dpeephole + u.at : nullptr, padded);
            for (int j = 0; j < 4; ++j) {
                long count;
                const long row = f.layout_.weight_row(p.recurrent_rows, panel, j, &count);
                Vec<T> dx{}, dh{};
                if (row >= 0) {
                    const Vec<T> x = of_x.normalize(load(u.saved + from_x + j * W));
                    const Vec<T> h = of_h.normalize(load(u.saved + from_h + j * W));
                    live |= any_nonzero<T>(da[j]);
                    add(j, u, da[j] * x);
                    add(4 + j, u, da[j] * h);
                    add(8 + j, u, da[j]);
                    dx = da[j] * load(p.variant.norm_input + row, count);
                    dh = da[j] * load(p.variant.norm_recurrent + row, count);
                    sums[0] += dx, sums[1] += dx * x;
                    sums[2] += dh, sums[3] += dh * h;
                }
                store(f.dinput_sums_ + to + j * W, dx);
                store(f.dsums_ + to + j * W, dh);
            }
        }
        for (int k = 0; k < 4; ++k) partial(place, range)[2 + k] = add_lanes<T>(sums[k]);
    };
    const auto through = [&](long i) {  // dLN(W x) -> d(W x), and the same for U h
        const long place = f.plan_.begin(part) + i, count = f.layout_.sums() * p.H;
        const T* m = saved_moments(i);
        const NormBack<T> of_x(m, total(place, 2), total(place, 3), count);
        const NormBack<T> of_h(m + 2, total(place, 4), total(place, 5), count);
        for (long panel = first_panel; panel < last_panel; ++panel) {
            const Unit<T> u = unit_of(step, panel, i);
            const long at = sums_at(step, base, chunk, panel) + i * kPanelWidth;
            for (int j = 0; j < 4; ++j) {
                if (p.recurrent_rows[j] < 0) continue;
                T *const dx = f.dinput_sums_ + at + j * W, *const dh = f.dsums_ + at + j * W;
                store(dx, of_x(load(dx), of_x.moments.normalize(load(u.saved + from_x + j * W))));
                store(dh, of_h(load(dh), of_h.moments.normalize(load(u.saved + from_h + j * W))));
            }
        }
    };
    in_parts(n, f.grid_.ranges > 1 ? &f.barrier_ : nullptr, close, open, through);
    return live;
}

}  // namespace recurra::RECURRA_ISA
