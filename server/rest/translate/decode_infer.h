#pragma once

#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "inference/grpc_service.pb.h"
#include "server/base/status.h"
#include "server/rest/translate/json_document.h"

namespace spikeserve::rest {

// How the client wants the tensors of the answer: as JSON, or as bytes after it.
struct OutputForm {
  bool binary = false;              // of outputs that do not say
  std::set<std::string> as_binary;  // outputs that do
  std::set<std::string> as_json;

  bool IsBinary(const std::string& name) const {
    return as_binary.count(name) > 0 || (binary && as_json.count(name) == 0);
  }
};

struct InferBody {
  inference::ModelInferRequest request;
  OutputForm form;
};

// The body of POST .../infer: JSON of `header_bytes` (absent: all of it), then the inputs that have a
// `binary_data_size`, one after another. All inputs become raw contents. Allocates what DecodeInferBytes
// says. INVALID_ARGUMENT, naming the member.
Result<InferBody> DecodeInfer(std::string_view body, std::optional<std::size_t> header_bytes);

// Upper bound of the memory, in bytes, that decoding `body` takes beside it.
std::int64_t DecodeInferBytes(std::string_view body, std::optional<std::size_t> header_bytes);

// The parameters of a request or tensor: whole numbers as int64 (uint64 where they are larger), others as
// double, texts, booleans. INVALID_ARGUMENT for anything else.
using ParameterMap = google::protobuf::Map<std::string, inference::InferParameter>;
Status DecodeParameters(const JsonObject& parent, const std::string& where, ParameterMap& parameters);

// The object that a body is; INVALID_ARGUMENT where it is none, or has a member that is not `known`.
Result<const JsonObject*> BodyObject(const JsonValue& root, std::initializer_list<std::string_view> known);

}  // namespace spikeserve::rest
