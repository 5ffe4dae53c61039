#include "server/rpc/decode/run_settings.h"

#include <cmath>
#include <string>
#include <variant>

#include "server/engine/network/violations.h"
#include "server/engine/run/spec_rules.h"
#include "server/rpc/decode/decode_operation.h"
#include "server/rpc/wire/enums.h"

namespace spikeserve::rpc {
namespace {

using engine::Join;

constexpr double kDefaultDt = 0.001;
constexpr std::int64_t kDefaultSteps = 100;
// Far beyond any neuron's time constants on either side, so that dt and its inverse stay ordinary numbers.
constexpr double kMinDt = 1e-9;
constexpr double kMaxDt = 1e3;
constexpr double kMaxVoltage = 1e6;

const char* Origin(bool own) { return own ? "" : " (the network's default)"; }

Result<std::int64_t> DecodeSteps(const v1::SimulateRequest& request, const engine::RunDefaults& stored,
                                 const Limits& limits) {
  const bool own = request.has_steps();
  const std::int64_t steps = own ? request.steps() : stored.steps > 0 ? stored.steps : kDefaultSteps;
  if (Status status = CheckSteps("", steps, Origin(own), limits); !status.ok()) {
    return status;
  }
  return steps;
}

Result<double> DecodeDt(const v1::SimulateRequest& request, const engine::RunDefaults& stored) {
  const bool own = request.has_dt();
  const double dt = own ? request.dt() : stored.dt > 0 ? stored.dt : kDefaultDt;
  if (const auto problem = engine::DtProblem(dt, kMinDt, kMaxDt)) {
    return InvalidArgument(problem->Text(Origin(own)));
  }
  return dt;
}

Result<engine::Readout> DecodeReadout(const v1::SimulateRequest& request, const engine::RunDefaults& stored,
                                      std::int64_t steps) {
  const bool own = request.has_readout();
  engine::Readout readout = stored.readout;
  if (own) {
    readout = {Decode(request.readout().kind()), request.readout().skip_steps()};
  }
  if (readout.kind == engine::ReadoutKind::kUnspecified) {
    return InvalidArgument(
        Join("readout.kind: got ", request.readout().kind(),
             ", allowed READOUT_KIND_MEAN, READOUT_KIND_LAST, READOUT_KIND_CORRECTED_MEAN"));
  }
  if (const auto problem = engine::SkipProblem(readout.skip_steps, steps)) {
    return InvalidArgument("readout." + problem->Text(Origin(own)));
  }
  return readout;
}

Result<engine::InitialVoltage> DecodeRunVoltage(const v1::InitialVoltage& message) {
  Problems problems;
  const std::optional<engine::InitialVoltage> voltage = DecodeVoltage(message, "initial_voltage", problems);
  if (!voltage || std::holds_alternative<engine::TensorVoltage>(*voltage)) {
    return InvalidArgument(Join("initial_voltage: got ",
                                voltage ? "a tensor" : "no kind that this server knows",
                                ", allowed in a request: zero, constant, uniform"));
  }
  const auto* constant = std::get_if<engine::ConstantVoltage>(&*voltage);
  if (constant != nullptr && !(std::abs(constant->value) <= kMaxVoltage)) {
    return InvalidArgument(Join("initial_voltage.constant: got ", constant->value, ", allowed ", -kMaxVoltage,
                                "..", kMaxVoltage));
  }
  return *voltage;
}

void EncodeVoltage(const engine::InitialVoltage& voltage, v1::InitialVoltage& encoded) {
  if (const auto* constant = std::get_if<engine::ConstantVoltage>(&voltage)) {
    encoded.set_constant(constant->value);
  } else if (const auto* uniform = std::get_if<engine::UniformVoltage>(&voltage)) {
    encoded.mutable_uniform()->set_seed(uniform->seed);
  } else {
    encoded.mutable_zero();  // a tensor cannot be the voltage of a whole run
  }
}

}  // namespace

Status CheckSteps(const std::string& where, std::int64_t steps, const char* origin, const Limits& limits) {
  const auto problem = engine::StepsProblem(steps, limits.max_steps);
  if (!problem) {
    return {};
  }
  const std::string text = where + problem->Text(origin);
  return steps < 1 ? InvalidArgument(text) : ResourceExhausted(text + " (--max-steps)");
}

Result<engine::RunSettings> DecodeSettings(const v1::SimulateRequest& request,
                                           const engine::RunDefaults& stored, const Limits& limits) {
  engine::RunSettings settings;
  const auto steps = DecodeSteps(request, stored, limits);
  if (!steps.ok()) {
    return steps.status();
  }
  settings.steps = steps.value();
  const auto dt = DecodeDt(request, stored);
  if (!dt.ok()) {
    return dt.status();
  }
  settings.dt_s = dt.value();
  const auto readout = DecodeReadout(request, stored, settings.steps);
  if (!readout.ok()) {
    return readout.status();
  }
  settings.readout = readout.value();
  if (request.has_seed()) {
    settings.seed = request.seed();
  }
  if (!request.has_initial_voltage()) {
    return settings;
  }
  const auto voltage = DecodeRunVoltage(request.initial_voltage());
  if (!voltage.ok()) {
    return voltage.status();
  }
  settings.initial_voltage = voltage.value();
  return settings;
}

void EncodeSettings(const engine::RunSettings& settings, v1::EffectiveSettings& encoded) {
  encoded.set_dt(settings.dt_s);
  encoded.set_steps(settings.steps);
  encoded.set_seed(settings.seed.value_or(0));
  encoded.mutable_readout()->set_kind(Encode(settings.readout.kind));
  encoded.mutable_readout()->set_skip_steps(settings.readout.skip_steps);
  if (settings.initial_voltage) {
    EncodeVoltage(*settings.initial_voltage, *encoded.mutable_initial_voltage());
  }
}

}  // namespace spikeserve::rpc
