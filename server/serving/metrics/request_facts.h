#pragma once

#include <cstdint>
#include <string>

#include "server/base/status.h"

namespace spikeserve::serving {

// What the metrics count of one call that is over.
struct RequestFacts {
  std::string method = {};
  StatusCode code = StatusCode::kOk;
  double seconds = 0;        // from receiving it to answering it
  std::string network = {};  // one that there is; empty: none was found
  std::string tenant = {};   // empty: there are none
  std::int64_t samples = 0;
  double queue_s = 0;
  double compute_s = 0;        // of the run that it was part of
  const char* rejection = "";  // why it was refused, one of a few words; empty: it was not
  std::string trace_id = {};   // of a trace that is recorded; empty: none
};

}  // namespace spikeserve::serving
