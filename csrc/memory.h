// Memory that is used again: fresh pages cost more than the work on them.
#pragma once

#include <cstddef>

namespace recurra {

// A block out of a pool that all threads share; it goes back there at the end.
class Block {
public:
    explicit Block(std::size_t bytes);  // throws std::bad_alloc
    ~Block();
    Block(const Block&) = delete;
    Block& operator=(const Block&) = delete;
    char* data() const { return data_; }

private:
    char* data_;
    std::size_t bytes_;
};

// A block that is handed out in pieces, each aligned for any vector.
class Scratch {
public:
    explicit Scratch(std::size_t bytes) : block_(bytes), next_(block_.data()) {}
    template <class T> T* take(std::size_t count) {
        char* piece = next_;
        next_ += size<T>(count);
        return reinterpret_cast<T*>(piece);
    }
    template <class T> static std::size_t size(std::size_t count) { return (count * sizeof(T) + 63) / 64 * 64; }

private:
    Block block_;
    char* next_;
};

}  // namespace recurra
