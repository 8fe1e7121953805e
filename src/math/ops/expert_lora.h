// The adapters' part of a mixture of experts: grouped rows of one expert under one adapter, a part each, beside the
// products of the experts themselves, which take an expert's rows together whatever their adapters. One call's; memory
// of the workspace, and none for rows without an adapter.
#pragma once

#include <algorithm>

#include "base/function_ref.h"
#include "math/ops/grouped_rows.h"
#include "math/ops/lora_part.h"
#include "math/ops/moe.h"

namespace hone::math {

// Calls body(run, first, count) for the rows of each run of tokens that has some among rows of one expert, whose tokens
// ascend.
template <class Row, class TokenOf, class Body>
void for_each_run(std::span<Row> rows, TokenOf token_of, std::span<const ExpertLoraRun> runs, Body body) {
    for (size_t i = 0; i < runs.size(); i++) {
        const auto first = std::ranges::lower_bound(rows, runs[i].first_row, {}, token_of);
        const auto last = std::ranges::lower_bound(rows, runs[i].first_row + runs[i].rows, {}, token_of);
        if (first < last) body(i, first - rows.begin(), last - first);
    }
}

// Grouped rows [first_row, first_row + rows) of an expert under an adapter.
struct ExpertLoraPart {
    int64_t first_row = 0, rows = 0;
    LoraPart gate, up, down;      // without weights where not adapted
    std::byte* hidden = nullptr;  // rows of the hidden layer, as they are, in tiles; null if down is not adapted

    // Of columns [column, column + columns) of the block that begins at grouped row `block`; its values of gate and up,
    // or of down, begin at these columns.
    void add_gate_and_up(const KernelTable& kernels, int64_t block, int64_t column, int64_t columns, float* gate_values,
                         float* up_values, int64_t stride) const;
    void keep_hidden(const KernelTable& kernels, int64_t block, int64_t column, int64_t columns, const float* values,
                     int64_t stride) const;
};

class ExpertLora {
  public:
    // Of grouped rows that are computed in at most `blocks` blocks.
    ExpertLora(OpContext& context, const GroupedRows& grouped, const ExpertWeights& experts,
               std::span<const ExpertLoraRun> runs, int64_t blocks);

    // Blocks of rows of one expert, ascending; a part lies within one of them.
    void add_block(size_t expert, int64_t first_row, int64_t rows);
    std::span<const ExpertLoraPart> parts_of(int64_t first_row, int64_t rows) const;

    // h of gate and up, from the tokens.
    void project_tokens(MatrixView<const float> x);
    // h of down, from the hidden rows that were kept.
    void project_hidden();

  private:
    ExpertLoraPart part_of(const ExpertLoraRun& run, size_t expert, int64_t first_row, int64_t rows);
    // Calls body(part, scratch of a projection, worker) for all parts in parallel.
    void for_parts(FunctionRef<void(const ExpertLoraPart& part, float* scratch, int worker)> body);

    OpContext& context_;
    const GroupedRows& grouped_;
    const ExpertWeights& experts_;
    std::span<const ExpertLoraRun> runs_;
    std::span<ExpertLoraPart> parts_;  // the first count_ of them
    size_t count_ = 0;
    int64_t most_rank_ = 0;
};

}  // namespace hone::math
