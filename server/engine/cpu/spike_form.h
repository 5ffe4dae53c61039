#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "kernels/cpu/spikes/event_list.h"
#include "server/engine/cpu/cpu_path.h"
#include "server/engine/cpu/layout/path_cost.h"
#include "server/engine/cpu/layout/vector_weights.h"
#include "server/engine/cpu/layout/window_sums.h"

namespace spikeserve::engine {

// What the term has to do in a chunk with lists of the binary digits of the counts.
TermWork WorkOf(const VectorTerm& term, const WindowSums::Source& source);

// The lists of spikes with which a chunk's sums promise to be fastest, whatever `path` leaves; none where
// digits of the weights do. `source` has no lists yet. For changes, `usual` holds the usual counts
// afterwards.
std::optional<kernels::SpikeForm> ChooseForm(const VectorTerm& term, const WindowSums::Source& source,
                                             CpuPath path, std::vector<std::uint8_t>& usual);

}  // namespace spikeserve::engine
