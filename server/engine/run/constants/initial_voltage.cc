#include "server/engine/run/constants/initial_voltage.h"

#include "kernels/math/philox.h"

namespace spikeserve::engine {
namespace {

std::vector<double> Uniform(std::uint64_t seed, std::int64_t operation, std::int64_t size) {
  std::vector<double> voltages(static_cast<std::size_t>(size));
  for (std::int64_t j = 0; j < size; ++j) {
    const math::PhiloxBlock block =
        math::Philox({{static_cast<std::uint32_t>(j / 4), static_cast<std::uint32_t>(operation), 0, 0}},
                     static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32));
    voltages[static_cast<std::size_t>(j)] = math::UnitFloat(block.word[j % 4]);
  }
  return voltages;
}

}  // namespace

std::vector<double> InitialVoltages(const Network& network, const InitialVoltage& policy,
                                    std::int64_t operation, std::int64_t size,
                                    std::optional<std::uint64_t> seed) {
  if (const auto* uniform = std::get_if<UniformVoltage>(&policy)) {
    return Uniform(seed.value_or(uniform->seed), operation, size);
  }
  if (const auto* tensor = std::get_if<TensorVoltage>(&policy)) {
    return network.Values(tensor->tensor);
  }
  const auto* constant = std::get_if<ConstantVoltage>(&policy);
  return std::vector<double>(static_cast<std::size_t>(size), constant != nullptr ? constant->value : 0.0);
}

}  // namespace spikeserve::engine
