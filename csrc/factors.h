// What a step multiplies: x, the old state, and where a step goes in parts something that it has made itself.
#pragma once

#include <vector>

#include "sequence.h"

namespace recurra::RECURRA_ISA {

// gate_i … gate_o: the last ones. made: r * h in the GRU, the new c in the LSTM; only the last sum of a unit sees it.
enum class Operand { x, h, cell, gate_i, gate_f, gate_o, made };

// Which of a unit's four sums opens a gate.
inline int sum_of(Operand gate) { return gate == Operand::gate_i ? 0 : gate == Operand::gate_f ? 1 : 3; }

inline bool is_gate(Operand operand) { return operand >= Operand::gate_i && operand <= Operand::gate_o; }
inline int number_of(Operand gate) { return static_cast<int>(gate) - static_cast<int>(Operand::gate_i); }

// One product of a step: of an operand [B, width] and the rows of some weights that each of a unit's sums takes.
template <class T> struct Factor {
    Operand operand;
    const T* weights;
    long width, stride;  // stride: from row to row of the weights
    Blocks rows;
};

// Which of a cell's weights have the rows of its last sum multiplied by what the step makes.
enum class Late { none, recurrent, cell };

inline Blocks without_last(Blocks rows) { return {rows[0], rows[1], rows[2], -1}; }
inline Blocks only_last(Blocks rows) { return {-1, -1, -1, rows[3]}; }

// Of a step, in the order of the operands. A product that the cell has not is not there.
template <class T> inline std::vector<Factor<T>> factors_of(const Problem<T>& p, Late late) {
    const auto early = [&](Late weights, const Blocks& rows) { return late == weights ? without_last(rows) : rows; };
    std::vector<Factor<T>> factors{{Operand::x, p.w_input, p.D, p.D, p.input_rows},
                                   {Operand::h, p.w_recurrent, p.P, p.P, early(Late::recurrent, p.recurrent_rows)}};
    const auto add = [&](Operand operand, const T* weights, long stride, const Blocks& rows) {
        if (weights && count(rows) > 0) factors.push_back({operand, weights, p.H, stride, rows});
    };
    add(Operand::cell, p.w_cell, p.H, early(Late::cell, p.cell_rows));
    for (const Operand gate : {Operand::gate_i, Operand::gate_f, Operand::gate_o}) {
        const int block = p.gate_rows[sum_of(gate)];
        if (p.w_gates && block >= 0) add(gate, p.w_gates + block * p.H, count(p.gate_rows) * p.H, p.gate_rows);
    }
    if (late == Late::recurrent) add(Operand::made, p.w_recurrent, p.P, only_last(p.recurrent_rows));
    if (late == Late::cell) add(Operand::made, p.w_cell, p.H, only_last(p.cell_rows));
    return factors;
}

}  // namespace recurra::RECURRA_ISA
