#pragma once

#include <chrono>
#include <thread>

namespace spikeserve::testing {

// Whether `condition` becomes true, for what another thread does after it has answered.
template <typename Condition>
bool Eventually(Condition condition) {
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > give_up) {
      return false;
    }
    std::this_thread::yield();
  }
  return true;
}

}  // namespace spikeserve::testing
