#include "math/kernels/row_kernels.h"

#include "math/kernels/cpu/simd/lanes_avx512.h"
#include "math/kernels/cpu/simd/row_templates.h"

namespace hone::math {

const RowKernels& avx512_row_kernels() {
    using Rows = RowTemplates<Avx512Lanes>;
    static constexpr RowKernels kKernels{
        .exp = {"exp__avx512", Rows::exp},
        .exp2 = {"exp2__avx512", Rows::exp2},
        .log = {"log__avx512", Rows::log},
        .sigmoid = {"sigmoid__avx512", Rows::sigmoid},
        .tanh = {"tanh__avx512", Rows::tanh},
        .sin = {"sin__avx512", Rows::sin},
        .cos = {"cos__avx512", Rows::cos},
        .rms_norm = {"rms_norm__avx512", Rows::rms_norm},
        .rms_norm_backward = {"rms_norm_backward__avx512", Rows::rms_norm_backward},
        .rotate_halves = {"rotate_halves__avx512", Rows::rotate_halves},
        .rotate_pairs = {"rotate_pairs__avx512", Rows::rotate_pairs},
        .swiglu = {"swiglu__avx512", Rows::swiglu},
        .swiglu_backward = {"swiglu_backward__avx512", Rows::swiglu_backward},
        .add = {"add__avx512", Rows::add},
        .clamp = {"clamp__avx512", Rows::clamp},
        .clamp_backward = {"clamp_backward__avx512", Rows::clamp_backward},
        .scale = {"scale__avx512", Rows::scale},
        .widen_bf16 = {"widen_bf16__avx512", Rows::widen_bf16},
        .round_bf16 = {"round_bf16__avx512", Rows::round_bf16},
        .softmax = {"softmax__avx512", Rows::softmax},
        .softmax_backward = {"softmax_backward__avx512", Rows::softmax_backward},
        .log_sum_exp = {"log_sum_exp__avx512", Rows::log_sum_exp},
        .logprobs = {"logprobs__avx512", Rows::logprobs},
        .logprobs_backward = {"logprobs_backward__avx512", Rows::logprobs_backward},
        .sum = {"sum__avx512", Rows::sum},
    };
    return kKernels;
}

}  // namespace hone::math
