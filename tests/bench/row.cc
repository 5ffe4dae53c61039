#include "tests/bench/row.h"

#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace spikeserve::bench {
namespace {

nlohmann::json ToJson(const Row& row) {
  nlohmann::json json{{"case", row.name},
                      {"mode", row.mode},
                      {"path", row.path},
                      {"backend", row.backend},
                      {"input", row.input},
                      {"steps", row.steps},
                      {"batch", row.batch},
                      {"threads", row.threads},
                      {"correct", row.correct},
                      {"gate_samples", row.gate_samples},
                      {"step_loop_agreement", row.step_loop_agreement},
                      {"float_agreement", row.float_agreement}};
  if (row.accuracy >= 0) {
    json.update({{"accuracy", row.accuracy}, {"float_accuracy", row.float_accuracy}});
  }
  if (!row.correct) {
    return json;  // no figure of a wrong case
  }
  const double rate = row.inferences_per_second();
  json.update({{"inferences_per_second", rate},
               {"seconds_per_batch", row.ours.median},
               {"spread", row.ours.spread},
               {"neuron_steps_per_second", static_cast<double>(row.work.neuron_steps) * rate},
               {"synaptic_operations_per_second", static_cast<double>(row.work.synaptic_operations) * rate},
               {"counted_bytes", row.work.cache_bytes + row.work.memory_bytes},
               {"binding_resource", row.floor.resource},
               {"achieved", row.achieved()},
               {"peak_bytes", row.peak_bytes}});
  const auto ratio = [&](const char* name, const Times& times, double value) {
    json[name] = times.median > 0 ? nlohmann::json(value) : nlohmann::json(nullptr);
  };
  ratio("naive_ratio", row.step_loop, row.naive_ratio());
  ratio("hoisted_ratio", row.hoisted, row.hoisted_ratio());
  ratio("price_of_time", row.float_pass, row.price_of_time());
  return json;
}

}  // namespace

void PrintMachine(const Machine& machine) {
  std::printf("%s, load %.1f\n", machine.processor.c_str(), machine.load);
  for (const Ceilings& c : machine.ceilings) {
    std::printf(
        "%d thread(s): %.1f G multiply-adds/s, %.1f G byte products/s, %.1f G integer adds/s, L1 %.0f, L2 "
        "%.0f, memory %.1f GB/s\n",
        static_cast<int>(c.threads), c.fma / 1e9, c.byte_products / 1e9, c.integer_add / 1e9, c.l1 / 1e9,
        c.l2 / 1e9, c.dram / 1e9);
  }
}

void PrintHeader() {
  std::printf("\n%-25s %-5s %-5s %5s %5s %3s %12s %7s %9s %9s %9s %9s %8s %8s %7s  %-17s %5s %6s %6s\n",
              "case", "mode", "path", "steps", "batch", "thr", "inf/s", "spread", "Gnstep/s", "Gsynop/s",
              "MB/inf", "naive x", "hoist x", "price", "peak MB", "binds", "of it", "naive=", "float=");
}

void Print(const Row& row) {
  std::printf("%-25s %-5s %-5s %5d %5d %3d ", row.name.c_str(), row.mode.c_str(), row.path.c_str(),
              static_cast<int>(row.steps), static_cast<int>(row.batch), static_cast<int>(row.threads));
  if (!row.correct) {
    std::printf("WRONG: class of the step loop %.1f %%, of the float network %.1f %%\n",
                100 * row.step_loop_agreement, 100 * row.float_agreement);
    return;
  }
  const double rate = row.inferences_per_second();
  std::printf("%12.1f %6.0f%% %9.3f %9.3f %9.3f %9.1f %9.1f %8.2f %7.0f  %-17s %4.0f%% %5.1f%% %5.1f%%\n",
              rate, 100 * row.ours.spread, static_cast<double>(row.work.neuron_steps) * rate / 1e9,
              static_cast<double>(row.work.synaptic_operations) * rate / 1e9,
              static_cast<double>(row.work.cache_bytes + row.work.memory_bytes) / 1e6, row.naive_ratio(),
              row.hoisted_ratio(), row.price_of_time(), static_cast<double>(row.peak_bytes) / 1e6,
              row.floor.resource.c_str(), 100 * row.achieved(), 100 * row.step_loop_agreement,
              100 * row.float_agreement);
  std::fflush(stdout);
}

void WriteJson(const std::string& path, const Machine& machine, const std::vector<Row>& rows) {
  nlohmann::json json{{"machine", {{"processor", machine.processor}, {"load", machine.load}}},
                      {"ceilings", nlohmann::json::array()},
                      {"rows", nlohmann::json::array()}};
  for (const Ceilings& c : machine.ceilings) {
    json["ceilings"].push_back({{"threads", c.threads},
                                {"multiply_adds_per_second", c.fma},
                                {"byte_products_per_second", c.byte_products},
                                {"integer_adds_per_second", c.integer_add},
                                {"l1_bytes_per_second", c.l1},
                                {"l2_bytes_per_second", c.l2},
                                {"memory_bytes_per_second", c.dram}});
  }
  for (const Row& row : rows) {
    json["rows"].push_back(ToJson(row));
  }
  std::ofstream file(path);
  file << json.dump(1) << '\n';
  if (!file.flush()) {
    throw std::runtime_error(path + ": cannot be written");
  }
}

}  // namespace spikeserve::bench
