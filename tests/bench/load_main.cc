// Load for a server, and a bare gRPC server to compare with. tests/bench/{serving,oip}.py run it.
//   spikeserve-bench-load ADDRESS REQUEST_FILE [--method /SERVICE/METHOD] [--connections N] [--in-flight N]
//     [--seconds S] [--once FILE | --latency]
//   spikeserve-bench-load --echo RESPONSE_BYTES

#include <absl/synchronization/mutex.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>

#include "tests/bench/rpc_load.h"

namespace spikeserve::bench {
namespace {

int Main(int argc, char** argv) {
  LoadOptions options;
  std::string request_file, once;
  std::int64_t echo = -1;
  bool latency = false;
  CLI::App app("Sends one request over and over and counts the answers");
  app.add_option("address", options.address, "HOST:PORT");
  app.add_option("request", request_file, "file with the serialized request");
  app.add_option("--method", options.method, "full name of a unary method")->capture_default_str();
  app.add_option("--connections", options.connections)->check(CLI::Range(1, 256));
  app.add_option("--in-flight", options.in_flight, "calls on each connection")->check(CLI::Range(1, 256));
  app.add_option("--seconds", options.seconds)->check(CLI::Range(0.1, 60.0));
  app.add_option("--once", once, "make one call and write the response to this file");
  app.add_flag("--latency", latency, "print the median time of a call in microseconds, not calls per second");
  app.add_option("--echo", echo, "be a bare server that answers so many bytes, until stdin is closed");
  CLI11_PARSE(app, argc, argv);
  try {
    if (echo >= 0) {
      ServeEcho(echo);
      return 0;
    }
    std::ifstream file(request_file, std::ios::binary);
    if (!file) {
      throw std::runtime_error(request_file + ": cannot be read");
    }
    const std::string request{std::istreambuf_iterator<char>(file), {}};
    if (!once.empty()) {
      std::ofstream(once, std::ios::binary) << CallOnce(options, request);
      return 0;
    }
    const LoadResult result = MeasureCalls(options, request);
    std::printf("%.3f\n", latency ? result.median_s * 1e6 : result.calls_per_second);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench-load: %s\n", error.what());
    return 2;
  }
}

}  // namespace
}  // namespace spikeserve::bench

int main(int argc, char** argv) {
  // As in the server: client and bare server are not to be slower for checks that it does without.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  const int result = spikeserve::bench::Main(argc, argv);
  std::fflush(stdout);
  std::_Exit(result);  // threads of gRPC may still be in what destructors of statics would take from them
}
