// A team of threads that stays together for one call, taken from the pool that torch uses where there is one.
#pragma once

#include <atomic>
#include <functional>

namespace recurra {

// All members wait here for the last one. They spin: the waits are shorter than a system call.
class Barrier {
public:
    explicit Barrier(int members) : members_(members) {}
    void wait();

private:
    const int members_;
    std::atomic<int> arrived_{0};
    std::atomic<int> round_{0};
};

// Run body(member) for members 0 … threads - 1, all at the same time; returns when all have. After a fork the pool's
// threads are not in the child, and new ones are started for the call.
void run_team(int threads, const std::function<void(int)>& body);

// Whether a team is worth having for so many operations. Its threads fall asleep when there is nothing to do, and waking
// them takes up to 10 ms on a virtual machine: a brief call that comes alone is done before they are there. In a streak
// of calls they stay awake.
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
