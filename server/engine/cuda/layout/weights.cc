#include "server/engine/cuda/layout/weights.h"

#include <algorithm>
#include <cstring>
#include <span>

#include "kernels/cuda/byte_product.h"
#include "kernels/cuda/columns.h"
#include "kernels/cuda/digit_product.h"
#include "server/engine/cuda/layout/arena.h"
#include "server/engine/network/index.h"

namespace spikeserve::engine {
namespace {

using kernels::Product;
using kernels::ProductKind;

// A count that the digits cannot carry further than this is not worth a path of its own.
constexpr std::int32_t kLeastDigitLimit = 2;
constexpr std::int32_t kLargestCount = (1 << 24) - 1;

// Hands out device arrays and fills them through pinned memory; without a device it only counts.
class Uploader {
 public:
  Uploader() = default;
  Uploader(cuda::Device& device, const cuda::Memory& memory)
      : arena_(memory.data()),
        staging_(device, kStagingBytes, true),
        queue_(device.NewQueue(cuda::QueueUse::kWork)) {}

  template <typename T>
  const T* Put(std::span<const T> values) {
    T* const to = arena_.Take<T>(static_cast<std::int64_t>(values.size()));
    if (queue_ != nullptr) {
      Send(reinterpret_cast<std::byte*>(to), std::as_bytes(values));
    }
    return to;
  }
  template <typename T>
  const T* Put(const std::vector<T>& values) {
    return Put(std::span<const T>(values));
  }
  bool counting() const { return queue_ == nullptr; }
  // Room for `count` elements that Put would take, while counting.
  template <typename T>
  const T* Skip(std::int64_t count) {
    return arena_.Take<T>(count);
  }
  std::int64_t used() const { return arena_.used(); }

 private:
  static constexpr std::size_t kStagingBytes = std::size_t{8} << 20;

  void Send(std::byte* to, std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const std::size_t now = std::min(bytes.size(), kStagingBytes);
      std::memcpy(staging_.data(), bytes.data(), now);
      queue_->Upload(to, staging_.data(), now);
      queue_->Wait();
      bytes = bytes.subspan(now);
      to += now;
    }
  }

  CudaArena arena_;
  cuda::Memory staging_;
  std::unique_ptr<cuda::Queue> queue_;
};

// A sparse product by outputs instead of by cells; cells ascend within an output.
struct SparseByOutput {
  std::vector<std::int64_t> start;
  std::vector<std::int32_t> cell;
  std::vector<std::size_t> entry;  // where each weight lies in the product
};

SparseByOutput ByOutput(const Product& product) {
  SparseByOutput sparse;
  sparse.start.assign(Index(product.out + 1), 0);
  for (const std::int32_t row : product.sparse_row) {
    ++sparse.start[Index(row) + 1];
  }
  for (std::size_t j = 1; j < sparse.start.size(); ++j) {
    sparse.start[j] += sparse.start[j - 1];
  }
  sparse.cell.resize(product.sparse_row.size());
  sparse.entry.resize(product.sparse_row.size());
  std::vector<std::int64_t> next(sparse.start);
  for (std::int64_t k = 0; k < product.in; ++k) {
    for (auto e = product.sparse_start[Index(k)]; e < product.sparse_start[Index(k + 1)]; ++e) {
      const std::size_t to = Index(next[Index(product.sparse_row[Index(e)])]++);
      sparse.cell[to] = static_cast<std::int32_t>(k);
      sparse.entry[to] = Index(e);
    }
  }
  return sparse;
}

template <typename T>
const T* PutPermuted(Uploader& uploader, const std::vector<T>& values,
                     const std::vector<std::size_t>& order) {
  std::vector<T> permuted(values.empty() ? 0 : order.size());
  std::transform(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(permuted.size()),
                 permuted.begin(), [&](std::size_t from) { return values[from]; });
  return uploader.Put(permuted);
}

void PutWeights(Uploader& uploader, const Product& product, CudaTerm& term) {
  if (product.kind == ProductKind::kSparse) {
    const SparseByOutput sparse = ByOutput(product);
    term.shape = cuda::ProductShape::kSparse;
    term.sparse_start = uploader.Put(sparse.start);
    term.sparse_cell = uploader.Put(sparse.cell);
    term.integers = PutPermuted(uploader, product.integers, sparse.entry);
    term.floats = PutPermuted(uploader, product.floats, sparse.entry);
    return;
  }
  term.shape = product.kind == ProductKind::kConv ? cuda::ProductShape::kConv : cuda::ProductShape::kDense;
  term.integers = uploader.Put(product.integers);
  term.floats = uploader.Put(product.floats);
}

// Largest count that one digit's sums and the cells' format carry.
std::int32_t DigitLimit(std::int64_t largest_row_sum, std::int64_t gather_most) {
  const std::int64_t by_sum =
      largest_row_sum == 0 ? cuda::kLargestHalfCount : (cuda::kExactFloat - 1) / largest_row_sum;
  return static_cast<std::int32_t>(std::min<std::int64_t>(by_sum, cuda::kLargestHalfCount) / gather_most);
}

void PutDigits(Uploader& uploader, const Product& product, CudaTerm& term) {
  const bool dense = product.kind == ProductKind::kDense;
  const bool conv = product.kind == ProductKind::kConv && product.conv.groups == 1;
  if (!dense && !conv) {
    return;
  }
  const std::int64_t depth = dense ? product.in : cuda::Depth(term.conv);
  const std::int64_t width = dense ? product.out : product.conv.out_channels;
  const std::int32_t limit =
      DigitLimit(cuda::LargestDigitSum(product.integers.data(), depth, width), product.gather.most);
  if (limit < kLeastDigitLimit) {
    return;
  }
  term.depth = cuda::PadHalves(depth);
  term.width = cuda::PadHalves(width);
  term.digit_limit = limit;
  term.digit_count = cuda::DigitsOf(product.integers.data(), depth * width);
  if (uploader.counting()) {
    term.digits = uploader.Skip<cuda::Half>(cuda::DigitCount(depth, width, term.digit_count));
  } else {
    term.digits = uploader.Put(cuda::PackDigits(product.integers.data(), depth, width, term.digit_count));
  }
}

void PutBytes(Uploader& uploader, const Product& product, CudaTerm& term) {
  const bool dense = product.kind == ProductKind::kDense;
  const bool conv = product.kind == ProductKind::kConv && product.conv.groups == 1;
  if (product.integers.empty() || (!dense && !conv)) {
    return;
  }
  const std::int64_t depth = dense ? product.in : cuda::Depth(term.conv);
  const std::int64_t width = dense ? product.out : product.conv.out_channels;
  if (!cuda::ByteSumsFit(product.integers.data(), depth, width)) {
    return;
  }
  term.byte_digits = cuda::WeightDigits(cuda::LargestOf(product.integers.data(), depth * width));
  term.byte_depth = cuda::PadBytes(depth);
  term.byte_width = cuda::PadBytes(width);
  if (uploader.counting()) {
    term.bytes = uploader.Skip<std::int8_t>(cuda::ByteCount(term.byte_digits, depth, width));
  } else {
    term.bytes = uploader.Put(cuda::PackBytes(product.integers.data(), depth, width).bytes);
  }
}

CudaTerm PutTerm(Uploader& uploader, const Product& product, bool spiking, bool memory) {
  CudaTerm term;
  term.in = product.in;
  term.out = product.out;
  term.conv = kernels::Narrow<std::int32_t>(product.conv);
  term.gather_start = uploader.Put(product.gather.start);
  term.gather_index = uploader.Put(product.gather.index);
  term.gather_most = product.gather.most;
  term.max_row_sum = product.max_row_sum;
  term.fail_above = LargestExactCount(product.gather.most, product.max_row_sum);
  PutWeights(uploader, product, term);
  if (memory) {
    PutBytes(uploader, product, term);
  } else if (spiking) {
    PutDigits(uploader, product, term);
  }
  return term;
}

// Everything of a plan in one order.
void PutPlan(Uploader& uploader, const Plan& plan, std::vector<std::vector<CudaTerm>>& terms,
             std::vector<const std::int64_t*>& fan_out) {
  for (const Layer& layer : plan.layers) {
    std::vector<CudaTerm>& of_layer = terms.emplace_back();
    for (const Term& term : layer.terms) {
      const bool spiking = plan.populations[Index(term.population)].spiking;
      of_layer.push_back(PutTerm(uploader, term.product, spiking, HasMemory(layer)));
    }
  }
  for (const std::vector<std::int64_t>& counts : plan.fan_out) {
    fan_out.push_back(uploader.Put(counts));
  }
}

}  // namespace

bool SumsAreExact(std::int64_t largest, std::int64_t gather_most, double max_row_sum) {
  constexpr double kWideBound = 4611686018427387904.0;  // 2^62
  const std::int64_t cell_bound = largest * gather_most;
  return cell_bound <= INT32_MAX && static_cast<double>(cell_bound) * max_row_sum <= kWideBound;
}

std::int32_t LargestExactCount(std::int64_t gather_most, double max_row_sum) {
  std::int32_t low = 0;  // always exact
  std::int32_t high = kLargestCount;
  while (low < high) {
    const std::int32_t middle = low + (high - low + 1) / 2;
    SumsAreExact(middle, gather_most, max_row_sum) ? low = middle : high = middle - 1;
  }
  return low;
}

CudaWeights::CudaWeights(cuda::Device& device, const Plan& plan) : memory_(device, Index(CountBytes(plan))) {
  bytes_ = static_cast<std::int64_t>(memory_.bytes());
  Uploader uploader(device, memory_);
  PutPlan(uploader, plan, terms_, fan_out_);
}

CudaWeights::CudaWeights(const Plan& plan) {
  Uploader uploader;
  PutPlan(uploader, plan, terms_, fan_out_);
  bytes_ = uploader.used();
}

std::int64_t CudaWeights::CountBytes(const Plan& plan) { return CudaWeights(plan).bytes(); }

}  // namespace spikeserve::engine
