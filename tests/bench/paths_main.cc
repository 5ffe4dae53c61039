// Measures the two fast paths of a layer against each other and against the model that chooses between them
// (server/engine/cpu/layout/path_cost.h). One thread; a table of microseconds per chunk.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <random>
#include <span>
#include <vector>

#include "server/engine/cpu/layout/path_cost.h"
#include "server/engine/cpu/layout/window_sums.h"
#include "server/engine/cpu/spike_form.h"

namespace spikeserve::bench {
namespace {

using engine::VectorTerm;
using engine::WindowSums;

constexpr std::int64_t kSteps = 64;

struct Shape {
  const char* name;
  std::int64_t in_side, in_channels, kernel, stride, out_channels;  // dense: in_side 0, in_channels inputs
};

// Of weights of so many bits, in magnitude.
std::int32_t Largest(int bits) { return (1 << (bits - 1)) - 1; }

VectorTerm MakeTerm(const Shape& shape, int bits, std::mt19937& random) {
  VectorTerm term;
  std::int64_t rows = shape.in_channels;
  if (shape.in_side > 0) {
    const std::int64_t out = (shape.in_side - shape.kernel) / shape.stride + 1;
    term.kind = kernels::ProductKind::kConv;
    term.conv = {shape.in_side,      shape.in_side, shape.in_channels, out,          out,
                 shape.out_channels, shape.kernel,  shape.kernel,      shape.stride, shape.stride};
    rows *= shape.kernel * shape.kernel;
    term.pixels = out * out;
  } else {
    term.pixels = 1;
  }
  term.channels = shape.out_channels;
  term.cells = shape.in_side > 0 ? shape.in_side * shape.in_side * shape.in_channels : rows;
  term.unit = shape.in_side > 0 ? shape.in_channels : std::min<std::int64_t>(rows, 256);
  std::vector<std::int32_t> weights(static_cast<std::size_t>(rows * shape.out_channels));
  for (std::int32_t& weight : weights) {
    weight = static_cast<std::int32_t>(random() % (2 * Largest(bits) + 1)) - Largest(bits);
  }
  const std::span<const std::int32_t> all(weights);
  const bool narrow = bits <= 16;
  const std::int64_t tile = (narrow ? 640 : 320) / term.unit * term.unit;
  term.events = {all, rows, shape.out_channels, std::min(rows, tile), narrow, false};
  term.digits = {all, rows, shape.out_channels, std::max<std::int64_t>(1, shape.kernel)};
  term.largest_weight = Largest(bits);
  term.max_row_sum = static_cast<double>(Largest(bits)) * static_cast<double>(rows);
  return term;
}

// Seconds of the fastest of some runs.
template <typename Run>
double Fastest(Run run) {
  double fastest = 1e9;
  const auto begin = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() - begin < std::chrono::milliseconds(150)) {
    const auto start = std::chrono::steady_clock::now();
    run();
    fastest =
        std::min(fastest, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return fastest;
}

void RunLayer(const VectorTerm& term, const WindowSums::Source& source, WindowSums& sums) {
  WindowSums* const window = &sums;
  for (std::int64_t pixel = 0; pixel < term.pixels; ++pixel) {
    sums.SetWindow(term, pixel, source);
    for (std::int64_t slice = 0; slice < term.events.slices(); slice += 8) {
      WindowSums::SumTogether(std::span(&window, 1), slice,
                              std::min<std::int64_t>(8, term.events.slices() - slice));
    }
  }
}

void Measure(const Shape& shape, int bits, double density) {
  std::mt19937 random(1);
  const VectorTerm term = MakeTerm(shape, bits, random);
  std::vector<std::uint8_t> cells(static_cast<std::size_t>(kSteps * term.cells + kernels::kCountPadding));
  std::bernoulli_distribution spikes(density);
  for (std::uint8_t& cell : cells) {
    cell = spikes(random) ? 1 : 0;
  }
  WindowSums::Source source{kSteps, 1, nullptr, cells.data(), term.cells};
  WindowSums sums;
  const double digits = Fastest([&] { RunLayer(term, source, sums); });
  kernels::EventList events;
  const double lists = Fastest([&] {
    events.Build(cells.data(), term.cells, kSteps, term.cells, term.unit, 1, kernels::SpikeForm::kDigits);
    WindowSums::Source listed = source;
    listed.events = &events;
    RunLayer(term, listed, sums);
  });
  const engine::TermWork work = engine::WorkOf(term, source);
  const double model = engine::EventCycles(work) / engine::DigitCycles(work);
  std::printf("%-28s %7.2f %10.1f %10.1f %14.2f %14.2f  %s\n", shape.name, density, 1e6 * lists, 1e6 * digits,
              lists / digits, model, model > 1 ? "digits" : "events");
}

int Main() {
  std::printf("VNNI: %s; %ld steps\n", kernels::HasDigitInstructions() ? "yes" : "no",
              static_cast<long>(kSteps));
  std::printf("%-28s %7s %10s %10s %14s %14s  %s\n", "layer", "density", "events us", "digits us",
              "events/digits", "of the model", "chosen");
  const Shape shapes[] = {{"dense 1024 to 1024", 0, 1024, 0, 0, 1024},
                          {"dense 400 to 120", 0, 400, 0, 0, 120},
                          {"conv 5x5, 14x14x6 to 16", 14, 6, 5, 1, 16},
                          {"conv 3x3 by 2, 26x26x32 to 64", 26, 32, 3, 2, 64},
                          {"conv 3x3, 16x16x128 to 128", 16, 128, 3, 1, 128}};
  for (const int bits : {22, 8}) {
    std::printf("weights of %d bits\n", bits);
    for (const Shape& shape : shapes) {
      for (const double density : {0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 1.0}) {
        Measure(shape, bits, density);
      }
    }
  }
  return 0;
}

}  // namespace
}  // namespace spikeserve::bench

int main() { return spikeserve::bench::Main(); }
