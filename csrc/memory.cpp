#include "memory.h"

#include <sys/mman.h>

#include <cstdlib>
#include <mutex>
#include <new>
#include <vector>

namespace recurra {
namespace {

constexpr std::size_t kHuge = std::size_t{2} << 20;      // a huge page
constexpr std::size_t kKept = std::size_t{512} << 20;    // bytes that lie ready at most
constexpr std::size_t kLine = 64;

struct Free {
    char* data;
    std::size_t bytes;
};

struct Pool {
    std::mutex mutex;
    std::vector<Free> free;  // the oldest first
    std::size_t kept = 0;
};

Pool& pool() {
    static Pool* const one = new Pool;  // never destroyed: tensors may outlive all statics
    return *one;
}

char* allocate(std::size_t bytes) {
    char* data = static_cast<char*>(std::aligned_alloc(bytes >= kHuge ? kHuge : kLine, bytes));
    if (!data) throw std::bad_alloc();
#if defined(MADV_HUGEPAGE)
    if (bytes >= kHuge) madvise(data, bytes, MADV_HUGEPAGE);
#endif
    return data;
}

}  // namespace

Block::Block(std::size_t bytes) {
    const std::size_t step = bytes >= kHuge ? kHuge : kLine;
    bytes_ = bytes ? (bytes + step - 1) / step * step : kLine;
    Pool& p = pool();
    {
        const std::lock_guard<std::mutex> lock(p.mutex);
        for (std::size_t k = p.free.size(); k-- > 0;) {
            const Free found = p.free[k];
            if (found.bytes < bytes_ || found.bytes > 2 * bytes_) continue;
            p.free.erase(p.free.begin() + static_cast<std::ptrdiff_t>(k));
            p.kept -= found.bytes;
            data_ = found.data, bytes_ = found.bytes;
            return;
        }
    }
    data_ = allocate(bytes_);
}

Block::~Block() {
    Pool& p = pool();
    const std::lock_guard<std::mutex> lock(p.mutex);
    p.free.push_back({data_, bytes_});
    p.kept += bytes_;
    while (p.kept > kKept) {
        std::free(p.free.front().data);
        p.kept -= p.free.front().bytes;
        p.free.erase(p.free.begin());
    }
}

}  // namespace recurra
