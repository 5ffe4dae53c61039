#pragma once

#include <cstdint>
#include <vector>

#include "inference/grpc_service.pb.h"
#include "inference/model_config.pb.h"
#include "server/rpc/wire/limits.h"
#include "server/serving/networks/network_entry.h"
#include "server/serving/requests/batcher.h"

namespace spikeserve::rpc {

// What the Open Inference Protocol says of a network; `versions` are those that are ready.
inference::ModelMetadataResponse EncodeModelMetadata(const serving::NetworkEntry& entry,
                                                     const std::vector<std::int64_t>& versions);
inference::ModelConfig EncodeModelConfig(const serving::NetworkEntry& entry, const Limits& limits,
                                         const serving::BatcherOptions& batching);
inference::ModelStatistics EncodeModelStatistics(const serving::NetworkEntry& entry);

// Upper bounds of what these take in memory.
std::int64_t ModelMetadataBytes(const serving::NetworkEntry& entry);
std::int64_t ModelStatisticsBytes();

}  // namespace spikeserve::rpc
