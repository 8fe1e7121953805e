// The kernels of AVX-512 once more, without its BF16 instructions (cpu/avx512/bf16.h).
#ifdef __AVX512BF16__
#error "compiled with BF16 instructions, these would be the kernels of avx512 a second time"
#endif
#include "math/kernels/cpu/avx512/attention_kernels.cpp"
