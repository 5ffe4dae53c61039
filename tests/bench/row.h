#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/bench/timing.h"
#include "tests/bench/work.h"

namespace spikeserve::bench {

// One line of the table: a case with a batch, threads, mode and path. Times are of a whole batch.
struct Row {
  std::string name;
  std::string mode = "exact";
  std::string path = "auto";
  std::string backend = "cpu";
  std::string input = "float32";
  std::int64_t steps = 0, batch = 0, threads = 0;
  Times ours, step_loop, hoisted, float_pass;  // median 0: not measured
  Work work;                                   // per inference
  Floor floor;
  std::int64_t peak_bytes = 0;  // of a process that does only this; 0: not measured
  bool correct = false;
  double step_loop_agreement = 0;             // share of the gate's samples with our class
  double float_agreement = 0;                 // likewise
  double accuracy = -1, float_accuracy = -1;  // on the gate's samples; -1: no labels
  std::int64_t gate_samples = 0;

  double inferences_per_second() const {
    return ours.median > 0 ? static_cast<double>(batch) / ours.median : 0;
  }
  // How often faster than the step loop; 0 where not measured.
  double naive_ratio() const { return ours.median > 0 ? step_loop.median / ours.median : 0; }
  double hoisted_ratio() const { return ours.median > 0 ? hoisted.median / ours.median : 0; }
  // How often slower than one float pass.
  double price_of_time() const { return float_pass.median > 0 ? ours.median / float_pass.median : 0; }
  // Share of what the binding resource allows.
  double achieved() const { return floor.seconds * inferences_per_second(); }
};

struct Machine {
  std::string processor;
  double load = 0;  // of the last minute, at the start
  std::vector<Ceilings> ceilings;
};

void PrintMachine(const Machine& machine);
void PrintHeader();
// A wrong case prints no time.
void Print(const Row& row);

// Writes {"machine": ..., "ceilings": [...], "rows": [...]}. Throws std::runtime_error where it cannot.
void WriteJson(const std::string& path, const Machine& machine, const std::vector<Row>& rows);

}  // namespace spikeserve::bench
