#include "kernels/cpu/filter.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <memory>
#include <variant>
#include <vector>

#include "tests/support/cpu_targets.h"
#include "tests/support/float_bits.h"
#include "tests/support/random.h"

namespace spikeserve::kernels {
namespace {

constexpr int kSteps = 60;

// One element, whose filter shows at each step what it held before: as docs/semantics.md says it, with the
// roundings of kernels/math/filter.h.
class Element {
 public:
  explicit Element(const FilterConstants& constants)
      : constants_(constants), delayed_(static_cast<std::size_t>(constants.delay), 0.0F) {
    if (const auto* finite = std::get_if<FiniteFilter>(&constants.kind)) {
      inputs_.assign(finite->weights.size(), 0.0F);
    }
  }

  float Step(float input) {
    delayed_.push_back(input);
    const float u = delayed_.front();
    delayed_.pop_front();
    return std::visit([&](const auto& kind) { return Show(kind, u); }, constants_.kind);
  }

 private:
  float Show(const PassFilter&, float u) { return u; }
  float Show(const LowpassFilter& filter, float u) {
    const float shown = held_;
    held_ = std::fma(filter.decay, held_, filter.gain * u);
    return shown;
  }
  float Show(const AlphaFilter& filter, float u) {
    const double y = states_[1];
    states_[1] =
        std::fma(filter.decay, y, std::fma(filter.state_weight, states_[0], filter.input_weight * double{u}));
    states_[0] = std::fma(filter.decay, states_[0], filter.gain * double{u});
    return static_cast<float>(y);
  }
  // inputs_: the newest first. The oldest counts first, then the others from the newest on.
  float Show(const FiniteFilter& filter, float u) {
    float sum = filter.weights.back() * inputs_.back();
    for (std::size_t i = 0; i + 1 < inputs_.size(); ++i) {
      sum = std::fma(filter.weights[i], inputs_[i], sum);
    }
    inputs_.push_front(u);
    inputs_.pop_back();
    return sum;
  }
  float Show(const StateFilter& filter, float u) {
    const float shown = held_;
    double next[kMaxFilterOrder] = {};
    for (int i = 0; i < filter.order; ++i) {
      next[i] = filter.b[i] * double{u};
      for (int k = 0; k < filter.order; ++k) {
        next[i] = std::fma(filter.a[i][k], states_[k], next[i]);
      }
    }
    const double* read = filter.d != 0 ? states_ : next;
    double sum = filter.d * double{u};
    for (int i = 0; i < filter.order; ++i) {
      sum = std::fma(filter.c[i], read[i], sum);
    }
    held_ = static_cast<float>(sum);
    std::copy(next, next + kMaxFilterOrder, states_);
    return shown;
  }

  const FilterConstants& constants_;
  std::deque<float> delayed_;
  std::deque<float> inputs_;
  double states_[kMaxFilterOrder] = {};
  float held_ = 0;
};

// A layer at once is its elements one by one, bit for bit, whatever its size.
void ExpectElements(const FilterConstants& constants) {
  testing::OnEveryCpuTarget([&] {
    testing::Random random(6);
    for (const std::int64_t size : {1, 3, 8, 17, 100}) {
      FilterBank bank(std::make_shared<const FilterConstants>(constants), size);
      std::vector<Element> elements(static_cast<std::size_t>(size), Element(constants));
      for (int step = 0; step < kSteps; ++step) {
        std::vector<float> values = random.Floats(size, -2, 2);
        std::vector<float> shown;
        for (std::size_t j = 0; j < values.size(); ++j) {
          shown.push_back(elements[j].Step(values[j]));
        }
        bank.Step(values);
        ASSERT_EQ(testing::FloatBits(values), testing::FloatBits(shown)) << "step " << step;
      }
    }
  });
}

TEST(FilterBank, DelaysAlone) {
  for (const std::int64_t delay : {0, 1, 5}) {
    ExpectElements({PassFilter{}, delay});
  }
}

TEST(FilterBank, LowpassIsThatOfItsElements) {
  ExpectElements({LowpassFilter{0.8187F, 0.1813F}, 0});
  ExpectElements({LowpassFilter{0.9048F, 0.0952F}, 3});
}

TEST(FilterBank, AlphaIsThatOfItsElements) {
  ExpectElements({AlphaFilter{0.8187, 0.0362, 0.16375, 0.0175}, 0});
  ExpectElements({AlphaFilter{0.8187, 0.0362, 0.16375, 0.0175}, 2});
}

TEST(FilterBank, FiniteIsThatOfItsElements) {
  testing::Random random(7);
  for (const std::int64_t taps : {1, 2, 5, 12}) {
    ExpectElements({FiniteFilter{random.Floats(taps, 0, 0.5)}, taps % 2});
  }
}

TEST(FilterBank, StatesOfEveryOrderAreThoseOfItsElements) {
  testing::Random random(8);
  for (int order = 0; order <= kMaxFilterOrder; ++order) {
    for (const double direct : {0.0, 0.25}) {
      StateFilter filter;
      filter.order = order;
      filter.d = direct;
      for (int i = 0; i < order; ++i) {
        filter.b[i] = random.Uniform(-1, 1);
        filter.c[i] = random.Uniform(-1, 1);
        for (int k = 0; k < order; ++k) {
          filter.a[i][k] = random.Uniform(-0.4, 0.4);
        }
      }
      ExpectElements({filter, order % 3});
    }
  }
}

}  // namespace
}  // namespace spikeserve::kernels
