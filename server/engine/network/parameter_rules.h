#pragma once

#include <cmath>
#include <string>

#include "server/engine/network/violations.h"

namespace spikeserve::engine {

// Reports the parameters of one neuron model that are out of their ranges; `where` names it.
class ParameterRules {
 public:
  ParameterRules(std::string where, Violations& violations)
      : where_(std::move(where)), violations_(violations) {}

  void Check(const char* field, double value, bool good, const char* wanted) {
    if (!good) {
      violations_.Add(where_, ": ", field, " is ", value, ", wanted ", wanted);
    }
  }
  void Finite(const char* field, double value) {
    Check(field, value, std::isfinite(value), "a finite number");
  }
  void Positive(const char* field, double value) {
    Check(field, value, std::isfinite(value) && value > 0, "a finite number > 0");
  }
  void NotNegative(const char* field, double value) {
    Check(field, value, std::isfinite(value) && value >= 0, "a finite number >= 0");
  }
  void Amplitude(double value) {
    Check("amplitude", value, std::isfinite(value) && value != 0, "finite and not 0");
  }
  void MinVoltage(double value) { Check("min_voltage", value, value <= 0, "<= 0, or -inf for none"); }

  // Of all models with the rate of a LIF neuron.
  template <typename Model>
  void LifRate(const Model& model) {
    Positive("tau_rc", model.tau_rc);
    NotNegative("tau_ref", model.tau_ref);
    Amplitude(model.amplitude);
  }
  template <typename Model>
  void Adaptation(const Model& model) {
    Positive("tau_n", model.tau_n);
    Finite("inc_n", model.inc_n);
  }

 private:
  const std::string where_;
  Violations& violations_;
};

}  // namespace spikeserve::engine
