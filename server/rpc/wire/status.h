#pragma once

#include <grpcpp/support/status.h>

#include <exception>
#include <new>
#include <utility>

#include "server/base/status.h"

namespace spikeserve::rpc {

// The same code and message, cut where it would not fit the trailers of a response.
grpc::Status ToGrpc(const Status& status);

// Runs `work`, turning what it throws into a status: no exception may reach gRPC or another thread.
template <typename Work>
auto Guarded(Work work) noexcept -> decltype(work()) {
  try {
    return work();
  } catch (const std::bad_alloc&) {
    return Status(StatusCode::kResourceExhausted, "out of memory");  // short enough to need none
  } catch (const std::exception& error) {
    return Status(StatusCode::kInternal, error.what());
  } catch (...) {
    return Status(StatusCode::kInternal, "unknown");
  }
}

}  // namespace spikeserve::rpc
