#include "kernels/cpu/target.h"

#include <cstdint>

#include "hwy/highway.h"

namespace spikeserve::kernels {
namespace {

// Of the machine, whatever is forced.
const std::vector<std::int64_t>& Targets() {
  static const std::vector<std::int64_t> kTargets = [] {
    hwy::SetSupportedTargetsForTest(0);
    std::vector<std::int64_t> targets;
    for (std::int64_t bits = hwy::SupportedTargets() & HWY_TARGETS; bits != 0; bits &= bits - 1) {
      targets.push_back(bits & -bits);  // lower bits are better targets
    }
    return targets;
  }();
  return kTargets;
}

}  // namespace

std::vector<std::string> CpuTargets() {
  std::vector<std::string> names;
  for (const std::int64_t target : Targets()) {
    names.emplace_back(hwy::TargetName(target));
  }
  return names;
}

std::string CpuTargetInForce() {
  const std::int64_t bits = hwy::SupportedTargets() & HWY_TARGETS;
  return hwy::TargetName(bits & -bits);
}

void ForceCpuTarget(const std::string& name) {
  hwy::SetSupportedTargetsForTest(0);
  for (const std::int64_t target : Targets()) {
    if (name == hwy::TargetName(target)) {
      hwy::SetSupportedTargetsForTest(target);
      break;
    }
  }
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
}

}  // namespace spikeserve::kernels
