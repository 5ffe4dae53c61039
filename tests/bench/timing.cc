#include "tests/bench/timing.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <thread>

namespace spikeserve::bench {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kPause = std::chrono::milliseconds(30);

double Seconds(const std::function<void()>& body, int calls) {
  const auto start = Clock::now();
  for (int i = 0; i < calls; ++i) {
    body();
  }
  return std::chrono::duration<double>(Clock::now() - start).count() / calls;
}

}  // namespace

Times Summarise(std::vector<double> seconds) {
  if (seconds.empty()) {
    return {};
  }
  std::sort(seconds.begin(), seconds.end());
  const double median = seconds[seconds.size() / 2];
  return {median, median > 0 ? (seconds.back() - seconds.front()) / median : 0};
}

std::vector<Times> TimeInTurn(const std::vector<std::function<void()>>& bodies, int repetitions,
                              double window) {
  std::vector<int> calls;
  for (const auto& body : bodies) {
    body();
    const double once = Seconds(body, 1);
    calls.push_back(static_cast<int>(std::clamp(std::ceil(window / once), 1.0, 1e6)));
  }
  std::vector<std::vector<double>> seconds(bodies.size());
  for (int round = 0; round < repetitions; ++round) {
    for (std::size_t i = 0; i < bodies.size(); ++i) {
      std::this_thread::sleep_for(kPause);
      seconds[i].push_back(Seconds(bodies[i], calls[i]));
    }
  }
  std::vector<Times> times;
  for (auto& of_body : seconds) {
    times.push_back(Summarise(std::move(of_body)));
  }
  return times;
}

}  // namespace spikeserve::bench
