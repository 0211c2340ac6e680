// The largest relative errors of the gates' functions, against long double, over all magnitudes.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "../simd.h"

namespace {

using namespace recurra::RECURRA_ISA;

template <class T> int check(const char* name, double bound) {
    double of_sigmoid = 0, of_tanh = 0;
    for (double size = 1e-8; size < 80; size *= 1.00001) {
        for (const double sign : {-1.0, 1.0}) {
            const T x = static_cast<T>(sign * size);
            const long double exact = x, s = 1 / (1 + expl(-exact)), t = tanhl(exact);
            of_sigmoid = std::max(of_sigmoid, static_cast<double>(fabsl((sigmoid<T>(all(x))[0] - s) / s)));
            of_tanh = std::max(of_tanh, static_cast<double>(fabsl((recurra::RECURRA_ISA::tanh<T>(all(x))[0] - t) / t)));
        }
    }
    std::printf("%s: sigmoid %.2e, tanh %.2e\n", name, of_sigmoid, of_tanh);
    return !(of_sigmoid <= bound && of_tanh <= bound);
}

}  // namespace

int main() { return check<float>("float32", 4.5e-7) + check<double>("float64", 5e-16); }
