#include "server/rpc/encode/model_metadata.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <string>
#include <variant>

#include "server/engine/network/violations.h"
#include "server/rpc/decode/checked_request.h"
#include "server/rpc/decode/infer_request.h"
#include "server/rpc/encode/infer_response.h"
#include "server/rpc/encode/output_activation.h"
#include "server/rpc/wire/enums.h"
#include "server/serving/networks/network_statistics.h"
#include "spikeserve/v1/network.pb.h"

namespace spikeserve::rpc {
namespace {

using inference::ModelMetadataResponse;

constexpr const char* kPlatform = "spikeserve";
constexpr std::uint64_t kPriorityLevels = 3;

// A tensor in either form: name, datatype, shape of one sample.
struct Tensor {
  std::string name;
  v1::DataType type = v1::DATA_TYPE_UNSPECIFIED;  // unspecified: a whole number of 64 bits
  engine::Shape shape;
};

std::vector<Tensor> Inputs(const engine::Network& network) {
  std::vector<Tensor> tensors;
  for (const std::int64_t index : network.inputs()) {
    tensors.push_back({network.definition().operations[static_cast<std::size_t>(index)].name,
                       v1::DATA_TYPE_FLOAT32, network.shape(index)});
  }
  return tensors;
}

std::vector<Tensor> Outputs(const serving::NetworkEntry& entry) {
  const engine::Network& network = *entry.network;
  std::vector<Tensor> tensors;
  const auto add = [&](const char* name, v1::DataType type) {
    const auto same = [&](const Tensor& tensor) { return tensor.name == name; };
    if (std::none_of(tensors.begin(), tensors.end(), same)) {
      tensors.push_back({name, type, {}});
    }
  };
  const auto& probes = network.definition().probes;
  for (std::size_t i = 0; i < probes.size(); ++i) {
    tensors.push_back({probes[i].name, ResponseType(entry.mode),
                       network.shape(network.probe_target(static_cast<std::int64_t>(i)))});
  }
  if (HasClasses(network)) {
    add(kClassesOutput, v1::DATA_TYPE_UNSPECIFIED);
    add(kMarginsOutput, v1::DATA_TYPE_FLOAT64);
  }
  add(kStepsUsedOutput, v1::DATA_TYPE_UNSPECIFIED);
  return tensors;
}

const char* Datatype(v1::DataType type) {
  return type == v1::DATA_TYPE_UNSPECIFIED ? "INT64" : InferDatatype(type);
}

inference::DataType ConfigType(v1::DataType type) {
  return type == v1::DATA_TYPE_UNSPECIFIED ? inference::TYPE_INT64
         : type == v1::DATA_TYPE_FLOAT64   ? inference::TYPE_FP64
                                           : inference::TYPE_FP32;
}

void SetTensor(const Tensor& tensor, ModelMetadataResponse::TensorMetadata& metadata) {
  metadata.set_name(tensor.name);
  metadata.set_datatype(Datatype(tensor.type));
  metadata.add_shape(-1);  // the batch
  for (const std::int64_t dimension : tensor.shape) {
    metadata.add_shape(dimension);
  }
}

template <typename Message>
void SetDims(const Tensor& tensor, Message& message) {
  for (const std::int64_t dimension : tensor.shape) {
    message.add_dims(dimension);
  }
}

using Properties = std::vector<std::pair<std::string, std::string>>;

// In which form bytes stand for values: value = scale*byte + offset.
void AddByteScales(const engine::Network& network, Properties& properties) {
  for (const std::int64_t index : network.inputs()) {
    const auto& operation = network.definition().operations[static_cast<std::size_t>(index)];
    const auto& input = std::get<engine::InputOperation>(operation.kind);
    if (input.uint8_scale) {
      properties.emplace_back("uint8_scale." + operation.name, engine::Join(*input.uint8_scale));
      properties.emplace_back("uint8_offset." + operation.name, engine::Join(input.uint8_offset.value_or(0)));
    }
  }
}

// What the network leaves to clients to apply to its outputs.
void AddActivations(const serving::NetworkEntry& entry, Properties& properties) {
  const auto& probes = entry.network->definition().probes;
  for (std::size_t i = 0; i < probes.size(); ++i) {
    if (const auto* activation = ActivationOf(entry, static_cast<std::int64_t>(i))) {
      properties.emplace_back("activation." + probes[i].name, ActivationText(*activation));
    }
  }
}

// What a client may want to know of a network before it sends something.
Properties PropertiesOf(const serving::NetworkEntry& entry) {
  const engine::RunDefaults& defaults = entry.network->definition().defaults;
  Properties properties = {{"mode", v1::Mode_Name(Encode(entry.mode))},
                           {"backend", entry.backend},
                           {"sha256", entry.sha256},
                           {"neurons", std::to_string(entry.network->neurons())}};
  if (defaults.steps > 0) {
    properties.emplace_back("steps", std::to_string(defaults.steps));
  }
  if (defaults.dt > 0) {
    properties.emplace_back("dt", engine::Join(defaults.dt));
  }
  AddByteScales(*entry.network, properties);
  AddActivations(entry, properties);
  for (std::size_t i = 0; i < entry.metadata.class_labels.size(); ++i) {
    properties.emplace_back("class_label." + std::to_string(i), entry.metadata.class_labels[i]);
  }
  return properties;
}

std::uint64_t Nanoseconds(double seconds) {
  return static_cast<std::uint64_t>(std::llround(std::max(seconds, 0.0) * 1e9));
}

void SetDuration(const serving::TimedCount& total, inference::StatisticDuration& duration) {
  duration.set_count(static_cast<std::uint64_t>(total.count));
  duration.set_ns(Nanoseconds(total.seconds));
}

template <typename Message>
void SetCompute(const serving::TimedCount& total, Message& message) {
  message.mutable_compute_input()->set_count(static_cast<std::uint64_t>(total.count));
  SetDuration(total, *message.mutable_compute_infer());
  message.mutable_compute_output()->set_count(static_cast<std::uint64_t>(total.count));
}

template <typename Number>
Number Clamp(std::int64_t value) {
  return static_cast<Number>(std::min<std::int64_t>(value, std::numeric_limits<std::int32_t>::max()));
}

}  // namespace

ModelMetadataResponse EncodeModelMetadata(const serving::NetworkEntry& entry,
                                          const std::vector<std::int64_t>& versions) {
  ModelMetadataResponse metadata;
  metadata.set_name(entry.name);
  for (const std::int64_t version : versions) {
    metadata.add_versions(std::to_string(version));
  }
  metadata.set_platform(kPlatform);
  for (const Tensor& tensor : Inputs(*entry.network)) {
    SetTensor(tensor, *metadata.add_inputs());
  }
  for (const Tensor& tensor : Outputs(entry)) {
    SetTensor(tensor, *metadata.add_outputs());
  }
  for (const auto& [name, value] : PropertiesOf(entry)) {
    (*metadata.mutable_properties())[name] = value;
  }
  return metadata;
}

inference::ModelConfig EncodeModelConfig(const serving::NetworkEntry& entry, const Limits& limits,
                                         const serving::BatcherOptions& batching) {
  inference::ModelConfig config;
  config.set_name(entry.name);
  config.set_platform(kPlatform);
  config.set_backend(kPlatform);
  config.mutable_version_policy()->mutable_all();
  config.set_max_batch_size(Clamp<std::int32_t>(limits.max_samples));
  for (const Tensor& tensor : Inputs(*entry.network)) {
    inference::ModelInput& input = *config.add_input();
    input.set_name(tensor.name);
    input.set_data_type(ConfigType(tensor.type));
    SetDims(tensor, input);
  }
  for (const Tensor& tensor : Outputs(entry)) {
    inference::ModelOutput& output = *config.add_output();
    output.set_name(tensor.name);
    output.set_data_type(ConfigType(tensor.type));
    SetDims(tensor, output);
  }
  for (const auto& [name, value] : PropertiesOf(entry)) {
    (*config.mutable_parameters())[name].set_string_value(value);
  }
  inference::ModelDynamicBatching& dynamic = *config.mutable_dynamic_batching();
  dynamic.add_preferred_batch_size(Clamp<std::int32_t>(batching.max_batch));
  dynamic.set_max_queue_delay_microseconds(static_cast<std::uint64_t>(batching.max_delay.count()));
  dynamic.set_priority_levels(kPriorityLevels);
  dynamic.set_default_priority_level(static_cast<std::uint64_t>(serving::kDefaultPriority));
  dynamic.mutable_default_queue_policy()->set_allow_timeout_override(true);
  dynamic.mutable_default_queue_policy()->set_max_queue_size(Clamp<std::uint32_t>(batching.max_queue));
  config.mutable_model_transaction_policy()->set_decoupled(false);
  return config;
}

inference::ModelStatistics EncodeModelStatistics(const serving::NetworkEntry& entry) {
  const serving::NetworkStatistics::Snapshot counts = entry.statistics->Read();
  inference::ModelStatistics statistics;
  statistics.set_name(entry.name);
  statistics.set_version(std::to_string(entry.version));
  const auto last =
      std::chrono::duration_cast<std::chrono::milliseconds>(counts.last_request.time_since_epoch());
  statistics.set_last_inference(static_cast<std::uint64_t>(last.count()));
  statistics.set_inference_count(static_cast<std::uint64_t>(counts.samples));
  statistics.set_execution_count(static_cast<std::uint64_t>(counts.runs.count));
  inference::InferStatistics& requests = *statistics.mutable_inference_stats();
  SetDuration(counts.succeeded, *requests.mutable_success());
  SetDuration(counts.failed, *requests.mutable_fail());
  SetDuration(counts.queued, *requests.mutable_queue());
  SetCompute(counts.computed, requests);
  SetDuration(counts.cached, *requests.mutable_cache_hit());
  SetDuration(counts.simulated, *requests.mutable_cache_miss());
  for (const auto& [samples, runs] : counts.runs_by_samples) {
    inference::InferBatchStatistics& batch = *statistics.add_batch_stats();
    batch.set_batch_size(static_cast<std::uint64_t>(samples));
    SetCompute(runs, batch);
  }
  inference::MemoryUsage& memory = *statistics.add_memory_usage();
  memory.set_type(entry.backend == "cpu" ? "CPU" : "GPU");
  memory.set_byte_size(static_cast<std::uint64_t>(entry.resident_bytes()));
  return statistics;
}

std::int64_t ModelMetadataBytes(const serving::NetworkEntry& entry) {
  // Names have up to 128 bytes, shapes a few dimensions; a property is two strings in a table.
  constexpr std::int64_t kPerTensor = 1024;
  constexpr std::int64_t kPerProperty = 512;
  const engine::Network& network = *entry.network;
  const std::size_t tensors = 4 + network.inputs().size() + network.definition().probes.size();
  const std::size_t properties = 16 + 2 * network.inputs().size() + network.definition().probes.size() +
                                 entry.metadata.class_labels.size();
  return kPerTensor * static_cast<std::int64_t>(tensors) +
         kPerProperty * static_cast<std::int64_t>(properties) + 2 * entry.metadata.bytes();
}

std::int64_t ModelStatisticsBytes() {
  constexpr std::int64_t kPerBatchSize = 512;
  return kPerBatchSize * (4 + static_cast<std::int64_t>(serving::NetworkStatistics::kMaxSizes));
}

}  // namespace spikeserve::rpc
