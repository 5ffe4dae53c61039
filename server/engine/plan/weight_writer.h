#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/math/product.h"
#include "server/engine/network/index.h"
#include "server/engine/plan/lowering.h"
#include "server/engine/plan/quantise.h"

namespace spikeserve::engine {

// Quantises `weights` (by entry) row by row into the forms of the product.
class WeightWriter {
 public:
  WeightWriter(kernels::Product& product, WeightForms forms, std::int64_t rows, std::size_t entries)
      : product_(product), forms_(forms), largest_(Index(rows), 0.0), sums_(Index(rows), 0.0) {
    product_.integer_unit.assign(Index(rows), 1.0);
    product_.row_scale.assign(Index(rows), 1.0);
    if (forms.integers) {
      product_.integers.resize(entries);
    }
    if (forms.floats) {
      product_.floats.resize(entries);
    }
    if (forms.doubles != nullptr) {
      forms.doubles->assign(entries, 0.0);
    }
  }

  void See(std::int64_t row, double weight) {
    largest_[Index(row)] = std::max(largest_[Index(row)], std::abs(weight));
  }

  void Fix() {
    std::transform(largest_.begin(), largest_.end(), product_.integer_unit.begin(),
                   [this](double largest) { return IntegerUnit(largest, forms_.largest_integer); });
  }

  void Write(std::int64_t row, std::size_t entry, double weight) {
    if (forms_.integers) {
      const double integer = std::nearbyint(weight / product_.integer_unit[Index(row)]);
      product_.integers[entry] = static_cast<std::int32_t>(integer);
      sums_[Index(row)] += std::abs(integer);
    }
    if (forms_.floats) {
      product_.floats[entry] = static_cast<float>(weight);
    }
    if (forms_.doubles != nullptr) {
      (*forms_.doubles)[entry] = weight;
    }
  }

  void Finish() { product_.max_row_sum = sums_.empty() ? 0 : *std::max_element(sums_.begin(), sums_.end()); }

 private:
  kernels::Product& product_;
  const WeightForms forms_;
  std::vector<double> largest_, sums_;
};

}  // namespace spikeserve::engine
