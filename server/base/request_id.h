#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <random>
#include <string>
#include <string_view>

namespace spikeserve {

// Whether a client's id of a request is taken: 1 to 128 letters, digits and . _ : / + = @ -
inline bool IsRequestId(std::string_view id) {
  constexpr std::size_t kMaxBytes = 128;
  constexpr std::string_view kOthers = "._:/+=@-";
  return !id.empty() && id.size() <= kMaxBytes && std::all_of(id.begin(), id.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           kOthers.find(c) != std::string_view::npos;
  });
}

// Makes ids of requests, traces and spans: no two alike, neither here nor on another server. Thread-safe.
class IdSource {
 public:
  IdSource() {
    std::random_device device;
    const auto draw = [&] { return std::uint64_t{device()} << 32U | device(); };
    high_ = draw();
    low_ = draw();
  }

  // 32 hexadecimal digits.
  std::string NewId() {
    const std::uint64_t count = next_.fetch_add(1, std::memory_order_relaxed);
    return Hex(Mix(high_ + count)) + Hex(Mix(low_ ^ (count + 1)));
  }
  // 16 hexadecimal digits.
  std::string NewSpanId() { return Hex(Mix(low_ + next_.fetch_add(1, std::memory_order_relaxed)) | 1U); }

 private:
  // The finalizer of SplitMix64, a permutation: numbers that follow one another become unlike.
  static std::uint64_t Mix(std::uint64_t x) {
    x += 0x9e3779b97f4a7c15U;
    x = (x ^ (x >> 30U)) * 0xbf58476d1ce4e5b9U;
    x = (x ^ (x >> 27U)) * 0x94d049bb133111ebU;
    return x ^ (x >> 31U);
  }
  static std::string Hex(std::uint64_t value) {
    char text[17];
    std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(value));
    return text;
  }

  std::uint64_t high_;
  std::uint64_t low_;
  std::atomic<std::uint64_t> next_ = 0;
};

}  // namespace spikeserve
