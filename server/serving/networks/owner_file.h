#pragma once

#include <filesystem>
#include <string>

#include "server/base/status.h"

namespace spikeserve::serving {

// Who stored the network of a folder: the name of a tenant, in a file beside it. The default tenant has none,
// so that a server without tenants stores networks alone.

// Durable once it returns OK; replaces what an interrupted write left.
Status WriteOwner(const std::filesystem::path& folder, const std::string& owner);
// The default where nothing is said, or nothing that may be a name.
std::string ReadOwner(const std::filesystem::path& folder);
// Does nothing where there is none.
void RemoveOwner(const std::filesystem::path& folder);

}  // namespace spikeserve::serving
