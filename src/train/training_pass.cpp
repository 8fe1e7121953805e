#include "train/training_pass.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "math/ops/activation.h"

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

// Gaps of one size, as small and as few as will do; if nothing will, those that take least.
std::vector<bool> kept_inputs(int32_t layers, int64_t most) {
    std::vector<bool> kept(static_cast<size_t>(layers), true);
    const auto drop = [&](int64_t gap, int64_t count) {
        for (int64_t i = 0; i < count; i++) kept[static_cast<size_t>(i / gap * (gap + 1) + 1 + i % gap)] = false;
        return kept;
    };
    if (layers + 1 <= most) return kept;
    int64_t best = 1, best_taken = INT64_MAX;
    for (int64_t gap = 1; gap < layers; gap++) {
        const int64_t all = layers + 1 + gap, taken = all - (layers - (layers + gap) / (gap + 1));
        if (taken <= most) return drop(gap, all - most);
        if (taken < best_taken) best = gap, best_taken = taken;
    }
    return drop(best, layers - (layers + best) / (best + 1));
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
            .results = results_ ? &*results_ : nullptr,
            .one_layer_pages = true,
            .adapters = adapters_of(std::ssize(batch_.tokens))};
}

std::span<const model::AdapterRun> TrainingPass::adapters_of(int64_t rows) {
    if (adapter_.adapter == nullptr) return {};
    adapter_.rows = rows;
    return {&adapter_, 1};
}

void TrainingPass::for_head_blocks(Rows rows, FunctionRef<void(Rows block)> body) {
    const auto most = static_cast<size_t>(logits_rows_);
    for (; !rows.empty(); rows = rows.subspan(std::min(most, rows.size()))) {
        const Workspace::Scope scope(ops_.workspace);
        body(rows.first(std::min(most, rows.size())));
    }
}

TrainingPass::Rows TrainingPass::all_rows() {
    head_rows_.resize(batch_.tokens.size());
    std::iota(head_rows_.begin(), head_rows_.end(), 0);
    return head_rows_;
}

TrainingPass::Rows TrainingPass::rows_with_gradient(MatrixView<const float> dlogprobs) {
    head_rows_.clear();
    for (int64_t row = 0; row < dlogprobs.rows; row++) {
        if (std::ranges::any_of(dlogprobs.row_span(row), [](float d) { return d != 0; }))  // or not a number
            head_rows_.push_back(static_cast<int32_t>(row));
    }
    return head_rows_;
}

TrainingPass::HeadBlock TrainingPass::head_of(MatrixView<const float> x, model::Pass& pass) {
    const HeadBlock block{ops_.workspace.matrix<float>(x.rows, model_.spec().vocabulary),
                          ops_.workspace.vector<math::LogNormaliser>(x.rows)};
    pass.adapters = adapters_of(x.rows);
    model_.head(x, block.logits, pass);
    math::log_normalisers(ops_, block.logits, 1, block.normalisers);
    return block;
}

void TrainingPass::plan_memory(bool goes_back) {
    const auto rows = std::ssize(batch_.tokens);
    const model::ModelSpec& spec = model_.spec();
    const auto row_bytes = [&](int64_t columns) { return static_cast<size_t>(rows * columns) * sizeof(float); };
    goes_back_ = goes_back;
    spare_.clear();
    results_.reset();
    if (!goes_back) {
        inputs_.assign(static_cast<size_t>(spec.layers) + 1, kept_.matrix<float>(rows, spec.hidden));
        return;
    }
    const size_t bytes = options_.activation_bytes, input_bytes = row_bytes(spec.hidden);
    auto kept = kept_inputs(spec.layers, static_cast<int64_t>(bytes / input_bytes));
    kept.push_back(true);
    inputs_.clear();
    size_t gap = 0, largest = 0;
    for (const bool is_kept : kept) {
        inputs_.push_back(is_kept ? kept_.matrix<float>(rows, spec.hidden) : MatrixView<float>{});
        largest = std::max(largest, gap = is_kept ? 0 : gap + 1);
    }
    for (size_t i = 0; i < largest; i++) spare_.push_back(kept_.matrix<float>(rows, spec.hidden));
    if (largest > 0) return;
    const size_t room = bytes - inputs_.size() * input_bytes;
    const size_t attention =
        std::min(room, static_cast<size_t>(spec.layers) * row_bytes(int64_t{spec.heads} * spec.head_dim + spec.heads));
    if (room > 0)
        results_.emplace(kept_, spec.layers,
                         model::KeptResults::Room{.attention = attention, .product = room - attention});
}

void TrainingPass::restore_inputs(int32_t last) {
    const auto at = static_cast<size_t>(last);
    if (inputs_[at].data) return;
    size_t first = at;
    while (!inputs_[first].data) first--;
    model::Pass pass = pass_over(nullptr);  // without results: not all inputs were kept
    pass.router_tap = options_.router_tap;
    for (size_t i = first; i < at; i++) {
        inputs_[i + 1] = spare_[i - first];
        math::copy(ops_, inputs_[i], inputs_[i + 1]);
        model_.layer(static_cast<int32_t>(i), inputs_[i + 1], pass);
    }
}

void TrainingPass::run_layers(const PackedBatch& batch, bool goes_back) {
    lay_out(batch);
    kept_scope_.reset();
    kept_scope_.emplace(kept_);
    const size_t page_bytes = pages_.size() * model_.cache_spec().layer_bytes;
    page_memory_ = kept_.vector<std::byte>(static_cast<int64_t>(page_bytes)).data();
    std::memset(page_memory_, 0, page_bytes);  // masked keys count as exactly zero only if they are numbers
    plan_memory(goes_back);

    load_ = math::RouterLoad(model_.spec().experts);
    selections_.assign(static_cast<size_t>(model_.spec().layers) * static_cast<size_t>(model_.spec().experts), 0);
    const auto see_routes = [&](int32_t layer, MatrixView<const float> logits, const math::Routing& routing) {
        if (options_.router_tap) (*options_.router_tap)(layer, logits, routing);
        int64_t* const selections = &selections_[static_cast<size_t>(layer * logits.cols)];
        for (int64_t i = 0; i < routing.experts.rows; i++) {
            for (const int32_t expert : routing.experts.row_span(i)) selections[expert]++;
        }
        if (options_.aux_coefficient != 0) math::add_router_load(ops_, logits, routing.experts, {}, load_);
    };
    const model::RouterTap router_tap(see_routes);
    model::Pass pass = pass_over(nullptr);
    pass.router_tap = &router_tap;
    model_.embed(batch.tokens, inputs_[0], pass);
    MatrixView<float> x = inputs_[0];
    for (int32_t i = 0; i < model_.spec().layers; i++) {
        const MatrixView<float> kept = inputs_[static_cast<size_t>(i) + 1], next = kept.data ? kept : spare_[0];
        if (next.data != x.data) math::copy(ops_, x, next);
        x = next;
        if (results_) pass.results->keep(i);
        model_.layer(i, x, pass);
    }
}

void TrainingPass::read_logprobs(Rows rows, const HeadBlock& block, MatrixView<float> logprobs) const {
    const auto& [logits, normalisers] = block;
    for (int64_t i = 0; i < logits.rows; i++) {
        const int32_t row = rows[static_cast<size_t>(i)];
        for (int64_t k = 0; k < logprobs.cols; k++) {
            const int32_t target = batch_.targets.row(row)[k];
            CHECK(target >= 0 && target < logits.cols, "target {} of {}", target, logits.cols);
            logprobs.row(row)[k] = normalisers[static_cast<size_t>(i)].logprob(logits.row(i)[target]);
        }
    }
}

static void check_shape(const PackedBatch& batch, MatrixView<const float> logprobs) {
    CHECK(logprobs.rows == std::ssize(batch.tokens) && logprobs.cols == batch.targets.cols, "[{}, {}] for {} tokens",
          logprobs.rows, logprobs.cols, batch.tokens.size());
}

void TrainingPass::forward(const PackedBatch& batch, MatrixView<float> logprobs, bool goes_back) {
    check_shape(batch, logprobs);
    run_layers(batch, goes_back);
    if (logprobs.cols == 0) return;
    model::Pass pass = pass_over(nullptr);
    for_head_blocks(all_rows(), [&](Rows rows) {
        read_logprobs(rows, head_of(inputs_.back().rows_from(rows.front(), std::ssize(rows)), pass), logprobs);
    });
}

void TrainingPass::run(const PackedBatch& batch, MatrixView<float> logprobs, MatrixView<const float> dlogprobs) {
    check_shape(batch, logprobs);
    check_shape(batch, dlogprobs);
    run_layers(batch, true);
    run_back(
        rows_with_gradient(dlogprobs),
        [&](Rows rows, const HeadBlock& block) {
            read_logprobs(rows, block, logprobs);
            return target_gradients(rows, block, dlogprobs);
        },
        math::Way::forward);
}

void TrainingPass::logits(int64_t first, MatrixView<float> logits) {
    CHECK(!inputs_.empty(), "logits without forward");
    model::Pass pass = pass_over(nullptr);
    pass.adapters = adapters_of(logits.rows);
    model_.head(inputs_.back().rows_from(first, logits.rows), logits, pass);
}

void TrainingPass::backward(MatrixView<const float> dlogprobs) {
    run_back(rows_with_gradient(dlogprobs),
             [&](Rows rows, const HeadBlock& block) { return target_gradients(rows, block, dlogprobs); });
}

// Some rows of a matrix, one after the other.
template <typename T>
static MatrixView<T> gathered(std::span<const int32_t> rows, MatrixView<const T> from, Workspace& workspace) {
    const auto out = workspace.matrix<T>(std::ssize(rows), from.cols);
    for (size_t i = 0; i < rows.size(); i++)
        std::copy_n(from.row(rows[i]), from.cols, out.row(static_cast<int64_t>(i)));
    return out;
}

MatrixView<float> TrainingPass::target_gradients(Rows rows, const HeadBlock& block, MatrixView<const float> dlogprobs) {
    math::logprobs_backward(ops_, block.normalisers, gathered(rows, batch_.targets, ops_.workspace),
                            gathered(rows, dlogprobs, ops_.workspace), block.logits);
    return block.logits;
}

void TrainingPass::backward_from_logits(LogitsLoss loss) {
    run_back(all_rows(), [&](Rows rows, const HeadBlock& block) {
        const auto dlogits = ops_.workspace.matrix<float>(block.logits.rows, block.logits.cols);
        std::fill_n(dlogits.data, dlogits.rows * dlogits.cols, 0.0f);
        loss(rows.front(), block.logits, dlogits);
        return dlogits;
    });
}

void TrainingPass::run_back(Rows rows, BlockGradient gradient_of, math::Way head_way) {
    CHECK(!inputs_.empty() && goes_back_, "backward without forward");
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
    const MatrixView<float> dx = inputs_.back();  // of the residual stream, from the head down, in its place
    for_head_blocks(rows, [&](Rows some) {
        const auto x = gathered<float>(some, dx, ops_.workspace);
        const auto dx_block = ops_.workspace.matrix<float>(x.rows, x.cols);
        std::fill_n(dx_block.data, x.rows * x.cols, 0.0f);
        const HeadBlock block = [&] {
            const math::WayScope computed(ops_, head_way);
            return head_of(x, pass);
        }();
        const math::PhaseScope phase(ops_, math::Phase::head);
        tape.set_gradient(block.logits, gradient_of(some, block));
        tape.set_gradient(x, dx_block);
        tape.run_back();
        for (size_t i = 0; i < some.size(); i++)
            std::copy_n(dx_block.row(static_cast<int64_t>(i)), dx.cols, dx.row(some[i]));
    });
    auto crossing = rows.begin();
    for (int64_t row = 0; row < dx.rows; row++) {
        if (crossing != rows.end() && *crossing == row)
            crossing++;
        else
            std::fill_n(dx.row(row), dx.cols, 0.0f);
    }
    pass.adapters = adapters_of(dx.rows);
    for (int32_t i = model_.spec().layers - 1; i >= 0; i--) {
        const Workspace::Scope layer_scope(ops_.workspace);
        restore_inputs(i);
        const auto x = inputs_[static_cast<size_t>(i)];
        tape.set_gradient(x, dx);
        if (results_) pass.results->recall(i);
        model_.layer(i, x, pass);
        tape.run_back();
    }
    tape.set_gradient(inputs_[0], dx);
    model_.embed(batch_.tokens, inputs_[0], pass);
    tape.run_back();
    inputs_.clear();
    results_.reset();
    kept_scope_.reset();
}

}  // namespace hone::train
