#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "inference/grpc_service.pb.h"
#include "server/base/status.h"
#include "server/rpc/decode/infer_parameters.h"
#include "server/serving/networks/network_entry.h"
#include "spikeserve/v1/simulation.pb.h"

namespace spikeserve::rpc {

// What an output of an answer is made of.
enum class InferSource { kProbe, kClasses, kMargins, kStepsUsed };

// One output that a request gets.
struct InferOutput {
  std::string name;
  InferSource source = InferSource::kProbe;
  std::int64_t best_classes = 0;  // as text instead of values; 0: values
};

// How to answer a request of the Open Inference Protocol. Immutable once made.
struct InferAnswer {
  std::string id;
  std::vector<InferOutput> outputs;  // empty: all probes that were run
  InferOptions options;
  std::int64_t text_bytes_per_sample = 0;  // upper bound of classes as text
};

// A request in the terms of our own protocol.
struct DecodedInfer {
  v1::SimulateRequest request;
  InferAnswer answer;
};

// Names of outputs that are no probe; a probe of the same name is meant before them.
inline constexpr const char* kClassesOutput = "classes";
inline constexpr const char* kMarginsOutput = "margins";
inline constexpr const char* kStepsUsedOutput = "steps_used";

// The version of a request: a decimal number from 1, or 0 where it is empty. INVALID_ARGUMENT, with the name
// of the field in front.
Result<std::int64_t> DecodeVersion(const std::string& field, const std::string& version);
// INVALID_ARGUMENT where `name` cannot be that of a network.
Status CheckModelName(const std::string& field, const std::string& name);

// Whether the network has an OUTPUT probe, from which classes come.
bool HasClasses(const engine::Network& network);

// Turns `message` into a request to run `network`, moving its tensors. What both protocols check alike is
// left to CheckRequest. INVALID_ARGUMENT.
Result<DecodedInfer> DecodeInfer(inference::ModelInferRequest& message, const serving::NetworkEntry& network);

}  // namespace spikeserve::rpc
