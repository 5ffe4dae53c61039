#include "server/engine/run/encoding.h"

#include <cmath>

#include "server/engine/network/violations.h"

namespace spikeserve::engine {
namespace {

constexpr double kMaxRateHz = 1e12;
constexpr std::int64_t kMaxWindow = 1'000'000'000;

bool IsRate(EncodingKind kind) {
  return kind == EncodingKind::kPoisson || kind == EncodingKind::kBernoulli || kind == EncodingKind::kRegular;
}

std::optional<std::string> BurstProblem(const Encoding& encoding) {
  const std::int64_t window = encoding.window_steps;
  if (encoding.max_spikes < 1 || encoding.max_spikes > window) {
    return Join("max_spikes: got ", encoding.max_spikes, ", allowed 1..", window, ", the window");
  }
  if (encoding.min_gap < 1 || encoding.min_gap > window) {
    return Join("min_gap: got ", encoding.min_gap, ", allowed 1..", window, ", the window");
  }
  if (encoding.max_gap < encoding.min_gap || encoding.max_gap > window) {
    return Join("max_gap: got ", encoding.max_gap, ", allowed ", encoding.min_gap, "..", window,
                ", from min_gap to the window");
  }
  return std::nullopt;
}

}  // namespace

double SpikesAtOne(const Encoding& encoding, double dt_s) {
  if (IsRate(encoding.kind)) {
    return encoding.max_rate_hz * dt_s;
  }
  const double spikes = encoding.kind == EncodingKind::kBurst ? static_cast<double>(encoding.max_spikes) : 1;
  return spikes / static_cast<double>(encoding.window_steps);
}

std::optional<std::string> EncodingProblem(const Encoding& encoding, double dt_s) {
  if (encoding.kind == EncodingKind::kUnspecified) {
    return "is of no kind that this server knows";
  }
  if (IsRate(encoding.kind)) {
    if (encoding.max_rate_hz > 0 && encoding.max_rate_hz <= kMaxRateHz) {  // false for NaN
      return std::nullopt;
    }
    return Join("max_rate_hz: got ", encoding.max_rate_hz, " Hz, allowed above 0 to ", kMaxRateHz,
                " Hz; the default is 1/dt = ", 1 / dt_s, " Hz");
  }
  if (encoding.window_steps < 1 || encoding.window_steps > kMaxWindow) {
    return Join("window_steps: got ", encoding.window_steps, ", allowed 1..", kMaxWindow);
  }
  return encoding.kind == EncodingKind::kBurst ? BurstProblem(encoding) : std::nullopt;
}

EncodingRange RangeOf(const Encoding& encoding, double dt_s) {
  switch (encoding.kind) {
    case EncodingKind::kBernoulli: {
      const double high = 1 / SpikesAtOne(encoding, dt_s);
      return {-high, high};
    }
    case EncodingKind::kPoisson:
    case EncodingKind::kRegular: {
      const double high = math::kMaxExpectedSpikes / SpikesAtOne(encoding, dt_s);
      return {-high, high};
    }
    case EncodingKind::kLatency:
    case EncodingKind::kBurst: return {0, 1};
    case EncodingKind::kUnspecified: break;
  }
  return {};
}

math::EncodingConstants ConstantsOf(const Encoding& encoding, double dt_s) {
  math::EncodingConstants constants;
  constants.kind = encoding.kind;
  constants.at_one = SpikesAtOne(encoding, dt_s);
  constants.window = static_cast<std::uint32_t>(encoding.window_steps);
  constants.most = static_cast<std::uint32_t>(encoding.max_spikes);
  constants.min_gap = static_cast<std::uint32_t>(encoding.min_gap);
  constants.max_gap = static_cast<std::uint32_t>(encoding.max_gap);
  return constants;
}

template <typename Real>
void Encode(const Encoding& encoding, double dt_s, const EncodingKey& key, std::int64_t step,
            std::span<Real> values) {
  const math::EncodingConstants constants = ConstantsOf(encoding, dt_s);
  const Real worth = static_cast<Real>(1 / constants.at_one);
  math::EncodingSite site;
  site.seed = key.seed;
  site.sample = static_cast<std::uint32_t>(key.sample);
  site.input = static_cast<std::uint32_t>(key.input);
  site.step = static_cast<std::uint32_t>(step);
  math::PhiloxBlock block{};
  for (std::size_t j = 0; j < values.size(); ++j) {
    if (j % 4 == 0 && IsRandom(encoding.kind)) {
      site.element = static_cast<std::uint32_t>(j);
      block = math::EncodingBlock(site);
    }
    const auto x = static_cast<double>(static_cast<float>(values[j]));  // the same spikes in every mode
    const std::int32_t spikes = math::EncodedSpikes(constants, x, site.step, block.word[j % 4]);
    values[j] = static_cast<Real>(spikes) * worth;
  }
}

template void Encode<float>(const Encoding&, double, const EncodingKey&, std::int64_t, std::span<float>);
template void Encode<double>(const Encoding&, double, const EncodingKey&, std::int64_t, std::span<double>);

}  // namespace spikeserve::engine
