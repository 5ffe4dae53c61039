#pragma once

#include "server/rpc/decode/checked_request.h"
#include "server/serving/requests/request.h"
#include "spikeserve/v1/simulation.pb.h"

namespace spikeserve::rpc {

// The final answer; `total_s` is the time since the request was received.
v1::SimulateResponse EncodeResponse(const AnswerSpec& answer, const serving::RunOutcome& outcome,
                                    double total_s);

// The answer to a session's message of `steps` steps; `compute_s` is left to the caller.
v1::SessionProgress EncodeSessionProgress(const AnswerSpec& answer, const engine::Reading& reading,
                                          std::int64_t steps);

// What is in force for a run.
void SetSettings(const AnswerSpec& answer, v1::EffectiveSettings& settings);

// The answer so far, without trajectories.
v1::Progress EncodeProgress(const AnswerSpec& answer, const engine::Reading& reading);

}  // namespace spikeserve::rpc
