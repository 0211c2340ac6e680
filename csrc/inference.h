// Whole sequences without gradients: the weights stay packed from call to call.
#pragma once

#include <memory>
#include <mutex>

#include "fingerprint.h"
#include "forward_parts.h"
#include "kernels.h"

namespace recurra::RECURRA_ISA {

template <class C, class T> class PackedInference final : public Inference<T> {
public:
    // Several threads may come at once, each with sequences of its own.
    void run(const Problem<T>& p, const Outputs<T>& out) override {
        const std::shared_ptr<const Ready<C, T>> ready = packed(p);
        Forward<C, T>(p, out, &ready->packed).run();
    }

private:
    std::shared_ptr<const Ready<C, T>> packed(const Problem<T>& p) {
        const uint64_t print = Fingerprint::of_weights(p);
        const std::lock_guard<std::mutex> lock(mutex_);
        if (!ready_ || print != print_) {
            ready_ = std::make_shared<const Ready<C, T>>(p);
            print_ = print;
        }
        return ready_;
    }

    std::mutex mutex_;
    std::shared_ptr<const Ready<C, T>> ready_;
    uint64_t print_ = 0;
};

}  // namespace recurra::RECURRA_ISA
