#include "server/engine/plan/count_cells.h"

#include <algorithm>
#include <numeric>
#include <string>

#include "server/engine/network/index.h"

namespace spikeserve::engine {
namespace {

constexpr std::int64_t kZero = -1;

// [element of what the operation reads]: the element of the source that it is, or kZero.
std::vector<std::int64_t> TraceCells(const Network& network, std::int64_t source,
                                     const std::vector<Link>& chain) {
  std::vector<std::int64_t> cells(Index(network.size(source)));
  std::iota(cells.begin(), cells.end(), 0);
  std::vector<Entry> entries;
  for (std::size_t i = 0; i + 1 < chain.size(); ++i) {
    const LinearOperator op(network, chain[i]);
    std::vector<std::int64_t> moved(Index(op.rows()), kZero);
    for (std::int64_t row = 0; row < op.rows(); ++row) {
      op.Row(row, entries);
      if (!entries.empty()) {
        moved[Index(row)] = cells[Index(entries.front().column)];
      }
    }
    cells = std::move(moved);
  }
  return cells;
}

// Whether cells that are as many as `block` divides take their elements beside each other.
bool HasBlocks(const kernels::GatherSum& gather, std::int64_t block) {
  const auto cells = static_cast<std::int64_t>(gather.start.size()) - 1;
  for (std::int64_t c = 0; c < cells; ++c) {
    const std::int64_t first = c - c % block;
    const std::int64_t begin = gather.start[Index(c)], of_first = gather.start[Index(first)];
    const std::int64_t count = gather.start[Index(c + 1)] - begin;
    if (count != gather.start[Index(first + 1)] - of_first) {
      return false;
    }
    for (std::int64_t i = 0; i < count; ++i) {
      if (gather.index[Index(begin + i)] != gather.index[Index(of_first + i)] + c - first) {
        return false;
      }
    }
  }
  return true;
}

}  // namespace

Result<kernels::Product> LowerCells(const Network& network, std::int64_t source,
                                    const std::vector<Link>& chain, std::int64_t max_entries,
                                    std::vector<std::uint8_t>& zeros) {
  const std::vector<std::int64_t> cells = TraceCells(network, source, chain);
  const LinearOperator units(network, chain.back());
  kernels::Product product;
  product.kind = kernels::ProductKind::kDense;
  product.in = units.rows();
  product.out = 1;
  product.integer_unit = product.row_scale = {1.0};
  product.gather.start = {0};
  zeros.assign(Index(units.rows()), 0);
  std::vector<Entry> entries;
  for (std::int64_t row = 0; row < units.rows(); ++row) {
    units.Row(row, entries);
    for (const Entry& entry : entries) {
      const std::int64_t cell = cells[Index(entry.column)];
      if (cell == kZero) {
        zeros[Index(row)] = 1;
      } else {
        product.gather.index.push_back(static_cast<std::int32_t>(cell));
      }
    }
    product.gather.start.push_back(static_cast<std::int64_t>(product.gather.index.size()));
    if (product.gather.start.back() > max_entries) {
      const std::string& name = network.definition().operations[Index(chain.back().operation)].name;
      return ResourceExhausted("the windows of '" + name + "' have more than " + std::to_string(max_entries) +
                               " cells; take smaller ones");
    }
  }
  const std::int64_t channels = network.shape(chain.back().operation).back();
  product.gather.block = HasBlocks(product.gather, channels) ? channels : 1;
  return product;
}

}  // namespace spikeserve::engine
