#pragma once

#include <string>
#include <vector>

namespace spikeserve::kernels {

// Instruction sets that the vector kernels were built for and this machine can run, best first.
std::vector<std::string> CpuTargets();

// The one that runs: the best, unless another is forced.
std::string CpuTargetInForce();

// Makes one of them run, for tests; empty: the best again. Weights packed before must not be used after.
// Not thread-safe.
void ForceCpuTarget(const std::string& name);

}  // namespace spikeserve::kernels
