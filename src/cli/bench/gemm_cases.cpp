#include <algorithm>
#include <set>

#include "cli/bench/kernel_cases.h"
#include "engine/executor.h"
#include "math/ops/matrix_product.h"
#include "math/ops/parallel.h"

namespace hone::cli {
namespace {

using math::EvenSplit;

constexpr int32_t kRows[] = {1, 2, 4, 8, 16, 32, 64, 256, 2048};
constexpr int32_t kQuickRows[] = {1, 8, 32, 256};
constexpr int32_t kDecodeRows = 8;                 // up to here weights come from memory, as when decoding
constexpr size_t kCachedBytes = size_t{16} << 20;  // larger weights always do
constexpr double kLoopOps = 2e8;                   // least operations of a loop over the pool

// A matrix product in calls of one loop, so that no barrier between calls counts, each with outputs of its own: on
// successive copies of the weight where it is streamed, else on one that stays in the caches. Weights and activations
// are cut, and the next weights are told, as ops/linear.h does.
class GemmRun {
  public:
    GemmRun(KernelStage& stage, const MatrixShape& shape, math::NumericClass int4_class, int32_t rows,
            std::span<const std::byte> memory)
        : stage_(stage),
          context_(stage.measured(int4_class)),
          scope_(stage.workspace()),
          weight_{shape.format, shape.n, shape.k, memory.data()},
          product_(math::matrix_product(context_, weight_)),
          bytes_(math::packed_bytes(shape.format, shape.n, shape.k)),
          is_streamed_(rows <= kDecodeRows || bytes_ > kCachedBytes) {
        x_ = stage.workspace().matrix<float>(rows, shape.k);
        fill_normal(x_, 2);
        const int64_t panels = math::panel_count(weight_), wanted = math::wanted_tasks(stage.pool().threads());
        const EvenSplit blocks = math::block_split(product_.activations, shape.k, rows, (wanted + panels - 1) / panels);
        activations_ = math::prepare_activations(context_, product_, x_, blocks);
        runs_ = {panels, std::clamp<int64_t>(wanted / blocks.parts, 1, panels)};
        calls_ = is_streamed_ ? static_cast<int64_t>(memory.size() / bytes_)
                              : std::clamp<int64_t>(static_cast<int64_t>(kLoopOps / operations()), 1, 32);
        y_ = stage.workspace().matrix<float>(calls_ * rows, shape.n);
    }

    void run() {
        const int64_t blocks = activations_.blocks.parts;
        stage_.pool().parallel_for(calls_ * runs_.parts * blocks, [&](int64_t task, int) {
            const int64_t block = task % blocks, run = task / blocks % runs_.parts, call = task / blocks / runs_.parts;
            const int64_t follower = task + stage_.pool().threads();
            const int64_t row = call * x_.rows + activations_.blocks.first(block);
            const int64_t column = runs_.first(run) * math::panel_columns(weight_.format);
            math::GemmTask gemm = task_of(block, runs_.first(run), runs_.size(run));
            gemm.weight = copy_of(call).data;
            if (follower < calls_ * runs_.parts * blocks) {
                gemm.next = math::panel_of(copy_of(follower / blocks / runs_.parts),
                                           runs_.first(follower / blocks % runs_.parts));
            }
            gemm.y = y_.row(row) + column;
            gemm.y_stride = y_.stride;
            product_.gemm.run(gemm);
        });
    }

    // A sample of rows and panels, the measured kernel on the whole blocks that hold them.
    Status check() {
        math::OpContext reference = stage_.reference(context_.int4_class);
        const math::MatrixProduct expected_product = math::matrix_product(reference, weight_);
        const int32_t width = math::panel_columns(weight_.format);
        const int64_t panels = math::panel_count(weight_);
        for (const int64_t row : std::set<int64_t>{0, x_.rows / 2, x_.rows - 1}) {
            const math::Workspace::Scope scope(stage_.workspace());
            const int64_t block = activations_.blocks.part_of(row),
                          row_of_block = row - activations_.blocks.first(block);
            const auto lone =
                math::prepare_activations(reference, expected_product, x_.rows_from(row, 1), EvenSplit{1, 1});
            for (const int64_t panel : std::set<int64_t>{0, panels / 2, panels - 1}) {
                const auto columns = static_cast<size_t>(std::min<int64_t>(width, weight_.n - panel * width));
                const auto actual = stage_.workspace().matrix<float>(activations_.blocks.size(block), width);
                const auto expected = stage_.workspace().vector<float>(width);
                math::GemmTask task = task_of(block, panel, 1);
                task.y = actual.data, task.y_stride = width;
                product_.gemm.run(task);
                task.activations = lone.data, task.rows = 1, task.y = expected.data();
                expected_product.gemm.run(task);
                const Status same = same_bits(product_.gemm.name, actual.row_span(row_of_block).first(columns),
                                              expected.first(columns));
                if (!same) return same;
            }
        }
        return ok();
    }

    // Of all calls.
    BenchRow measure(std::string name) {
        const double operations = static_cast<double>(calls_) * this->operations();
        const double bytes = static_cast<double>(calls_) * static_cast<double>(bytes_);
        Work work = work_of(product_.activations, operations);
        if (is_streamed_) work.bytes = bytes;
        const bool by_bytes = x_.rows <= kDecodeRows;
        return stage_.watch().rate(std::move(name), by_bytes ? "GB/s" : "GOP/s", (by_bytes ? bytes : operations) / 1e9,
                                   work, stage_.repeats(), [&] { run(); });
    }

  private:
    math::Weight copy_of(int64_t call) const {
        math::Weight copy = weight_;
        if (is_streamed_) copy.data += static_cast<size_t>(call) * bytes_;
        return copy;
    }
    double operations() const { return 2.0 * static_cast<double>(x_.rows) * weight_.n * weight_.k; }

    // All of a task but where its outputs go.
    math::GemmTask task_of(int64_t block, int64_t panel, int64_t panels) const {
        return {.activations = activations_.block(block),
                .rows = static_cast<int32_t>(activations_.blocks.size(block)),
                .weight = weight_.data,
                .n = weight_.n,
                .k = weight_.k,
                .first_panel = static_cast<int32_t>(panel),
                .panels = static_cast<int32_t>(panels)};
    }

    KernelStage& stage_;
    math::OpContext context_;
    math::Workspace::Scope scope_;
    math::Weight weight_;
    math::MatrixProduct product_;
    size_t bytes_;
    bool is_streamed_;
    math::MatrixView<float> x_, y_;
    math::ActivationBlocks activations_;
    EvenSplit runs_;
    int64_t calls_ = 0;
};

Result<BenchRow> measure_gemm(KernelStage& stage, const std::string& name, const MatrixShape& shape,
                              math::NumericClass int4_class, int32_t rows) {
    auto memory = stage.numbers(math::packed_bytes(shape.format, shape.n, shape.k));
    if (!memory) return memory.error();
    GemmRun run(stage, shape, int4_class, rows, *memory);
    if (const Status right = run.check(); !right) return right.error();
    return run.measure(name);
}

}  // namespace

std::vector<KernelCase> gemm_cases(const math::KernelTable& kernels, const ZooShapes& shapes) {
    std::set<std::string> known;
    std::vector<KernelCase> cases;
    for (const auto int4_class : math::kNumericClasses) {
        for (const MatrixShape& shape : shapes.matrices) {
            const char* kernel = math::matrix_product(kernels.gemm, int4_class, shape.format).gemm.name;
            for (const int32_t rows : kRows) {
                // The executor takes no more rows at once through the head.
                if (shape.is_head && size_t{4} * static_cast<size_t>(shape.n) * static_cast<size_t>(rows) >
                                         engine::RowBlocks{}.logits_bytes)
                    continue;
                std::string name = fmt::format("kernel/{}/m{}/{}x{}", kernel, rows, shape.k, shape.n);
                if (!known.insert(name).second) continue;
                const bool is_quick = std::ranges::count(kQuickRows, rows) > 0 && is_largest(shape, shapes.matrices);
                cases.push_back({name, is_quick, [=](KernelStage& stage) {
                                     return measure_gemm(stage, name, shape, int4_class, rows);
                                 }});
            }
        }
    }
    return cases;
}

}  // namespace hone::cli
