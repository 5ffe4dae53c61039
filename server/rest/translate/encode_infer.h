#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "inference/grpc_service.pb.h"
#include "server/base/status.h"
#include "server/rest/translate/decode_infer.h"

namespace spikeserve::rest {

// A body, and how much of it is JSON where bytes follow.
struct InferAnswer {
  std::string body;
  std::optional<std::size_t> header_bytes;
};

// Upper bound of the body's bytes.
std::int64_t EncodeInferBytes(const inference::ModelInferResponse& response, const OutputForm& form);

// The answer to POST .../infer. Allocates what EncodeInferBytes says.
Result<InferAnswer> EncodeInfer(const inference::ModelInferResponse& response, const OutputForm& form);

}  // namespace spikeserve::rest
