#pragma once

#include <google/protobuf/message.h>

#include <string>

#include "inference/grpc_service.pb.h"

namespace spikeserve::rest {

// A message as JSON: names as in the .proto file, every field that has a value or a default, whole numbers as
// numbers (protobuf's own mapping writes those of 64 bits as texts), enum values by name.
std::string EncodeMessage(const google::protobuf::Message& message);

// The value of a parameter; null where it has none.
void AppendParameter(std::string& json, const inference::InferParameter& parameter);

}  // namespace spikeserve::rest
