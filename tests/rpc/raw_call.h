#pragma once

#include <grpcpp/channel.h>

#include <memory>
#include <string>

namespace spikeserve::testing {

// The response bytes of a unary call, or "error CODE: MESSAGE".
std::string RawCall(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                    const std::string& request);

// The first response of a bidirectional call after one request, or "error CODE: MESSAGE".
std::string RawStream(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                      const std::string& request);

}  // namespace spikeserve::testing
