#include "server/engine/run/constants/reference_filter.h"

#include <algorithm>
#include <array>
#include <utility>

#include "server/engine/network/index.h"

namespace spikeserve::engine {

ReferenceFilter::ReferenceFilter(const Synapse& synapse, std::int64_t delay_steps, double dt_s,
                                 std::int64_t size)
    : synapse_(synapse), delayed_(Index(delay_steps), Row(Index(size), 0.0)) {
  if (!synapse_) {
    return;
  }
  const Row zeros(Index(size), 0.0);
  shown_ = zeros;
  decay_ = DecayOf(*synapse_, dt_s);
  if (const auto* alpha = std::get_if<Alpha>(&*synapse_)) {
    alpha_ = WeightsOf(*alpha, dt_s);
    states_ = {zeros};
  } else if (const auto* filter = std::get_if<LinearFilter>(&*synapse_)) {
    system_ = Discretise(*filter, dt_s);
    states_.assign(Index(system_.order), zeros);
  } else if (const auto* triangle = std::get_if<Triangle>(&*synapse_)) {
    const std::int64_t taps = TriangleTaps(*triangle, dt_s);
    for (std::int64_t weight = taps; weight >= 1; --weight) {
      weights_.push_back(2.0 * static_cast<double>(weight) / static_cast<double>(taps * (taps + 1)));
    }
    inputs_.assign(Index(taps), zeros);
  }
}

void ReferenceFilter::Step(std::span<double> values) {
  if (!delayed_.empty()) {
    delayed_.emplace_front(values.begin(), values.end());
    std::copy(delayed_.back().begin(), delayed_.back().end(), values.begin());
    delayed_.pop_back();
  }
  if (!synapse_) {
    return;
  }
  if (!inputs_.empty()) {
    inputs_.emplace_front(values.begin(), values.end());
    inputs_.pop_back();
  }
  std::visit(
      [&](const auto& kind) {
        for (std::size_t j = 0; j < values.size(); ++j) {
          const double u = std::exchange(values[j], shown_[j]);
          shown_[j] = Next(kind, u, j);
        }
      },
      *synapse_);
}

double ReferenceFilter::Next(const Lowpass&, double u, std::size_t j) {
  return decay_ * shown_[j] + (1 - decay_) * u;
}

double ReferenceFilter::Next(const Alpha&, double u, std::size_t j) {
  double& inner = states_[0][j];
  const double y = alpha_.decay * shown_[j] + alpha_.state_weight * inner + alpha_.input_weight * u;
  inner = alpha_.decay * inner + alpha_.gain * u;
  return y;
}

double ReferenceFilter::Next(const LinearFilter&, double u, std::size_t j) {
  std::array<double, kernels::kMaxFilterOrder> old{};
  for (std::size_t i = 0; i < states_.size(); ++i) {
    old[i] = states_[i][j];
  }
  double from_old = system_.d * u;
  double from_new = 0;
  for (std::size_t i = 0; i < states_.size(); ++i) {
    double next = system_.b[i] * u;
    for (std::size_t k = 0; k < states_.size(); ++k) {
      next += system_.a[i][k] * old[k];
    }
    states_[i][j] = next;
    from_old += system_.c[i] * old[i];
    from_new += system_.c[i] * next;
  }
  return system_.d == 0 ? from_new : from_old;
}

double ReferenceFilter::Next(const Triangle&, double, std::size_t j) {
  double sum = 0;
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    sum += weights_[i] * inputs_[i][j];
  }
  return sum;
}

}  // namespace spikeserve::engine
