// For processors whose AVX-512 has no BF16 instructions, or slow ones: pairs of bf16 by fused multiply-adds (avx512/bf16.h).
#include "math/kernels/cpu/avx512/row_kernels.cpp"
