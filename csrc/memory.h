// Memory that is used again: fresh pages cost more than the work on them.
#pragma once

#include <cstddef>
#include <vector>

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

// So many elements, and the pointer that is to tell where they lie.
template <class T> struct Piece {
    T** place;
    long count;
};

// A block that is handed out in pieces, each aligned for any vector.
class Scratch {
public:
    template <class T> explicit Scratch(const std::vector<Piece<T>>& pieces) : block_(bytes(pieces)) {
        char* next = block_.data();
        for (const Piece<T>& piece : pieces) {
            *piece.place = reinterpret_cast<T*>(next);
            next += size<T>(piece.count);
        }
    }
    template <class T> static std::size_t size(std::size_t count) { return (count * sizeof(T) + 63) / 64 * 64; }

private:
    template <class T> static std::size_t bytes(const std::vector<Piece<T>>& pieces) {
        std::size_t sum = 0;
        for (const Piece<T>& piece : pieces) sum += size<T>(piece.count);
        return sum;
    }

    const Block block_;
};

}  // namespace recurra
