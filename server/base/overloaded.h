#pragma once

namespace spikeserve {

// One function for each alternative of a variant, for std::visit: an alternative that comes later and is
// forgotten does not compile.
template <typename... Functions>
struct Overloaded : Functions... {
  using Functions::operator()...;
};
template <typename... Functions>
Overloaded(Functions...) -> Overloaded<Functions...>;

}  // namespace spikeserve
