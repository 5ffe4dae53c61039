#pragma once

// Asks both compilers to unroll the loop that follows, so that small arrays stay in registers.
#ifdef __CUDACC__
#define SPIKESERVE_UNROLL _Pragma("unroll")
#else
#define SPIKESERVE_UNROLL _Pragma("GCC unroll 8")
#endif
