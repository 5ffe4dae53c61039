#include "server/rpc/decode/decode_encodings.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "server/base/quote.h"
#include "server/engine/network/violations.h"
#include "server/engine/run/input_values.h"
#include "server/engine/run/spec_rules.h"

namespace spikeserve::rpc {
namespace {

using engine::EncodingKind;
using engine::Join;

constexpr std::int64_t kDefaultBurst = 5;

std::int64_t OrDefault(std::int64_t given, std::int64_t otherwise) { return given == 0 ? otherwise : given; }

engine::Encoding Rate(EncodingKind kind, double max_rate_hz, double dt_s) {
  return {kind, max_rate_hz == 0 ? 1 / dt_s : max_rate_hz, 0, 0, 0, 0};
}

engine::Encoding Burst(const v1::Encoding::Burst& message, std::int64_t steps) {
  engine::Encoding burst{EncodingKind::kBurst, 0, OrDefault(message.window_steps(), steps), 0, 0, 0};
  burst.max_spikes = OrDefault(message.max_spikes(), std::min(kDefaultBurst, burst.window_steps));
  burst.min_gap = OrDefault(message.min_gap(), 1);
  const std::int64_t widest = burst.max_spikes < 1 ? 1 : burst.window_steps / burst.max_spikes;
  burst.max_gap = OrDefault(message.max_gap(), std::max(burst.min_gap, widest));
  return burst;
}

engine::Encoding DecodeEncoding(const v1::Encoding& message, const engine::RunSettings& settings) {
  switch (message.kind_case()) {
    case v1::Encoding::kPoisson:
      return Rate(EncodingKind::kPoisson, message.poisson().max_rate_hz(), settings.dt_s);
    case v1::Encoding::kBernoulli:
      return Rate(EncodingKind::kBernoulli, message.bernoulli().max_rate_hz(), settings.dt_s);
    case v1::Encoding::kRegular:
      return Rate(EncodingKind::kRegular, message.regular().max_rate_hz(), settings.dt_s);
    case v1::Encoding::kLatency:
      return {
          EncodingKind::kLatency, 0, OrDefault(message.latency().window_steps(), settings.steps), 0, 0, 0};
    case v1::Encoding::kBurst: return Burst(message.burst(), settings.steps);
    case v1::Encoding::KIND_NOT_SET: break;
  }
  return {};
}

const char* KindName(EncodingKind kind) {
  switch (kind) {
    case EncodingKind::kPoisson: return "poisson";
    case EncodingKind::kBernoulli: return "bernoulli";
    case EncodingKind::kRegular: return "regular";
    case EncodingKind::kLatency: return "latency";
    case EncodingKind::kBurst: return "burst";
    case EncodingKind::kUnspecified: break;
  }
  return "kind";
}

Status CheckRange(const engine::Network& network, std::size_t input, const engine::RunSettings& settings,
                  const DecodedInputs& inputs, const std::string& where) {
  constexpr double kRounding = 1e-6;
  const engine::InputFormat& format = inputs.formats[input];
  const engine::EncodingRange range = RangeOf(*format.encoding, settings.dt_s);
  const std::int64_t operation = network.inputs()[input];
  const auto& definition = std::get<engine::InputOperation>(
      network.definition().operations[static_cast<std::size_t>(operation)].kind);
  std::vector<float> values(static_cast<std::size_t>(network.size(operation)));
  for (std::size_t sample = 0; sample < inputs.samples.size(); ++sample) {
    engine::ReadInput(definition, format.type, inputs.samples[sample].data[input], 0, values);
    const auto bad = std::find_if(values.begin(), values.end(), [&](float x) {
      return !(x >= range.low - kRounding && x <= range.high * (1 + kRounding));
    });
    if (bad == values.end()) {
      continue;
    }
    return InvalidArgument(Join(where, KindName(format.encoding->kind), ": got ", *bad, " at index ",
                                bad - values.begin(), " of sample ", sample, ", allowed ", range.low, "..",
                                range.high));
  }
  return {};
}

Result<std::size_t> FindInput(const std::string& name, const engine::Network& network,
                              const std::string& where) {
  if (name.empty() && network.inputs().size() == 1) {
    return std::size_t{0};
  }
  std::string names;
  for (std::size_t i = 0; i < network.inputs().size(); ++i) {
    const auto index = static_cast<std::size_t>(network.inputs()[i]);
    const std::string& known = network.definition().operations[index].name;
    if (known == name) {
      return i;
    }
    names += (i == 0 ? "" : ", ") + Quote(known);
  }
  return InvalidArgument(Join(where, "input: got ", Quote(name), ", allowed: ", names));
}

void EncodeEncoding(const engine::Encoding& encoding, v1::Encoding& message) {
  switch (encoding.kind) {
    case EncodingKind::kPoisson: message.mutable_poisson()->set_max_rate_hz(encoding.max_rate_hz); break;
    case EncodingKind::kBernoulli: message.mutable_bernoulli()->set_max_rate_hz(encoding.max_rate_hz); break;
    case EncodingKind::kRegular: message.mutable_regular()->set_max_rate_hz(encoding.max_rate_hz); break;
    case EncodingKind::kLatency: message.mutable_latency()->set_window_steps(encoding.window_steps); break;
    case EncodingKind::kBurst:
      message.mutable_burst()->set_window_steps(encoding.window_steps);
      message.mutable_burst()->set_max_spikes(encoding.max_spikes);
      message.mutable_burst()->set_min_gap(encoding.min_gap);
      message.mutable_burst()->set_max_gap(encoding.max_gap);
      break;
    case EncodingKind::kUnspecified: break;
  }
}

}  // namespace

Status DecodeEncodings(const google::protobuf::RepeatedPtrField<v1::Encoding>& encodings,
                       const engine::Network& network, const engine::RunSettings& settings,
                       DecodedInputs& inputs) {
  for (int i = 0; i < encodings.size(); ++i) {
    const std::string where = Join("encodings[", i, "].");
    const auto input = FindInput(encodings[i].input(), network, where);
    if (!input.ok()) {
      return input.status();
    }
    engine::InputFormat& format = inputs.formats[input.value()];
    if (format.encoding) {
      return InvalidArgument(where + "input: has an encoding already");
    }
    if (const auto problem = HeldInputProblem(format)) {
      return InvalidArgument(where + *problem);
    }
    const engine::Encoding encoding = DecodeEncoding(encodings[i], settings);
    if (const auto problem = EncodingProblem(encoding, settings.dt_s)) {
      return InvalidArgument(Join(where, KindName(encoding.kind),
                                  encoding.kind == EncodingKind::kUnspecified ? ": " : ".", *problem));
    }
    format.encoding = encoding;
    if (Status status = CheckRange(network, input.value(), settings, inputs, where); !status.ok()) {
      return status;
    }
  }
  return {};
}

void EncodeEncodings(const engine::Network& network, const std::vector<engine::InputFormat>& inputs,
                     google::protobuf::RepeatedPtrField<v1::Encoding>& encoded) {
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (!inputs[i].encoding) {
      continue;
    }
    v1::Encoding& message = *encoded.Add();
    message.set_input(network.definition().operations[static_cast<std::size_t>(network.inputs()[i])].name);
    EncodeEncoding(*inputs[i].encoding, message);
  }
}

}  // namespace spikeserve::rpc
