// Steps that go in parts, as something needs all units of a row before any can go on: a mean, under layer norm, or a
// product with what the step makes, which is the new c for the LSTM's o and r * h for the GRU's candidate.
//
// Forward: the products with the old state; from all sums the gates and what is made; its product; from that, or from
// LN(c), the new h. Backward the same way round. Where units are shared out, the members wait for each other between
// the parts; otherwise each row goes through as many of them at once as it can.
#pragma once

#include "threads.h"

namespace recurra::RECURRA_ISA {

// Every part for each of the rows, all rows of a part before the next one where a team waits between them.
template <class First, class... Parts>
inline void in_parts(long rows, Team* team, First&& first, Parts&&... parts) {
    const auto all_rows = [&](auto&& part) {
        team->wait();
        for (long i = 0; i < rows; ++i) part(i);
    };
    for (long i = 0; i < rows; ++i) {
        first(i);
        if (!team) (parts(i), ...);
    }
    if (team) (all_rows(parts), ...);
}

}  // namespace recurra::RECURRA_ISA
