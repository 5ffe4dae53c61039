#include "server/rpc/decode/decode_inputs.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>
#include <string>
#include <variant>

#include "server/base/quote.h"
#include "server/engine/network/violations.h"
#include "server/rpc/wire/enums.h"

namespace spikeserve::rpc {
namespace {

using engine::Join;

// One input array against one Input operation.
struct CheckedArray {
  engine::InputFormat format;
  std::int64_t batch = 0;
  std::int64_t bytes_per_sample = 0;
};

const engine::OperationDefinition& Operation(const engine::Network& network, std::size_t input) {
  return network.definition().operations[static_cast<std::size_t>(network.inputs()[input])];
}

std::string InputNames(const engine::Network& network) {
  std::string names;
  for (std::size_t i = 0; i < network.inputs().size(); ++i) {
    names += (i == 0 ? "" : ", ") + Quote(Operation(network, i).name);
  }
  return names;
}

// Index into Network::inputs() of the operation that `array` is for.
Result<std::size_t> FindInput(const v1::Array& array, int index, const engine::Network& network) {
  if (array.name().empty() && network.inputs().size() == 1) {
    return std::size_t{0};
  }
  for (std::size_t i = 0; i < network.inputs().size(); ++i) {
    if (Operation(network, i).name == array.name()) {
      return i;
    }
  }
  return InvalidArgument(
      Join("inputs[", index, "].name: got ", Quote(array.name()), ", allowed: ", InputNames(network)));
}

std::string Where(const engine::Network& network, std::size_t input) {
  return "input " + Quote(Operation(network, input).name);
}

Result<engine::DataType> CheckType(const v1::Array& array, const engine::Network& network,
                                   std::size_t input) {
  const engine::DataType type = Decode(array.data_type());
  const auto& operation = std::get<engine::InputOperation>(Operation(network, input).kind);
  if (type == engine::DataType::kUint8 && !operation.uint8_scale) {
    return InvalidArgument(
        Where(network, input) +
        ": data_type: got UINT8, allowed FLOAT32, FLOAT64; this input declares no uint8_scale: "
        "send numbers as FLOAT32, or convert the network again with uint8_scale set");
  }
  if (type != engine::DataType::kUnspecified) {
    return type;
  }
  return InvalidArgument(Join(Where(network, input), ": data_type: got ", array.data_type(),
                              ", allowed FLOAT32, FLOAT64", operation.uint8_scale ? ", UINT8" : ""));
}

bool EndsWith(const v1::Array& array, const engine::Shape& shape, int from) {
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (array.shape(from + static_cast<int>(i)) != shape[i]) {
      return false;
    }
  }
  return true;
}

// Whether the array holds one value per step; nothing where its shape fits neither way.
std::optional<bool> IsPerStep(const v1::Array& array, const engine::Shape& shape, std::int64_t steps) {
  const int rank = static_cast<int>(shape.size());
  if (array.shape_size() == rank + 1 && EndsWith(array, shape, 1)) {
    return false;
  }
  if (array.shape_size() == rank + 2 && array.shape(1) == steps && EndsWith(array, shape, 2)) {
    return true;
  }
  return std::nullopt;
}

std::string ShapeText(const v1::Array& array) {
  constexpr int kMaxListed = 8;
  std::string text = "[";
  for (int i = 0; i < std::min(array.shape_size(), kMaxListed); ++i) {
    text += (i == 0 ? "" : ", ") + std::to_string(array.shape(i));
  }
  return text + (array.shape_size() > kMaxListed ? ", ...]" : "]");
}

std::string ShapeText(const std::string& first, const engine::Shape& shape) {
  std::string text = "[" + first;
  for (const std::int64_t dimension : shape) {
    text += ", " + std::to_string(dimension);
  }
  return text + "]";
}

Status CheckBatch(std::int64_t batch, const std::string& where, const Limits& limits) {
  if (batch < 1) {
    return InvalidArgument(
        Join(where, ": shape: got a batch of ", batch, ", allowed 1..", limits.max_samples));
  }
  if (batch <= limits.max_samples) {
    return {};
  }
  return ResourceExhausted(Join(where, ": shape: got a batch of ", batch, ", allowed 1..", limits.max_samples,
                                " (--max-samples)"));
}

Result<CheckedArray> CheckArray(const v1::Array& array, const engine::Network& network, std::size_t input,
                                std::int64_t steps, const Limits& limits) {
  const std::string where = Where(network, input);
  const auto type = CheckType(array, network, input);
  if (!type.ok()) {
    return type.status();
  }
  const engine::Shape& shape = network.shape(network.inputs()[input]);
  const std::optional<bool> per_step = IsPerStep(array, shape, steps);
  if (!per_step) {
    return InvalidArgument(
        Join(where, ": shape: got ", ShapeText(array), ", wanted ", ShapeText("batch", shape), " or ",
             ShapeText("batch, " + std::to_string(steps), shape), " with one value per step"));
  }
  if (Status status = CheckBatch(array.shape(0), where, limits); !status.ok()) {
    return status;
  }
  // No overflow: the network's limits bound the elements, the others the batch and the steps.
  const std::int64_t elements = engine::ElementCount(shape) * (*per_step ? steps : 1);
  const std::int64_t bytes = elements * engine::SizeOf(type.value());
  if (static_cast<std::int64_t>(array.data().size()) != bytes * array.shape(0)) {
    return InvalidArgument(Join(where, ": data: got ", array.data().size(), " bytes, wanted ",
                                bytes * array.shape(0), " for shape ", ShapeText(array)));
  }
  return CheckedArray{{type.value(), *per_step}, array.shape(0), bytes};
}

template <typename T>
T ValueAt(const std::string& data, std::size_t i) {
  T value;
  std::memcpy(&value, data.data() + i * sizeof(T), sizeof(T));
  return value;
}

// Index of the first value of a larger magnitude, or that is none; their number where there is no such one.
// Block by block, which compilers make a few instructions: a batch has millions, and those that are refused
// for want of room are looked at too.
template <typename T>
std::size_t FirstBeyond(const std::string& data, T most) {
  constexpr std::size_t kBlock = 256;
  const std::size_t count = data.size() / sizeof(T);
  for (std::size_t begin = 0; begin < count; begin += kBlock) {
    const std::size_t end = std::min(begin + kBlock, count);
    unsigned beyond = 0;
    for (std::size_t i = begin; i < end; ++i) {
      beyond |= std::abs(ValueAt<T>(data, i)) <= most ? 0U : 1U;  // NaN is beyond
    }
    if (beyond == 0) {
      continue;
    }
    while (std::abs(ValueAt<T>(data, begin)) <= most) {
      ++begin;
    }
    return begin;
  }
  return count;
}

// `largest` is the largest magnitude that the engine can take.
template <typename T>
Status CheckValues(const std::string& data, std::int64_t bytes_per_sample, double largest,
                   const std::string& where) {
  const std::size_t per_sample = static_cast<std::size_t>(bytes_per_sample) / sizeof(T);
  const std::size_t first = FirstBeyond<T>(data, static_cast<T>(largest));
  if (first == data.size() / sizeof(T)) {
    return {};
  }
  const T value = ValueAt<T>(data, first);
  return InvalidArgument(
      Join(where, ": data: got ", value, " at index ", first % per_sample, " of sample ", first / per_sample,
           ", allowed are finite numbers",
           std::isfinite(value) ? " up to the largest float32 in exact and fast mode" : ""));
}

Status CheckValues(const v1::Array& array, const CheckedArray& checked, engine::Mode mode,
                   const std::string& where) {
  constexpr double kLargestFloat = std::numeric_limits<float>::max();
  if (checked.format.type == engine::DataType::kFloat32) {
    return CheckValues<float>(array.data(), checked.bytes_per_sample, kLargestFloat, where);
  }
  if (checked.format.type != engine::DataType::kFloat64) {
    return {};
  }
  const double largest =
      mode == engine::Mode::kReference ? std::numeric_limits<double>::max() : kLargestFloat;
  return CheckValues<double>(array.data(), checked.bytes_per_sample, largest, where);
}

void AddSamples(const v1::Array& array, const CheckedArray& checked, std::size_t input,
                DecodedInputs& inputs) {
  inputs.formats[input] = checked.format;
  for (std::size_t sample = 0; sample < inputs.samples.size(); ++sample) {
    inputs.samples[sample].data[input] = reinterpret_cast<const std::byte*>(array.data().data()) +
                                         static_cast<std::int64_t>(sample) * checked.bytes_per_sample;
  }
}

std::vector<engine::SampleInputs> EmptySamples(std::size_t batch, std::size_t inputs) {
  std::vector<engine::SampleInputs> samples(batch, {engine::InputAddresses(inputs), 0});
  for (std::size_t i = 0; i < batch; ++i) {
    samples[i].index = static_cast<std::int64_t>(i);
  }
  return samples;
}

}  // namespace

Result<DecodedInputs> DecodeInputs(const google::protobuf::RepeatedPtrField<v1::Array>& arrays,
                                   const engine::Network& network, engine::Mode mode, std::int64_t steps,
                                   const Limits& limits) {
  const std::size_t wanted = network.inputs().size();
  if (static_cast<std::size_t>(arrays.size()) != wanted) {
    return InvalidArgument(Join("inputs: got ", arrays.size(), " arrays, wanted ", wanted,
                                ", one for each of ", InputNames(network)));
  }
  DecodedInputs inputs{std::vector<engine::InputFormat>(wanted), {}};
  std::vector<bool> seen(wanted);
  for (int i = 0; i < arrays.size(); ++i) {
    const auto input = FindInput(arrays[i], i, network);
    if (!input.ok()) {
      return input.status();
    }
    const std::string where = Where(network, input.value());
    if (seen[input.value()]) {
      return InvalidArgument(Join("inputs[", i, "]: ", where, " is given twice"));
    }
    seen[input.value()] = true;
    const auto checked = CheckArray(arrays[i], network, input.value(), steps, limits);
    if (!checked.ok()) {
      return checked.status();
    }
    const auto batch = static_cast<std::size_t>(checked.value().batch);
    if (i == 0) {
      inputs.samples = EmptySamples(batch, wanted);
    }
    if (batch != inputs.samples.size()) {
      return InvalidArgument(Join(where, ": shape: got a batch of ", batch, ", wanted ",
                                  inputs.samples.size(), " as in the other inputs"));
    }
    if (Status status = CheckValues(arrays[i], checked.value(), mode, where); !status.ok()) {
      return status;
    }
    AddSamples(arrays[i], checked.value(), input.value(), inputs);
  }
  return inputs;
}

}  // namespace spikeserve::rpc
