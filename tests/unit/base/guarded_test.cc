#include "server/base/guarded.h"

#include <gtest/gtest.h>

#include <new>
#include <stdexcept>

namespace spikeserve {
namespace {

Status Throws(auto thrown, std::string_view doing = {}) {
  return Guarded([&]() -> Status { throw thrown; }, doing);
}

TEST(Guarded, HandsOnWhatTheWorkReturns) {
  EXPECT_TRUE(Guarded([] { return Status(); }).ok());
  EXPECT_EQ(Guarded([] { return Result<int>(7); }).value(), 7);
  EXPECT_EQ(Guarded([] { return Result<int>(NotFound("gone")); }).status().message(), "gone");
}

TEST(Guarded, LackOfMemoryIsNoFaultOfTheServer) {
  EXPECT_EQ(Throws(std::bad_alloc()).code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(Throws(std::bad_alloc()).message(), "out of memory");
  EXPECT_EQ(Throws(std::bad_alloc(), "while testing").message(), "out of memory while testing");
}

TEST(Guarded, WhatElseIsThrownIs) {
  EXPECT_EQ(Throws(std::runtime_error("broken")).code(), StatusCode::kInternal);
  EXPECT_EQ(Throws(std::runtime_error("broken")).message(), "broken");
  EXPECT_EQ(Throws(std::runtime_error("broken"), "while testing").message(), "while testing: broken");
  EXPECT_EQ(Throws(1).message(), "unknown");
}

}  // namespace
}  // namespace spikeserve
