#include "server/rest/translate/predict.h"

#include <algorithm>
#include <span>
#include <utility>
#include <vector>

#include "server/base/quote.h"
#include "server/rest/translate/decode_infer.h"
#include "server/rest/translate/encode_tensor.h"
#include "server/rest/translate/json_document.h"
#include "server/rest/translate/json_text.h"
#include "server/rest/translate/tensor_bytes.h"

namespace spikeserve::rest {
namespace {

Status Wanted(const std::string& where, const std::string& wanted, const JsonValue& got) {
  return InvalidArgument("the body: " + where + ": wanted " + wanted + ", got " + std::string(KindOf(got)));
}

void AddShape(std::span<const std::int64_t> shape, inference::ModelInferRequest::InferInputTensor& input) {
  for (const std::int64_t size : shape) {
    input.add_shape(size);
  }
}

// Samples that are nested lists, all of the only input.
Status AddPlain(const JsonDocument& document, const NumberList& list, const std::string& name,
                inference::ModelInferRequest& request) {
  auto& input = *request.add_inputs();
  input.set_name(name);
  input.set_datatype("FP32");
  AddShape(list.shape, input);
  auto bytes = ToTensorBytes("FP32", std::span(document.numbers).subspan(list.begin, list.end - list.begin),
                             "the body: instances");
  if (!bytes.ok()) {
    return bytes.status();
  }
  request.add_raw_input_contents(std::move(bytes).value());
  return {};
}

// One input of samples that are objects.
Status AddNamed(const JsonDocument& document, const JsonList& samples, const std::string& name,
                inference::ModelInferRequest& request) {
  auto& input = *request.add_inputs();
  input.set_name(name);
  input.set_datatype("FP32");
  std::string& raw = *request.add_raw_input_contents();
  const std::vector<std::int64_t>* shape = nullptr;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const std::string where = "instances[" + std::to_string(i) + "]";
    const auto* object = std::get_if<JsonObject>(&samples[i].value);
    if (object == nullptr) {
      return Wanted(where, "an object with the inputs by name", samples[i]);
    }
    const JsonValue* value = FindMember(*object, name);
    const auto* list = value == nullptr ? nullptr : std::get_if<NumberList>(&value->value);
    if (list == nullptr) {
      return Wanted(where + "." + name, "lists of numbers", value == nullptr ? JsonValue() : *value);
    }
    if (shape != nullptr && *shape != list->shape) {
      return InvalidArgument("the body: " + where + "." + name + ": nested unlike the sample before it");
    }
    shape = &list->shape;
    const auto bytes =
        ToTensorBytes("FP32", std::span(document.numbers).subspan(list->begin, list->end - list->begin),
                      "the body: " + where + "." + name);
    if (!bytes.ok()) {
      return bytes.status();
    }
    raw += bytes.value();
  }
  input.add_shape(static_cast<std::int64_t>(samples.size()));
  AddShape(*shape, input);
  return {};
}

std::string InputNames(const inference::ModelMetadataResponse& metadata) {
  std::string names;
  for (const auto& input : metadata.inputs()) {
    names += (names.empty() ? "" : ", ") + input.name();
  }
  return names;
}

// A name that no input has would be a value that nobody uses.
Status CheckNames(const JsonList& samples, const inference::ModelMetadataResponse& metadata) {
  for (const JsonValue& sample : samples) {
    const auto* object = std::get_if<JsonObject>(&sample.value);
    if (object == nullptr) {
      continue;
    }
    for (const JsonMember& member : *object) {
      const bool known = std::any_of(metadata.inputs().begin(), metadata.inputs().end(),
                                     [&](const auto& input) { return input.name() == member.name; });
      if (!known) {
        return InvalidArgument("the body: instances: " + Quote(member.name) + " is no input, wanted " +
                               InputNames(metadata));
      }
    }
  }
  return {};
}

Status AddInstances(const JsonDocument& document, const JsonValue& instances,
                    const inference::ModelMetadataResponse& metadata, inference::ModelInferRequest& request) {
  if (const auto* list = std::get_if<NumberList>(&instances.value)) {
    if (metadata.inputs_size() == 1) {
      return AddPlain(document, *list, metadata.inputs(0).name(), request);
    }
    return Wanted("instances", "objects with the inputs by name: " + InputNames(metadata), instances);
  }
  const auto* samples = std::get_if<JsonList>(&instances.value);
  if (samples == nullptr) {
    return Wanted("instances", "a list of samples", instances);
  }
  if (Status status = CheckNames(*samples, metadata); !status.ok()) {
    return status;
  }
  for (const auto& input : metadata.inputs()) {
    if (Status status = AddNamed(document, *samples, input.name(), request); !status.ok()) {
      return status;
    }
  }
  return {};
}

// One output while it is written, sample by sample.
struct OpenOutput {
  const OutputTensor& tensor;
  TensorElements elements;
};

// Nested lists of the dimensions from `axis` on.
void AppendNested(std::string& json, OpenOutput& output, int axis) {
  if (axis == output.tensor.shape_size()) {
    output.elements.Append(json);
    return;
  }
  json += '[';
  for (std::int64_t i = 0; i < output.tensor.shape(axis); ++i) {
    if (i > 0) {
      json += ',';
    }
    AppendNested(json, output, axis + 1);
  }
  json += ']';
}

void AppendSample(std::string& json, std::vector<OpenOutput>& outputs) {
  if (outputs.size() == 1) {
    AppendNested(json, outputs.front(), 1);
    return;
  }
  json += '{';
  for (OpenOutput& output : outputs) {
    AppendName(json, output.tensor.name());
    AppendNested(json, output, 1);
  }
  json += '}';
}

}  // namespace

std::int64_t DecodePredictBytes(std::string_view body) { return DecodeInferBytes(body, std::nullopt); }

Result<inference::ModelInferRequest> DecodePredict(std::string_view body,
                                                   const inference::ModelMetadataResponse& metadata) {
  const auto document = ParseJson(body);
  if (!document.ok()) {
    return document.status();
  }
  const auto root = BodyObject(document.value().root, {"instances", "parameters"});
  if (!root.ok()) {
    return root.status();
  }
  inference::ModelInferRequest request;
  if (Status status = DecodeParameters(*root.value(), "", *request.mutable_parameters()); !status.ok()) {
    return status;
  }
  const JsonValue* instances = FindMember(*root.value(), "instances");
  if (instances == nullptr) {
    return InvalidArgument("the body: instances: wanted a list of samples, got nothing");
  }
  if (Status status = AddInstances(document.value(), *instances, metadata, request); !status.ok()) {
    return status;
  }
  return request;
}

std::int64_t EncodePredictBytes(const inference::ModelInferResponse& response) {
  constexpr std::int64_t kFixedBytes = 128;  // around the predictions
  std::int64_t bytes = kFixedBytes + static_cast<std::int64_t>(response.ByteSizeLong());
  for (int i = 0; i < std::min(response.outputs_size(), response.raw_output_contents_size()); ++i) {
    const OutputTensor& output = response.outputs(i);
    const std::int64_t samples = output.shape_size() > 0 ? std::max<std::int64_t>(output.shape(0), 0) : 0;
    bytes += TensorJsonBytes(output, response.raw_output_contents(i)) +
             samples * static_cast<std::int64_t>(output.name().size() + 8);
  }
  return bytes;
}

Result<std::string> EncodePredict(const inference::ModelInferResponse& response) {
  std::vector<OpenOutput> outputs;
  const int count = std::min(response.outputs_size(), response.raw_output_contents_size());
  for (int i = 0; i < count; ++i) {
    const OutputTensor& tensor = response.outputs(i);
    auto elements = TensorElements::Of(tensor, response.raw_output_contents(i));
    if (!elements.ok()) {
      return elements.status();
    }
    if (tensor.shape_size() == 0 || tensor.shape(0) != response.outputs(0).shape(0)) {
      return Internal("output " + Quote(tensor.name()) + ": not one part for each sample");
    }
    outputs.push_back({tensor, std::move(elements).value()});
  }
  std::string json = "{\"predictions\":[";
  json.reserve(static_cast<std::size_t>(EncodePredictBytes(response)));
  const std::int64_t samples = outputs.empty() ? 0 : response.outputs(0).shape(0);
  for (std::int64_t i = 0; i < samples; ++i) {
    if (i > 0) {
      json += ',';
    }
    AppendSample(json, outputs);
  }
  json += "]}";
  return json;
}

}  // namespace spikeserve::rest
