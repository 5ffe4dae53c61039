#include "kernels/cuda/runtime/host_device.h"

#include <cstdlib>
#include <cstring>
#include <new>
#include <vector>

namespace spikeserve::cuda {
namespace {

constexpr std::size_t kAlignment = 256;  // of Allocate; also room for the size of an allocation before it

template <typename Work>
void RunCall(const Work& work) {
  const std::int64_t threads = Threads(work);
  for (std::int64_t thread = 0; thread < threads; ++thread) {
    RunThread(work, thread);
  }
}

void RunCall(const FillZero& fill) { std::memset(fill.to, 0, fill.bytes); }

void RunCall(const Copy& copy) { std::memcpy(copy.to, copy.from, copy.bytes); }

// In tiles over the depth, as a tensor core adds them: while the bounds hold the order cannot matter.
void RunCall(const DigitProduct& product) {
  constexpr std::int64_t kTile = 16;
  const std::int64_t columns = product.columns();
  for (std::int64_t row = 0; row < product.rows; ++row) {
    float* const sums = product.sums + row * columns;
    std::memset(sums, 0, static_cast<std::size_t>(columns) * sizeof(float));
    std::vector<float> tile(static_cast<std::size_t>(columns));
    for (std::int64_t first = 0; first < product.depth; first += kTile) {
      tile.assign(tile.size(), 0.0F);
      for (std::int64_t k = first; k < first + kTile && k < product.depth; ++k) {
        const auto cell = static_cast<float>(Value(product.cells[row * product.stride + k]));
        for (std::int64_t j = 0; cell != 0 && j < columns; ++j) {
          tile[static_cast<std::size_t>(j)] +=
              cell * static_cast<float>(Value(product.digits[k * columns + j]));
        }
      }
      for (std::int64_t j = 0; j < columns; ++j) {
        sums[j] += tile[static_cast<std::size_t>(j)];
      }
    }
  }
}

void RunCall(const DirectProduct& product) {
  WithTypes(product, [&](auto sum, auto cell, const auto* weights) {
    for (std::int64_t thread = 0; thread < Threads(product); ++thread) {
      RunProduct<decltype(sum), decltype(cell)>(product, weights, thread);
    }
  });
}

void RunCall(const Scan& scan) {
  for (std::int64_t sample = 0; sample < scan.samples; ++sample) {
    std::int64_t spikes = 0;
    WithEmitter(scan, [&]<int kTerms, typename Emits>(const Emits& emits) {
      for (std::int64_t j = 0; j < scan.size; ++j) {
        spikes += RunNeuron<kTerms>(scan, emits, sample, j);
      }
    });
    if (scan.sample_spikes != nullptr) {
      AtomicAdd(scan.sample_spikes + sample, spikes);
    }
  }
}

void RunCall(const ByteProduct& product) {
  for (std::int64_t row = 0; row < product.rows; ++row) {
    for (std::int64_t column = 0; column < product.columns; ++column) {
      std::int32_t sum = 0;
      for (std::int64_t k = 0; k < product.depth; ++k) {
        sum += product.cells[row * product.stride + k] * product.digits[column * product.depth + k];
      }
      product.sums[row * product.columns + column] = sum;
    }
  }
}

void RunCall(const MemoryNeurons& neurons) {
  for (std::int64_t sample = 0; sample < neurons.samples; ++sample) {
    std::int64_t spikes = 0;
    for (std::int64_t j = 0; j < neurons.stride; ++j) {
      spikes += RunMemoryNeuron(neurons, sample, j);
    }
    if (neurons.sample_spikes != nullptr) {
      AtomicAdd(neurons.sample_spikes + sample, spikes);
    }
  }
}

void RunCall(const Activity& activity) {
  constexpr std::int64_t kLanes = 32;
  for (std::int64_t sample = 0; sample < activity.samples; ++sample) {
    ActivitySum sum;
    for (std::int64_t lane = 0; lane < kLanes; ++lane) {
      sum = Combine(sum, ActivityShare(activity, sample, lane, kLanes));
    }
    activity.sums[sample] = sum;
  }
}

void* AllocateBytes(std::size_t bytes) {
  auto* memory = static_cast<std::byte*>(::operator new(bytes + kAlignment, std::align_val_t{kAlignment}));
  std::memcpy(memory, &bytes, sizeof(bytes));
  std::memset(memory + kAlignment, 0xa5, bytes);  // what nobody has written must not look like a number
  return memory + kAlignment;
}

std::size_t FreeBytes(void* memory) {
  auto* start = static_cast<std::byte*>(memory) - kAlignment;
  std::size_t bytes = 0;
  std::memcpy(&bytes, start, sizeof(bytes));
  ::operator delete(start, std::align_val_t{kAlignment});
  return bytes;
}

}  // namespace

void RunOnHost(const Call& call) {
  std::visit([](const auto& work) { RunCall(work); }, call);
}

void* HostDevice::Allocate(std::size_t bytes) {
  if (used_ + static_cast<std::int64_t>(bytes) > limits_.memory_bytes) {
    throw DeviceError(Failure::kOutOfMemory, std::to_string(bytes) + " bytes wanted");
  }
  used_ += static_cast<std::int64_t>(bytes);
  return AllocateBytes(bytes);
}

void* HostDevice::AllocatePinned(std::size_t bytes) { return AllocateBytes(bytes); }

void HostDevice::Free(void* memory) noexcept { used_ -= static_cast<std::int64_t>(FreeBytes(memory)); }

void HostDevice::FreePinned(void* memory) noexcept { FreeBytes(memory); }

std::unique_ptr<Queue> HostDevice::NewQueue(QueueUse use) { return MakeHostQueue(order_, use); }

}  // namespace spikeserve::cuda
