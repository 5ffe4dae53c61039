#pragma once

#include "server/rpc/decode/checked_request.h"
#include "spikeserve/v1/simulation.pb.h"

namespace spikeserve::rpc {

// Appends what the request probes recorded. Spike counts go out as SparseCounts where that is smaller.
void EncodeRecords(const AnswerSpec& answer, const engine::Reading& reading,
                   google::protobuf::RepeatedPtrField<v1::ProbeRecord>& records);

}  // namespace spikeserve::rpc
