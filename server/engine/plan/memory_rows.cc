#include "server/engine/plan/memory_rows.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "server/engine/network/index.h"

namespace spikeserve::engine {
namespace {

constexpr int kMostShift = 40;
constexpr int kShiftOfZeros = 20;
// What the bias of a run may come to: 2^60 after 2^20 steps.
constexpr double kMostBias = 1099511627776.0;  // 2^40

// Calls visit(entry, row) for all weights of the product.
template <typename Visit>
void ForEachWeight(const kernels::Product& product, std::size_t entries, Visit visit) {
  const std::size_t rows = product.row_scale.size();
  for (std::size_t e = 0; e < entries; ++e) {
    visit(e, product.kind == kernels::ProductKind::kSparse ? Index(product.sparse_row[e]) : e % rows);
  }
}

double GainOf(const NeuronLayer& neurons, std::size_t j) {
  return neurons.gain.empty() ? 1 : neurons.gain[j];
}

// The shift of a row whose largest weight is that; below 1: none.
int ShiftOf(double largest, std::int32_t most) {
  if (largest == 0) {
    return kShiftOfZeros;
  }
  if (!std::isfinite(largest)) {
    return 0;
  }
  int exponent = 0;
  (void)std::frexp(largest, &exponent);  // largest < 2^exponent
  int bits = 0;
  while (most >> bits != 0) {
    ++bits;
  }
  const int shift = std::min(bits - exponent, kMostShift);
  return std::nearbyint(std::ldexp(largest, shift)) > most ? shift - 1 : shift;
}

// Makes room for the bias of long runs.
int ShiftFor(double bias, int shift) {
  while (shift > 1 && std::ldexp(std::abs(bias), shift) > kMostBias) {
    --shift;
  }
  return shift;
}

}  // namespace

bool HasGainPerRow(const NeuronLayer& neurons, const kernels::Product& product) {
  const std::size_t rows = product.row_scale.size();
  for (std::size_t j = rows; j < neurons.gain.size(); ++j) {
    if (neurons.gain[j] != neurons.gain[j % rows]) {
      return false;
    }
  }
  return true;
}

std::int64_t CutMemoryRows(std::span<const MemoryTerm> terms, std::int32_t largest_weight, double dt_s,
                           Layer& layer) {
  NeuronLayer& neurons = std::get<NeuronLayer>(layer.kind);
  const std::size_t size = Index(layer.size);
  std::vector<std::vector<double>> largest;  // [term][row], of what a count adds
  for (std::size_t t = 0; t < terms.size(); ++t) {
    const kernels::Product& product = layer.terms[t].product;
    std::vector<double>& of_term = largest.emplace_back(product.row_scale.size(), 0.0);
    ForEachWeight(product, terms[t].weights.size(), [&](std::size_t e, std::size_t row) {
      const double factor = product.row_scale[row] * GainOf(neurons, row) * terms[t].unit;
      const double added = terms[t].weights[e] * factor;
      of_term[row] = std::max(of_term[row], std::isfinite(added) ? std::abs(added) : HUGE_VAL);
    });
  }
  // A row that many neurons share has one unit for all of them, which other terms share with others still: as
  // many neurons as the row counts have in common begin anew together, with the smallest shift of any.
  std::size_t period = size;
  for (const std::vector<double>& of_term : largest) {
    period = std::gcd(period, of_term.size());
  }
  std::vector<int> shift(period, kMostShift);
  for (std::size_t j = 0; j < size; ++j) {
    double most = 0;
    for (const std::vector<double>& of_term : largest) {
      most = std::max(most, of_term[j % of_term.size()]);
    }
    const double bias = neurons.bias.empty() ? 0.0 : neurons.bias[j];
    const double per_step = (GainOf(neurons, j) * layer.constant[j] + bias) * dt_s;
    shift[j % period] = std::min(shift[j % period], ShiftFor(per_step, ShiftOf(most, largest_weight)));
    if (shift[j % period] < 1) {
      return static_cast<std::int64_t>(j);
    }
  }
  if (IsRowFunction(layer)) {  // which is of numbers of one unit
    std::fill(shift.begin(), shift.end(), *std::min_element(shift.begin(), shift.end()));
  }
  neurons.shift.resize(size);
  for (std::size_t j = 0; j < size; ++j) {
    neurons.shift[j] = static_cast<std::uint8_t>(shift[j % period]);
  }
  for (std::size_t t = 0; t < terms.size(); ++t) {
    kernels::Product& product = layer.terms[t].product;
    if (product.integers.empty()) {
      continue;
    }
    std::vector<double> sums(product.row_scale.size(), 0.0);
    for (std::size_t row = 0; row < sums.size(); ++row) {
      const double factor = product.row_scale[row] * GainOf(neurons, row) * terms[t].unit;
      product.integer_unit[row] = factor == 0 ? 1 : std::ldexp(1 / factor, -neurons.shift[row]);
    }
    ForEachWeight(product, terms[t].weights.size(), [&](std::size_t e, std::size_t row) {
      const double factor = product.row_scale[row] * GainOf(neurons, row) * terms[t].unit;
      const double integer = std::nearbyint(std::ldexp(terms[t].weights[e] * factor, neurons.shift[row]));
      product.integers[e] = static_cast<std::int32_t>(integer);
      sums[row] += std::abs(integer);
    });
    product.max_row_sum = sums.empty() ? 0 : *std::max_element(sums.begin(), sums.end());
  }
  return -1;
}

}  // namespace spikeserve::engine
