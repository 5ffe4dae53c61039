#include "server/rest/translate/encode_infer.h"

#include <algorithm>
#include <utility>

#include "server/rest/translate/encode_message.h"
#include "server/rest/translate/encode_tensor.h"
#include "server/rest/translate/json_text.h"

namespace spikeserve::rest {
namespace {

// Names, shapes and parameters of one output, and those of the answer.
constexpr std::int64_t kDescriptionFactor = 16;
// What is written whatever they hold: names of members, brackets.
constexpr std::int64_t kFixedBytes = 128;

void AppendParameters(std::string& json, const ParameterMap& parameters,
                      std::optional<std::size_t> binary_bytes) {
  if (parameters.empty() && !binary_bytes) {
    return;
  }
  AppendName(json, "parameters");
  json += '{';
  for (const auto& [name, value] : parameters) {
    AppendName(json, name);
    AppendParameter(json, value);
  }
  if (binary_bytes) {
    AppendName(json, "binary_data_size");
    json += std::to_string(*binary_bytes);
  }
  json += '}';
}

void AppendTextMember(std::string& json, std::string_view name, std::string_view value) {
  AppendName(json, name);
  AppendText(json, value);
}

Status AppendOutput(std::string& json, const OutputTensor& output, std::string_view raw, bool binary) {
  AppendComma(json);
  json += '{';
  AppendTextMember(json, "name", output.name());
  AppendTextMember(json, "datatype", output.datatype());
  AppendName(json, "shape");
  json += '[';
  for (const std::int64_t size : output.shape()) {
    AppendComma(json);
    json += std::to_string(size);
  }
  json += ']';
  AppendParameters(json, output.parameters(), binary ? std::optional(raw.size()) : std::nullopt);
  if (!binary) {
    auto elements = TensorElements::Of(output, raw);
    if (!elements.ok()) {
      return elements.status();
    }
    AppendName(json, "data");
    json += '[';
    for (std::int64_t i = 0; i < elements.value().count(); ++i) {
      if (i > 0) {
        json += ',';
      }
      elements.value().Append(json);
    }
    json += ']';
  }
  json += '}';
  return {};
}

}  // namespace

std::int64_t EncodeInferBytes(const inference::ModelInferResponse& response, const OutputForm& form) {
  std::int64_t bytes = 0;
  std::int64_t raw_bytes = 0;
  for (int i = 0; i < std::min(response.outputs_size(), response.raw_output_contents_size()); ++i) {
    const std::string& raw = response.raw_output_contents(i);
    raw_bytes += static_cast<std::int64_t>(raw.size());
    bytes += form.IsBinary(response.outputs(i).name()) ? static_cast<std::int64_t>(raw.size())
                                                       : TensorJsonBytes(response.outputs(i), raw);
  }
  const auto described = static_cast<std::int64_t>(response.ByteSizeLong()) - raw_bytes;
  return bytes + kDescriptionFactor * described + kFixedBytes * (1 + response.outputs_size());
}

Result<InferAnswer> EncodeInfer(const inference::ModelInferResponse& response, const OutputForm& form) {
  if (response.outputs_size() != response.raw_output_contents_size()) {
    return Internal("the answer has " + std::to_string(response.outputs_size()) + " outputs and bytes of " +
                    std::to_string(response.raw_output_contents_size()));
  }
  InferAnswer answer;
  std::string& json = answer.body;
  json.reserve(static_cast<std::size_t>(EncodeInferBytes(response, form)));
  json += '{';
  AppendTextMember(json, "model_name", response.model_name());
  AppendTextMember(json, "model_version", response.model_version());
  if (!response.id().empty()) {
    AppendTextMember(json, "id", response.id());
  }
  AppendParameters(json, response.parameters(), std::nullopt);
  AppendName(json, "outputs");
  json += '[';
  bool any_binary = false;
  for (int i = 0; i < response.outputs_size(); ++i) {
    const bool binary = form.IsBinary(response.outputs(i).name());
    any_binary = any_binary || binary;
    if (Status status = AppendOutput(json, response.outputs(i), response.raw_output_contents(i), binary);
        !status.ok()) {
      return status;
    }
  }
  json += "]}";
  if (!any_binary) {
    return answer;
  }
  answer.header_bytes = json.size();
  for (int i = 0; i < response.outputs_size(); ++i) {
    if (form.IsBinary(response.outputs(i).name())) {
      json += response.raw_output_contents(i);
    }
  }
  return answer;
}

}  // namespace spikeserve::rest
