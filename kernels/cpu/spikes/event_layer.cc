#include "kernels/cpu/spikes/event_layer.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/spikes/event_layer.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/cpu/constant_neurons-inl.h"
#include "kernels/cpu/spikes/event_locals-inl.h"

HWY_BEFORE_NAMESPACE();
namespace spikeserve::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using FloatTag = hn::CappedTag<float, 16>;
using IntTag = hn::RebindToSigned<FloatTag>;
using Float = hn::Vec<FloatTag>;

constexpr int kLanes = static_cast<int>(hn::MaxLanes(FloatTag()));
// Eight vectors of 512 or 256 bits, sixteen of 128.
constexpr std::int64_t kBlockWidth = kLanes == 16 ? kMaxEventBlockWidth : 64;
constexpr int kUnitVectors = static_cast<int>(kLaneUnit) / kLanes;
constexpr float kMostPerByte = 255.0F;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::int64_t BlockWidth() { return kBlockWidth; }

// fma(a, b, c) with one rounding, also where vectors have none.
HWY_INLINE Float Fma(Float a, Float b, Float c) {
#if HWY_TARGET == HWY_SSSE3 || HWY_TARGET == HWY_SSE4
  const FloatTag d;
  HWY_ALIGN float x[kLanes], y[kLanes], z[kLanes];
  hn::Store(a, d, x);
  hn::Store(b, d, y);
  hn::Store(c, d, z);
  for (int i = 0; i < kLanes; ++i) {
    z[i] = std::fma(x[i], y[i], z[i]);
  }
  return hn::Load(d, z);
#else
  return hn::MulAdd(a, b, c);
#endif
}

// Neurons of the block after one step. kBothWays: those of IntegrateAndFire, whose charge may be negative.
template <bool kBothWays>
HWY_INLINE Float StepNeuron(Float current, Float& voltage) {
  const FloatTag d;
  const Float charge = kBothWays ? current : hn::IfThenZeroElse(hn::Le(current, hn::Zero(d)), current);
  voltage = hn::Add(voltage, charge);
  const Float whole = hn::Floor(voltage);
  const Float spikes = kBothWays ? hn::IfThenZeroElse(hn::Le(whole, hn::Zero(d)), whole) : whole;
  voltage = hn::Sub(voltage, spikes);
  return spikes;
}

// As FilterFold of kernels/math/fold.h, for one vector.
HWY_INLINE void StepFold(const EventFold& fold, int at, Float spikes, Locals& locals) {
  const FloatTag d;
  Float value = spikes;
  if (fold.synapse) {
    const Float held = hn::Load(d, locals.filtered.values + at);
    value = hn::Mul(hn::Set(d, fold.synapse_gain), held);
    hn::Store(Fma(hn::Set(d, fold.synapse_decay), held, spikes), d, locals.filtered.values + at);
  }
  if (fold.probe_synapse) {
    const Float held = hn::Load(d, locals.probed.values + at);
    const Float input = value;
    value = hn::Mul(hn::Set(d, fold.probe_gain), held);
    hn::Store(Fma(hn::Set(d, fold.probe_decay), held, input), d, locals.probed.values + at);
  }
  hn::Store(value, d, locals.last.values + at);
}

// Counts of 0..255 as bytes: 2^23 + n holds n in its low bits. `room` neurons are left in the block.
HWY_INLINE void StoreCounts(Float spikes, std::uint8_t* out, std::int64_t room) {
  const hn::Rebind<std::uint8_t, FloatTag> bytes;
  const hn::RebindToUnsigned<FloatTag> words;
  const auto word = hn::BitCast(words, hn::Add(spikes, hn::Set(FloatTag(), 8388608.0F)));
#if HWY_TARGET == HWY_AVX3_DL  // Highway 1.0.3 truncates wrongly here
  const decltype(hn::Zero(bytes)) narrow{_mm512_cvtepi32_epi8(word.raw)};
#else
  const auto narrow = hn::TruncateTo(bytes, word);
#endif
  if (HWY_LIKELY(room >= kLanes)) {
    hn::StoreU(narrow, bytes, out);
  } else if (room > 0) {
    std::uint8_t buffer[kLaneUnit];
    hn::StoreU(narrow, bytes, buffer);
    std::memcpy(out, buffer, static_cast<std::size_t>(room));
  }
}

// What the weights of the term's spikes sum up to, rounded once: 2^16 times the high part is exact.
HWY_INLINE Float SumOf(const EventTerm& term, std::int64_t at) {
  const FloatTag d;
  const IntTag ints;
  const auto sum = hn::LoadU(ints, term.sums + at);
  if (HWY_LIKELY(term.high == nullptr)) {
    return hn::ConvertTo(d, sum);
  }
  const auto high = hn::Add(hn::LoadU(ints, term.high + at), hn::ShiftRight<16>(sum));
  const auto low = hn::And(sum, hn::Set(ints, 0xffff));
  return Fma(hn::ConvertTo(d, high), hn::Set(d, 65536.0F), hn::ConvertTo(d, low));
}

// A term's currents at a step, for the tile of neurons that starts at `first`.
template <int kTile>
HWY_INLINE void AddTerm(const EventTerm& term, std::int64_t row, int first, Padded& scale, Padded& filter,
                        Padded& constant, Float (&total)[kTile]) {
  const FloatTag d;
  for (int i = 0; i < kTile; ++i) {
    const int at = first + i * kLanes;
    const Float current = term.constant != nullptr
                              ? hn::Load(d, constant.values + at)
                              : hn::Mul(SumOf(term, row + at), hn::Load(d, scale.values + at));
    if (term.filtered) {
      const Float held = hn::Load(d, filter.values + at);
      total[i] = hn::Add(total[i], held);
      hn::Store(Fma(hn::Set(d, term.decay), held, current), d, filter.values + at);
    } else {
      total[i] = hn::Add(total[i], current);
    }
  }
}

// A start below 0 makes a SpikingRectifiedLinear neuron emit a negative count, which is no byte.
bool StartsBelowZero(const EventBlock& block) {
  return block.neuron == EventNeuron::kSpikingRectifiedLinear &&
         std::any_of(block.voltage, block.voltage + block.width,
                     [](float voltage) { return voltage < 0.0F; });
}

// So many vectors of neurons stay in registers, whatever is added to them.
constexpr int kTileVectors = 4;

// All steps of kTile vectors of neurons, from the neuron `first` of the block on. Returns the most spikes in
// a step, or infinity where a voltage is not a number.
template <int kTile, bool kBothWays>
HWY_INLINE Float RunTile(const EventBlock& block, int first, std::int64_t padded, Locals& locals,
                         Padded& counted) {
  const FloatTag d;
  Float voltage[kTile], emitted[kTile];
  for (int i = 0; i < kTile; ++i) {
    voltage[i] = hn::Load(d, locals.voltage.values + first + i * kLanes);
    emitted[i] = hn::Zero(d);
  }
  Float largest = hn::Zero(d);
  for (std::int64_t step = 0; step < block.steps; ++step) {
    Float total[kTile];
    for (int i = 0; i < kTile; ++i) {
      total[i] = hn::Zero(d);
    }
    for (std::size_t t = 0; t < block.terms.size(); ++t) {
      AddTerm<kTile>(block.terms[t], step * padded, first, locals.scale[t], locals.filter[t],
                     locals.constant[t], total);
    }
    for (int i = 0; i < kTile; ++i) {
      const int at = first + i * kLanes;
      const Float current = hn::Add(total[i], hn::Load(d, locals.bias.values + at));
      const Float spikes = StepNeuron<kBothWays>(current, voltage[i]);
      emitted[i] = hn::Add(emitted[i], spikes);
      largest = hn::Max(spikes, largest);
      if (block.counts != nullptr) {
        StoreCounts(spikes, block.counts + step * block.stride + at, block.width - at);
      }
      if (block.fold != nullptr) {
        StepFold(*block.fold, at, spikes, locals);
      }
    }
  }
  for (int i = 0; i < kTile; ++i) {
    hn::Store(voltage[i], d, locals.voltage.values + first + i * kLanes);
    hn::Store(emitted[i], d, counted.values + first + i * kLanes);
    // Once not a number, a voltage stays so.
    largest = hn::IfThenElse(hn::Eq(voltage[i], voltage[i]), largest, hn::Set(d, kInfinity));
  }
  return largest;
}

// The last kVectors vectors of the block, tile by tile.
template <int kVectors, bool kBothWays>
HWY_INLINE Float RunTiles(const EventBlock& block, int first, std::int64_t padded, Locals& locals,
                          Padded& counted) {
  constexpr int kTile = std::min(kVectors, kTileVectors);
  const Float largest = RunTile<kTile, kBothWays>(block, first, padded, locals, counted);
  if constexpr (kVectors > kTile) {
    return hn::Max(largest, RunTiles<kVectors - kTile, kBothWays>(block, first + kTile * kLanes, padded,
                                                                  locals, counted));
  }
  return largest;
}

// The loop for any terms.
template <int kVectors, bool kBothWays>
HWY_NOINLINE EventResult RunBlock(const EventBlock& block) {
  const FloatTag d;
  constexpr int kPadded = kVectors * kLanes;
  Locals locals;
  LoadLocals(block, kPadded, locals);
  Padded counted;
  const Float largest = RunTiles<kVectors, kBothWays>(block, 0, kPadded, locals, counted);
  if (!hn::AllTrue(d, hn::Le(largest, hn::Set(d, kMostPerByte)))) {
    return {0, false};
  }
  StoreLocals(block, locals);
  CountSpikes(block, counted);
  return {static_cast<std::int32_t>(hn::GetLane(hn::MaxOfLanes(d, largest))), true};
}

// What one step adds to the voltage, where nothing that a step adds changes; and no neuron can emit more than
// the result, whatever its voltage.
template <int kVectors, bool kBothWays>
HWY_INLINE Float ConstantCharge(const EventBlock& block, const Locals& locals, Float (&charge)[kVectors]) {
  const FloatTag d;
  const Float one = hn::Set(d, 1.0F);
  Float most = hn::Zero(d);
  for (int i = 0; i < kVectors; ++i) {
    const int at = i * kLanes;
    Float total = hn::Zero(d);
    for (std::size_t t = 0; t < block.terms.size(); ++t) {
      total = hn::Add(total, hn::Load(d, locals.constant[t].values + at));
    }
    const Float current = hn::Add(total, hn::Load(d, locals.bias.values + at));
    charge[i] = kBothWays ? current : hn::IfThenZeroElse(hn::Le(current, hn::Zero(d)), current);
    const Float voltage = hn::Max(one, hn::Load(d, locals.voltage.values + at));
    const Float bound = hn::Floor(hn::Add(voltage, charge[i]));  // voltages stay below 1 after a step
    most = hn::Max(most, hn::IfThenElse(hn::Eq(bound, bound), bound, hn::Set(d, kInfinity)));
  }
  return most;
}

// The loop where every term is constant and unfiltered, as for the first layer behind an input that is held.
template <int kVectors, bool kBothWays, bool kCounted>
HWY_NOINLINE EventResult RunConstantBlock(const EventBlock& block) {
  const FloatTag d;
  Locals locals;
  LoadLocals(block, kVectors * kLanes, locals);
  Float charge[kVectors], voltage[kVectors], emitted[kVectors];
  const Float most = ConstantCharge<kVectors, kBothWays>(block, locals, charge);
  if (!hn::AllTrue(d, hn::Le(most, hn::Set(d, kMostPerByte)))) {
    return {0, false};
  }
  const Float one = OpaqueOne(d);
  for (int i = 0; i < kVectors; ++i) {
    voltage[i] = hn::Load(d, locals.voltage.values + i * kLanes);
    emitted[i] = hn::Zero(d);
  }
  for (std::int64_t step = 0; step < block.steps; ++step) {
    const bool last = step + 1 == block.steps;
    for (int i = 0; i < kVectors; ++i) {
      voltage[i] = hn::Add(voltage[i], charge[i]);
      const Float whole = hn::Floor(voltage[i]);
      const Float spikes = kBothWays ? hn::Max(whole, hn::Zero(d)) : whole;
      voltage[i] = SubOther(voltage[i], spikes, one);
      emitted[i] = AddOther(emitted[i], spikes, one);
      if (kCounted) {
        StoreCounts(spikes, block.counts + step * block.stride + i * kLanes, block.width - i * kLanes);
      }
      if (HWY_UNLIKELY(last)) {
        hn::Store(spikes, d, locals.last.values + i * kLanes);
      }
    }
  }
  Padded counted;
  for (int i = 0; i < kVectors; ++i) {
    hn::Store(voltage[i], d, locals.voltage.values + i * kLanes);
    hn::Store(emitted[i], d, counted.values + i * kLanes);
  }
  StoreLocals(block, locals);
  CountSpikes(block, counted);
  return {static_cast<std::int32_t>(hn::GetLane(hn::MaxOfLanes(d, most))), true};
}

// The same where nobody reads the counts of single steps.
template <int kVectors, bool kBothWays>
HWY_NOINLINE EventResult RunUncountedBlock(const EventBlock& block) {
  const FloatTag d;
  Locals locals;
  LoadLocals(block, kVectors * kLanes, locals);
  Float charge[kVectors], voltage[kVectors];
  const Float most = ConstantCharge<kVectors, kBothWays>(block, locals, charge);
  if (!hn::AllTrue(d, hn::Le(most, hn::Set(d, kMostPerByte)))) {
    return {0, false};
  }
  Padded counted;
  for (int i = 0; i < kVectors; ++i) {
    const int at = i * kLanes;
    voltage[i] = hn::Load(d, locals.voltage.values + at);
  }
  const EventResult result{static_cast<std::int32_t>(hn::GetLane(hn::MaxOfLanes(d, most))), true};
  if (block.ends && CountConstant(d, charge, voltage, block.steps, counted.values)) {
    CountSpikes(block, counted);
    return result;
  }
  ConstantNeurons<FloatTag, kVectors> neurons;
  if (!neurons.Pack(charge, voltage)) {
    return RunConstantBlock<kVectors, kBothWays, false>(block);
  }
  neurons.Run(block.steps);
  neurons.Unpack(block.steps, locals.voltage.values, counted.values, locals.last.values);
  StoreLocals(block, locals);
  CountSpikes(block, counted);
  return result;
}

bool IsConstant(const EventBlock& block) {
  const bool plain_fold = block.fold == nullptr || (!block.fold->synapse && !block.fold->probe_synapse);
  return plain_fold && std::all_of(block.terms.begin(), block.terms.end(), [](const EventTerm& term) {
           return term.constant != nullptr && !term.filtered;
         });
}

template <int kVectors, bool kBothWays>
EventResult RunNeurons(const EventBlock& block) {
  if (StartsBelowZero(block)) {
    return {0, false};
  }
  if (!IsConstant(block)) {
    return RunBlock<kVectors, kBothWays>(block);
  }
  if (block.counts != nullptr) {
    return RunConstantBlock<kVectors, kBothWays, true>(block);
  }
  return block.steps <= kMaxUncountedSteps ? RunUncountedBlock<kVectors, kBothWays>(block)
                                           : RunConstantBlock<kVectors, kBothWays, false>(block);
}

// Picks the loop for the number of vectors that the block's padded width takes.
template <int kVectors>
EventResult RunWidth(const EventBlock& block) {
  if constexpr (kVectors * kLanes < kBlockWidth) {
    if (block.width > kVectors * kLanes) {
      return RunWidth<kVectors + kUnitVectors>(block);
    }
  }
  return block.neuron == EventNeuron::kIntegrateAndFire ? RunNeurons<kVectors, true>(block)
                                                        : RunNeurons<kVectors, false>(block);
}

EventResult Run(const EventBlock& block) { return RunWidth<kUnitVectors>(block); }

}  // namespace spikeserve::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace spikeserve::kernels {

HWY_EXPORT(Run);
HWY_EXPORT(BlockWidth);

std::int64_t EventBlockWidth() { return HWY_DYNAMIC_DISPATCH(BlockWidth)(); }

EventResult RunEventBlock(const EventBlock& block) { return HWY_DYNAMIC_DISPATCH(Run)(block); }

}  // namespace spikeserve::kernels
#endif
