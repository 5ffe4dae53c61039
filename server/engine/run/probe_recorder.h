#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace spikeserve::engine {

enum class Reduction { kUnspecified, kNone, kMean, kSum, kLast, kMax };

// Which steps of a quantity to keep, and what to make of them.
struct Recording {
  Reduction reduction = Reduction::kNone;
  std::int64_t first_step = 1;  // counted from 1
  std::int64_t last_step = std::numeric_limits<std::int64_t>::max();
  std::int64_t every = 1;  // first_step and every so many steps after it

  bool operator==(const Recording&) const = default;

  // Whether `step` is kept.
  bool Keeps(std::int64_t step) const {
    return step >= first_step && step <= last_step && (step - first_step) % every == 0;
  }
  // How many of the steps after `done` up to `until` are kept.
  std::int64_t Kept(std::int64_t done, std::int64_t until) const;
  // Rows of the answer for `kept` steps: all of them, or one where they are reduced.
  std::int64_t Rows(std::int64_t kept) const { return reduction == Reduction::kNone ? kept : 1; }
};

// What a probe of a request has gathered of one sample. One thread at a time.
class ProbeRecorder {
 public:
  struct Filter {
    bool on = false;
    double decay = 0;  // a of a low-pass: what is recorded at a step is its state before that step
  };

  ProbeRecorder(const Recording& recording, const Filter& filter, std::int64_t size);

  // The probed values of the next step, [size]. Real is float, in reference mode double.
  template <typename Real>
  void Step(std::span<const Real> values);

  // [rows, size] since the start or the last Forget: one row per step that was kept, or one of what they
  // reduce to (zeros where none was kept).
  std::vector<double> Rows() const;
  // Starts a new answer, whose steps count from 1 again; the filter goes on.
  void Forget();

 private:
  void Keep(std::size_t j, double value);

  Recording recording_;
  Filter filter_;
  std::int64_t step_ = 0;
  std::int64_t kept_ = 0;
  std::vector<double> state_;   // of the filter
  std::vector<double> values_;  // [kept, size], or the reduction so far
};

}  // namespace spikeserve::engine
