// Neurons whose charge per step does not change and of which only the numbers of spikes are wanted: those
// that cannot spike take one addition per step, and nothing is counted in the loop over the steps.
#if defined(SPIKESERVE_CONSTANT_NEURONS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef SPIKESERVE_CONSTANT_NEURONS_INL_H
#undef SPIKESERVE_CONSTANT_NEURONS_INL_H
#else
#define SPIKESERVE_CONSTANT_NEURONS_INL_H
#endif

#include <cstdint>
#include <cstring>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace spikeserve::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// 1 that the compiler does not know of.
template <typename FloatTag>
HWY_INLINE hn::Vec<FloatTag> OpaqueOne(FloatTag d) {
  volatile float one = 1.0F;
  return hn::Set(d, one);
}

// a + b and a - b on the multipliers, where these are other units than the adders: the same bits.
template <typename Float>
HWY_INLINE Float AddOther(Float a, Float b, [[maybe_unused]] Float one) {
#if HWY_TARGET == HWY_SSSE3 || HWY_TARGET == HWY_SSE4
  return hn::Add(a, b);
#else
  return hn::MulAdd(b, one, a);
#endif
}
template <typename Float>
HWY_INLINE Float SubOther(Float a, Float b, [[maybe_unused]] Float one) {
#if HWY_TARGET == HWY_SSSE3 || HWY_TARGET == HWY_SSE4
  return hn::Sub(a, b);
#else
  return hn::NegMulAdd(b, one, a);
#endif
}

// The lanes of the mask from `packed` on, in order, 0 in the others.
template <typename FloatTag>
HWY_INLINE hn::Vec<FloatTag> Expand(FloatTag d, const float* packed, hn::Mask<FloatTag> mask) {
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL  // Highway 1.0.3 has no name for it
  return hn::Vec<FloatTag>{_mm512_maskz_expand_ps(mask.raw, hn::LoadU(d, packed).raw)};
#else
  HWY_ALIGN float lanes[hn::MaxLanes(FloatTag())];
  hn::Store(hn::VecFromMask(d, mask), d, lanes);
  for (float& lane : lanes) {
    std::uint32_t bits;
    std::memcpy(&bits, &lane, sizeof(bits));
    lane = bits != 0 ? *packed : 0.0F;
    packed += bits != 0 ? 1 : 0;
  }
  return hn::Load(d, lanes);
#endif
}

// A block of kVectors vectors of SpikingRectifiedLinear or IntegrateAndFire neurons, those that may spike
// packed apart from the others. No neuron emits more than 255 spikes in a step.
template <typename FloatTag, int kVectors>
class ConstantNeurons {
  using Float = hn::Vec<FloatTag>;
  static constexpr std::int64_t kLanes = static_cast<std::int64_t>(hn::MaxLanes(FloatTag()));

 public:
  // False where a neuron that may spike can be below 0 too: it takes a comparison per step.
  bool Pack(const Float (&charges)[kVectors], const Float (&voltages)[kVectors]) {
    const FloatTag d;
    const Float zero = hn::Zero(d);
    Float least = zero;
    for (int i = 0; i < kVectors; ++i) {
      // Without a charge above 0, a voltage below 1 stays there.
      spikes_[i] = hn::Or(hn::Gt(charges[i], zero), hn::Ge(voltages[i], hn::Set(d, 1.0F)));
      least = hn::Min(least, hn::IfThenElse(spikes_[i], hn::Min(voltages[i], charges[i]), zero));
      Append(spiking_, charges[i], voltages[i], spikes_[i]);
      Append(silent_, charges[i], voltages[i], hn::Not(spikes_[i]));
    }
    Finish(spiking_);
    Finish(silent_);
    return hn::AllTrue(d, hn::Ge(least, zero));
  }

  void Run(std::int64_t steps) { RunVectors<1>(steps); }

  // Writes what the neurons have come to. What a neuron emitted is what its charges add up to, less what its
  // voltage gained, but for the roundings of `steps` additions up to 256, less than 1/8 for up to
  // kMaxUncountedSteps: the integer next to that.
  void Unpack(std::int64_t steps, float* voltage, float* emitted, float* last) const {
    const FloatTag d;
    HWY_ALIGN float sums[kRoom];
    for (std::int64_t at = 0; at < spiking_.size; at += kLanes) {
      const Float charges = hn::Mul(hn::Set(d, static_cast<float>(steps)), hn::Load(d, spiking_.charge + at));
      const Float lost = hn::Sub(hn::Load(d, first_ + at), hn::Load(d, spiking_.voltage + at));
      hn::Store(hn::Round(hn::Add(charges, lost)), d, sums + at);
    }
    std::int64_t packed = 0;
    for (int i = 0; i < kVectors; ++i) {
      const std::int64_t at = i * kLanes;
      const Float silent = Expand(d, silent_.voltage + at - packed, hn::Not(spikes_[i]));
      const Float spiking = Expand(d, spiking_.voltage + packed, spikes_[i]);
      hn::Store(hn::IfThenElse(spikes_[i], spiking, silent), d, voltage + at);
      hn::Store(Expand(d, sums + packed, spikes_[i]), d, emitted + at);
      hn::Store(Expand(d, last_ + packed, spikes_[i]), d, last + at);
      packed += static_cast<std::int64_t>(hn::CountTrue(d, spikes_[i]));
    }
  }

 private:
  static constexpr std::int64_t kRoom = (kVectors + 2) * kLanes;

  struct Packed {
    std::int64_t size = 0;
    HWY_ALIGN float charge[kRoom];
    HWY_ALIGN float voltage[kRoom];
  };

  static HWY_INLINE void Append(Packed& to, Float charges, Float voltages, hn::Mask<FloatTag> which) {
    const FloatTag d;
    hn::StoreU(hn::Compress(charges, which), d, to.charge + to.size);
    hn::StoreU(hn::Compress(voltages, which), d, to.voltage + to.size);
    to.size += static_cast<std::int64_t>(hn::CountTrue(d, which));
  }

  // Fills up the last vector with neurons without charge, and one more.
  static HWY_INLINE void Finish(Packed& packed) {
    const FloatTag d;
    for (std::int64_t at = packed.size; at < packed.size + 2 * kLanes; at += kLanes) {
      hn::StoreU(hn::Zero(d), d, packed.charge + at);
      hn::StoreU(hn::Zero(d), d, packed.voltage + at);
    }
  }

  template <int kSpiking>
  HWY_INLINE void RunVectors(std::int64_t steps) {
    if constexpr (kSpiking < kVectors) {
      if (kSpiking * kLanes < spiking_.size) {
        return RunVectors<kSpiking + 1>(steps);
      }
    }
    Step<kSpiking>(steps);
  }

  template <int kSpiking>
  HWY_NOINLINE void Step(std::int64_t steps) {
    constexpr int kSilent = kVectors - kSpiking + 1;  // the last vector of either is not full
    const FloatTag d;
    const Float one = OpaqueOne(d);
    Float charge[kSpiking], voltage[kSpiking], silent[kSilent];
    for (int i = 0; i < kSpiking; ++i) {
      charge[i] = hn::Load(d, spiking_.charge + i * kLanes);
      voltage[i] = hn::Load(d, spiking_.voltage + i * kLanes);
      hn::Store(voltage[i], d, first_ + i * kLanes);
    }
    for (int i = 0; i < kSilent; ++i) {
      silent[i] = hn::Load(d, silent_.voltage + i * kLanes);
    }
    for (std::int64_t step = 0; step < steps; ++step) {
      for (int i = 0; i < kSilent; ++i) {
        silent[i] = AddOther(silent[i], hn::Load(d, silent_.charge + i * kLanes), one);
      }
      const bool last = step + 1 == steps;
      for (int i = 0; i < kSpiking; ++i) {
        voltage[i] = hn::Add(voltage[i], charge[i]);
        const Float spikes = hn::Floor(voltage[i]);
        voltage[i] = SubOther(voltage[i], spikes, one);
        if (HWY_UNLIKELY(last)) {
          hn::Store(spikes, d, last_ + i * kLanes);
        }
      }
    }
    for (int i = 0; i < kSpiking; ++i) {
      hn::Store(voltage[i], d, spiking_.voltage + i * kLanes);
    }
    for (int i = 0; i < kSilent; ++i) {
      hn::Store(silent[i], d, silent_.voltage + i * kLanes);
    }
  }

  hn::Mask<FloatTag> spikes_[kVectors];  // which neurons may
  Packed spiking_, silent_;
  HWY_ALIGN float first_[kRoom];  // voltage before the first step
  HWY_ALIGN float last_[kRoom];   // spikes of the last step
};

// What neurons of constant charges emit in `steps` steps v += c; n = max(floor(v), 0); v -= n, without taking
// them; false where roundings may decide over a spike. With v in [0, 1) before and after a step, only v + c
// rounds, by at most 2^-24 (1 + c). So floor(v + steps c) is right unless that many of these errors, and
// those of computing it, reach the next integer: together less than 2^-22 steps (1 + c).
template <typename FloatTag, int kVectors>
HWY_INLINE bool CountConstant(FloatTag d, const hn::Vec<FloatTag> (&charges)[kVectors],
                              const hn::Vec<FloatTag> (&voltages)[kVectors], std::int64_t steps,
                              float* emitted) {
  using Float = hn::Vec<FloatTag>;
  constexpr auto kLanes = static_cast<std::int64_t>(hn::MaxLanes(FloatTag()));
  const Float zero = hn::Zero(d);
  const Float one = hn::Set(d, 1.0F);
  const Float times = hn::Set(d, static_cast<float>(steps));
  const Float error = hn::Set(d, static_cast<float>(steps) * 0x1p-22F);
  hn::Mask<FloatTag> known = hn::Eq(zero, zero);
  for (int i = 0; i < kVectors; ++i) {
    const Float sum = hn::MulAdd(charges[i], times, voltages[i]);
    const Float whole = hn::Floor(sum);
    const Float part = hn::Sub(sum, whole);
    const Float margin = hn::MulAdd(error, charges[i], error);
    const auto silent = hn::Le(charges[i], zero);  // a voltage below 1 stays there
    const auto clear = hn::And(hn::Ge(part, margin), hn::Le(part, hn::Sub(one, margin)));
    const auto counted = hn::And(clear, hn::Ge(voltages[i], zero));
    known = hn::And(known, hn::And(hn::Lt(voltages[i], one), hn::Or(silent, counted)));
    hn::Store(hn::IfThenZeroElse(silent, whole), d, emitted + i * kLanes);
  }
  return hn::AllTrue(d, known);
}

}  // namespace spikeserve::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
