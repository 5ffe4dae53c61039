#include "tests/fuzz/fuzz_server.h"

#include <google/protobuf/stubs/logging.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "server/engine/make_backend.h"
#include "server/rpc/decode/decode_network.h"

namespace spikeserve::fuzz {
namespace {

constexpr std::int64_t kBudgetBytes = std::int64_t{256} << 20;

rpc::Limits SmallLimits() {
  rpc::Limits limits;
  limits.max_structure_bytes = 64 << 10;
  limits.max_response_bytes = 1 << 20;
  limits.max_steps = 64;
  limits.max_samples = 16;
  limits.network.max_operations = 64;
  limits.network.max_connections = 128;
  limits.network.max_probes = 16;
  limits.network.max_dimension = 1024;
  limits.network.max_elements = 1024;
  limits.network.max_neurons = 4096;
  limits.network.max_parameters = 1 << 16;
  limits.network.max_synapses = 1 << 18;
  return limits;
}

}  // namespace

void Require(bool holds, std::string_view promise) {
  if (!holds) {
    std::fprintf(stderr, "broken promise: %s\n", std::string(promise).c_str());
    std::abort();
  }
}

FuzzServer::FuzzServer()
    : limits_(SmallLimits()),
      budget_(kBudgetBytes),
      backend_(engine::MakeBackend({.kind = "cpu", .threads = 1}).value()),
      loader_(
          {.registry = registry_,
           .budget = budget_,
           .backend = *backend_,
           .repository = nullptr,
           .parse = [this](std::string_view bytes) { return rpc::DecodeNetwork(bytes, limits_, budget_); },
           .limits = limits_.network,
           .max_upload_bytes = limits_.max_upload_bytes}) {
  google::protobuf::SetLogHandler(nullptr);  // it tells of every damaged message
}

}  // namespace spikeserve::fuzz
