#include "kernels/math/filter_constants.h"

namespace spikeserve::kernels {
namespace {

std::int64_t KindBytes(const PassFilter&) { return 0; }
std::int64_t KindBytes(const LowpassFilter&) { return 4; }
std::int64_t KindBytes(const AlphaFilter&) { return 16; }
std::int64_t KindBytes(const FiniteFilter& filter) {
  return 4 * static_cast<std::int64_t>(filter.weights.size());
}
std::int64_t KindBytes(const StateFilter& filter) { return 4 + 8 * std::int64_t{filter.order}; }

}  // namespace

std::int64_t FilterBytes(const FilterConstants& constants) {
  return 4 * constants.delay + std::visit([](const auto& kind) { return KindBytes(kind); }, constants.kind);
}

}  // namespace spikeserve::kernels
