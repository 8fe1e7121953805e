#include "math/kernels/row_kernels.h"

#include "math/kernels/cpu/simd/lanes_avx512.h"
#include "math/kernels/cpu/simd/row_templates.h"

namespace hone::math::HONE_AVX512 {

const RowKernels& row_kernels() {
    using Rows = RowTemplates<Avx512Lanes>;
    static constexpr RowKernels kKernels{
        .exp = {"exp__" HONE_AVX512_NAME, Rows::exp},
        .exp2 = {"exp2__" HONE_AVX512_NAME, Rows::exp2},
        .log = {"log__" HONE_AVX512_NAME, Rows::log},
        .sigmoid = {"sigmoid__" HONE_AVX512_NAME, Rows::sigmoid},
        .tanh = {"tanh__" HONE_AVX512_NAME, Rows::tanh},
        .sin = {"sin__" HONE_AVX512_NAME, Rows::sin},
        .cos = {"cos__" HONE_AVX512_NAME, Rows::cos},
        .rms_norm = {"rms_norm__" HONE_AVX512_NAME, Rows::rms_norm},
        .rms_norm_backward = {"rms_norm_backward__" HONE_AVX512_NAME, Rows::rms_norm_backward},
        .rotate_halves = {"rotate_halves__" HONE_AVX512_NAME, Rows::rotate_halves},
        .rotate_pairs = {"rotate_pairs__" HONE_AVX512_NAME, Rows::rotate_pairs},
        .swiglu = {"swiglu__" HONE_AVX512_NAME, Rows::swiglu},
        .swiglu_backward = {"swiglu_backward__" HONE_AVX512_NAME, Rows::swiglu_backward},
        .add = {"add__" HONE_AVX512_NAME, Rows::add},
        .clamp = {"clamp__" HONE_AVX512_NAME, Rows::clamp},
        .clamp_backward = {"clamp_backward__" HONE_AVX512_NAME, Rows::clamp_backward},
        .scale = {"scale__" HONE_AVX512_NAME, Rows::scale},
        .widen_bf16 = {"widen_bf16__" HONE_AVX512_NAME, Rows::widen_bf16},
        .round_bf16 = {"round_bf16__" HONE_AVX512_NAME, Rows::round_bf16},
        .softmax = {"softmax__" HONE_AVX512_NAME, Rows::softmax},
        .softmax_backward = {"softmax_backward__" HONE_AVX512_NAME, Rows::softmax_backward},
        .log_sum_exp = {"log_sum_exp__" HONE_AVX512_NAME, Rows::log_sum_exp},
        .logprobs = {"logprobs__" HONE_AVX512_NAME, Rows::logprobs},
        .logprobs_backward = {"logprobs_backward__" HONE_AVX512_NAME, Rows::logprobs_backward},
        .sum = {"sum__" HONE_AVX512_NAME, Rows::sum},
    };
    return kKernels;
}

}  // namespace hone::math::HONE_AVX512
