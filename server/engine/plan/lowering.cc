#include "server/engine/plan/lowering.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <utility>

#include "server/engine/network/index.h"

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

// rows := operator * rows, with the entries of a row merged by column.
bool Compose(const LinearOperator& op, Rows& rows, std::int64_t max_entries) {
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
    if (composed.start.back() > max_entries) {
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

// Quantises `weights` (by entry) row by row into the forms of the product.
class WeightWriter {
 public:
  WeightWriter(Product& product, WeightForms forms, std::int64_t rows, std::size_t entries)
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
  Product& product_;
  const WeightForms forms_;
  std::vector<double> largest_, sums_;
};

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
    g.groups = conv_->groups;
    g.in_width = in_[x];
    g.out_width = out_[x];
    g.kernel_width = kernel_[2 + x];
    g.stride_x = conv_->stride[x];
    g.dilation_x = conv_->dilation[x];
    g.pad_left = conv_->pad_before[x];
    if (two) {
      g.in_height = in_[0];
      g.out_height = out_[0];
      g.kernel_height = kernel_[2];
      g.stride_y = conv_->stride[0];
      g.dilation_y = conv_->dilation[0];
      g.pad_top = conv_->pad_before[0];
    }
    return g;
  }

  const Shape in_, out_;
  const ConvOperation* conv_;
  std::vector<double> weights_;
  Shape kernel_;
};

bool IsWeighted(const OperationKind& kind) {
  return std::holds_alternative<AffineOperation>(kind) || std::holds_alternative<ConvOperation>(kind);
}

// What the operations behind the weights multiply each row by; nothing if they do more than that.
std::optional<std::vector<double>> RowScale(const Network& network, const std::vector<Link>& chain,
                                            std::size_t first, const Product& product) {
  std::vector<double> scale(product.row_scale.size(), 1.0);
  std::vector<Entry> entries;
  for (std::size_t i = first; i < chain.size(); ++i) {
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
      if (!Compose(LinearOperator(network, chain[i]), rows, max_entries)) {
        return std::nullopt;
      }
    }
  }
  const std::optional<double> factor = UniformWeight(rows);
  if (!factor) {
    return std::nullopt;
  }
  Product product = StructuredProduct(network, chain[weighted]).Build(forms);
  const std::optional<std::vector<double>> scale = RowScale(network, chain, weighted + 1, product);
  if (!scale) {
    return std::nullopt;
  }
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

Result<Product> LowerChain(const Network& network, std::int64_t source, const std::vector<Link>& chain,
                           WeightForms forms, std::int64_t max_entries) {
  if (!forms.sparse) {
    if (std::optional<Product> product = LowerStructured(network, source, chain, forms, max_entries)) {
      return std::move(*product);
    }
  }
  Rows rows = Identity(network.size(source));
  for (const Link& link : chain) {
    if (!Compose(LinearOperator(network, link), rows, max_entries)) {
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
