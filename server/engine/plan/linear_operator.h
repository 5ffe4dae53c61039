#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "server/engine/network/network.h"

namespace spikeserve::engine {

// One linear operation on the way from a source layer to a target: the operation, and which of its
// connections the signal comes in by.
struct Link {
  std::int64_t operation = 0;
  std::size_t slot = 0;
};

// y[row] contains weight * x[column].
struct Entry {
  std::int64_t column = 0;
  double weight = 0;
};

// A linear operation, or the cells of one that reads counts, seen through one of its inputs, as rows of a
// sparse matrix. Holds its weights in double.
// Immutable after construction.
class LinearOperator {
 public:
  LinearOperator(const Network& network, Link link);

  std::int64_t rows() const { return rows_; }
  // Replaces `entries` by those of output element `row`, in ascending order of columns for windows and
  // Affine rows.
  void Row(std::int64_t row, std::vector<Entry>& entries) const;
  // y += the operation's matrix times x, by plain loops.
  void AddProduct(std::span<const double> x, std::span<double> y) const;
  // What the operation adds to output element `row` whatever its input. Counted once, by slot 0.
  double Constant(std::int64_t row) const;

 private:
  struct Window {  // Conv and Pool, as two spatial axes
    std::int64_t kernel[2] = {1, 1}, stride[2] = {1, 1}, dilation[2] = {1, 1}, before[2] = {0, 0};
  };

  void Set(const std::monostate&) {}
  void Set(const InputOperation&) {}
  void Set(const NeuronOperation&) {}
  void Set(const ActivationOperation&) {}
  void Set(const ReshapeOperation&) {}
  void Set(const AffineOperation& affine);
  void Set(const ConvOperation& conv);
  void Set(const PoolOperation& pool);
  void Set(const ScaleShiftOperation& op);
  void Set(const WeightedSumOperation& sum);
  void Set(const ConcatOperation& concat);
  void Set(const PermuteOperation& permute);
  void Set(const ProductOperation& product);
  void Set(const PadOperation& pad);
  // Row [at] has the one column that the strides of the axes lead to.
  void TakeColumns(const std::vector<std::int64_t>& strides);
  void SetWindow(const std::vector<std::int64_t>& kernel, const std::vector<std::int64_t>& stride,
                 const std::vector<std::int64_t>& dilation, const std::vector<std::int64_t>& before);
  std::vector<double> Broadcast(const std::string& id, std::int64_t axis, double absent) const;
  // Calls visit(column, weight) for every entry of the row.
  template <typename Visit>
  void VisitRow(std::int64_t row, Visit visit) const;
  template <typename Visit>
  void VisitWindow(std::int64_t row, Visit visit) const;

  enum class Kind { kElement, kAffine, kConv, kPool };

  const Network& network_;
  const Link link_;
  Shape in_, out_;
  std::int64_t rows_ = 0;
  Kind kind_ = Kind::kElement;
  std::vector<std::int64_t> columns_;  // kElement: the column of each row, -1: none; empty: the row itself
  std::vector<double> weights_;        // by kind; kElement: of each row, empty: 1
  std::vector<double> constants_;      // of each row, or of each channel
  Window window_;
  std::int64_t groups_ = 1;
  bool count_include_pad_ = false;
  bool maximum_ = false;  // cells as they are, each with a weight of 1
};

}  // namespace spikeserve::engine
