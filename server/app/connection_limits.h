#pragma once

#include <cstdint>

#include "server/app/config.h"
#include "server/transport/transport_options.h"

namespace spikeserve::app {

// How many gRPC connections there may be. What `config` leaves open follows from `open_files`, the number of
// descriptors that this process may have.
transport::AdmissionOptions ConnectionLimits(const Config& config, std::int64_t open_files);

// Whether the frames of its connections are counted against the rules: as `config` says, or where others than
// this machine's processes can connect.
bool IsGuarded(const Config& config);

// The limit of open files of this process.
std::int64_t MaxOpenFiles();

}  // namespace spikeserve::app
