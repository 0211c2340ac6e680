// A team of threads that stays together for one call, taken from the pool that torch uses where there is one.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <vector>

namespace recurra {

// What the members of a team do for each other while they run: they wait, and who waits takes over some of what others
// are still at. The cores of a shared machine are seldom equally fast, nor are those of a laptop.
class Team {
public:
    explicit Team(int members) : members_(members), loops_(members > 1 ? members : 0) {}

    // All members wait here for the last one. They spin, as the waits are shorter than a system call, unless they find
    // that the system has put them on one processor.
    void wait();

    // How many wait now.
    int waiting() const { return arrived_.load(std::memory_order_relaxed); }

    // body(k) for k = 0 … count - 1, in member `me`, in this order; those who wait meanwhile take some from the end.
    // Nothing may depend on who does which. A body should last some microseconds.
    template <class Body> void share(int me, long count, const Body& body) {
        const auto run = [](const void* body, long k) { (*static_cast<const Body*>(body))(k); };
        if (members_ > 1 && count > 1) return share(me, count, run, &body);
        for (long k = 0; k < count; ++k) run(&body, k);
    }

private:
    using Run = void (*)(const void* body, long k);

    // What is left of a member's loop, [first, end) in one number, and how many others are at it.
    struct alignas(64) Loop {
        std::atomic<std::uint64_t> left{0};
        std::atomic<int> helpers{0};
        Run run = nullptr;
        const void* body = nullptr;
    };

    void share(int me, long count, Run run, const void* body);
    bool help();

    const int members_;
    std::atomic<int> arrived_{0};
    std::atomic<int> round_{0};
    std::atomic<bool> crowded_{false};  // whether members seem to share a processor
    std::vector<Loop> loops_;
};

// Run body(member) for members 0 … threads - 1, all at the same time; returns when all have. After a fork the pool's
// threads are not in the child, and new ones are started for the call.
void run_team(int threads, const std::function<void(int)>& body);

// Whether a team is worth having for so many operations. Its threads fall asleep when there is nothing to do, and
// waking them takes up to 10 ms on a virtual machine: a brief call that comes alone is done before they are there. In a
// streak of calls they stay awake.
bool worth_a_team(double operations);

// While it lives, this thread treats denormal numbers as 0: they cost up to 100 times as much and mean nothing here.
class FlushDenormals {
public:
    explicit FlushDenormals(bool wanted);
    ~FlushDenormals();
    FlushDenormals(const FlushDenormals&) = delete;
    FlushDenormals& operator=(const FlushDenormals&) = delete;

private:
    const bool wanted_;
    unsigned long kept_ = 0;
};

}  // namespace recurra
