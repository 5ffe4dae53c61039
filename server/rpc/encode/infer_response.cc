#include "server/rpc/encode/infer_response.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/rpc/decode/classification.h"
#include "server/rpc/encode/output_activation.h"
#include "server/rpc/encode/run_warnings.h"

namespace spikeserve::rpc {
namespace {

using inference::ModelInferResponse;

const engine::ProbeDefinition& Definition(const AnswerSpec& spec, std::size_t probe) {
  return spec.network->network->definition().probes[static_cast<std::size_t>(spec.spec->probes[probe])];
}

// Begins an output with a batch of this response; its bytes are to follow.
ModelInferResponse::InferOutputTensor& AddOutput(const AnswerSpec& spec, const std::string& name,
                                                 const char* datatype, ModelInferResponse& response) {
  ModelInferResponse::InferOutputTensor& output = *response.add_outputs();
  output.set_name(name);
  output.set_datatype(datatype);
  output.add_shape(spec.samples);
  return output;
}

// A value and its class as clients of this extension read them: "VALUE:CLASS" or "VALUE:CLASS:LABEL".
std::string ClassText(double value, std::size_t index, const std::vector<std::string>& labels,
                      v1::DataType type) {
  char digits[32];
  const auto end = type == v1::DATA_TYPE_FLOAT64
                       ? std::to_chars(digits, digits + sizeof digits, value).ptr
                       : std::to_chars(digits, digits + sizeof digits, static_cast<float>(value)).ptr;
  std::string text(digits, end);
  text += ':' + std::to_string(index);
  return index < labels.size() ? text + ':' + labels[index] : text;
}

// An element of a tensor of texts: four bytes of length, little-endian, then the text.
void AppendText(std::string_view text, std::string& bytes) {
  for (unsigned shift = 0; shift < 32; shift += 8) {
    bytes += static_cast<char>((text.size() >> shift) & 0xFFU);
  }
  bytes += text;
}

// The `best` largest of each sample, equal values by lower index.
std::string BestClasses(std::span<const double> values, std::size_t size, std::size_t best,
                        const std::vector<std::string>& labels, v1::DataType type) {
  std::string bytes;
  for (std::size_t at = 0; at < values.size(); at += size) {
    const v1::Classification top =
        Classify(values.subspan(at, size), static_cast<std::int64_t>(size),
                 {.top_k = static_cast<std::int64_t>(best), .scores = false}, type);
    for (int i = 0; i < top.top_k(0).classes_size(); ++i) {
      AppendText(
          ClassText(top.top_k(0).values(i), static_cast<std::size_t>(top.top_k(0).classes(i)), labels, type),
          bytes);
    }
  }
  return bytes;
}

void AddBestClasses(const AnswerSpec& spec, const engine::ProbeReading& reading, std::size_t probe,
                    std::int64_t best, ModelInferResponse& response) {
  const std::vector<std::string>& labels = spec.network->metadata.class_labels;
  const auto size = static_cast<std::size_t>(reading.size);
  const std::size_t count = std::min(static_cast<std::size_t>(best), size);
  AddOutput(spec, Definition(spec, probe).name, "BYTES", response)
      .add_shape(static_cast<std::int64_t>(count));
  const bool labelled = static_cast<int>(probe) == spec.class_probe && labels.size() == size;
  response.add_raw_output_contents(BestClasses(reading.values, size, count,
                                               labelled ? labels : std::vector<std::string>(),
                                               ResponseType(spec.network->mode)));
}

void AddProbe(const AnswerSpec& spec, const engine::ProbeReading& reading, std::size_t probe,
              ModelInferResponse& response) {
  const engine::Network& network = *spec.network->network;
  const v1::DataType type = ResponseType(spec.network->mode);
  auto& output = AddOutput(spec, Definition(spec, probe).name, InferDatatype(type), response);
  for (const std::int64_t dimension : network.shape(network.probe_target(spec.spec->probes[probe]))) {
    output.add_shape(dimension);
  }
  if (const auto* activation = ActivationOf(*spec.network, spec.spec->probes[probe])) {
    (*output.mutable_parameters())["activation"].set_string_param(ActivationText(*activation));
  }
  *response.add_raw_output_contents() = Pack(reading.values, type);
}

template <typename T>
void AddVector(const AnswerSpec& spec, const std::string& name, const char* datatype,
               std::span<const T> values, ModelInferResponse& response) {
  AddOutput(spec, name, datatype, response);
  response.add_raw_output_contents(values.data(), values.size_bytes());
}

std::size_t ProbeOf(const AnswerSpec& spec, const std::string& name) {
  std::size_t probe = 0;
  while (Definition(spec, probe).name != name) {
    ++probe;  // it was run because it is asked for
  }
  return probe;
}

// Classes and margins of the probe that they come from.
v1::Classification ClassesOf(const AnswerSpec& spec, const engine::Reading& reading) {
  const engine::ProbeReading& probe = reading.probes[static_cast<std::size_t>(spec.class_probe)];
  return Classify(probe.values, probe.size, {}, ResponseType(spec.network->mode));
}

void AddRequested(const AnswerSpec& spec, const InferOutput& output, const engine::Reading& reading,
                  ModelInferResponse& response) {
  switch (output.source) {
    case InferSource::kProbe: {
      const std::size_t probe = ProbeOf(spec, output.name);
      if (output.best_classes > 0) {
        return AddBestClasses(spec, reading.probes[probe], probe, output.best_classes, response);
      }
      return AddProbe(spec, reading.probes[probe], probe, response);
    }
    case InferSource::kClasses: {
      const v1::Classification classes = ClassesOf(spec, reading);
      return AddVector<std::int64_t>(
          spec, output.name, "INT64",
          std::span(classes.classes().data(), static_cast<std::size_t>(classes.classes_size())), response);
    }
    case InferSource::kMargins: {
      const v1::Classification classes = ClassesOf(spec, reading);
      return AddVector<double>(
          spec, output.name, "FP64",
          std::span(classes.margins().data(), static_cast<std::size_t>(classes.margins_size())), response);
    }
    case InferSource::kStepsUsed: {
      std::vector<std::int64_t> steps = reading.steps_used;
      if (steps.empty()) {
        steps.assign(static_cast<std::size_t>(spec.samples), reading.steps_done);
      }
      return AddVector<std::int64_t>(spec, output.name, "INT64", steps, response);
    }
  }
}

ModelInferResponse Encode(const AnswerSpec& spec, const InferAnswer& answer, const engine::Reading& reading) {
  ModelInferResponse response;
  response.set_model_name(spec.network->name);
  response.set_model_version(std::to_string(spec.network->version));
  response.set_id(answer.id);
  for (const InferOutput& output : answer.outputs) {
    AddRequested(spec, output, reading, response);
  }
  for (std::size_t i = 0; answer.outputs.empty() && i < reading.probes.size(); ++i) {
    AddProbe(spec, reading.probes[i], i, response);
  }
  return response;
}

std::int64_t Microseconds(double seconds) { return std::llround(seconds * 1e6); }

void SetParameter(const char* name, std::int64_t value, ModelInferResponse& response) {
  (*response.mutable_parameters())[name].set_int64_param(value);
}

}  // namespace

const char* InferDatatype(v1::DataType type) { return type == v1::DATA_TYPE_FLOAT64 ? "FP64" : "FP32"; }

ModelInferResponse EncodeInferResponse(const AnswerSpec& spec, const InferAnswer& answer,
                                       const serving::RunOutcome& outcome) {
  ModelInferResponse response = Encode(spec, answer, *outcome.reading);
  // Whole numbers, as some clients know no others.
  SetParameter("queue_us", Microseconds(outcome.queue_s), response);
  SetParameter("compute_us", Microseconds(outcome.compute_s), response);
  SetParameter("batch_size", outcome.batch_size, response);
  if (outcome.reuse != serving::Reuse::kNone) {
    const char* how = outcome.reuse == serving::Reuse::kCached ? "cached" : "coalesced";
    (*response.mutable_parameters())[how].set_bool_param(true);
  }
  std::string warnings;
  for (const std::string& warning : RunWarnings(spec, *outcome.reading)) {
    warnings += (warnings.empty() ? "" : "\n") + warning;
  }
  if (!warnings.empty()) {
    (*response.mutable_parameters())["warnings"].set_string_param(warnings);
  }
  return response;
}

ModelInferResponse EncodeInferProgress(const AnswerSpec& spec, const InferAnswer& answer,
                                       const engine::Reading& reading) {
  ModelInferResponse response = Encode(spec, answer, reading);
  SetParameter("steps_done", reading.steps_done, response);
  return response;
}

}  // namespace spikeserve::rpc
