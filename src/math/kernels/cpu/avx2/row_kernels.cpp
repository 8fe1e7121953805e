#include "math/kernels/row_kernels.h"

#include "math/kernels/cpu/simd/lanes_avx2.h"
#include "math/kernels/cpu/simd/row_templates.h"

namespace hone::math {

const RowKernels& avx2::row_kernels() {
    using Rows = RowTemplates<Avx2Lanes>;
    static constexpr RowKernels kKernels{
        .exp = {"exp__avx2", Rows::exp},
        .exp2 = {"exp2__avx2", Rows::exp2},
        .log = {"log__avx2", Rows::log},
        .sigmoid = {"sigmoid__avx2", Rows::sigmoid},
        .tanh = {"tanh__avx2", Rows::tanh},
        .sin = {"sin__avx2", Rows::sin},
        .cos = {"cos__avx2", Rows::cos},
        .rms_norm = {"rms_norm__avx2", Rows::rms_norm},
        .rms_norm_backward = {"rms_norm_backward__avx2", Rows::rms_norm_backward},
        .rotate_halves = {"rotate_halves__avx2", Rows::rotate_halves},
        .rotate_pairs = {"rotate_pairs__avx2", Rows::rotate_pairs},
        .swiglu = {"swiglu__avx2", Rows::swiglu},
        .swiglu_backward = {"swiglu_backward__avx2", Rows::swiglu_backward},
        .add = {"add__avx2", Rows::add},
        .clamp = {"clamp__avx2", Rows::clamp},
        .clamp_backward = {"clamp_backward__avx2", Rows::clamp_backward},
        .scale = {"scale__avx2", Rows::scale},
        .widen_bf16 = {"widen_bf16__avx2", Rows::widen_bf16},
        .round_bf16 = {"round_bf16__avx2", Rows::round_bf16},
        .softmax = {"softmax__avx2", Rows::softmax},
        .softmax_backward = {"softmax_backward__avx2", Rows::softmax_backward},
        .log_sum_exp = {"log_sum_exp__avx2", Rows::log_sum_exp},
        .logprobs = {"logprobs__avx2", Rows::logprobs},
        .logprobs_backward = {"logprobs_backward__avx2", Rows::logprobs_backward},
        .sum = {"sum__avx2", Rows::sum},
    };
    return kKernels;
}

}  // namespace hone::math
