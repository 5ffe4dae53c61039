#include "kernels/cuda/runtime/self_test.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

namespace spikeserve::cuda {
namespace {

// A product as deep as those of VGG-16, whose largest sums are as large as any that digits are used for.
constexpr std::int64_t kRows = 16, kDepth = 4608, kColumns = 64;
constexpr std::int32_t kMostCell = 5, kMostDigit = 727;
static_assert(kDepth * kMostCell * kMostDigit < kExactFloat);
static_assert(kDepth * (kMostCell + 1) * kMostDigit > kExactFloat);

// The first row has the largest cells everywhere.
std::int32_t CellAt(std::int64_t row, std::int64_t k) {
  return kMostCell - static_cast<std::int32_t>(row == 0 ? 0 : (row + k) % (kMostCell + 1));
}

// Columns of one sign, and columns whose sum rises to its half and falls again. Seven does not divide the
// depth: about half of the sums are odd.
std::int32_t DigitAt(std::int64_t k, std::int64_t column) {
  const std::int32_t digit = kMostDigit - static_cast<std::int32_t>((5 * k + 3 * column) % 7);
  const bool falls = column % 4 == 1 || (column % 4 == 2 && k >= kDepth / 2);
  return falls ? -digit : digit;
}

template <typename At>
std::vector<Half> Halves(std::int64_t lines, std::int64_t length, At at) {
  std::vector<Half> halves;
  for (std::int64_t i = 0; i < lines * length; ++i) {
    halves.push_back(HalfOf(at(i / length, i % length)));
  }
  return halves;
}

std::vector<float> WantedSums() {
  std::vector<float> sums;
  for (std::int64_t row = 0; row < kRows; ++row) {
    for (std::int64_t column = 0; column < kColumns; ++column) {
      std::int32_t sum = 0;
      for (std::int64_t k = 0; k < kDepth; ++k) {
        sum += CellAt(row, k) * DigitAt(k, column);
      }
      sums.push_back(static_cast<float>(sum));
    }
  }
  return sums;
}

// Memory of the device with what is put into it.
template <typename T>
class Array {
 public:
  Array(Device& device, Queue& queue, const std::vector<T>& values)
      : queue_(queue),
        memory_(device, values.size() * sizeof(T)),
        pinned_(device, values.size() * sizeof(T), true) {
    std::memcpy(pinned_.data(), values.data(), pinned_.bytes());
    queue_.Upload(memory_.data(), pinned_.data(), pinned_.bytes());
  }
  T* data() const { return reinterpret_cast<T*>(memory_.data()); }
  bool Holds(const std::vector<T>& wanted) {
    queue_.Download(pinned_.data(), memory_.data(), pinned_.bytes());
    queue_.Wait();
    return std::memcmp(pinned_.data(), wanted.data(), pinned_.bytes()) == 0;
  }

 private:
  Queue& queue_;
  const Memory memory_, pinned_;
};

bool RunsKernels(Device& device, Queue& queue) {
  Array<std::int64_t> clock(device, queue, {5});
  queue.Run({AdvanceClock{1, clock.data(), 2}});
  return clock.Holds({7});
}

bool SumsExactly(Device& device, Queue& queue) {
  const Array<Half> cells(device, queue, Halves(kRows, kDepth, CellAt));
  const Array<Half> digits(device, queue, Halves(kDepth, kColumns, DigitAt));
  Array<float> sums(device, queue, std::vector<float>(kRows * kColumns, -1.0F));
  queue.Run({DigitProduct{kRows, kDepth, kColumns / 2, cells.data(), kDepth, digits.data(), sums.data()}});
  return sums.Holds(WantedSums());
}

// A product of bytes as deep, of the largest digits of either sign; what is read behind a row of sums shows.
bool SumsBytes(Device& device, Queue& queue) {
  constexpr std::int64_t kBytesColumns = 3 * kByteUnit;
  const auto cell = [](std::int64_t row, std::int64_t k) {
    const std::int64_t digit =
        row == 0 ? kMostCountDigit : (5 * row + 11 * k) % (2 * kMostCountDigit + 1) - kMostCountDigit;
    return static_cast<std::int8_t>(digit);
  };
  const auto weight = [](std::int64_t column, std::int64_t k) {
    return static_cast<std::int8_t>(column == 0 ? -128 : (7 * column + 3 * k) % 256 - 128);
  };
  std::vector<std::int8_t> cells, digits;
  std::vector<std::int32_t> sums;
  for (std::int64_t i = 0; i < kRows * kDepth; ++i) {
    cells.push_back(cell(i / kDepth, i % kDepth));
  }
  for (std::int64_t i = 0; i < kBytesColumns * kDepth; ++i) {
    digits.push_back(weight(i / kDepth, i % kDepth));
  }
  for (std::int64_t i = 0; i < kRows * kBytesColumns; ++i) {
    std::int32_t sum = 0;
    for (std::int64_t k = 0; k < kDepth; ++k) {
      sum += cell(i / kBytesColumns, k) * weight(i % kBytesColumns, k);
    }
    sums.push_back(sum);
  }
  const Array<std::int8_t> of_cells(device, queue, cells);
  const Array<std::int8_t> of_digits(device, queue, digits);
  Array<std::int32_t> got(device, queue, std::vector<std::int32_t>(sums.size(), -1));
  queue.Run(
      {ByteProduct{kRows, kDepth, kBytesColumns, of_cells.data(), kDepth, of_digits.data(), got.data()}});
  return got.Holds(sums);
}

}  // namespace

bool SumsBytesExactly(Device& device) {
  const std::unique_ptr<Queue> queue = device.NewQueue(QueueUse::kWork);
  try {
    return SumsBytes(device, *queue);
  } catch (const DeviceError& error) {
    if (error.failure() != Failure::kRefused) {
      throw;
    }
    return false;
  }
}

void TestDevice(Device& device) {
  const std::unique_ptr<Queue> queue = device.NewQueue(QueueUse::kWork);
  if (!RunsKernels(device, *queue)) {
    throw DeviceError(Failure::kUnavailable, device.name() + " runs kernels but gives wrong results");
  }
  if (!SumsExactly(device, *queue)) {
    throw DeviceError(Failure::kUnavailable, "cuBLAS on " + device.name() + " rounds sums of integers");
  }
}

}  // namespace spikeserve::cuda
