#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "inference/grpc_service.pb.h"
#include "server/base/status.h"

namespace spikeserve::rest {

// The body of KServe's V1 POST /v1/models/NAME:predict, {"instances": [...]}, as a request for the model that
// `metadata` describes: a sample is what its only input takes, as nested lists, or an object of them by the
// inputs' names. Values are sent as FP32. `parameters` are those of .../infer. Allocates what
// DecodePredictBytes says. INVALID_ARGUMENT.
Result<inference::ModelInferRequest> DecodePredict(std::string_view body,
                                                   const inference::ModelMetadataResponse& metadata);
std::int64_t DecodePredictBytes(std::string_view body);

// {"predictions": [...]}: of each sample its part of the only output, as nested lists, or an object of such
// parts by the outputs' names. Allocates what EncodePredictBytes says.
Result<std::string> EncodePredict(const inference::ModelInferResponse& response);
std::int64_t EncodePredictBytes(const inference::ModelInferResponse& response);

}  // namespace spikeserve::rest
