#include "server/engine/plan/lowering.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <utility>

#include "server/engine/network/index.h"
#include "server/engine/plan/weight_writer.h"

namespace spikeserve::engine {
namespace {

using kernels::Product;
using kernels::ProductKind;

// A sparse matrix by rows.
struct Rows {
  std::vector<std::int64_t> start{0};
  std::vector<Entry> entries;

  std::int64_t count() const { return static_cast<std::int64_t>(start.size()) - 1; }
};

Rows Identity(std::int64_t size) {
  Rows rows;
  for (std::int64_t i = 0; i < size; ++i) {
    rows.entries.push_back({i, 1.0});
    rows.start.push_back(i + 1);
  }
  return rows;
}

// rows := operator * rows, with the entries of a row merged by column. False where it was stopped, or there
// would be more than max_entries.
bool Compose(const LinearOperator& op, const WeightForms& forms, Rows& rows, std::int64_t max_entries) {
  Rows composed;
  std::vector<Entry> entries;
  std::map<std::int64_t, double> merged;
  for (std::int64_t row = 0; row < op.rows(); ++row) {
    op.Row(row, entries);
    merged.clear();
    for (const Entry& outer : entries) {
      for (auto e = rows.start[Index(outer.column)]; e < rows.start[Index(outer.column + 1)]; ++e) {
        merged[rows.entries[Index(e)].column] += outer.weight * rows.entries[Index(e)].weight;
      }
    }
    for (const auto& [column, weight] : merged) {
      composed.entries.push_back({column, weight});
    }
    composed.start.push_back(static_cast<std::int64_t>(composed.entries.size()));
    if (composed.start.back() > max_entries || forms.Stopped()) {
      return false;
    }
  }
  rows = std::move(composed);
  return true;
}

// The one weight that all entries have, if so.
std::optional<double> UniformWeight(const Rows& rows) {
  const double weight = rows.entries.empty() ? 1.0 : rows.entries.front().weight;
  const bool uniform = std::all_of(rows.entries.begin(), rows.entries.end(),
                                   [&](const Entry& entry) { return entry.weight == weight; });
  return uniform && weight != 0 ? std::optional(weight) : std::nullopt;
}

Product SparseProduct(const Rows& rows, std::int64_t columns, WeightForms forms) {
  Product product;
  product.kind = ProductKind::kSparse;
  product.in = columns;
  product.out = rows.count();
  product.sparse_start.assign(Index(columns + 1), 0);
  for (const Entry& entry : rows.entries) {
    ++product.sparse_start[Index(entry.column + 1)];
  }
  for (std::size_t k = 1; k < product.sparse_start.size(); ++k) {
    product.sparse_start[k] += product.sparse_start[k - 1];
  }
  product.sparse_row.resize(rows.entries.size());
  WeightWriter writer(product, forms, rows.count(), rows.entries.size());
  const auto for_each = [&](auto visit) {
    for (std::int64_t row = 0; row < rows.count(); ++row) {
      for (auto e = rows.start[Index(row)]; e < rows.start[Index(row + 1)]; ++e) {
        visit(row, rows.entries[Index(e)]);
      }
    }
  };
  for_each([&](std::int64_t row, const Entry& entry) { writer.See(row, entry.weight); });
  writer.Fix();
  std::vector<std::int64_t> next(product.sparse_start.begin(), product.sparse_start.end() - 1);
  for_each([&](std::int64_t row, const Entry& entry) {
    const std::int64_t at = next[Index(entry.column)]++;
    product.sparse_row[Index(at)] = static_cast<std::int32_t>(row);
    writer.Write(row, Index(at), entry.weight);
  });
  writer.Finish();
  return product;
}

// A Conv or an Affine as a convolution; an Affine on one position is a dense matrix.
class StructuredProduct {
 public:
  StructuredProduct(const Network& network, Link link)
      : in_(network.shape(network.incoming(link.operation)[link.slot].source)),
        out_(network.shape(link.operation)),
        conv_(std::get_if<ConvOperation>(&network.definition().operations[Index(link.operation)].kind)) {
    const auto* affine =
        std::get_if<AffineOperation>(&network.definition().operations[Index(link.operation)].kind);
    const std::string& weight = conv_ != nullptr ? conv_->weight : affine->weight;
    weights_ = network.Values(weight);
    kernel_ = network.tensor(weight).shape;
    if (conv_ != nullptr) {
      groups_ = conv_->groups;
      stride_ = conv_->stride;
    }
  }

  std::int64_t rows() const { return kernel_[0]; }
  bool IsConv() const { return conv_ != nullptr; }

  // Puts a matrix over the channels behind it, which come to it times `scale` [row]: one product of both.
  // False where that would have more than max_entries weights.
  bool Then(const Network& network, Link link, const std::vector<double>& scale, const WeightForms& forms,
            std::int64_t max_entries) {
    const OperationKind& kind = network.definition().operations[Index(link.operation)].kind;
    const auto* conv = std::get_if<ConvOperation>(&kind);
    const std::vector<double> matrix =
        network.Values(conv != nullptr ? conv->weight : std::get<AffineOperation>(kind).weight);
    const bool strided = conv != nullptr && std::any_of(conv->stride.begin(), conv->stride.end(),
                                                        [](std::int64_t stride) { return stride != 1; });
    // Which positions it takes is known of the convolution's own ones alone, not of a reshaped image.
    if (strided && network.shape(network.incoming(link.operation)[link.slot].source) != out_) {
      return false;
    }
    const std::int64_t middle = rows(), of_group = kernel_[1];
    const std::int64_t taps = ElementCount({kernel_.begin() + 2, kernel_.end()});
    const std::int64_t in = of_group * groups_, out = static_cast<std::int64_t>(matrix.size()) / middle;
    if (out * in * taps > max_entries) {
      return false;
    }
    std::vector<double> composed(Index(out * in * taps), 0.0);
    for (std::int64_t row = 0; row < out; ++row) {
      if (forms.Stopped()) {
        return false;
      }
      for (std::int64_t m = 0; m < middle; ++m) {
        const double factor = matrix[Index(row * middle + m)] * scale[Index(m)];
        double* const to = composed.data() + (row * in + m / (middle / groups_) * of_group) * taps;
        const double* const from = weights_.data() + m * of_group * taps;
        for (std::int64_t i = 0; i < of_group * taps; ++i) {
          to[i] += factor * from[i];
        }
      }
    }
    if (!std::all_of(composed.begin(), composed.end(), [](double weight) { return std::isfinite(weight); })) {
      return false;
    }
    weights_ = std::move(composed);
    kernel_[0] = out;
    kernel_[1] = in;
    groups_ = 1;
    for (std::size_t i = 0; i < stride_.size() && strided; ++i) {
      stride_[i] *= conv->stride[i];
      out_[i] = network.shape(link.operation)[i];
    }
    out_.back() = out;
    return true;
  }

  Product Build(WeightForms forms) const {
    Product product;
    product.in = ElementCount(in_);
    product.out = ElementCount(out_);
    product.kind = conv_ == nullptr && product.in == in_.back() ? ProductKind::kDense : ProductKind::kConv;
    product.conv = Geometry();
    const std::int64_t rows = out_.back();
    const std::int64_t in_group = kernel_[1];
    const std::int64_t taps = product.conv.kernel_height * product.conv.kernel_width;
    WeightWriter writer(product, forms, rows, weights_.size());
    for (std::size_t i = 0; i < weights_.size(); ++i) {
      writer.See(static_cast<std::int64_t>(i) / (in_group * taps), weights_[i]);
    }
    writer.Fix();
    for (std::size_t i = 0; i < weights_.size(); ++i) {  // [row][channel][tap] -> [tap][channel][row]
      const auto flat = static_cast<std::int64_t>(i);
      const std::int64_t row = flat / (in_group * taps);
      const std::int64_t channel = flat / taps % in_group;
      writer.Write(row, Index((flat % taps * in_group + channel) * rows + row), weights_[i]);
    }
    writer.Finish();
    return product;
  }

 private:
  kernels::ConvGeometry Geometry() const {
    kernels::ConvGeometry g;
    g.in_channels = in_.back();
    g.out_channels = out_.back();
    if (conv_ == nullptr) {  // positions side by side, each through the same matrix
      g.in_width = g.out_width = ElementCount(in_) / in_.back();
      return g;
    }
    const bool two = in_.size() == 3;
    const std::size_t x = two ? 1 : 0;
    g.groups = groups_;
    g.in_width = in_[x];
    g.out_width = out_[x];
    g.kernel_width = kernel_[2 + x];
    g.stride_x = stride_[x];
    g.dilation_x = conv_->dilation[x];
    g.pad_left = conv_->pad_before[x];
    if (two) {
      g.in_height = in_[0];
      g.out_height = out_[0];
      g.kernel_height = kernel_[2];
      g.stride_y = stride_[0];
      g.dilation_y = conv_->dilation[0];
      g.pad_top = conv_->pad_before[0];
    }
    return g;
  }

  const Shape in_;
  Shape out_;
  const ConvOperation* conv_;
  std::vector<double> weights_;
  Shape kernel_;
  std::int64_t groups_ = 1;
  std::vector<std::int64_t> stride_;  // of a convolution
};

bool IsWeighted(const OperationKind& kind) {
  return std::holds_alternative<AffineOperation>(kind) || std::holds_alternative<ConvOperation>(kind);
}

// What the operations from `first` to `last` multiply each row by; nothing if they do more than that.
std::optional<std::vector<double>> RowScale(const Network& network, const std::vector<Link>& chain,
                                            std::size_t first, std::size_t last, std::int64_t rows) {
  std::vector<double> scale(Index(rows), 1.0);
  std::vector<Entry> entries;
  for (std::size_t i = first; i < last; ++i) {
    const OperationKind& kind = network.definition().operations[Index(chain[i].operation)].kind;
    if (std::holds_alternative<ReshapeOperation>(kind)) {
      continue;
    }
    if (!std::holds_alternative<ScaleShiftOperation>(kind) &&
        !std::holds_alternative<WeightedSumOperation>(kind)) {
      return std::nullopt;
    }
    const LinearOperator op(network, chain[i]);
    std::vector<double> factors(scale.size());
    for (std::int64_t row = 0; row < op.rows(); ++row) {
      op.Row(row, entries);
      double& factor = factors[Index(row) % factors.size()];
      if (Index(row) >= factors.size() && factor != entries[0].weight) {
        return std::nullopt;  // differs between positions of one channel
      }
      factor = entries[0].weight;
    }
    std::transform(scale.begin(), scale.end(), factors.begin(), scale.begin(), std::multiplies<>());
  }
  return scale;
}

kernels::GatherSum ToGather(const Rows& rows) {
  kernels::GatherSum gather;
  gather.start = rows.start;
  for (const Entry& entry : rows.entries) {
    gather.index.push_back(static_cast<std::int32_t>(entry.column));
  }
  for (std::size_t c = 0; c + 1 < gather.start.size(); ++c) {
    gather.most = std::max(gather.most, gather.start[c + 1] - gather.start[c]);
  }
  return gather;
}

// The product of [index operations] weights [scalings]; nothing if the chain has another form.
std::optional<Product> LowerStructured(const Network& network, std::int64_t source,
                                       const std::vector<Link>& chain, WeightForms forms,
                                       std::int64_t max_entries) {
  std::size_t weighted = 0;
  while (weighted < chain.size() &&
         !IsWeighted(network.definition().operations[Index(chain[weighted].operation)].kind)) {
    ++weighted;
  }
  if (weighted == chain.size()) {
    return std::nullopt;
  }
  bool identity = true;
  Rows rows = Identity(network.size(source));
  for (std::size_t i = 0; i < weighted; ++i) {
    const OperationKind& kind = network.definition().operations[Index(chain[i].operation)].kind;
    if (!std::holds_alternative<ReshapeOperation>(kind)) {
      identity = false;
      if (!Compose(LinearOperator(network, chain[i]), forms, rows, max_entries)) {
        return std::nullopt;
      }
    }
  }
  const std::optional<double> factor = UniformWeight(rows);
  if (!factor) {
    return std::nullopt;
  }
  StructuredProduct weights(network, chain[weighted]);
  std::size_t first = weighted + 1;
  for (std::size_t i = first; i < chain.size(); ++i) {
    if (!IsWeighted(network.definition().operations[Index(chain[i].operation)].kind)) {
      continue;
    }
    const auto scale = RowScale(network, chain, first, i, weights.rows());
    if (!scale || !MixesChannels(network, chain[i], weights.rows(), weights.IsConv()) ||
        !weights.Then(network, chain[i], *scale, forms, max_entries)) {
      return std::nullopt;
    }
    first = i + 1;
  }
  const std::optional<std::vector<double>> scale =
      RowScale(network, chain, first, chain.size(), weights.rows());
  if (!scale) {
    return std::nullopt;
  }
  Product product = weights.Build(forms);
  for (std::size_t row = 0; row < scale->size(); ++row) {
    product.row_scale[row] = (*scale)[row] * *factor;
  }
  if (!std::all_of(product.row_scale.begin(), product.row_scale.end(),
                   [](double value) { return std::isfinite(value); })) {
    return std::nullopt;  // times the weights it may be finite
  }
  if (!identity) {
    product.gather = ToGather(rows);
  }
  return product;
}

}  // namespace

bool MixesChannels(const Network& network, Link link, std::int64_t channels, bool strided) {
  const OperationKind& kind = network.definition().operations[Index(link.operation)].kind;
  if (const auto* affine = std::get_if<AffineOperation>(&kind)) {
    return network.tensor(affine->weight).shape[1] == channels;
  }
  const auto* conv = std::get_if<ConvOperation>(&kind);
  if (conv == nullptr || conv->groups != 1) {
    return false;
  }
  const auto is = [](std::int64_t wanted) {
    return [wanted](std::int64_t value) { return value == wanted; };
  };
  const Shape& shape = network.tensor(conv->weight).shape;
  return shape[1] == channels && std::all_of(shape.begin() + 2, shape.end(), is(1)) &&
         (strided || std::all_of(conv->stride.begin(), conv->stride.end(), is(1))) &&
         std::all_of(conv->pad_before.begin(), conv->pad_before.end(), is(0)) &&
         std::all_of(conv->pad_after.begin(), conv->pad_after.end(), is(0));
}

Result<Product> LowerChain(const Network& network, std::int64_t source, const std::vector<Link>& chain,
                           WeightForms forms, std::int64_t max_entries) {
  if (!forms.sparse) {
    if (std::optional<Product> product = LowerStructured(network, source, chain, forms, max_entries)) {
      return std::move(*product);
    }
  }
  Rows rows = Identity(network.size(source));
  for (const Link& link : chain) {
    if (!Compose(LinearOperator(network, link), forms, rows, max_entries)) {
      if (forms.Stopped()) {
        return Status(StatusCode::kCancelled, "stopped while the network was compiled");
      }
      const auto& operations = network.definition().operations;
      return ResourceExhausted("the linear operations between '" + operations[Index(source)].name +
                               "' and '" + operations[Index(link.operation)].name +
                               "' compose to more than " + std::to_string(max_entries) +
                               " weights; put a Neuron between them or merge them before conversion");
    }
  }
  for (const Entry& entry : rows.entries) {
    if (!std::isfinite(entry.weight)) {
      const auto& operations = network.definition().operations;
      return InvalidArgument("the linear operations between '" + operations[Index(source)].name + "' and '" +
                             operations[Index(chain.back().operation)].name + "' multiply to a weight of " +
                             std::to_string(entry.weight) + "; wanted: a finite float64");
    }
  }
  return SparseProduct(rows, network.size(source), forms);
}

}  // namespace spikeserve::engine
