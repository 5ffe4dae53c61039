#include "server/engine/cpu/layout/arena.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace spikeserve::engine {
namespace {

struct Arrays {
  std::span<std::uint8_t> bytes;
  std::span<double> none, numbers;
};

Arrays LayOut(CpuArena& arena) {
  Arrays arrays;
  arrays.bytes = arena.Take<std::uint8_t>(3);
  arrays.none = arena.Take<double>(0);
  arrays.numbers = arena.Take<double>(9);
  arena.Count(1000);
  return arrays;
}

TEST(CpuArena, CountsWhatLayingOutTakes) {
  CpuArena counting;
  EXPECT_TRUE(counting.counts());
  EXPECT_TRUE(LayOut(counting).numbers.empty());
  EXPECT_EQ(counting.used(), 64 + 128);
  EXPECT_EQ(counting.total(), counting.used() + 1000);
  const CpuMemory memory(counting.used());
  CpuArena arena(memory.data());
  const Arrays arrays = LayOut(arena);
  EXPECT_EQ(arena.used(), counting.used());
  EXPECT_EQ(arrays.bytes.size(), 3U);
  EXPECT_TRUE(arrays.none.empty());
  EXPECT_EQ(arrays.numbers.size(), 9U);
}

TEST(CpuArena, AlignsAndSeparatesArrays) {
  const CpuMemory memory(192);
  CpuArena arena(memory.data());
  const Arrays arrays = LayOut(arena);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(arrays.bytes.data()) % 64, 0U);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(arrays.numbers.data()) % 64, 0U);
  EXPECT_GE(reinterpret_cast<std::byte*>(arrays.numbers.data()),
            reinterpret_cast<std::byte*>(arrays.bytes.data()) + 64);
}

}  // namespace
}  // namespace spikeserve::engine
