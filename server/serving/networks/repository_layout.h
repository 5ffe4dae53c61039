#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace spikeserve::serving {

// The file of a version in the folder DIRECTORY/NAME/VERSION.
inline constexpr std::string_view kNetworkFileName = "network.spk";
// And the one beside it that says who stored it, where somebody is known.
inline constexpr std::string_view kOwnerFileName = "owner";

// And the one in DIRECTORY/NAME that says which aliases stand for which versions, and its unfinished form.
inline constexpr std::string_view kAliasFileName = "aliases";
inline constexpr std::string_view kUnfinishedAliasFile = "aliases.tmp";

// The version that a folder of this name is for; 0 where it is not how this server would write one.
std::int64_t ParseVersion(const std::string& text);

// Something in a repository that is no network and is passed over.
struct Stranger {
  std::string path;  // within the repository
  std::string why;
};

// What lies in `directory` and does not belong to a network, in order: files and folders where none should
// be, names and versions that are not allowed, versions without their file. `max` bounds how many are told.
std::vector<Stranger> FindStrangers(const std::filesystem::path& directory, std::size_t max);

}  // namespace spikeserve::serving
