#include <algorithm>
#include <numeric>
#include <set>

#include "cli/bench/kernel_cases.h"
#include "math/ops/attention.h"

namespace hone::cli {
namespace {

constexpr int32_t kPrefillRows = 512;
constexpr int32_t kPrefillDepths[] = {0, 2048, 8192}, kQuickPrefillDepth = 2048;
constexpr int32_t kDecodeDepth = 8192;

// What a backward pass is measured on.
struct Documents {
    int32_t rows, count;
};
constexpr Documents kBackwardDocuments[] = {{2048, 1}, {512, 4}};

// Rows at the end of a sequence, in one layer of which memory holds as many sequences as fit.
class AttentionRun {
  public:
    AttentionRun(KernelStage& stage, const HeadShape& shape, int32_t depth, int32_t rows,
                 std::span<const std::byte> memory)
        : stage_(stage),
          context_(stage.measured()),
          scope_(stage.workspace()),
          shape_(shape),
          depth_(depth),
          layer_{const_cast<std::byte*>(memory.data()), math::kv_layer_bytes(shape.kv_heads, shape.head_dim), 0,
                 shape.kv_heads, shape.head_dim},
          pages_((depth + rows + math::kPageTokens - 1) / math::kPageTokens),
          sequences_(static_cast<int32_t>(memory.size() / layer_.page_bytes) / pages_),
          q_(stage.workspace().matrix<float>(rows, int64_t{shape.heads} * shape.head_dim)),
          y_(stage.workspace().matrix<float>(rows, q_.cols)) {
        fill_normal(q_, 2);
    }

    static size_t bytes_of(const HeadShape& shape, int32_t tokens) {
        const auto pages = static_cast<size_t>((tokens + math::kPageTokens - 1) / math::kPageTokens);
        return pages * math::kv_layer_bytes(shape.kv_heads, shape.head_dim);
    }

    int32_t sequences() const { return sequences_; }
    void run(int32_t sequence) { attend(context_, sequence, 0, q_, y_); }

    Status check() {
        run(0);
        for (const int64_t row : std::set<int64_t>{0, q_.rows - 1}) {
            const math::Workspace::Scope scope(stage_.workspace());
            math::OpContext reference = stage_.reference();
            const auto expected = stage_.workspace().matrix<float>(1, q_.cols);
            attend(reference, 0, row, q_.rows_from(row, 1), expected);
            const Status same =
                same_bits(context_.kernels.attention.attend.name, y_.row_span(row), expected.row_span(0));
            if (!same) return same;
        }
        return ok();
    }

    // Of all rows of a sequence.
    Work work() const {
        double visible = 0;
        for (int64_t row = 0; row < q_.rows; row++) visible += static_cast<double>(depth_ + row + 1);
        const double bytes = static_cast<double>(layer_.page_bytes) * pages_;
        return {.bf16_ops = 4.0 * shape_.heads * shape_.head_dim * visible, .bytes = bytes};
    }

  private:
    // The rows from `row` on of a sequence.
    void attend(math::OpContext& context, int32_t sequence, int64_t row, math::MatrixView<const float> q,
                math::MatrixView<float> y) const {
        std::vector<int32_t> pages(static_cast<size_t>(pages_));
        std::iota(pages.begin(), pages.end(), sequence * pages_);
        const math::AttentionSegment segment{0, static_cast<int32_t>(q.rows), static_cast<int32_t>(depth_ + row),
                                             pages};
        math::attention(context, {&segment, 1}, q, shape_.heads, layer_, y);
    }

    KernelStage& stage_;
    math::OpContext context_;
    math::Workspace::Scope scope_;
    HeadShape shape_;
    int32_t depth_;
    math::KvLayer layer_;
    int32_t pages_, sequences_;
    math::MatrixView<float> q_, y_;
};

Result<BenchRow> measure_prefill(KernelStage& stage, const std::string& name, const HeadShape& shape, int32_t depth) {
    auto memory = stage.numbers(AttentionRun::bytes_of(shape, depth + kPrefillRows));
    if (!memory) return memory.error();
    AttentionRun run(stage, shape, depth, kPrefillRows, *memory);
    if (const Status right = run.check(); !right) return right.error();
    return stage.watch().rate(name, "GOP/s", run.work().bf16_ops / 1e9, run.work(), stage.repeats(),
                              [&] { run.run(0); });
}

// Calls on one sequence after the other, as the layers of a model are.
Result<BenchRow> measure_decode(KernelStage& stage, const std::string& name, const HeadShape& shape) {
    auto memory = stage.numbers(AttentionRun::bytes_of(shape, kDecodeDepth));
    if (!memory) return memory.error();
    AttentionRun run(stage, shape, kDecodeDepth - 1, 1, *memory);
    if (const Status right = run.check(); !right) return right.error();
    Work work = run.work();
    work.bf16_ops *= run.sequences(), work.bytes *= run.sequences();
    return stage.watch().rate(name, "GB/s", work.bytes / 1e9, work, stage.repeats(), [&] {
        for (int32_t sequence = 0; sequence < run.sequences(); sequence++) run.run(sequence);
    });
}

// The gradients of documents of equal lengths.
class BackwardRun {
  public:
    BackwardRun(KernelStage& stage, const HeadShape& shape, Documents documents, std::span<const std::byte> memory)
        : stage_(stage),
          scope_(stage.workspace()),
          shape_(shape),
          documents_(documents),
          layer_{const_cast<std::byte*>(memory.data()), math::kv_layer_bytes(shape.kv_heads, shape.head_dim), 0,
                 shape.kv_heads, shape.head_dim},
          q_(rows(q_columns())),
          dy_(rows(q_columns())),
          y_(rows(q_columns())),
          log_sums_(rows(shape.heads)),
          gradients_(rows(q_columns() + 2 * int64_t{shape.kv_heads} * shape.head_dim)) {
        fill_normal(q_, 2);
        fill_normal(dy_, 3);
    }

    static size_t bytes_of(const HeadShape& shape, Documents documents) {
        return static_cast<size_t>(documents.count) * AttentionRun::bytes_of(shape, documents.rows);
    }

    // What the backward pass takes from the forward pass of the same rows.
    void forward(math::OpContext& context, Documents documents) {
        const Segments segments(documents);
        const int64_t count = int64_t{documents.count} * documents.rows;
        math::attention(context, segments.list, q_.rows_from(0, count), shape_.heads, layer_, y_.rows_from(0, count),
                        log_sums_.rows_from(0, count));
    }
    void backward(math::OpContext& context, Documents documents) {
        const Segments segments(documents);
        const int64_t count = int64_t{documents.count} * documents.rows;
        const auto part = [&](int64_t first, int64_t columns) {
            return math::MatrixView<float>(gradients_.data + first, count, columns, gradients_.stride);
        };
        const int64_t kv = int64_t{shape_.kv_heads} * shape_.head_dim;
        math::attention_backward(
            context, segments.list, layer_,
            {q_.rows_from(0, count), y_.rows_from(0, count), log_sums_.rows_from(0, count), shape_.heads},
            dy_.rows_from(0, count), {part(0, q_columns()), part(q_columns(), kv), part(q_columns() + kv, kv)});
    }

    // On a short document: the reference is slow.
    Status check() {
        constexpr Documents kSample{100, 1};
        const auto gradients = [&](math::OpContext context) {
            const auto sample = gradients_.rows_from(0, kSample.rows);
            std::fill_n(sample.data, sample.rows * sample.cols, 0.0f);
            forward(context, kSample);
            backward(context, kSample);
            return std::vector<float>(sample.data, sample.data + sample.rows * sample.cols);
        };
        return same_bits(stage_.kernels().attention.add_gradients.name, gradients(stage_.measured()),
                         gradients(stage_.reference()));
    }

    // Five products for each key that a row sees.
    Work work() const {
        const double visible = 0.5 * documents_.count * documents_.rows * (documents_.rows + 1.0);
        return {.bf16_ops = 10.0 * shape_.heads * shape_.head_dim * visible};
    }

  private:
    // Documents end to end, in batch and pages.
    struct Segments {
        explicit Segments(Documents documents) {
            const int32_t each = (documents.rows + math::kPageTokens - 1) / math::kPageTokens;
            pages.resize(static_cast<size_t>(each * documents.count));
            std::iota(pages.begin(), pages.end(), 0);
            for (int32_t i = 0; i < documents.count; i++) {
                list.push_back({i * documents.rows, documents.rows, 0,
                                std::span(pages).subspan(static_cast<size_t>(i * each), static_cast<size_t>(each))});
            }
        }
        std::vector<int32_t> pages;
        std::vector<math::AttentionSegment> list;
    };

    int64_t q_columns() const { return int64_t{shape_.heads} * shape_.head_dim; }
    math::MatrixView<float> rows(int64_t columns) const {
        return stage_.workspace().matrix<float>(int64_t{documents_.count} * documents_.rows, columns);
    }

    KernelStage& stage_;
    math::Workspace::Scope scope_;
    HeadShape shape_;
    Documents documents_;
    math::KvLayer layer_;
    math::MatrixView<float> q_, dy_, y_, log_sums_, gradients_;
};

Result<BenchRow> measure_backward(KernelStage& stage, const std::string& name, const HeadShape& shape,
                                  Documents documents) {
    auto memory = stage.numbers(BackwardRun::bytes_of(shape, documents));
    if (!memory) return memory.error();
    BackwardRun run(stage, shape, documents, *memory);
    if (const Status right = run.check(); !right) return right.error();
    math::OpContext context = stage.measured();
    run.forward(context, documents);
    return stage.watch().rate(name, "GOP/s", run.work().bf16_ops / 1e9, run.work(), stage.repeats(),
                              [&] { run.backward(context, documents); });
}

}  // namespace

std::vector<KernelCase> attention_cases(const math::KernelTable& kernels, const ZooShapes& shapes) {
    const std::string_view isa = math::name_of(kernels.isa);
    std::vector<KernelCase> cases;
    for (const HeadShape& shape : shapes.heads) {
        const std::string extents = fmt::format("{}x{}x{}", shape.heads, shape.kv_heads, shape.head_dim);
        for (const int32_t depth : kPrefillDepths) {
            std::string name = fmt::format("kernel/attention_prefill__{}/depth{}/{}", isa, depth, extents);
            cases.push_back({name, depth == kQuickPrefillDepth,
                             [=](KernelStage& stage) { return measure_prefill(stage, name, shape, depth); }});
        }
        std::string name = fmt::format("kernel/attention_decode__{}/depth{}/{}", isa, kDecodeDepth, extents);
        cases.push_back({name, true, [=](KernelStage& stage) { return measure_decode(stage, name, shape); }});
        for (const Documents documents : kBackwardDocuments) {
            std::string name =
                fmt::format("kernel/attention_backward__{}/{}x{}/{}", isa, documents.count, documents.rows, extents);
            cases.push_back({name, documents.count == 1,
                             [=](KernelStage& stage) { return measure_backward(stage, name, shape, documents); }});
        }
    }
    return cases;
}

}  // namespace hone::cli
