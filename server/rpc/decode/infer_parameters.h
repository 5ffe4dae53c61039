#pragma once

#include <google/protobuf/map.h>

#include <cstdint>
#include <optional>
#include <string>

#include "inference/grpc_service.pb.h"
#include "server/base/status.h"
#include "spikeserve/v1/simulation.pb.h"

namespace spikeserve::rpc {

using InferParameters = google::protobuf::Map<std::string, inference::InferParameter>;

// What a request's parameters ask of the call rather than of the run.
struct InferOptions {
  std::int64_t report_every = 0;  // steps between answers on the way; 0: none
  bool empty_final_response = false;
  std::int64_t priority = 0;               // 1 is served first, 3 last; 0: 2
  std::optional<std::int64_t> timeout_us;  // that the request may take
};

// Sets what the parameters of a request say of the run in `request`, and returns the rest. INVALID_ARGUMENT
// names the parameter, what it holds and what is allowed; a name that this server does not know is refused.
Result<InferOptions> DecodeInferParameters(const InferParameters& parameters, v1::SimulateRequest& request);

// INVALID_ARGUMENT where an input has a parameter that is not known or not true. Only `binary_data_size` is
// known, which KServe's client sends beside raw contents; `raw_bytes` is their size, absent where values are
// typed.
Status CheckInputParameters(const std::string& where, const InferParameters& parameters,
                            std::optional<std::int64_t> raw_bytes);

// How many of the best classes a requested output wants as text; 0 where it wants its values.
Result<std::int64_t> DecodeOutputParameters(const std::string& where, const InferParameters& parameters);

}  // namespace spikeserve::rpc
