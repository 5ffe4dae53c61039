#pragma once

#include <gtest/gtest.h>

#include <string>

#include "kernels/cpu/target.h"

namespace spikeserve::testing {

// Runs `body` on every instruction set that this machine has, up to the first fatal failure. The best one is
// in force again afterwards.
template <typename Body>
void OnEveryCpuTarget(Body body) {
  struct BestAgain {
    ~BestAgain() { kernels::ForceCpuTarget(""); }
  } const best_again;
  for (const std::string& target : kernels::CpuTargets()) {
    SCOPED_TRACE(target);
    kernels::ForceCpuTarget(target);
    body();
    if (::testing::Test::HasFatalFailure()) {
      return;
    }
  }
}

}  // namespace spikeserve::testing
