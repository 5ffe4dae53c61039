#include "server/rpc/decode/infer_tensors.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "server/base/quote.h"
#include "server/engine/network/violations.h"
#include "server/rpc/decode/infer_parameters.h"

namespace spikeserve::rpc {
namespace {

using engine::Join;
using inference::InferTensorContents;
using InputTensor = inference::ModelInferRequest::InferInputTensor;

std::string Where(const InputTensor& input, int index) {
  return input.name().empty() ? Join("inputs[", index, "]") : "input " + Quote(input.name());
}

v1::DataType TypeOf(const std::string& datatype) {
  if (datatype == "FP32") {
    return v1::DATA_TYPE_FLOAT32;
  }
  if (datatype == "FP64") {
    return v1::DATA_TYPE_FLOAT64;
  }
  return datatype == "UINT8" ? v1::DATA_TYPE_UINT8 : v1::DATA_TYPE_UNSPECIFIED;
}

// Whether the input that the tensor is for takes bytes; true where there is no such input, which is found
// later.
bool TakesBytes(const InputTensor& input, const engine::Network& network) {
  for (const std::int64_t index : network.inputs()) {
    const engine::OperationDefinition& operation =
        network.definition().operations[static_cast<std::size_t>(index)];
    if (operation.name == input.name() || (input.name().empty() && network.inputs().size() == 1)) {
      return std::get<engine::InputOperation>(operation.kind).uint8_scale.has_value();
    }
  }
  return true;
}

Result<v1::DataType> DecodeType(const InputTensor& input, const std::string& where,
                                const engine::Network& network) {
  const v1::DataType type = TypeOf(input.datatype());
  const bool bytes = TakesBytes(input, network);
  if (type != v1::DATA_TYPE_UNSPECIFIED && (type != v1::DATA_TYPE_UINT8 || bytes)) {
    return type;
  }
  return InvalidArgument(where + ": datatype: got " + Quote(input.datatype()) + ", allowed FP32, FP64" +
                         (bytes
                              ? ", UINT8"
                              : "; this input declares no uint8_scale: send numbers as FP32, or convert the "
                                "network again with uint8_scale set"));
}

// Typed values by the name of their field, for a message.
struct TypedField {
  const char* name;
  int count;
};

std::array<TypedField, 8> TypedFields(const InferTensorContents& contents) {
  return {{{"bool_contents", contents.bool_contents_size()},
           {"int_contents", contents.int_contents_size()},
           {"int64_contents", contents.int64_contents_size()},
           {"uint_contents", contents.uint_contents_size()},
           {"uint64_contents", contents.uint64_contents_size()},
           {"fp32_contents", contents.fp32_contents_size()},
           {"fp64_contents", contents.fp64_contents_size()},
           {"bytes_contents", contents.bytes_contents_size()}}};
}

bool HasTypedValues(const InferTensorContents& contents) {
  const auto fields = TypedFields(contents);
  return std::any_of(fields.begin(), fields.end(), [](const TypedField& field) { return field.count > 0; });
}

const char* FieldOf(v1::DataType type) {
  return type == v1::DATA_TYPE_UINT8     ? "uint_contents"
         : type == v1::DATA_TYPE_FLOAT64 ? "fp64_contents"
                                         : "fp32_contents";
}

Status CheckTypedFields(const InputTensor& input, v1::DataType type, const std::string& where) {
  const std::string wanted = FieldOf(type);
  for (const TypedField& field : TypedFields(input.contents())) {
    if (field.count > 0 && wanted != field.name) {
      return InvalidArgument(where + ": contents: got values in " + field.name + ", wanted " + wanted +
                             " for datatype " + input.datatype());
    }
  }
  return {};
}

template <typename T>
std::string Bytes(const google::protobuf::RepeatedField<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), static_cast<std::size_t>(values.size()) * sizeof(T)};
}

Result<std::string> TypedBytes(const InputTensor& input, v1::DataType type, const std::string& where) {
  if (Status status = CheckTypedFields(input, type, where); !status.ok()) {
    return status;
  }
  if (type == v1::DATA_TYPE_FLOAT32) {
    return Bytes(input.contents().fp32_contents());
  }
  if (type == v1::DATA_TYPE_FLOAT64) {
    return Bytes(input.contents().fp64_contents());
  }
  std::string bytes;
  bytes.reserve(static_cast<std::size_t>(input.contents().uint_contents_size()));
  for (const std::uint32_t value : input.contents().uint_contents()) {
    if (value > 255) {
      return InvalidArgument(Join(where, ": contents.uint_contents: got ", value, " at index ", bytes.size(),
                                  ", allowed 0..255 for datatype UINT8"));
    }
    bytes += static_cast<char>(value);
  }
  return bytes;
}

// All raw, one for each input, or none.
Status CheckContents(const inference::ModelInferRequest& message) {
  if (message.raw_input_contents_size() == 0) {
    return {};
  }
  if (message.raw_input_contents_size() != message.inputs_size()) {
    return InvalidArgument(Join("raw_input_contents: got ", message.raw_input_contents_size(),
                                " tensors, wanted ", message.inputs_size(), ", one for each of inputs"));
  }
  for (int i = 0; i < message.inputs_size(); ++i) {
    if (HasTypedValues(message.inputs(i).contents())) {
      return InvalidArgument(
          Where(message.inputs(i), i) +
          ": contents: got typed values beside raw_input_contents, allowed one of the two");
    }
  }
  return {};
}

}  // namespace

Status DecodeInferInputs(inference::ModelInferRequest& message, const engine::Network& network,
                         v1::SimulateRequest& request) {
  if (static_cast<std::size_t>(message.inputs_size()) > network.inputs().size()) {
    return InvalidArgument(
        Join("inputs: got ", message.inputs_size(), " tensors, wanted ", network.inputs().size()));
  }
  if (Status status = CheckContents(message); !status.ok()) {
    return status;
  }
  const bool raw = message.raw_input_contents_size() > 0;
  for (int i = 0; i < message.inputs_size(); ++i) {
    InputTensor& input = *message.mutable_inputs(i);
    const std::string where = Where(input, i);
    std::optional<std::int64_t> raw_bytes;
    if (raw) {
      raw_bytes = static_cast<std::int64_t>(message.raw_input_contents(i).size());
    }
    if (Status status = CheckInputParameters(where, input.parameters(), raw_bytes); !status.ok()) {
      return status;
    }
    const auto type = DecodeType(input, where, network);
    if (!type.ok()) {
      return type.status();
    }
    v1::Array& array = *request.add_inputs();
    array.set_data_type(type.value());
    if (raw) {
      *array.mutable_data() = std::move(*message.mutable_raw_input_contents(i));
    } else {
      auto bytes = TypedBytes(input, type.value(), where);
      if (!bytes.ok()) {
        return bytes.status();
      }
      *array.mutable_data() = std::move(bytes).value();
      input.clear_contents();
    }
    array.mutable_shape()->Swap(input.mutable_shape());
    *array.mutable_name() = std::move(*input.mutable_name());
  }
  return {};
}

}  // namespace spikeserve::rpc
