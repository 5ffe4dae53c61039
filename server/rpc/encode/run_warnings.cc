#include "server/rpc/encode/run_warnings.h"

#include <algorithm>
#include <cstddef>

#include "server/base/quote.h"
#include "server/engine/network/violations.h"

namespace spikeserve::rpc {
namespace {

using engine::Join;

// A layer of a few neurons may have nothing to say of a few samples.
constexpr std::int64_t kFewestNeurons = 8;
constexpr std::int64_t kFewestSamples = 8;
// Presets make some spikes per step of the busiest neurons, finer scales some dozen: far above that, the
// inputs are others than the scales were chosen for.
constexpr double kMostSpikesPerStep = 500;

bool Silent(const engine::Reading& reading, std::size_t layer) {
  return std::all_of(reading.statistics.begin(), reading.statistics.end(),
                     [layer](const auto& sample) { return sample[layer].spikes == 0; });
}

// Spikes in a step of the busiest neuron of any sample, on average over its steps.
double BusiestPerStep(const engine::Reading& reading, std::size_t layer) {
  double most = 0;
  for (std::size_t sample = 0; sample < reading.statistics.size(); ++sample) {
    const std::int64_t steps = reading.steps_used.empty() ? reading.steps_done : reading.steps_used[sample];
    const auto spikes = static_cast<double>(reading.statistics[sample][layer].busiest_neuron_spikes);
    most = std::max(most, steps > 0 ? spikes / static_cast<double>(steps) : 0.0);
  }
  return most;
}

std::string Names(const std::vector<std::string>& layers) {
  constexpr std::size_t kMaxListed = 4;
  std::string names;
  for (std::size_t i = 0; i < std::min(layers.size(), kMaxListed); ++i) {
    names += (i == 0 ? "" : ", ") + Quote(layers[i]);
  }
  return layers.size() > kMaxListed ? Join(names, " and ", layers.size() - kMaxListed, " more") : names;
}

}  // namespace

std::vector<std::string> RunWarnings(const AnswerSpec& answer, const engine::Reading& reading) {
  std::vector<std::string> warnings = answer.input_warnings;
  if (!warnings.empty() || !answer.spec->statistics) {
    return warnings;  // what the inputs do to the layers needs no second word
  }
  std::vector<std::string> silent;
  std::vector<std::string> flooded;
  double most = 0;
  const auto& layers = answer.network->resident->spiking_layers();
  for (std::size_t layer = 0; layer < layers.size(); ++layer) {
    if (layers[layer].neurons >= kFewestNeurons && Silent(reading, layer)) {
      silent.push_back(layers[layer].name);
    }
    if (const double busiest = BusiestPerStep(reading, layer); busiest > kMostSpikesPerStep) {
      flooded.push_back(layers[layer].name);
      most = std::max(most, busiest);
    }
  }
  if (!silent.empty() && answer.samples >= kFewestSamples && !answer.equal_samples) {
    warnings.push_back(Join("no neuron of ", Names(silent), " spiked for any of the ", answer.samples,
                            " samples, so the outputs say nothing of them: send inputs on the scale of the "
                            "samples that the network "
                            "was converted with, run more steps, or convert again with such samples or "
                            "larger scale_firing_rates"));
  }
  if (!flooded.empty()) {
    warnings.push_back(
        Join("neurons of ", Names(flooded), " spiked up to ", most,
             " times in a step: the inputs are probably on a larger scale than those the network was "
             "converted for; "
             "send them as it was trained on, or convert again with samples such as these as sample_data"));
  }
  return warnings;
}

}  // namespace spikeserve::rpc
