#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "kernels/math/memory_function.h"

// A network as received: plain structs, unchecked. Fields mean what
// proto/spikeserve/v1/{network,neuron}.proto say; all shapes leave out the batch.
namespace spikeserve::engine {

enum class DataType { kUnspecified, kFloat32, kFloat64, kUint8 };

// Bytes of one element; 0 for kUnspecified.
constexpr std::int64_t SizeOf(DataType type) {
  switch (type) {
    case DataType::kFloat32: return 4;
    case DataType::kFloat64: return 8;
    case DataType::kUint8: return 1;
    case DataType::kUnspecified: break;
  }
  return 0;
}

// The dt of a run where neither the network nor the request names one, in seconds.
constexpr double kDefaultDt = 0.001;

using Shape = std::vector<std::int64_t>;

struct TensorDefinition {
  std::string id;
  Shape shape;
  DataType type = DataType::kUnspecified;
  std::string data;  // little-endian, row-major
};

struct InputOperation {
  Shape shape;
  std::optional<double> uint8_scale;
  std::optional<double> uint8_offset;
};
struct AffineOperation {
  std::string weight;
  std::string bias;
};
struct ConvOperation {
  std::string weight;
  std::string bias;
  std::vector<std::int64_t> stride, dilation, pad_before, pad_after;
  std::int64_t groups = 0;
};
enum class PoolKind { kUnspecified, kAverage, kMax };
struct PoolOperation {
  PoolKind kind = PoolKind::kUnspecified;
  std::vector<std::int64_t> window, stride, pad_before, pad_after;
  bool count_include_pad = false;
};
struct ScaleShiftOperation {
  std::string scale;
  std::string shift;
  std::int64_t axis = 0;
};
struct WeightedSumOperation {
  std::vector<double> coefficients;
};
struct ConcatOperation {
  std::int64_t axis = 0;
};
struct ReshapeOperation {
  Shape shape;
};
struct PermuteOperation {
  std::vector<std::int64_t> permutation;
};
struct PadOperation {
  std::vector<std::int64_t> before, after;
};

using Parameter = std::variant<std::monostate, double, std::string>;  // absent, scalar, tensor id

struct ZeroVoltage {
  bool operator==(const ZeroVoltage&) const = default;
};
struct ConstantVoltage {
  double value = 0;

  bool operator==(const ConstantVoltage&) const = default;
};
struct UniformVoltage {
  std::uint64_t seed = 0;

  bool operator==(const UniformVoltage&) const = default;
};
struct TensorVoltage {
  std::string tensor;

  bool operator==(const TensorVoltage&) const = default;
};
using InitialVoltage = std::variant<ZeroVoltage, ConstantVoltage, UniformVoltage, TensorVoltage>;

// Spiking models.
struct SpikingRectifiedLinear {
  double amplitude = 1;
};
struct IntegrateAndFire {
  double amplitude = 1;
  double min_voltage = -std::numeric_limits<double>::infinity();
};
// With memory: see kernels/math/memory.h.
struct MemoryRectifiedLinear {
  double amplitude = 1;
  std::optional<double> max_value;
  double negative_slope = 0;
};
// With memory: see kernels/math/memory_function.h.
struct MemoryFunction {
  math::MeanFunction function = math::MeanFunction::kNone;
  double amplitude = 1;
  double alpha = 0;
};
struct Lif {
  double tau_rc = 0.02, tau_ref = 0.002, min_voltage = 0, amplitude = 1;
};
struct AdaptiveLif {
  double tau_rc = 0.02, tau_ref = 0.002, min_voltage = 0, amplitude = 1, tau_n = 1, inc_n = 0.01;
};
struct Izhikevich {
  double tau_recovery = 0.02, coupling = 0.2, reset_voltage = -65, reset_recovery = 8, amplitude = 1;
};
struct SpikingLeakyRectifiedLinear {
  double negative_slope = 0.3, amplitude = 1;
};

// Rate models.
struct RectifiedLinear {
  double amplitude = 1;
};
struct LeakyRectifiedLinear {
  double negative_slope = 0.3, amplitude = 1;
};
struct Sigmoid {
  double tau_ref = 0.0025;
};
struct Tanh {
  double tau_ref = 0.0025;
};
struct LifRate {
  double tau_rc = 0.02, tau_ref = 0.002, amplitude = 1;
};
struct SoftLifRate {
  double tau_rc = 0.02, tau_ref = 0.002, amplitude = 1, sigma = 1;
};
struct AdaptiveLifRate {
  double tau_rc = 0.02, tau_ref = 0.002, amplitude = 1, tau_n = 1, inc_n = 0.01;
};
using RateModel = std::variant<std::monostate, RectifiedLinear, LeakyRectifiedLinear, Sigmoid, Tanh, LifRate,
                               SoftLifRate, AdaptiveLifRate>;

// Models that turn the output of a rate model into spikes.
struct RegularSpiking {
  RateModel base;
  double amplitude = 1;
};
struct StochasticSpiking {
  RateModel base;
  double amplitude = 1;
};
struct PoissonSpiking {
  RateModel base;
  double amplitude = 1;
};

using NeuronModel =
    std::variant<std::monostate, SpikingRectifiedLinear, IntegrateAndFire, Lif, RectifiedLinear, AdaptiveLif,
                 Izhikevich, SpikingLeakyRectifiedLinear, LeakyRectifiedLinear, Sigmoid, Tanh, LifRate,
                 SoftLifRate, AdaptiveLifRate, RegularSpiking, StochasticSpiking, PoissonSpiking,
                 MemoryRectifiedLinear, MemoryFunction>;

struct NeuronOperation {
  NeuronModel model;
  Parameter gain;
  Parameter bias;
  std::optional<InitialVoltage> initial_voltage;
  Parameter output_scale = {};  // of MemoryFunction
};

// Of what two populations have sent.
struct ProductOperation {
  double amplitude = 1;
  Parameter output_scale = {};
};

struct Softmax {};
struct LeakyRelu {
  double negative_slope = 0;
};
struct ActivationOperation {
  std::variant<std::monostate, Softmax, LeakyRelu> kind;
};

using OperationKind =
    std::variant<std::monostate, InputOperation, AffineOperation, ConvOperation, PoolOperation,
                 ScaleShiftOperation, WeightedSumOperation, ConcatOperation, ReshapeOperation,
                 PermuteOperation, PadOperation, NeuronOperation, ActivationOperation, ProductOperation>;

// A Pool that takes the largest: it has units that send spikes.
inline bool IsMaximum(const OperationKind& kind) {
  const auto* pool = std::get_if<PoolOperation>(&kind);
  return pool != nullptr && pool->kind == PoolKind::kMax;
}

// Has units that send spikes by what their sources have sent in all.
inline bool ReadsCounts(const OperationKind& kind) {
  return IsMaximum(kind) || std::holds_alternative<ProductOperation>(kind);
}

// Has one unit per element, which has a state.
inline bool HasUnits(const OperationKind& kind) {
  return std::holds_alternative<NeuronOperation>(kind) || ReadsCounts(kind);
}

// Emits values that connections may delay and filter.
inline bool IsPopulation(const OperationKind& kind) {
  return std::holds_alternative<InputOperation>(kind) || HasUnits(kind);
}

struct OperationDefinition {
  std::string name;
  OperationKind kind;
};

// Times in seconds.
struct Lowpass {
  double tau = 0;
};
struct Alpha {
  double tau = 0;
};
struct LinearFilter {
  std::vector<double> num, den;  // highest power first
  bool discrete = false;
};
struct Triangle {
  double t = 0;
};
using SynapseKind = std::variant<Lowpass, Alpha, LinearFilter, Triangle>;
using Synapse = std::optional<SynapseKind>;  // absent: no filter and no delay

struct ConnectionDefinition {
  std::string source;
  std::string target;
  Synapse synapse;
  std::int64_t delay_steps = 0;
};

// kCurrent is for the probes of a request only.
enum class ProbeQuantity { kUnspecified, kOutput, kSpikes, kVoltage, kCurrent };
struct ProbeDefinition {
  std::string name;
  std::string target;
  ProbeQuantity quantity = ProbeQuantity::kUnspecified;
  Synapse synapse;
  std::int64_t delay_steps = 0;
};

enum class ReadoutKind { kUnspecified, kMean, kLast, kCorrectedMean };
struct Readout {
  ReadoutKind kind = ReadoutKind::kMean;
  std::int64_t skip_steps = 0;

  bool operator==(const Readout&) const = default;
};
struct RunDefaults {
  double dt = 0;
  std::int64_t steps = 0;
  Readout readout;
};

struct NetworkDefinition {
  std::uint32_t format_version = 0;
  std::vector<OperationDefinition> operations;
  std::vector<ConnectionDefinition> connections;
  std::vector<ProbeDefinition> probes;
  std::vector<TensorDefinition> tensors;
  RunDefaults defaults;
};

}  // namespace spikeserve::engine
