#pragma once

#include <grpcpp/support/byte_buffer.h>

#include <cstdint>
#include <string>

namespace spikeserve::bench {

inline constexpr const char* kSimulate = "/spikeserve.v1.SimulationService/Simulate";

struct LoadOptions {
  std::string address;             // HOST:PORT
  std::string method = kSimulate;  // a unary one, "/SERVICE/METHOD"
  int connections = 4;
  int in_flight = 4;  // calls at the same time on each
  double seconds = 2;
};

struct LoadResult {
  double calls_per_second = 0;
  double median_s = 0;  // of a call, from its start to its answer
};

// Calls answered by the method with this request, sent over and over as the bytes that they are.
// Throws std::runtime_error with the status of the first call that failed.
LoadResult MeasureCalls(const LoadOptions& options, const std::string& request);

// One call of the method; the response as bytes.
std::string CallOnce(const LoadOptions& options, const std::string& request);

// A bare server: takes the bytes of Simulate as the real one does and answers `response_bytes` zeros. Listens
// on a free port of 127.0.0.1, prints "listening on ADDRESS" and serves until stdin is closed.
void ServeEcho(std::int64_t response_bytes);

}  // namespace spikeserve::bench
