#include <numeric>
#include <set>

#include "cli/bench/kernel_cases.h"
#include "math/ops/attention.h"

namespace hone::cli {
namespace {

constexpr int32_t kPrefillRows = 512;
constexpr int32_t kPrefillDepths[] = {0, 2048, 8192}, kQuickPrefillDepth = 2048;
constexpr int32_t kDecodeDepth = 8192;

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
    }
    return cases;
}

}  // namespace hone::cli
