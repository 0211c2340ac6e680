// One step at a time, of the forms that have no tile of their own for it: a sequence of one step whose weights are
// packed already.
#pragma once

#include "forward_parts.h"
#include "kernels.h"

namespace recurra::RECURRA_ISA {

template <class C, class T> class SequenceStep final : public Stepper<T> {
public:
    explicit SequenceStep(const Problem<T>& problem) : ready_(problem) {}

    void run(long B, int threads, const T* x, const State<const T>& before, const State<T>& after) const override {
        Problem<T> p = ready_.problem;
        p.T_ = 1, p.B = B, p.threads = threads;
        p.x = {x, 0, p.D};
        p.h0 = before.h, p.c0 = before.c, p.gates0 = before.gates;
        Outputs<T> out;
        out.y = {after.h, 0, p.P};
        out.h = after.h, out.c = after.c, out.gates = after.gates;
        Forward<C, T>(p, out, &ready_.packed).run();
    }

private:
    const Ready<C, T> ready_;
};

}  // namespace recurra::RECURRA_ISA
