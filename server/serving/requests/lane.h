#pragma once

#include <deque>
#include <list>
#include <memory>

#include "server/serving/requests/request.h"
#include "server/serving/requests/run.h"

namespace spikeserve::serving {

// What waits of one connection for one network, of about the same cost.
struct Lane {
  using Queue = std::deque<Request>;  // never empty; in order of arrival; all can share a batch
  // A run between two turns.
  struct Parked {
    std::unique_ptr<Run> run;
    bool blocked = false;  // has not begun, for want of memory that other runs have
  };

  std::list<Queue> queues;
  std::list<Parked> parked;
};

}  // namespace spikeserve::serving
