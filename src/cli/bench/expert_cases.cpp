#include <algorithm>
#include <numeric>
#include <set>

#include "base/rng.h"
#include "cli/bench/kernel_cases.h"
#include "math/ops/matrix_product.h"
#include "math/ops/moe.h"

namespace hone::cli {
namespace {

constexpr int32_t kTokens[] = {1, 8, 32, 512};
constexpr int32_t kDecodeTokens = 32;  // up to here the bytes of the weights count

// Which experts the tokens of some calls go to.
struct Choices {
    std::vector<std::vector<int32_t>> calls;  // [tokens * slots] each
    int64_t distinct = 0;                     // experts that a call reads, summed over the calls
};

// Several tokens choose independently. The choices of single ones are dealt from a shuffled deck of all experts, and
// those of the last hand of a deck lie at the end of the next, so that what a call reads is not still in the caches from
// the calls before it, as it is not in a model of many layers.
Choices choose_experts(const ExpertShape& shape, int32_t tokens) {
    Random random(3);
    std::vector<int32_t> deck(static_cast<size_t>(shape.experts));
    std::iota(deck.begin(), deck.end(), 0);
    size_t dealt = deck.size();
    std::span<const int32_t> hand;  // the last that was dealt
    const auto deal = [&](size_t slots) {
        if (tokens > 1 || dealt + slots > deck.size()) {
            const std::set<int32_t> last = tokens == 1 ? std::set(hand.begin(), hand.end()) : std::set<int32_t>();
            for (size_t i = deck.size() - 1; i > 0; i--) std::swap(deck[i], deck[random.below(i + 1)]);
            std::ranges::stable_partition(deck, [&](int32_t expert) { return !last.contains(expert); });
            dealt = 0;
        }
        dealt += slots;
        hand = std::span(deck).subspan(dealt - slots, slots);
        return hand;
    };
    Choices choices;
    for (int call = tokens == 1 ? 32 : tokens <= kDecodeTokens ? 12 : 1; call > 0; call--) {
        std::vector<int32_t>& chosen = choices.calls.emplace_back();
        for (int32_t token = 0; token < tokens; token++) {
            const auto own = deal(static_cast<size_t>(shape.experts_per_token));
            chosen.insert(chosen.end(), own.begin(), own.end());
        }
        choices.distinct += std::ssize(std::set(chosen.begin(), chosen.end()));
    }
    return choices;
}

// Weights of a layer over random numbers.
struct ExpertLayer {
    std::vector<math::Weight> gate, up, down;
    size_t expert_bytes;

    explicit ExpertLayer(const ExpertShape& shape, const std::byte* memory) : expert_bytes(bytes_of(shape)) {
        const size_t inner_bytes = math::packed_bytes(shape.format, shape.inner, shape.hidden);
        for (int32_t e = 0; e < shape.experts; e++, memory += expert_bytes) {
            gate.push_back({shape.format, shape.inner, shape.hidden, memory});
            up.push_back({shape.format, shape.inner, shape.hidden, memory + inner_bytes});
            down.push_back({shape.format, shape.hidden, shape.inner, memory + 2 * inner_bytes});
        }
    }
    static size_t bytes_of(const ExpertShape& shape) {
        return 2 * math::packed_bytes(shape.format, shape.inner, shape.hidden) +
               math::packed_bytes(shape.format, shape.hidden, shape.inner);
    }
};

// The first and the last token of y.
Status check_tokens(math::OpContext& reference, const char* kernel, math::MatrixView<const float> x,
                    const math::Routing& routing, const math::ExpertWeights& weights, math::MatrixView<const float> y) {
    for (const int64_t token : std::set<int64_t>{0, x.rows - 1}) {
        const math::Workspace::Scope scope(reference.workspace);
        const auto expected = reference.workspace.matrix<float>(1, y.cols);
        math::moe(reference, x.rows_from(token, 1),
                  {routing.experts.rows_from(token, 1), routing.weights.rows_from(token, 1)}, weights, expected);
        if (const Status same = same_bits(kernel, y.row_span(token), expected.row_span(0)); !same) return same;
    }
    return ok();
}

Result<BenchRow> measure_experts(KernelStage& stage, const std::string& name, const ExpertShape& shape,
                                 math::NumericClass int4_class, int32_t tokens) {
    auto memory = stage.numbers(ExpertLayer::bytes_of(shape) * static_cast<size_t>(shape.experts));
    if (!memory) return memory.error();
    const ExpertLayer layer(shape, memory->data());
    const math::ExpertWeights weights{layer.gate, layer.up, layer.down};
    math::OpContext context = stage.measured(int4_class), reference = stage.reference(int4_class);
    const math::MatrixProduct product = math::matrix_product(context, layer.gate[0]);

    const math::Workspace::Scope scope(stage.workspace());
    const auto x = stage.workspace().matrix<float>(tokens, shape.hidden);
    const auto y = stage.workspace().matrix<float>(tokens, shape.hidden);
    fill_normal(x, 4);
    Choices choices = choose_experts(shape, tokens);
    std::vector<float> factors(choices.calls[0].size(), 0.125f);
    const auto run = [&](std::vector<int32_t>& chosen) {
        const math::Routing routing{{chosen.data(), tokens, shape.experts_per_token},
                                    {factors.data(), tokens, shape.experts_per_token}};
        math::moe(context, x, routing, weights, y);
        return routing;
    };
    const math::Routing routing = run(choices.calls[0]);
    const Status right = check_tokens(reference, product.gemm.name, x, routing, weights, y);
    if (!right) return right.error();

    const double rows = static_cast<double>(std::ssize(choices.calls)) * tokens * shape.experts_per_token;
    const double operations = 6.0 * rows * shape.hidden * shape.inner;
    const double bytes = static_cast<double>(choices.distinct) * static_cast<double>(layer.expert_bytes);
    Work work = work_of(product.activations, operations);
    work.bytes = bytes;
    const bool by_bytes = tokens <= kDecodeTokens;
    return stage.watch().rate(name, by_bytes ? "GB/s" : "GOP/s", (by_bytes ? bytes : operations) / 1e9, work,
                              stage.repeats(), [&] {
                                  for (auto& chosen : choices.calls) run(chosen);
                              });
}

}  // namespace

std::vector<KernelCase> expert_cases(const math::KernelTable& kernels, const ZooShapes& shapes) {
    std::set<std::string> known;
    std::vector<KernelCase> cases;
    for (const auto int4_class : math::kNumericClasses) {
        for (const ExpertShape& shape : shapes.experts) {
            const std::string_view kernel = math::matrix_product(kernels.gemm, int4_class, shape.format).gemm.name;
            const bool is_quick = int4_class == math::NumericClass::i8g32 && shape.format != math::WeightFormat::bf16;
            for (const int32_t tokens : kTokens) {
                std::string name = fmt::format("kernel/moe{}/m{}/{}x{}x{}", kernel.substr(kernel.find('_')), tokens,
                                               shape.experts, shape.hidden, shape.inner);
                if (!known.insert(name).second) continue;
                cases.push_back({name, is_quick, [=](KernelStage& stage) {
                                     return measure_experts(stage, name, shape, int4_class, tokens);
                                 }});
            }
        }
    }
    return cases;
}

}  // namespace hone::cli
