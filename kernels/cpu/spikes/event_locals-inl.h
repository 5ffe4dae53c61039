// A block of neurons in padded local copies, so that the loops over it need no tails.
#if defined(SPIKESERVE_EVENT_LOCALS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef SPIKESERVE_EVENT_LOCALS_INL_H
#undef SPIKESERVE_EVENT_LOCALS_INL_H
#else
#define SPIKESERVE_EVENT_LOCALS_INL_H
#endif

#include <algorithm>
#include <cstdint>

#include "hwy/highway.h"
#include "kernels/cpu/spikes/event_layer.h"

HWY_BEFORE_NAMESPACE();
namespace spikeserve::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// One array of the block.
struct alignas(64) Padded {
  float values[kMaxEventBlockWidth];

  void Load(const float* from, std::int64_t width, std::int64_t padded) {
    std::copy(from, from + width, values);
    std::fill(values + width, values + padded, 0.0F);
  }
};

// State and constants of a block, in padded copies.
struct Locals {
  Padded bias, voltage;
  Padded scale[kMaxEventTerms], filter[kMaxEventTerms], constant[kMaxEventTerms];
  Padded filtered, probed, last;
};

// Copies the block's state and constants in and, in Store, its state out.
inline void LoadLocals(const EventBlock& block, std::int64_t padded, Locals& locals) {
  locals.bias.Load(block.bias, block.width, padded);
  locals.voltage.Load(block.voltage, block.width, padded);
  for (std::size_t t = 0; t < block.terms.size(); ++t) {
    const EventTerm& term = block.terms[t];
    if (term.constant != nullptr) {
      locals.constant[t].Load(term.constant, block.width, padded);
    } else {
      locals.scale[t].Load(term.scale, block.width, padded);
    }
    if (term.filtered) {
      locals.filter[t].Load(term.filter, block.width, padded);
    }
  }
  const EventFold* fold = block.fold;
  if (fold != nullptr && fold->synapse) {
    locals.filtered.Load(fold->filtered, block.width, padded);
  }
  if (fold != nullptr && fold->probe_synapse) {
    locals.probed.Load(fold->probed, block.width, padded);
  }
}

inline void StoreLocals(const EventBlock& block, const Locals& locals) {
  const auto store = [&block](const Padded& from, float* to) { std::copy_n(from.values, block.width, to); };
  store(locals.voltage, block.voltage);
  for (std::size_t t = 0; t < block.terms.size(); ++t) {
    if (block.terms[t].filtered) {
      store(locals.filter[t], block.terms[t].filter);
    }
  }
  if (block.fold == nullptr) {
    return;
  }
  store(locals.last, block.fold->last);
  if (block.fold->synapse) {
    store(locals.filtered, block.fold->filtered);
  }
  if (block.fold->probe_synapse) {
    store(locals.probed, block.fold->probed);
  }
}

// Adds what the neurons emitted to the block's sums.
inline void CountSpikes(const EventBlock& block, const Padded& emitted) {
  const hn::CappedTag<std::int64_t, 8> d;
  const hn::Rebind<std::int32_t, decltype(d)> narrow;
  const hn::Rebind<float, decltype(d)> real;
  std::int64_t j = 0;
  for (; j + static_cast<std::int64_t>(hn::Lanes(d)) <= block.width;
       j += static_cast<std::int64_t>(hn::Lanes(d))) {
    const auto added = hn::PromoteTo(d, hn::ConvertTo(narrow, hn::Load(real, emitted.values + j)));
    hn::StoreU(hn::Add(hn::LoadU(d, block.spikes + j), added), d, block.spikes + j);
  }
  for (; j < block.width; ++j) {
    block.spikes[j] += static_cast<std::int64_t>(emitted.values[j]);
  }
}

}  // namespace spikeserve::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
