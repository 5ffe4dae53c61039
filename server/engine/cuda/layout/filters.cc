#include "server/engine/cuda/layout/filters.h"

namespace spikeserve::engine {
namespace {

using cuda::FilterKind;

struct ConstantsFiller {
  cuda::Filter& out;

  void operator()(const kernels::PassFilter&) const { out.kind = FilterKind::kPass; }
  void operator()(const kernels::LowpassFilter& filter) const {
    out.kind = FilterKind::kLowpass;
    out.lowpass = filter;
  }
  void operator()(const kernels::AlphaFilter& filter) const {
    out.kind = FilterKind::kAlpha;
    out.alpha = filter;
  }
  void operator()(const kernels::FiniteFilter& filter) const {
    out.kind = FilterKind::kFinite;
    out.taps = static_cast<std::int64_t>(filter.weights.size());
  }
  void operator()(const kernels::StateFilter& filter) const {
    out.kind = FilterKind::kStates;
    out.states = filter;
  }
};

template <typename T>
void Shift(T*& array, std::int64_t elements) {
  array = array == nullptr ? nullptr : array + elements;
}

}  // namespace

const std::vector<float>* FilterWeights(const kernels::FilterConstants& constants) {
  const auto* finite = std::get_if<kernels::FiniteFilter>(&constants.kind);
  return finite == nullptr ? nullptr : &finite->weights;
}

float* TakeFilterWeights(const kernels::FilterConstants& constants, CudaArena& arena) {
  const std::vector<float>* const weights = FilterWeights(constants);
  return weights == nullptr ? nullptr : arena.Take<float>(static_cast<std::int64_t>(weights->size()));
}

cuda::Filter TakeFilter(const kernels::FilterConstants& constants, std::int64_t samples, std::int64_t size,
                        const float* weights, const std::int64_t* clock, CudaArena& arena) {
  cuda::Filter filter;
  std::visit(ConstantsFiller{filter}, constants.kind);
  const bool shows = filter.kind == FilterKind::kLowpass || filter.kind == FilterKind::kStates;
  const std::int64_t elements = samples * size;
  filter.delay = constants.delay;
  filter.weights = weights;
  filter.clock = clock;
  filter.delayed = arena.Take<float>(elements * filter.delay);
  filter.inputs = arena.Take<float>(elements * filter.taps);
  filter.shown = arena.Take<float>(shows ? elements : 0);
  filter.held = arena.Take<double>(elements * cuda::HeldStates(filter.kind, filter.states));
  return filter;
}

cuda::Filter From(const cuda::Filter& filter, std::int64_t first, std::int64_t size) {
  cuda::Filter from = filter;
  const std::int64_t elements = first * size;
  Shift(from.clock, first);
  Shift(from.delayed, elements * filter.delay);
  Shift(from.inputs, elements * filter.taps);
  Shift(from.shown, elements);
  Shift(from.held, elements * cuda::HeldStates(filter.kind, filter.states));
  return from;
}

}  // namespace spikeserve::engine
