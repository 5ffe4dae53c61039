#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "server/base/status.h"
#include "server/engine/run/simulation.h"
#include "server/rpc/decode/classification.h"
#include "server/rpc/decode/decode_inputs.h"
#include "server/rpc/wire/limits.h"
#include "server/serving/networks/network_entry.h"
#include "spikeserve/v1/simulation.pb.h"

namespace spikeserve::rpc {

// What answering a request needs to know of it. Immutable once made.
struct AnswerSpec {
  AnswerSpec(serving::NetworkHandle of, engine::CheckedSpec checked)
      : network(std::move(of)), spec(std::move(checked)) {}

  serving::NetworkHandle network;
  engine::CheckedSpec spec;
  std::int64_t samples = 0;
  std::int64_t first_sample = 0;          // number of the first
  std::vector<std::string> record_names;  // of spec.request_probes
  int class_probe = -1;  // index in spec.probes of the first OUTPUT probe; -1 where there is none
  ClassificationOptions classification;
  std::int64_t response_bytes = 0;          // upper bound of the tensors of the response
  std::vector<std::string> input_warnings;  // for people, of a request
  bool equal_samples = false;               // its samples are all the same, one by one or in one
};

// A checked request: what to run and how to answer.
struct CheckedRequest {
  AnswerSpec answer;
  std::vector<engine::SampleInputs> samples;  // point into the request
};

// Checks every field of `request`. `reports`: whether readings before the end are wanted. INVALID_ARGUMENT
// and RESOURCE_EXHAUSTED name the field, what it holds and what is allowed.
Result<CheckedRequest> CheckRequest(const v1::SimulateRequest& request, serving::NetworkHandle network,
                                    const Limits& limits, bool reports);

// Checks the name and version of a request.
Status CheckTarget(const v1::SimulateRequest& request);

// Checks the first message of a session. Its spec has inputs of no format yet, and no end.
Result<AnswerSpec> CheckSession(const v1::SessionOpen& open, serving::NetworkHandle network,
                                const Limits& limits);

// Upper bound of the tensors of a response over `steps` steps, in bytes.
std::int64_t ResponseBytes(const AnswerSpec& answer, std::int64_t steps);
// RESOURCE_EXHAUSTED where that is above the limit.
Status CheckResponseSize(const AnswerSpec& answer, std::int64_t steps, const Limits& limits);

// The element type of the tensors of a response.
v1::DataType ResponseType(engine::Mode mode);

}  // namespace spikeserve::rpc
