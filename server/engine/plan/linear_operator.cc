#include "server/engine/plan/linear_operator.h"

#include <algorithm>
#include <numeric>

#include "server/engine/network/index.h"

namespace spikeserve::engine {
namespace {

std::vector<std::int64_t> Strides(const Shape& shape) {
  std::vector<std::int64_t> strides(shape.size(), 1);
  for (std::size_t i = shape.size() - 1; i > 0; --i) {
    strides[i - 1] = strides[i] * shape[i];
  }
  return strides;
}

// The coordinates of a flat index.
void Unflatten(std::int64_t flat, const Shape& shape, Shape& at) {
  for (std::size_t i = shape.size(); i-- > 0;) {
    at[i] = flat % shape[i];
    flat /= shape[i];
  }
}

}  // namespace

LinearOperator::LinearOperator(const Network& network, Link link)
    : network_(network),
      link_(link),
      in_(network.shape(network.incoming(link.operation)[link.slot].source)),
      out_(network.shape(link.operation)),
      rows_(ElementCount(out_)) {
  std::visit([this](const auto& operation) { Set(operation); },
             network.definition().operations[Index(link.operation)].kind);
}

void LinearOperator::Set(const AffineOperation& affine) {
  kind_ = Kind::kAffine;
  weights_ = network_.Values(affine.weight);
  if (!affine.bias.empty()) {
    constants_ = network_.Values(affine.bias);
  }
}

void LinearOperator::Set(const ConvOperation& conv) {
  kind_ = Kind::kConv;
  weights_ = network_.Values(conv.weight);
  if (!conv.bias.empty()) {
    constants_ = network_.Values(conv.bias);
  }
  groups_ = conv.groups;
  const Shape& shape = network_.tensor(conv.weight).shape;
  SetWindow({shape.begin() + 2, shape.end()}, conv.stride, conv.dilation, conv.pad_before);
}

void LinearOperator::Set(const PoolOperation& pool) {
  kind_ = Kind::kPool;
  count_include_pad_ = pool.count_include_pad;
  maximum_ = pool.kind == PoolKind::kMax;
  SetWindow(pool.window, pool.stride, std::vector<std::int64_t>(pool.window.size(), 1), pool.pad_before);
}

void LinearOperator::SetWindow(const std::vector<std::int64_t>& kernel,
                               const std::vector<std::int64_t>& stride,
                               const std::vector<std::int64_t>& dilation,
                               const std::vector<std::int64_t>& before) {
  const std::size_t first = 2 - kernel.size();  // one spatial axis: the height is 1
  for (std::size_t i = 0; i < kernel.size(); ++i) {
    window_.kernel[first + i] = kernel[i];
    window_.stride[first + i] = stride[i];
    window_.dilation[first + i] = dilation[i];
    window_.before[first + i] = before[i];
  }
  if (first == 1) {
    in_.insert(in_.begin(), 1);
    out_.insert(out_.begin(), 1);
  }
}

void LinearOperator::Set(const ScaleShiftOperation& op) {
  if (!op.scale.empty()) {
    weights_ = Broadcast(op.scale, op.axis, 1);
  }
  if (!op.shift.empty()) {
    constants_ = Broadcast(op.shift, op.axis, 0);
  }
}

std::vector<double> LinearOperator::Broadcast(const std::string& id, std::int64_t axis, double absent) const {
  const std::vector<double> values = network_.Values(id);
  const std::size_t at = axis < 0 ? in_.size() - Index(-axis) : Index(axis);
  const std::int64_t inner = std::accumulate(in_.begin() + static_cast<std::ptrdiff_t>(at) + 1, in_.end(),
                                             std::int64_t{1}, std::multiplies<>());
  std::vector<double> full(Index(rows_), absent);
  for (std::int64_t i = 0; i < rows_; ++i) {
    const bool per_element = network_.tensor(id).shape == in_;
    const std::int64_t index = per_element ? i : (values.size() == 1 ? 0 : i / inner % in_[at]);
    full[Index(i)] = values[Index(index)];
  }
  return full;
}

void LinearOperator::Set(const WeightedSumOperation& sum) {
  weights_.assign(Index(rows_), sum.coefficients[link_.slot]);
}

void LinearOperator::Set(const ConcatOperation& concat) {
  const std::size_t axis = concat.axis < 0 ? out_.size() - Index(-concat.axis) : Index(concat.axis);
  std::int64_t offset = 0;
  for (std::size_t slot = 0; slot < link_.slot; ++slot) {
    offset += network_.shape(network_.incoming(link_.operation)[slot].source)[axis];
  }
  const std::vector<std::int64_t> strides = Strides(in_);
  columns_.assign(Index(rows_), -1);
  Shape at(out_.size());
  for (std::int64_t row = 0; row < rows_; ++row) {
    Unflatten(row, out_, at);
    at[axis] -= offset;
    if (at[axis] >= 0 && at[axis] < in_[axis]) {
      columns_[Index(row)] = std::inner_product(at.begin(), at.end(), strides.begin(), std::int64_t{0});
    }
  }
}

void LinearOperator::Set(const PermuteOperation& permute) {
  const std::vector<std::int64_t> strides = Strides(in_);
  std::vector<std::int64_t> moved;
  for (const std::int64_t axis : permute.permutation) {
    moved.push_back(strides[Index(axis)]);
  }
  TakeColumns(moved);
}

// Which element of the input each product takes: along an axis of 1 the same one.
void LinearOperator::Set(const ProductOperation&) {
  std::vector<std::int64_t> strides = Strides(in_);
  for (std::size_t i = 0; i < strides.size(); ++i) {
    strides[i] = in_[i] == 1 ? 0 : strides[i];
  }
  TakeColumns(strides);
}

void LinearOperator::TakeColumns(const std::vector<std::int64_t>& strides) {
  columns_.resize(Index(rows_));
  Shape at(out_.size());
  for (std::int64_t row = 0; row < rows_; ++row) {
    Unflatten(row, out_, at);
    columns_[Index(row)] = std::inner_product(at.begin(), at.end(), strides.begin(), std::int64_t{0});
  }
}

void LinearOperator::Set(const PadOperation& pad) {
  const std::vector<std::int64_t> strides = Strides(in_);
  columns_.assign(Index(rows_), -1);
  Shape at(out_.size());
  for (std::int64_t row = 0; row < rows_; ++row) {
    Unflatten(row, out_, at);
    std::int64_t column = 0;
    bool inside = true;
    for (std::size_t i = 0; i < at.size(); ++i) {
      const std::int64_t position = at[i] - pad.before[i];
      inside = inside && position >= 0 && position < in_[i];
      column += position * strides[i];
    }
    if (inside) {
      columns_[Index(row)] = column;
    }
  }
}

double LinearOperator::Constant(std::int64_t row) const {
  if (constants_.empty() || link_.slot != 0) {
    return 0;
  }
  return constants_[Index(row) % constants_.size()];
}

void LinearOperator::Row(std::int64_t row, std::vector<Entry>& entries) const {
  entries.clear();
  VisitRow(row, [&](std::int64_t column, double weight) { entries.push_back({column, weight}); });
}

void LinearOperator::AddProduct(std::span<const double> x, std::span<double> y) const {
  for (std::int64_t row = 0; row < rows_; ++row) {
    double sum = 0;
    VisitRow(row, [&](std::int64_t column, double weight) { sum += weight * x[Index(column)]; });
    y[Index(row)] += sum;
  }
}

template <typename Visit>
void LinearOperator::VisitRow(std::int64_t row, Visit visit) const {
  if (kind_ == Kind::kElement) {
    const std::int64_t column = columns_.empty() ? row : columns_[Index(row)];
    if (column >= 0) {
      visit(column, weights_.empty() ? 1.0 : weights_[Index(row)]);
    }
    return;
  }
  if (kind_ != Kind::kAffine) {
    VisitWindow(row, visit);
    return;
  }
  const std::int64_t in = in_.back();
  const std::int64_t out = out_.back();
  for (std::int64_t k = 0; k < in; ++k) {
    visit(row / out * in + k, weights_[Index(row % out * in + k)]);
  }
}

template <typename Visit>
void LinearOperator::VisitWindow(std::int64_t row, Visit visit) const {
  const std::int64_t channel = row % out_[2];
  const std::int64_t position[2] = {row / out_[2] / out_[1], row / out_[2] % out_[1]};
  const bool conv = kind_ == Kind::kConv;
  const std::int64_t in_group = conv ? in_[2] / groups_ : 1;
  const std::int64_t first = conv ? channel / (out_[2] / groups_) * in_group : channel;
  const std::int64_t taps = window_.kernel[0] * window_.kernel[1];
  const auto for_each_tap = [&](auto body) {
    for (std::int64_t tap = 0; tap < taps; ++tap) {
      const std::int64_t tap_at[2] = {tap / window_.kernel[1], tap % window_.kernel[1]};
      std::int64_t at[2];
      bool inside = true;
      for (int i = 0; i < 2; ++i) {
        at[i] = position[i] * window_.stride[i] + tap_at[i] * window_.dilation[i] - window_.before[i];
        inside = inside && at[i] >= 0 && at[i] < in_[Index(i)];
      }
      if (inside) {
        body(tap, (at[0] * in_[1] + at[1]) * in_[2] + first);
      }
    }
  };
  if (conv) {
    for_each_tap([&](std::int64_t tap, std::int64_t column) {
      for (std::int64_t c = 0; c < in_group; ++c) {
        visit(column + c, weights_[Index((channel * in_group + c) * taps + tap)]);
      }
    });
    return;
  }
  std::int64_t cells = 0;
  for_each_tap([&](std::int64_t, std::int64_t) { ++cells; });
  const double weight = maximum_ ? 1.0 : 1.0 / static_cast<double>(count_include_pad_ ? taps : cells);
  for_each_tap([&](std::int64_t, std::int64_t column) { visit(column, weight); });
}

}  // namespace spikeserve::engine
