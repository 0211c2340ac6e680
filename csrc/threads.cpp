#include "threads.h"

#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>

#include <chrono>
#include <exception>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace recurra {
namespace {

// How often one who waits looks before it offers its processor to others: somebody else may be running on it.
constexpr int kSpins = 4000, kFewSpins = 100;

inline void pause() {
#if defined(__x86_64__)
    _mm_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

// One who waits for another member.
struct Spin {
    int patience = kSpins, spins = 0, offers = 0;
    void once() {
        if (++spins < patience) {
            pause();
        } else {
            ++offers;
            sched_yield();
        }
    }
};

std::uint64_t range_of(std::uint64_t first, std::uint64_t end) { return first << 32 | end; }
std::uint64_t first_of(std::uint64_t range) { return range >> 32; }
std::uint64_t end_of(std::uint64_t range) { return range & 0xffffffff; }

// GNU's, LLVM's and Intel's OpenMP all answer to this name. Torch has loaded one of them: to use its pool, instead of
// another one, is what keeps two sets of threads from fighting over the same cores.
using Parallel = void (*)(void (*)(void*), void*, unsigned, unsigned);

struct OpenMP {
    Parallel parallel = reinterpret_cast<Parallel>(dlsym(RTLD_DEFAULT, "GOMP_parallel"));
    int (*team_size)() = reinterpret_cast<int (*)()>(dlsym(RTLD_DEFAULT, "omp_get_num_threads"));
};

const OpenMP& openmp() {
    static const OpenMP found;
    return found;
}

constexpr double kBrief = 5e7;  // operations: about a millisecond of one thread
constexpr long kPause = 10'000'000, kStreak = 20'000'000;  // nanoseconds
std::atomic<long> last_call{0}, streak_begin{0};

std::atomic<bool> forked{false};
const int watching = pthread_atfork(nullptr, nullptr, [] { forked = true; });

struct Call {
    const std::function<void(int)>* body;
    int threads;
    std::atomic<int> joined{0};
    std::atomic<bool> done{false};
};

void join(Call& call) {
    const int member = call.joined.fetch_add(1);
    if (member < call.threads) (*call.body)(member);
}

// A pool may lend fewer threads than asked for; members that never come would be waited for without end.
void join_if_complete(void* argument) {
    Call& call = *static_cast<Call*>(argument);
    if (openmp().team_size() < call.threads) return;
    join(call);
    call.done = true;
}

}  // namespace

void Team::wait() {
    const int round = round_.load(std::memory_order_relaxed);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) == members_ - 1) {
        arrived_.store(0, std::memory_order_relaxed);
        round_.store(round + 1, std::memory_order_release);
        return;
    }
    const bool crowded = crowded_.load(std::memory_order_relaxed);
    Spin spin{crowded ? kFewSpins : kSpins};
    while (round_.load(std::memory_order_acquire) == round) {
        if (help()) {
            spin.spins = 0;
        } else {
            spin.once();
        }
    }
    // The first offer was taken by whom this one waited for: they share a processor, and will at the next step.
    if (crowded != (spin.offers == 1)) crowded_.store(!crowded, std::memory_order_relaxed);
}

void Team::share(int me, long count, Run run, const void* body) {
    Loop& loop = loops_[me];
    loop.run = run, loop.body = body;
    std::uint64_t left = range_of(0, count);
    loop.left = left;
    while (first_of(left) < end_of(left)) {
        const std::uint64_t first = first_of(left);
        if (loop.left.compare_exchange_weak(left, range_of(first + 1, end_of(left)))) {
            run(body, static_cast<long>(first));
            left = loop.left;
        }
    }
    for (Spin spin; loop.helpers != 0;) spin.once();
}

bool Team::help() {
    bool helped = false;
    for (Loop& loop : loops_) {
        std::uint64_t left = loop.left.load(std::memory_order_relaxed);
        if (first_of(left) >= end_of(left)) continue;
        ++loop.helpers;  // from here on this loop stays, and no other takes its place
        left = loop.left;
        while (first_of(left) < end_of(left)) {
            const std::uint64_t last = end_of(left) - 1;
            if (loop.left.compare_exchange_weak(left, range_of(first_of(left), last))) {
                loop.run(loop.body, static_cast<long>(last));
                helped = true;
                left = loop.left;
            }
        }
        --loop.helpers;
    }
    return helped;
}

void run_team(int threads, const std::function<void(int)>& body) {
    if (threads <= 1) return body(0);
    Call call{&body, threads};
    if (openmp().parallel && openmp().team_size && !forked) {
        openmp().parallel(join_if_complete, &call, static_cast<unsigned>(threads), 0);
        if (call.done) return;
    }
    std::vector<std::thread> others;
    for (int k = 1; k < threads; ++k) others.emplace_back([&call] { join(call); });
    join(call);
    for (std::thread& other : others) other.join();
}

bool worth_a_team(double operations) {
    const long now = std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count();
    const long last = last_call.exchange(now, std::memory_order_relaxed);
    if (now - last > kPause) streak_begin.store(now, std::memory_order_relaxed);
    return operations > kBrief || now - streak_begin.load(std::memory_order_relaxed) > kStreak;
}

#if defined(__x86_64__)
FlushDenormals::FlushDenormals(bool wanted) : wanted_(wanted) {
    if (!wanted_) return;
    kept_ = _mm_getcsr();
    _mm_setcsr(static_cast<unsigned>(kept_) | 0x8040u);  // flush to zero, denormals are zero
}
FlushDenormals::~FlushDenormals() {
    if (wanted_) _mm_setcsr(static_cast<unsigned>(kept_));
}
#elif defined(__aarch64__)
FlushDenormals::FlushDenormals(bool wanted) : wanted_(wanted) {
    if (!wanted_) return;
    asm volatile("mrs %0, fpcr" : "=r"(kept_));
    asm volatile("msr fpcr, %0" : : "r"(kept_ | (1ul << 24)));
}
FlushDenormals::~FlushDenormals() {
    if (wanted_) asm volatile("msr fpcr, %0" : : "r"(kept_));
}
#else
FlushDenormals::FlushDenormals(bool wanted) : wanted_(wanted) {}
FlushDenormals::~FlushDenormals() = default;
#endif

}  // namespace recurra
