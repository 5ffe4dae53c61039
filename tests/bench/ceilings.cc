// Compiled for the machine it is built on: GCC's vectors become what that machine has.
#include "tests/bench/ceilings.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <thread>
#include <vector>

namespace spikeserve::bench {
namespace {

#if defined(__AVX512F__)
constexpr std::size_t kVectorBytes = 64;
#elif defined(__AVX2__)
constexpr std::size_t kVectorBytes = 32;
#else
constexpr std::size_t kVectorBytes = 16;
#endif
using Floats [[gnu::vector_size(kVectorBytes)]] = float;
using Integers [[gnu::vector_size(kVectorBytes)]] = std::int32_t;
constexpr std::int64_t kLanes = kVectorBytes / 4;
constexpr int kChains = 10;  // independent, to hide the latency of the units
constexpr int kRounds = 100'000;

// Keeps the compiler from knowing what a register holds.
template <typename Vector>
void Hide(Vector& value) {
#if defined(__x86_64__)
  asm volatile("" : "+v"(value));
#else
  asm volatile("" : "+w"(value));
#endif
}

std::int64_t FmaRounds() {
  Floats sums[kChains] = {};
  Floats factor = Floats{} + 0.5F;
  Floats addend = Floats{} + 1.0F;
  Hide(factor);
  Hide(addend);
  for (int round = 0; round < kRounds; ++round) {
#pragma GCC unroll 16
    for (Floats& sum : sums) {
      sum = sum * factor + addend;
      Hide(sum);
    }
  }
  return std::int64_t{kRounds} * kChains * kLanes;
}

// Four products to a lane where there is VNNI, else two at a time that are added up as 16 bits.
std::int64_t ByteRounds() {
  Integers sums[kChains] = {};
  Integers counts = Integers{} + 0x01010101;
  Integers weights = Integers{} + 0x01020102;
  Hide(counts);
  Hide(weights);
  for (int round = 0; round < kRounds; ++round) {
#pragma GCC unroll 16
    for (Integers& sum : sums) {
#if defined(__AVX512VNNI__)
      asm volatile("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(counts), "v"(weights));
#elif defined(__AVX2__)
      Integers pairs;
      asm volatile("vpmaddubsw %2, %1, %0" : "=v"(pairs) : "v"(counts), "v"(weights));
      asm volatile("vpaddw %1, %0, %0" : "+v"(sum) : "v"(pairs));
#else
      sum += counts * weights;
      Hide(sum);
#endif
    }
  }
#if defined(__AVX2__)
  constexpr std::int64_t kOfVector = kVectorBytes;
#else
  constexpr std::int64_t kOfVector = kLanes;
#endif
  return std::int64_t{kRounds} * kChains * kOfVector;
}

std::int64_t AddRounds() {
  Integers sums[kChains] = {};
  Integers addend = Integers{} + 1;
  Hide(addend);
  for (int round = 0; round < kRounds; ++round) {
#pragma GCC unroll 16
    for (Integers& sum : sums) {
      sum += addend;
      Hide(sum);
    }
  }
  return std::int64_t{kRounds} * kChains * kLanes;
}

std::int64_t ReadRounds(const std::vector<Integers>& buffer) {
  Integers sums[8] = {};
  const std::size_t rounds = std::max<std::size_t>(1, (std::size_t{1} << 16) / buffer.size());
  for (std::size_t round = 0; round < rounds; ++round) {
    const Integers* at = buffer.data();
    for (std::size_t i = 0; i < buffer.size(); i += 8, at += 8) {
#pragma GCC unroll 8
      for (int k = 0; k < 8; ++k) {
        sums[k] ^= at[k];
      }
    }
    for (Integers& sum : sums) {
      Hide(sum);
    }
  }
  return static_cast<std::int64_t>(rounds * buffer.size() * kVectorBytes);
}

// Units of work per second of all threads together; the best of three windows.
double Rate(std::int64_t threads, double seconds, const std::function<std::int64_t(std::size_t)>& work) {
  double best = 0;
  for (int window = 0; window < 3; ++window) {
    std::atomic<std::int64_t> done = 0;
    const auto start = std::chrono::steady_clock::now();
    const auto stop = start + std::chrono::duration<double>(seconds / 3);
    const auto loop = [&](std::size_t thread) {
      while (std::chrono::steady_clock::now() < stop) {
        done += work(thread);
      }
    };
    std::vector<std::thread> others;
    for (std::int64_t i = 1; i < threads; ++i) {
      others.emplace_back(loop, static_cast<std::size_t>(i));
    }
    loop(0);
    for (std::thread& other : others) {
      other.join();
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    best = std::max(best, static_cast<double>(done.load()) / took.count());
  }
  return best;
}

double ReadRate(std::int64_t threads, double seconds, std::size_t bytes) {
  std::vector<std::vector<Integers>> buffers(static_cast<std::size_t>(threads));
  for (auto& buffer : buffers) {
    buffer.assign(bytes / kVectorBytes, Integers{} + 1);
  }
  return Rate(threads, seconds, [&](std::size_t thread) { return ReadRounds(buffers[thread]); });
}

}  // namespace

Ceilings ProbeCeilings(std::int64_t threads, double seconds) {
  Ceilings ceilings;
  ceilings.threads = threads;
  ceilings.fma = Rate(threads, seconds, [](std::size_t) { return FmaRounds(); });
  ceilings.byte_products = Rate(threads, seconds, [](std::size_t) { return ByteRounds(); });
  ceilings.integer_add = Rate(threads, seconds, [](std::size_t) { return AddRounds(); });
  ceilings.l1 = ReadRate(threads, seconds, std::size_t{16} << 10);
  ceilings.l2 = ReadRate(threads, seconds, std::size_t{512} << 10);
  ceilings.dram = ReadRate(threads, seconds, std::size_t{256} << 20);
  return ceilings;
}

}  // namespace spikeserve::bench
