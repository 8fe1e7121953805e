// hone bench kernels: every kernel on the shapes of known models, beside the limits and checked against the reference.
#include <algorithm>

#include "base/progress.h"
#include "cli/bench/bench_verbs.h"
#include "cli/bench/compare.h"
#include "cli/bench/kernel_cases.h"
#include "cli/model_options.h"
#include "model/checkpoint/shapes.h"

namespace hone::cli {
namespace {

constexpr int kRepeats = 9, kQuickRepeats = 5;

struct KernelsFlags {
    ModelOptions model;  // threads and ISA
    OutputFlags output;
    std::vector<std::string> shapes = measured_shape_names();
    std::string filter, expect_path;
    bool quick = false;
    int repeats = 0;
};

Result<std::vector<KernelCase>> choose_cases(const KernelsFlags& flags, const math::KernelTable& kernels) {
    const auto shapes = zoo_shapes(flags.shapes);
    if (!shapes) return shapes.error().within("--shape");
    std::vector<KernelCase> chosen;
    for (auto& cases : {gemm_cases(kernels, *shapes), expert_cases(kernels, *shapes), attention_cases(kernels, *shapes),
                        row_cases(kernels)}) {
        for (const KernelCase& one : cases) {
            if ((one.is_quick || !flags.quick) && one.name.find(flags.filter) != one.name.npos) chosen.push_back(one);
        }
    }
    if (chosen.empty())
        return error("--filter '{}': no row's name has that in it; names are such as kernel/KERNEL/mROWS/KxN",
                     flags.filter);
    return chosen;
}

// Measures a case; one that is void, or short of what is recorded, up to twice again.
Result<BenchRow> measure(KernelStage& stage, const KernelCase& one, std::span<const BenchRow> recorded) {
    auto row = one.measure(stage);
    const bool is_recorded = std::ranges::count(recorded, one.name, &BenchRow::name) > 0;
    for (int again = 0; again < 2 && row && is_recorded; again++) {
        if (!row->is_void && shortfalls({&*row, 1}, recorded).empty()) break;
        row = one.measure(stage);
    }
    return row;
}

Status judge(const KernelsFlags& flags, std::span<const BenchRow> rows, std::span<const BenchRow> recorded) {
    size_t judged = 0, disturbed = 0;
    for (const BenchRow& row : rows) {
        if (std::ranges::count(recorded, row.name, &BenchRow::name) > 0) (row.is_void ? disturbed : judged)++;
    }
    fmt::print(stderr, "{} of {} rows judged by {}\n", judged, rows.size(), flags.expect_path);
    if (disturbed > 0)
        fmt::print(stderr, "{} recorded rows not judged: others used the machine in three tries of each\n", disturbed);
    const auto short_rows = shortfalls(rows, recorded);
    if (short_rows.empty()) return ok();
    return error("under half of the fraction that {} records:\n{}", flags.expect_path, to_table(short_rows));
}

Status bench_kernels(KernelsFlags& flags) {
    if (const Status read = read_earlier(flags.output); !read) return read;
    std::vector<BenchRow> recorded;
    if (!flags.expect_path.empty()) {
        auto expected = read_report(flags.expect_path);
        if (!expected) return expected.error().within("--expect");
        recorded = std::move(expected->rows);
    }
    const auto kernels = kernels_for(flags.model);
    if (!kernels) return kernels.error();
    const auto cases = choose_cases(flags, **kernels);
    if (!cases) return cases.error();
    const int repeats = flags.repeats ? flags.repeats : flags.quick ? kQuickRepeats : kRepeats;
    auto stage = KernelStage::create(**kernels, thread_count(flags.model), repeats);
    if (!stage) return stage.error();

    BenchReport report{
        .machine = this_machine(math::name_of((*kernels)->isa), (*stage)->pool().threads()), .limits = {}, .rows = {}};
    Progress progress("measuring kernels", cases->size(), Progress::Unit::items, flags.output.hides_progress());
    for (const KernelCase& one : *cases) {
        auto row = measure(**stage, one, recorded);
        if (!row) return row.error().within(one.name);
        report.rows.push_back(std::move(*row));
        progress.advance(1);
    }
    progress.finish();
    report.limits = (*stage)->meter().medians();
    print_report(report, flags.output);
    return flags.expect_path.empty() ? ok() : judge(flags, report.rows, recorded);
}

}  // namespace

void add_bench_kernels(CLI::App& bench, int& status) {
    auto flags = std::make_shared<KernelsFlags>();
    CLI::App* verb =
        bench.add_subcommand("kernels", "Every kernel on the shapes of known models, checked and measured");
    verb->footer(
        "Rows: kernel/NAME/mROWS/KxN             matrix products y [rows, N] = x [rows, K] W^T\n"
        "      kernel/moe_.../mTOKENS/ExDxF       mixtures of E experts, hidden size D, inner F; experts at random\n"
        "      kernel/attention_.../depthD/HxKxS  512 rows, or one, behind D keys; H heads, K of keys, size S\n"
        "      kernel/NAME/LENGTH                 kernels over rows, in memory\n"
        "The limit is the arithmetic at the peak of the kernel's dot instruction, or the bytes at the memory's read\n"
        "rate, whichever takes longer. Weights come from memory for up to 8 rows, for experts, and where they exceed\n"
        "16 MiB; else from the caches. A sample of each row's outputs is compared with the reference kernels, bit for\n"
        "bit; a difference ends the run.");
    verb->add_option("--shape", flags->shapes, "Models whose shapes are measured")
        ->check(CLI::IsMember(model::shape_names()))
        ->delimiter(',')
        ->capture_default_str();
    verb->add_option("--filter", flags->filter, "Only rows with this text in their names");
    verb->add_flag("--quick", flags->quick, "A subset that takes a minute on two cores");
    verb->add_option("--expect", flags->expect_path,
                     "A file that --json wrote: fail if a row is under half of the fraction recorded there");
    verb->add_option("--repeats", flags->repeats,
                     fmt::format("Repetitions of a row; 0: {}, with --quick {}", kRepeats, kQuickRepeats))
        ->check(CLI::Range(0, 1000))
        ->capture_default_str();
    add_threads_option(*verb, flags->model);
    add_isa_option(*verb, flags->model);
    add_output_flags(*verb, flags->output);
    verb->callback([flags, &status] { status = report(bench_kernels(*flags)); });
}

}  // namespace hone::cli
