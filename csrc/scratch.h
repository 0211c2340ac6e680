// Memory for one call, kept by the calling thread for the next one: fresh pages cost more than the work on them.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <new>

namespace recurra {

class Scratch {
public:
    // Room for `bytes` in all; pieces are handed out by take().
    explicit Scratch(std::size_t bytes) {
        Kept& kept = mine();
        if (kept.bytes < bytes) {
            std::free(kept.data);
            kept.bytes = (bytes + kAlign - 1) / kAlign * kAlign;
            kept.data = static_cast<char*>(std::aligned_alloc(kAlign, kept.bytes));
            if (!kept.data) {
                kept.bytes = 0;
                throw std::bad_alloc();
            }
        }
        next_ = kept.data;
    }
    ~Scratch() {
        Kept& kept = mine();
        if (kept.bytes > kKept) {
            std::free(kept.data);
            kept = Kept{};
        }
    }
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;

    template <class T> T* take(std::size_t count) {
        char* piece = next_;
        next_ += size<T>(count);
        return reinterpret_cast<T*>(piece);
    }
    template <class T> static std::size_t size(std::size_t count) {
        return (count * sizeof(T) + kAlign - 1) / kAlign * kAlign;
    }

private:
    static constexpr std::size_t kAlign = 64, kKept = std::size_t{64} << 20;
    struct Kept {
        char* data = nullptr;
        std::size_t bytes = 0;
        Kept() = default;
        ~Kept() = default;
    };
    static Kept& mine() {
        static thread_local Kept kept;
        return kept;
    }
    char* next_;
};

}  // namespace recurra
