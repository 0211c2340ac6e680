// What a caller hands over: a whole sequence, one layer, one direction. Plain data, the same for every instruction set.
#pragma once

#include <algorithm>
#include <array>

namespace recurra {

// An array [T, B, ·] whose features are neighbours; strides in elements. `data` may be null where it is optional.
template <class T> struct Steps {
    T* data = nullptr;
    long time = 0, row = 0;
    T* at(long t, long b) const { return data + t * time + b * row; }
    explicit operator bool() const { return data != nullptr; }
};

// In parts: the LSTM under layer norm, with products of the cell state, or with gates that see the last gates; the GRU
// whose reset gate comes before the product.
enum class Cell { lstm, lstm_in_parts, gru, gru_in_parts, rnn_tanh, rnn_relu };

// Which block of H rows of some weights each of a unit's four sums takes; -1 for none.
using Blocks = std::array<int, 4>;
constexpr Blocks kNoBlocks{-1, -1, -1, -1};
inline long count(const Blocks& rows) { return 4 - std::count(rows.begin(), rows.end(), -1); }

// Deviations from the plain cell. Arrays are null where they are not in use.
template <class T> struct Variant {
    bool coupled = false;                                          // f = 1 - i
    bool linear_candidate = false, linear_output = false;          // NIAF, NOAF
    T cell_clip = 0;                                               // 0 for none
    const T *peephole_i = nullptr, *peephole_f = nullptr, *peephole_o = nullptr;  // [H]
    T zoneout_h = 0, zoneout_c = 0;                                // in expectation
    Steps<const T> keep_h, keep_c;                                 // zoneout's masks [T, B, P], [T, B, H], in training
    Steps<const T> drop_h;                                         // recurrent dropout's mask [B, P], time stride 0
    bool layer_norm = false;
    // Layer norm's gains over W x and U h, [G], and over c, [H], and the bias of the last.
    const T *norm_input = nullptr, *norm_recurrent = nullptr, *norm_cell = nullptr, *norm_cell_bias = nullptr;
};

template <class T> struct Problem {
    Cell cell = Cell::lstm;
    long T_ = 0, B = 0, D = 0, H = 0, P = 0;  // P: of what goes out, H without projection
    const long* lengths = nullptr;  // [B], null if all are T
    bool reverse = false;
    bool brief = false;             // whether forward may leave what backward needs as bfloat16
    int threads = 1;
    Blocks input_rows = kNoBlocks, recurrent_rows = kNoBlocks, cell_rows = kNoBlocks, gate_rows = kNoBlocks;
    const T *w_input = nullptr, *w_recurrent = nullptr;        // [G, D], [G, P]
    const T *bias_input = nullptr, *bias_recurrent = nullptr;  // [G]
    Steps<const T> x;                                          // [T, B, D]
    const T* w_projection = nullptr;                           // [P, H], or null
    const T *w_cell = nullptr, *bias_cell = nullptr;           // [C, H], [C]: of the cell state; or null
    const T* w_gates = nullptr;                                // [K H, K H], of the last gates; or null
    const T *h0 = nullptr, *c0 = nullptr, *gates0 = nullptr;   // [B, P], [B, H], [B, K H]
    Variant<T> variant;
};

template <class T> struct Outputs {
    Steps<T> y, cells;                // [T, B, P], [T, B, H]; cells only on request
    T *h = nullptr, *c = nullptr, *gates = nullptr;  // [B, P], [B, H], [B, K H] after the last real step
    void* saved = nullptr;            // for backward; null for inference
};

template <class T> struct Gradients {
    Steps<const T> y, dy, dcells;  // y: what forward returned; dy, dcells: null for zero
    const T *dh = nullptr, *dc = nullptr, *dgates = nullptr;  // of the final state: null for zero
    void* saved = nullptr;
    // Results; each may be null if it is not wanted.
    Steps<T> dx;
    // With projection: the gradient of what it makes, [T, B, P], and what it is made of, [T, B, H], on real steps that
    // a gradient reaches; their product is the gradient of its weights.
    Steps<T> dprojected, hidden;
    T *dh0 = nullptr, *dc0 = nullptr, *dgates0 = nullptr;
    T *dw_input = nullptr, *dw_recurrent = nullptr, *db_input = nullptr, *db_recurrent = nullptr;
    T *dw_cell = nullptr, *db_cell = nullptr, *dw_gates = nullptr;
    T *dpeephole_i = nullptr, *dpeephole_f = nullptr, *dpeephole_o = nullptr;
    T *dnorm_input = nullptr, *dnorm_recurrent = nullptr, *dnorm_cell = nullptr, *dnorm_cell_bias = nullptr;
};

}  // namespace recurra
