#include "server/engine/cuda_support.h"

#include <string>

namespace spikeserve::engine {

Status CheckCudaSupport(const SimulationSpec& spec) {
  const auto refuse = [](const std::string& what) {
    return Status(StatusCode::kUnimplemented,
                  what + ": the CUDA backend does not do this; serve the network with --backend cpu");
  };
  for (const InputFormat& format : spec.inputs) {
    if (format.encoding) {
      return refuse("encodings");
    }
  }
  if (spec.early_exit) {
    return refuse("early_exit");
  }
  if (!spec.request_probes.empty()) {
    return refuse("request_probes");
  }
  if (spec.session) {
    return refuse("sessions");
  }
  if (spec.settings.readout.kind == ReadoutKind::kCorrectedMean) {
    return refuse("readout.kind READOUT_KIND_CORRECTED_MEAN");
  }
  return {};
}

}  // namespace spikeserve::engine
