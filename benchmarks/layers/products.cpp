// How near the inner loops of the products come to what one core multiplies and adds from registers at the same time:
//
//   flags="-march=x86-64-v4 -mprefer-vector-width=512 -DRECURRA_ISA=avx512"   # or "-mavx2 -mfma -DRECURRA_ISA=avx2"
//   g++ -std=c++17 -O3 -Wno-psabi $flags -Icsrc benchmarks/layers/products.cpp -o /tmp/products && /tmp/products
#include "tile.h"

#include <chrono>
#include <cstdio>
#include <vector>

namespace {

using namespace recurra::RECURRA_ISA;
using V = Vec<float>;
constexpr long W = kWidth<float>, kPanelWidth = kPanel * W, kTurns = 41;

// Operations in a second: `amount` of them, some times over.
template <class Body> double rate(double amount, Body&& body) {
    const long times = std::max(1L, static_cast<long>(1e8 / amount));
    const auto begin = std::chrono::steady_clock::now();
    for (long k = 0; k < times; ++k) body();
    return amount * times / std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

// In several chains, as one alone would wait for itself.
constexpr long kChains = 12, kSteps = 1000;
__attribute__((noinline)) void multiply_registers() {
    V sums[kChains] = {}, factor = all(1e-9f);
    for (V& sum : sums) asm volatile("" : "+x"(sum));  // or the compiler saw that they are all the same
    for (long step = 0; step < kSteps; ++step) {
#pragma GCC unroll 12
        for (long k = 0; k < kChains; ++k) sums[k] += factor * sums[k];
    }
    for (V& sum : sums) asm volatile("" : : "x"(sum));
}

double median(std::vector<double> values) {
    std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
    return values[values.size() / 2];
}

// Some rows of a layer of H units: the product with its recurrent weights, that with their transpose, and the sum over the
// rows that is the gradient of the weights.
void compare(long H, long rows) {
    const long panels = H / W;
    std::vector<float> memory(4 * H * H + rows * (2 * H + kPanelWidth * panels) + 16, 0.01f);
    float* next = reinterpret_cast<float*>((reinterpret_cast<std::uintptr_t>(memory.data()) + 63) / 64 * 64);
    const auto take = [&](long count) { return std::exchange(next, next + count); };
    float *const weights = take(4 * H * H), *const h = take(rows * H), *const dh = take(rows * H);
    float* const sums = take(rows * panels * kPanelWidth);
    std::vector<const float*> row_of(rows);
    for (long i = 0; i < rows; ++i) row_of[i] = h + i * H;
    const auto forward = [&] {
        for (long panel = 0; panel < panels; ++panel) {
            for_rows(0, rows, [&](long first, long count) {
                add_products<float>(count, sums + (panel * rows + first) * kPanelWidth, nullptr, 0,
                                    {H, &row_of[first], weights + panel * H * kPanelWidth});
            });
        }
    };
    const auto transposed = [&] {
        multiply_vectors<float>(0, panels, 0, rows, {panels, kPanelWidth, rows * kPanelWidth, nullptr, weights},
                                [&](long i) { return sums + i * kPanelWidth; },
                                [&](V sum, long v, long i) { store(dh + i * H + v * W, sum); });
    };
    const auto gradients = [&] {
        for (long strip = 0; strip < panels; strip += kPanel) {
            for (long gate = 0; gate < 4 * panels; ++gate) {
                add_sum<float>(W, kPanel, {weights + (strip * panels + gate) * W * kPanelWidth, kPanelWidth, false}, rows,
                               sums + gate / 4 * rows * kPanelWidth + gate % 4 * W, kPanelWidth, h + strip * rows * W);
            }
        }
    };
    const double amount = 2.0 * rows * 4 * H * H;
    std::vector<double> shares[3];
    for (long turn = 0; turn < kTurns; ++turn) {
        const double peak = rate(2.0 * kSteps * kChains * W, multiply_registers);
        shares[0].push_back(rate(amount, forward) / peak);
        shares[1].push_back(rate(amount, transposed) / peak);
        shares[2].push_back(rate(amount, gradients) / peak);
        std::fill_n(weights, 4 * H * H, 0.01f);  // the sums would grow without end
    }
    std::printf("%5ld %5ld %10.2f %10.2f %10.2f\n", H, rows, median(shares[0]), median(shares[1]), median(shares[2]));
}

}  // namespace

int main() {
    std::puts("    H  rows    weights  transpose  gradients");
    for (const long H : {64, 128, 256, 512}) compare(H, 96);
}
