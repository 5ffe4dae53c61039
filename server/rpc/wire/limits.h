#pragma once

#include <cstdint>

#include "server/engine/network/network.h"

namespace spikeserve::rpc {

// Upper bounds on what one client's message may ask for. Each has a server flag, named beside it.
struct Limits {
  std::int64_t max_message_bytes = std::int64_t{64} << 20;   // --max-message-mb
  std::int64_t max_upload_bytes = std::int64_t{1} << 30;     // --max-upload-mb
  std::int64_t max_structure_bytes = std::int64_t{4} << 20;  // --max-structure-kb: all but bulk data
  std::int64_t max_response_bytes = std::int64_t{64} << 20;  // --max-response-mb
  std::int64_t max_uploads = 4;                              // --max-uploads, at the same time
  std::int64_t upload_idle_seconds = 60;                     // --upload-idle-seconds, between two chunks
  std::int64_t write_idle_seconds = 120;                     // --write-idle-seconds, of one write
  std::int64_t max_sessions = 16;                            // --max-sessions, at the same time
  std::int64_t session_idle_seconds = 60;                    // --session-idle-seconds, between two messages
  std::int64_t max_steps = 10'000;                           // --max-steps
  std::int64_t max_samples = 4'096;                          // --max-samples, of one request
  engine::NetworkLimits network;
};

}  // namespace spikeserve::rpc
