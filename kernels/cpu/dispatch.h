#pragma once

// Compiles a function once per instruction set and picks at load time. Every clone performs the same
// operations in the same order; contraction is off, so all give the same bits. Not under sanitizers,
// whose runtimes are not ready when the loader resolves the choice.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define SPIKESERVE_CPU_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define SPIKESERVE_CPU_CLONES
#endif
