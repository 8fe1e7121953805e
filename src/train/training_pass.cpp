#include "train/training_pass.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "math/ops/activation.h"
#include "math/ops/phase_clock.h"

namespace hone::train {

using math::MatrixView;
using math::Workspace;

// Of the rows that cross the head together: gradients of the head and of the final norm are chains over rows in pairs and
// in blocks of 32, which a block of logits does not cut.
constexpr int64_t kHeadRows = 32;

static int64_t rows_of_logits(size_t bytes, int32_t vocabulary) {
    const int64_t rows = static_cast<int64_t>(bytes / sizeof(float)) / std::max(1, vocabulary);
    return std::max<int64_t>(rows / kHeadRows, 1) * kHeadRows;
}

TrainingPass::TrainingPass(const model::Model& model, math::OpContext& ops, const math::WeightGradients& weights,
                           const TrainingOptions& options, const model::Adapter* adapter)
    : model_(model),
      ops_(ops),
      weights_(weights),
      options_(options),
      logits_rows_(rows_of_logits(options.logits_bytes, model.spec().vocabulary)),
      adapter_{.adapter = adapter},
      load_(model.spec().experts) {}

// Every document has pages of its own, in order.
void TrainingPass::lay_out(const PackedBatch& batch) {
    const auto rows = std::ssize(batch.tokens);
    CHECK(batch.offsets.size() >= 2 && batch.offsets.front() == 0 && batch.offsets.back() == rows,
          "{} offsets for {} tokens", batch.offsets.size(), rows);
    CHECK_EQ(batch.targets.rows, rows);
    batch_ = batch;
    positions_.resize(static_cast<size_t>(rows));
    pages_.clear();
    std::vector<size_t> first_page;
    for (size_t d = 0; d + 1 < batch.offsets.size(); d++) {
        const int64_t first = batch.offsets[d], count = batch.offsets[d + 1] - first;
        CHECK(count > 0 && count <= model_.spec().max_positions, "document {} of {} tokens", d, count);
        std::iota(positions_.begin() + first, positions_.begin() + first + count, 0);
        first_page.push_back(pages_.size());
        pages_.resize(pages_.size() + static_cast<size_t>((count + math::kPageTokens - 1) / math::kPageTokens));
    }
    std::iota(pages_.begin(), pages_.end(), 0);
    first_page.push_back(pages_.size());
    segments_.clear();
    for (size_t d = 0; d + 1 < batch.offsets.size(); d++) {
        segments_.push_back({.first_row = static_cast<int32_t>(batch.offsets[d]),
                             .rows = static_cast<int32_t>(batch.offsets[d + 1] - batch.offsets[d]),
                             .first_position = 0,
                             .pages = std::span(pages_).subspan(first_page[d], first_page[d + 1] - first_page[d])});
    }
}

model::Pass TrainingPass::pass_over(math::Tape* tape) {
    return {.ops = ops_,
            .positions = positions_,
            .segments = segments_,
            .page_pool = page_memory_,
            .tape = tape,
            .one_layer_pages = true,
            .adapters = adapters_of(std::ssize(batch_.tokens))};
}

std::span<const model::AdapterRun> TrainingPass::adapters_of(int64_t rows) {
    if (adapter_.adapter == nullptr) return {};
    adapter_.rows = rows;
    return {&adapter_, 1};
}

void TrainingPass::for_head_blocks(FunctionRef<void(int64_t first, int64_t rows)> body) {
    const auto rows = std::ssize(batch_.tokens);
    for (int64_t first = 0; first < rows; first += logits_rows_) {
        const Workspace::Scope scope(ops_.workspace);
        body(first, std::min(logits_rows_, rows - first));
    }
}

TrainingPass::HeadBlock TrainingPass::head_of(MatrixView<const float> x, model::Pass& pass) {
    const HeadBlock block{ops_.workspace.matrix<float>(x.rows, model_.spec().vocabulary),
                          ops_.workspace.vector<math::LogNormaliser>(x.rows)};
    pass.adapters = adapters_of(x.rows);
    model_.head(x, block.logits, pass);
    math::log_normalisers(ops_, block.logits, 1, block.normalisers);
    return block;
}

void TrainingPass::forward(const PackedBatch& batch, MatrixView<float> logprobs) {
    lay_out(batch);
    const auto rows = std::ssize(batch.tokens), layers = int64_t{model_.spec().layers};
    CHECK(logprobs.rows == rows && logprobs.cols == batch.targets.cols, "[{}, {}] for {} tokens", logprobs.rows,
          logprobs.cols, rows);
    kept_scope_.reset();
    kept_scope_.emplace(kept_);
    const size_t page_bytes = pages_.size() * model_.cache_spec().layer_bytes;
    page_memory_ = kept_.vector<std::byte>(static_cast<int64_t>(page_bytes)).data();
    std::memset(page_memory_, 0, page_bytes);  // masked keys count as exactly zero only if they are numbers
    inputs_.clear();
    for (int64_t i = 0; i <= layers; i++) inputs_.push_back(kept_.matrix<float>(rows, model_.spec().hidden));

    load_ = math::RouterLoad(model_.spec().experts);
    const auto see_routes = [&](int32_t layer, MatrixView<const float> logits, const math::Routing& routing) {
        if (options_.router_tap) (*options_.router_tap)(layer, logits, routing);
        if (options_.aux_coefficient != 0) math::add_router_load(ops_, logits, routing.experts, {}, load_);
    };
    const model::RouterTap router_tap(see_routes);
    model::Pass pass = pass_over(nullptr);
    pass.router_tap = &router_tap;
    model_.embed(batch.tokens, inputs_[0], pass);
    for (int32_t i = 0; i < layers; i++) {
        const auto at = static_cast<size_t>(i);
        math::copy(ops_, inputs_[at], inputs_[at + 1]);
        model_.layer(i, inputs_[at + 1], pass);
    }
    for_head_blocks([&](int64_t first, int64_t count) {
        const auto [logits, normalisers] = head_of(inputs_.back().rows_from(first, count), pass);
        for (int64_t i = 0; i < count; i++) {
            for (int64_t k = 0; k < logprobs.cols; k++) {
                const int32_t target = batch_.targets.row(first + i)[k];
                CHECK(target >= 0 && target < logits.cols, "target {} of {}", target, logits.cols);
                logprobs.row(first + i)[k] = normalisers[static_cast<size_t>(i)].logprob(logits.row(i)[target]);
            }
        }
    });
}

void TrainingPass::backward(MatrixView<const float> dlogprobs) {
    CHECK(!inputs_.empty(), "backward without forward");
    const Workspace::Scope scope(ops_.workspace);
    const math::WayScope way(ops_, math::Way::again);
    math::Tape tape(ops_, weights_);
    model::Pass pass = pass_over(&tape);
    pass.router_tap = options_.router_tap;
    const auto balance = [&](int32_t, MatrixView<const float> logits, MatrixView<float> dlogits) {
        math::aux_loss_backward(ops_, load_, options_.aux_coefficient, logits, {}, dlogits);
    };
    const model::RouterGradientTap router_gradient_tap(balance);
    if (options_.aux_coefficient != 0) pass.router_gradient_tap = &router_gradient_tap;
    const MatrixView<float> dx = tape.gradient(inputs_.back());  // of the residual stream, from the head down
    for_head_blocks([&](int64_t first, int64_t count) {
        const auto x = inputs_.back().rows_from(first, count);
        const auto [logits, normalisers] = head_of(x, pass);
        const math::PhaseScope phase(ops_, math::Phase::head);
        math::logprobs_backward(ops_, normalisers, batch_.targets.rows_from(first, count),
                                dlogprobs.rows_from(first, count), logits);
        tape.set_gradient(logits, logits);
        tape.set_gradient(x, dx.rows_from(first, count));
        tape.run_back();
    });
    pass.adapters = adapters_of(dx.rows);
    for (int32_t i = model_.spec().layers - 1; i >= 0; i--) {
        const Workspace::Scope layer_scope(ops_.workspace);
        const auto x = ops_.workspace.matrix<float>(dx.rows, dx.cols);
        math::copy(ops_, inputs_[static_cast<size_t>(i)], x);
        tape.set_gradient(x, dx);
        model_.layer(i, x, pass);
        tape.run_back();
    }
    tape.set_gradient(inputs_[0], dx);
    model_.embed(batch_.tokens, inputs_[0], pass);
    tape.run_back();
    inputs_.clear();
    kept_scope_.reset();
}

}  // namespace hone::train
