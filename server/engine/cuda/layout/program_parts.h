#pragma once

#include "server/engine/cuda/layout/program.h"

// What the programs of a run are put together from.
namespace spikeserve::engine {

constexpr std::int64_t kLargestByte = 255;
constexpr double kNarrowBound = 2147483647.0;  // of an int32

// The folds of samples from `first` on; `size` elements each.
cuda::FoldState From(const cuda::FoldState& fold, std::int64_t first, std::int64_t size);

template <typename T>
T* From(T* array, std::int64_t offset) {
  return array == nullptr ? nullptr : array + offset;
}

// What an Input holds from sample `first` on, `steps` per sample (1 where held).
cuda::Cells InputCells(const CudaScene& scene, std::int64_t input, std::int64_t first, std::int64_t steps,
                       bool as_values);

// A chain of scans, each adding up to kScanTerms terms to what the ones before it gave.
class ScanChain {
 public:
  ScanChain(const cuda::Scan& empty, float* base, cuda::Program& program)
      : empty_(empty), base_(base), program_(program), scan_(empty) {}

  // Which of the kScanTerms slots the next term has; scans of earlier ones are appended before it is reused.
  std::size_t NextSlot() {
    if (scan_.term_count == cuda::kScanTerms) {
      scan_.emitter = cuda::Sum{};
      scan_.values = base_;
      program_.emplace_back(scan_);
      scan_ = empty_;
      scan_.base = base_;
    }
    return Index(scan_.term_count);
  }
  // What was added so far goes to `to` too, whose place no other scan takes.
  void Sum(float* to) {
    scan_.emitter = cuda::Sum{};
    scan_.values = to;
    program_.emplace_back(scan_);
    scan_ = empty_;
    scan_.base = to;
  }
  cuda::ScanTerm& Add() { return scan_.terms[scan_.term_count++]; }
  cuda::Scan& last() { return scan_; }

 private:
  const cuda::Scan empty_;
  float* const base_;
  cuda::Program& program_;
  cuda::Scan scan_;
};

}  // namespace spikeserve::engine
