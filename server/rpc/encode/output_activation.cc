#include "server/rpc/encode/output_activation.h"

#include <algorithm>
#include <cctype>
#include <string_view>

#include "server/engine/network/violations.h"

namespace spikeserve::rpc {
namespace {

std::string FunctionName(int function) {
  if (!v1::OutputFunction_IsValid(function)) {
    return std::to_string(function);
  }
  constexpr std::string_view kPrefix = "OUTPUT_FUNCTION_";
  std::string name =
      v1::OutputFunction_Name(static_cast<v1::OutputFunction>(function)).substr(kPrefix.size());
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return name;
}

}  // namespace

const serving::OutputActivation* ActivationOf(const serving::NetworkEntry& entry, std::int64_t probe) {
  const auto& activations = entry.metadata.activations;
  const auto index = static_cast<std::size_t>(probe);
  return index < activations.size() && activations[index].function != 0 ? &activations[index] : nullptr;
}

v1::OutputActivation Encode(const serving::OutputActivation& activation) {
  v1::OutputActivation message;
  message.set_function(static_cast<v1::OutputFunction>(activation.function));
  message.set_alpha(activation.alpha);
  message.set_threshold(activation.threshold);
  if (activation.max_value) {
    message.set_max_value(*activation.max_value);
  }
  return message;
}

std::string ActivationText(const serving::OutputActivation& activation) {
  std::string numbers;
  const auto add = [&](const char* name, double value) {
    numbers += engine::Join(numbers.empty() ? "(" : ",", name, "=", value);
  };
  if (activation.alpha != 0) {
    add("alpha", activation.alpha);
  }
  if (activation.max_value) {
    add("max_value", *activation.max_value);
  }
  if (activation.threshold != 0) {
    add("threshold", activation.threshold);
  }
  return FunctionName(activation.function) + numbers + (numbers.empty() ? "" : ")");
}

}  // namespace spikeserve::rpc
