#pragma once

namespace spikeserve::app {

// Of the build, from the file VERSION at the root of the repository.
inline constexpr const char* kVersion = SPIKESERVE_VERSION;

}  // namespace spikeserve::app
