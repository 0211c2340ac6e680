// The order in which rows are worked on: longest first, dealt out to the parts of the team; and what is real at a step.
#pragma once

#include <algorithm>
#include <numeric>
#include <vector>

#include "sequence.h"

namespace recurra {

// Shares [begin, end) of `count` for member `k` of `members`.
inline long share(long count, int k, int members) { return count * k / members; }

// Rows are sorted by length and dealt out to `parts` threads in turn, so that the rows that are still going on at a
// step are the first ones of each part, and all parts end at nearly the same time. Where all are of one length,
// neighbours stay together, as lines of the cache that two threads write to would go back and forth. For the same
// reason the real steps of the sequence are counted part by part: row i of a part has the number before(step, part) + i
// among them.
class Plan {
public:
    Plan(long steps, long rows, const long* lengths, int parts) : parts(parts), begin_(parts + 1) {
        std::vector<long> by_length(rows);
        std::iota(by_length.begin(), by_length.end(), 0L);
        if (lengths) {
            std::stable_sort(by_length.begin(), by_length.end(),
                             [&](long a, long b) { return lengths[a] > lengths[b]; });
        }
        for (int part = 0; part < parts; ++part) {
            begin_[part] = static_cast<long>(rows_.size());
            const long first = lengths ? part : share(rows, part, parts);
            const long end = lengths ? rows : share(rows, part + 1, parts);
            for (long k = first; k < end; k += lengths ? parts : 1) rows_.push_back(by_length[k]);
        }
        begin_[parts] = rows;
        for (const long b : rows_) lengths_.push_back(lengths ? lengths[b] : steps);
        this->steps = rows ? *std::max_element(lengths_.begin(), lengths_.end()) : 0;
        first_.assign(this->steps + 1, 0);
        before_.reserve(parts * (this->steps + 1));
        long total = 0;
        for (int part = 0; part < parts; ++part) {
            long n = begin_[part + 1] - begin_[part];
            for (long step = 0; step < this->steps; ++step) {
                while (n > 0 && lengths_[begin_[part] + n - 1] <= step) --n;
                before_.push_back(total);
                total += n;
                first_[step + 1] += n;
            }
            before_.push_back(total);
        }
        std::partial_sum(first_.begin(), first_.end(), first_.begin());
    }

    int parts;
    long steps;  // of the longest row

    long begin(int part) const { return begin_[part]; }                        // the part's first place
    long row(long place) const { return rows_[place]; }                        // b
    long length(long place) const { return lengths_[place]; }
    long before(long step, int part) const { return before_[part * (steps + 1) + step]; }
    long count(long from, long to, int part) const { return before(to, part) - before(from, part); }
    long count(long step, int part) const { return count(step, step + 1, part); }
    long first(long step) const { return first_[step]; }  // real steps before this one, of all parts
    long total() const { return first_.back(); }

    // The step after `from` at which `rows` real rows have come together, or the last one.
    long forward_until(long from, long rows) const {
        long to = from + 1;
        while (to < steps && first(to) - first(from) < rows) ++to;
        return to;
    }
    long backward_until(long from, long rows) const {
        long to = from - 1;
        while (to > 0 && first(from) - first(to) < rows) --to;
        return to;
    }

private:
    std::vector<long> begin_, rows_, lengths_, first_, before_;
};

}  // namespace recurra
