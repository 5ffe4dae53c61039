#pragma once

namespace spikeserve::app {

// Of the build, from the project's CMakeLists.txt.
inline constexpr const char* kVersion = SPIKESERVE_VERSION;

}  // namespace spikeserve::app
