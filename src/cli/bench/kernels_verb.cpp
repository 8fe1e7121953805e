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

Result<std::vector<KernelCase>> all_cases(const KernelsFlags& flags, const math::KernelTable& kernels) {
    const auto shapes = zoo_shapes(flags.shapes);
    if (!shapes) return shapes.error().within("--shape");
    std::vector<KernelCase> all;
    for (auto& cases : {gemm_cases(kernels, *shapes), backward_cases(kernels, *shapes), expert_cases(kernels, *shapes),
                        attention_cases(kernels, *shapes), row_cases(kernels)}) {
        all.insert(all.end(), cases.begin(), cases.end());
    }
    return all;
}

bool is_chosen(const KernelsFlags& flags, const KernelCase& one) {
    return (one.is_quick || !flags.quick) && one.name.find(flags.filter) != one.name.npos;
}

// The rows of --expect that this run should produce: those of its ISA that --filter takes, but cases that --quick leaves
// out.
Result<std::vector<BenchRow>> read_recorded(const KernelsFlags& flags, std::span<const KernelCase> all, math::Isa isa) {
    if (flags.expect_path.empty()) return std::vector<BenchRow>();
    auto expected = read_report(flags.expect_path);
    if (!expected) return expected.error().within("--expect");
    const std::string ending = fmt::format("__{}/", math::name_of(isa));
    std::erase_if(expected->rows, [&](const BenchRow& row) {
        const auto known = std::ranges::find(all, row.name, &KernelCase::name);
        if (known != all.end()) return !is_chosen(flags, *known);
        return row.name.find(ending) == row.name.npos || row.name.find(flags.filter) == row.name.npos;
    });
    return std::move(expected->rows);
}

// Measures a case; one that is recorded, and void or short of the record, up to twice again.
Result<BenchRow> measure(KernelStage& stage, const KernelCase& one, std::span<const BenchRow> recorded) {
    auto row = one.measure(stage);
    const auto record = std::ranges::find(recorded, one.name, &BenchRow::name);
    for (int again = 0; again < 2 && row && record != recorded.end(); again++) {
        if (!row->is_void && judge({&*row, 1}, {&*record, 1}).short_rows.empty()) break;
        row = one.measure(stage);
    }
    return row;
}

Status judge_rows(const KernelsFlags& flags, std::span<const BenchRow> rows, std::span<const BenchRow> recorded) {
    const Judgement judgement = judge(rows, recorded);
    fmt::print(stderr, "{} of {} rows judged by {}\n", judgement.judged, rows.size(), flags.expect_path);
    if (const size_t disturbed = judgement.disturbed.size(); disturbed > 0)
        fmt::print(stderr, "{} recorded rows not judged: others used the machine in three tries of each\n", disturbed);
    return verdict(judgement, flags.expect_path);
}

Status bench_kernels(KernelsFlags& flags) {
    if (const Status read = read_earlier(flags.output); !read) return read;
    const auto kernels = kernels_for(flags.model);
    if (!kernels) return kernels.error();
    auto cases = all_cases(flags, **kernels);
    if (!cases) return cases.error();
    const auto recorded = read_recorded(flags, *cases, (*kernels)->isa);
    if (!recorded) return recorded.error();
    std::erase_if(*cases, [&](const KernelCase& one) { return !is_chosen(flags, one); });
    if (cases->empty())
        return error("--filter '{}': no row's name has that in it; names are such as kernel/KERNEL/mROWS/KxN",
                     flags.filter);
    const int repeats = flags.repeats ? flags.repeats : flags.quick ? kQuickRepeats : kRepeats;
    auto stage = KernelStage::create(**kernels, thread_count(flags.model), repeats);
    if (!stage) return stage.error();

    BenchReport report{
        .machine = this_machine(math::name_of((*kernels)->isa), (*stage)->pool().threads()), .limits = {}, .rows = {}};
    Progress progress("measuring kernels", cases->size(), Progress::Unit::items, flags.output.hides_progress());
    for (const KernelCase& one : *cases) {
        auto row = measure(**stage, one, *recorded);
        if (!row) return row.error().within(one.name);
        report.rows.push_back(std::move(*row));
        progress.advance(1);
    }
    progress.finish();
    report.limits = (*stage)->meter().medians();
    print_report(report, flags.output);
    return flags.expect_path.empty() ? ok() : judge_rows(flags, report.rows, *recorded);
}

}  // namespace

void add_bench_kernels(CLI::App& bench, int& status) {
    auto flags = std::make_shared<KernelsFlags>();
    CLI::App* verb =
        bench.add_subcommand("kernels", "Every kernel on the shapes of known models, checked and measured");
    verb->footer(
        "Rows: kernel/NAME/mROWS/KxN             matrix products y [rows, N] = x [rows, K] W^T\n"
        "      kernel/linear_backward_.../mROWS/KxN  gradients of x and of W, dX = dY W and dW = dY^T X\n"
        "      kernel/moe_.../mTOKENS/ExDxF       mixtures of E experts, hidden size D, inner F; experts at random\n"
        "      kernel/attention_.../depthD/HxKxS  512 rows, or one, behind D keys; H heads, K of keys, size S\n"
        "      kernel/attention_backward.../NxL/HxKxS  gradients of N documents of L rows\n"
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
    verb->add_option(
        "--expect", flags->expect_path,
        "A file that --json wrote: fail if a row is under half of the fraction recorded there, or if one of "
        "this ISA that is recorded there is not measured, or if none is recorded. A row that is void, "
        "or under half, is measured again up to twice");
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
