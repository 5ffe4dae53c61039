#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "kernels/math/filter_constants.h"
#include "server/base/status.h"
#include "server/engine/network/network.h"

// What a synapse and a delay are at one dt.
namespace spikeserve::engine {

constexpr std::int64_t kMaxTaps = 4096;  // of a Triangle

// exp(-dt/tau) of a Lowpass, 0 for tau 0 and for other kinds.
double DecayOf(const SynapseKind& synapse, double dt_s);

// None or a Lowpass, without delay: what the plain loops' own filters, the vector kernels, the readout
// rewrite and the scans of CUDA know.
bool IsSimple(const Synapse& synapse, std::int64_t delay_steps);

// The steps by which what passes is late where that is all that happens to it: a delay, a Lowpass of tau 0.
std::optional<std::int64_t> PureDelay(const Synapse& synapse, std::int64_t delay_steps);

// Number of weights of a Triangle, round(t/dt) + 1; at most kMaxTaps + 1.
std::int64_t TriangleTaps(const Triangle& triangle, double dt_s);

// The dt of a run that asks for none, in seconds.
double DefaultDt(const NetworkDefinition& definition);

// Weights of the Triangles on these connections at the definition's own dt: what they add to a step's work.
std::int64_t TapsInto(const NetworkDefinition& definition, const std::vector<Incoming>& incoming);

// Constants of an Alpha in double: y = a y + state_weight s + input_weight u; s = a s + (1-a) u.
struct AlphaWeights {
  double decay = 0;
  double gain = 1;
  double state_weight = 0;
  double input_weight = 1;
};
AlphaWeights WeightsOf(const Alpha& alpha, double dt_s);

// State-space form of a filter: controller-canonical, an analog one discretised with its input held.
kernels::StateFilter Discretise(const LinearFilter& filter, double dt_s);

kernels::FilterConstants MakeFilter(const Synapse& synapse, std::int64_t delay_steps, double dt_s);

// INVALID_ARGUMENT, naming the connection or probe, where a Triangle has more than kMaxTaps weights at this
// dt.
Status CheckTaps(const Network& network, double dt_s);

}  // namespace spikeserve::engine
