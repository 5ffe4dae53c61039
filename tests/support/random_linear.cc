#include "tests/support/random_linear.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "server/engine/network/network.h"
#include "tests/support/definitions.h"
#include "tests/support/random_neurons.h"

namespace spikeserve::testing {
namespace {

using Ints = std::vector<std::int64_t>;

}  // namespace

Signal RandomLinear::Add(const Signal& source, const std::vector<Signal>& signals) {
  const bool spatial = source.shape.size() == 2 || source.shape.size() == 3;
  switch (random_.Below(8)) {
    case 0: return Affine(source, random_.Between(2, 6));
    case 1:
    case 2: return spatial ? Conv(source) : Affine(source, random_.Between(4, 12));
    case 3: return spatial ? Pool(source) : Pad(source);
    case 4: return ScaleShift(source);
    case 5: return Join(source, signals);
    case 6: return Permute(source);
    default: return Pad(source);
  }
}

Signal RandomLinear::Affine(const Signal& source, std::int64_t out) {
  const std::int64_t in = source.shape.back();
  engine::Shape shape = source.shape;
  shape.back() = out;
  engine::AffineOperation affine{Tensor({out, in}, std::sqrt(3.0 / static_cast<double>(in))), ""};
  if (random_.Chance(0.7)) {
    affine.bias = Tensor({out}, 0.3 * source.level);
  }
  return Operation(affine, shape, {source});
}

std::int64_t RandomLinear::SlideAxis(std::int64_t extent, std::int64_t kernel, std::int64_t dilation,
                                     Ints& stride, Ints& before, Ints& after) {
  const std::int64_t reach = (kernel - 1) * dilation + 1;
  stride.push_back(random_.Between(1, 2));
  before.push_back(random_.Below(reach));
  after.push_back(random_.Below(reach));
  const std::int64_t lacking = std::max<std::int64_t>(reach - extent - before.back() - after.back(), 0);
  before.back() += std::min(lacking, reach - 1 - before.back());
  after.back() += std::max<std::int64_t>(reach - extent - before.back() - after.back(), 0);
  return (extent + before.back() + after.back() - reach) / stride.back() + 1;
}

Signal RandomLinear::Conv(const Signal& source) {
  const std::int64_t in = source.shape.back();
  engine::ConvOperation conv;
  conv.groups = in % 2 == 0 && random_.Chance(0.4) ? 2 : 1;
  const std::int64_t out = conv.groups * random_.Between(1, 3);
  engine::Shape shape;
  engine::Shape kernel = {out, in / conv.groups};
  for (std::size_t axis = 0; axis + 1 < source.shape.size(); ++axis) {
    kernel.push_back(random_.Between(1, 3));
    conv.dilation.push_back(random_.Between(1, 2));
    shape.push_back(SlideAxis(source.shape[axis], kernel.back(), conv.dilation.back(), conv.stride,
                              conv.pad_before, conv.pad_after));
  }
  shape.push_back(out);
  const std::int64_t fan_in = engine::ElementCount({kernel.begin() + 1, kernel.end()});
  conv.weight = Tensor(kernel, std::sqrt(3.0 / static_cast<double>(fan_in)));
  if (random_.Chance(0.7)) {
    conv.bias = Tensor({out}, 0.3 * source.level);
  }
  return Operation(conv, shape, {source});
}

Signal RandomLinear::Pool(const Signal& source) {
  engine::PoolOperation pool;
  pool.kind = engine::PoolKind::kAverage;
  pool.count_include_pad = random_.Chance(0.5);
  engine::Shape shape;
  for (std::size_t axis = 0; axis + 1 < source.shape.size(); ++axis) {
    pool.window.push_back(random_.Between(1, 3));
    shape.push_back(
        SlideAxis(source.shape[axis], pool.window.back(), 1, pool.stride, pool.pad_before, pool.pad_after));
  }
  shape.push_back(source.shape.back());
  return Operation(pool, shape, {source});
}

Signal RandomLinear::ScaleShift(const Signal& source) {
  const std::int64_t axis = random_.Below(static_cast<std::int64_t>(source.shape.size()));
  const std::vector<engine::Shape> shapes = {
      {1}, {source.shape[static_cast<std::size_t>(axis)]}, source.shape};
  engine::ScaleShiftOperation operation{"", "", axis};
  if (random_.Chance(0.7)) {
    operation.scale = Tensor(random_.Pick(shapes), 1.5);
  }
  if (operation.scale.empty() || random_.Chance(0.5)) {
    operation.shift = Tensor(random_.Pick(shapes), 0.3 * source.level);
  }
  return Operation(operation, source.shape, {source});
}

// With a signal of the same shape, which may be the source itself.
Signal RandomLinear::Join(const Signal& source, const std::vector<Signal>& signals) {
  std::vector<Signal> fitting = {source};
  std::copy_if(signals.begin(), signals.end(), std::back_inserter(fitting),
               [&](const Signal& signal) { return signal.shape == source.shape; });
  Signal other = random_.Pick(fitting);
  if (random_.Chance(0.5)) {
    const double ratio = source.level / other.level;
    return Operation(engine::WeightedSumOperation{{random_.Uniform(-1, 1), random_.Uniform(0, 1) * ratio}},
                     source.shape, {source, other});
  }
  const std::int64_t axis = random_.Below(static_cast<std::int64_t>(source.shape.size()));
  engine::Shape shape = source.shape;
  shape[static_cast<std::size_t>(axis)] *= 2;
  return Operation(engine::ConcatOperation{axis}, shape, {source, other});
}

Signal RandomLinear::Permute(const Signal& source) {
  if (random_.Chance(0.4)) {
    return Operation(engine::ReshapeOperation{{engine::ElementCount(source.shape)}},
                     {engine::ElementCount(source.shape)}, {source});
  }
  engine::PermuteOperation operation;
  engine::Shape shape;
  Ints axes(source.shape.size());
  for (std::size_t i = 0; i < axes.size(); ++i) {
    axes[i] = static_cast<std::int64_t>(i);
  }
  while (!axes.empty()) {
    const auto at = axes.begin() + random_.Below(static_cast<std::int64_t>(axes.size()));
    operation.permutation.push_back(*at);
    shape.push_back(source.shape[static_cast<std::size_t>(*at)]);
    axes.erase(at);
  }
  return Operation(operation, shape, {source});
}

Signal RandomLinear::Pad(const Signal& source) {
  engine::PadOperation operation;
  engine::Shape shape = source.shape;
  for (std::int64_t& extent : shape) {
    const std::int64_t most = extent > 3 ? -1 : 0;
    operation.before.push_back(random_.Between(most, 1));
    operation.after.push_back(random_.Between(most, 1));
    extent += operation.before.back() + operation.after.back();
  }
  return Operation(operation, shape, {source});
}

Signal RandomLinear::Operation(engine::OperationKind kind, engine::Shape shape,
                               const std::vector<Signal>& sources) {
  Signal signal{"op" + std::to_string(definition_.operations.size()), std::move(shape), false, 1};
  definition_.operations.push_back({signal.name, std::move(kind)});
  for (const Signal& source : sources) {
    engine::Synapse synapse;
    if (pure_ && source.population && random_.Chance(0.15)) {
      synapse = engine::Lowpass{random_.Chance(0.6) ? 0.0 : random_.Uniform(0.0005, 0.02)};
    } else if (!pure_ && source.population && random_.Chance(0.4)) {
      synapse = engine::Lowpass{random_.Chance(0.2) ? 0.0 : random_.Uniform(0.0005, 0.02)};
      if (rich_ && random_.Chance(0.7)) {
        synapse = RandomSynapse(random_);
      }
    }
    definition_.connections.push_back({source.name, signal.name, synapse});
    if ((rich_ || pure_) && source.population && random_.Chance(0.2)) {
      definition_.connections.back().delay_steps = random_.Between(1, 9);
    }
    signal.level = source.level;
  }
  return signal;
}

std::string RandomLinear::Tensor(engine::Shape shape, double limit) {
  const std::string id = "t" + std::to_string(definition_.tensors.size());
  const std::int64_t count = engine::ElementCount(shape);
  definition_.tensors.push_back(testing::Tensor(id, std::move(shape), random_.Floats(count, -limit, limit)));
  return id;
}

}  // namespace spikeserve::testing
