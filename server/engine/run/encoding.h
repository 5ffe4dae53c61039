#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "kernels/math/encoding.h"
#include "server/base/status.h"

namespace spikeserve::engine {

using math::EncodingKind;

// How an input that is held becomes spikes. A spike is worth 1/(spikes per step at x = 1), so that the mean
// of the encoded input is x for the rate encodings. Formulas: docs/semantics.md.
struct Encoding {
  EncodingKind kind = EncodingKind::kUnspecified;
  double max_rate_hz = 0;         // rate encodings: rate at x = 1
  std::int64_t window_steps = 0;  // latency, burst: steps after which the code repeats
  std::int64_t max_spikes = 0;    // burst: spikes at x = 1
  std::int64_t min_gap = 0;       // burst: steps between two spikes at x = 1
  std::int64_t max_gap = 0;       // burst: the same as x approaches 0

  bool operator==(const Encoding&) const = default;
};

// Random numbers of one sample's input.
struct EncodingKey {
  std::uint64_t seed = 0;
  std::int64_t sample = 0;  // index in the request
  std::int64_t input = 0;   // in Network::inputs() order
};

// Spikes per step at x = 1.
double SpikesAtOne(const Encoding& encoding, double dt_s);

// The parameters as the arithmetic takes them. They have no problem.
math::EncodingConstants ConstantsOf(const Encoding& encoding, double dt_s);

// What is wrong with the parameters for runs with this dt; nothing where all is well. The text starts with
// the field's name.
std::optional<std::string> EncodingProblem(const Encoding& encoding, double dt_s);

// The values x that can be encoded.
struct EncodingRange {
  double low = 0;
  double high = 0;
};
EncodingRange RangeOf(const Encoding& encoding, double dt_s);

// Replaces `values`, the x of every element, by what the encoded input is at `step`, counted from 1: spike
// counts times their worth. Real is float, in reference mode double; the counts are the same.
template <typename Real>
void Encode(const Encoding& encoding, double dt_s, const EncodingKey& key, std::int64_t step,
            std::span<Real> values);

}  // namespace spikeserve::engine
