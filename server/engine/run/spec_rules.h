#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "server/base/status.h"
#include "server/engine/plan/plan.h"
#include "server/engine/run/simulation_spec.h"

// What a run may be asked for.
namespace spikeserve::engine {

// What a run with this spec needs to be checked for before a simulation is made: numbers of inputs, steps,
// probes.
Status CheckSpec(const SimulationSpec& spec, std::int64_t inputs, std::int64_t probes,
                 std::span<const SampleInputs> samples);

// The same for Simulation::Feed.
Status CheckFeed(const SimulationSpec& spec, const std::vector<InputFormat>& inputs,
                 std::span<const SampleInputs> samples, std::size_t count);

// INVALID_ARGUMENT for a request probe of an operation that has no layer.
Status CheckRequestProbes(const Plan& plan, const SimulationSpec& spec);

}  // namespace spikeserve::engine
