#pragma once

#include <grpc/support/time.h>
#include <grpcpp/server_context.h>

#include <chrono>

#include "server/base/clock.h"

namespace spikeserve::rpc {

// When a call is to be over, by the wall clock: time_point::max() without a deadline, and for one so far away
// that the clock has no value for it (gRPC's own deadline() overflows there, into the past); never before
// 1970.
std::chrono::system_clock::time_point DeadlineOf(const grpc::ServerContextBase& call);

// The same by `clock`; time_point::max() for one so far away that it is none.
Clock::TimePoint ToMonotonic(std::chrono::system_clock::time_point deadline, const Clock& clock);

// The same of gRPC's time, of whatever clock.
std::chrono::system_clock::time_point ToSystemTime(gpr_timespec time);

}  // namespace spikeserve::rpc
