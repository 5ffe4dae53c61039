#pragma once

#include <chrono>
#include <new>
#include <thread>

namespace spikeserve::serving {

// What has to be done, by who cannot tell anybody that there was no memory for it. Without mutexes.
template <typename Work>
void OnceThereIsMemory(const Work& work) {
  constexpr std::chrono::milliseconds kPause{1};
  for (;;) {
    try {
      work();
      return;
    } catch (const std::bad_alloc&) {
      std::this_thread::sleep_for(kPause);
    }
  }
}

}  // namespace spikeserve::serving
