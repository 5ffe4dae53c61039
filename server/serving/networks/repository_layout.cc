#include "server/serving/networks/repository_layout.h"

#include <algorithm>
#include <charconv>
#include <system_error>

#include "server/serving/names.h"
#include "server/serving/networks/durable_file.h"
#include "server/serving/networks/folder_lock.h"

namespace spikeserve::serving {
namespace {

namespace fs = std::filesystem;

// What makers of file systems put at the top of a disk.
constexpr std::string_view kLostAndFound = "lost+found";

struct Entry {
  std::string name;
  bool folder = false;
};

std::vector<Entry> Entries(const fs::path& folder) {
  std::vector<Entry> entries;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    std::error_code ignored;
    entries.push_back({it->path().filename().string(), it->is_directory(ignored)});
  }
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.name < b.name; });
  return entries;
}

// Collects what belongs to no network.
class Search {
 public:
  Search(const fs::path& directory, std::size_t max) : directory_(directory), max_(max) {}

  std::vector<Stranger> Run() {
    for (const Entry& entry : Entries(directory_)) {
      if (entry.name == kLostAndFound || entry.name == kLockFileName || Full()) {
        continue;
      }
      if (!entry.folder) {
        Add(entry.name, "a file beside the networks, which are NAME/VERSION/network.spk");
      } else if (!IsValidName(entry.name)) {
        Add(entry.name, "no name of a network, which is " + std::string(kNameRule));
      } else {
        LookAtNetwork(entry.name);
      }
    }
    return std::move(found_);
  }

 private:
  bool Full() const { return found_.size() >= max_; }

  void Add(const std::string& path, std::string why) {
    if (!Full()) {
      found_.push_back({path, std::move(why)});
    }
  }

  void LookAtNetwork(const std::string& name) {
    const std::vector<Entry> entries = Entries(directory_ / name);
    if (entries.empty()) {
      Add(name, "a folder without a version in it");
    }
    for (const Entry& entry : entries) {
      const std::string path = name + "/" + entry.name;
      if (entry.name == kAliasFileName || entry.name == kUnfinishedAliasFile) {
        continue;  // what is wrong with it, reading it tells
      }
      if (!entry.folder) {
        Add(path, "a file beside the versions, which are VERSION/network.spk");
      } else if (ParseVersion(entry.name) == 0) {
        Add(path, "no version, which is a number from 1 to " + std::to_string(kMaxVersion) +
                      " without sign, leading zeros or anything else");
      } else {
        LookAtVersion(path);
      }
    }
  }

  void LookAtVersion(const std::string& path) {
    bool stored = false;
    for (const Entry& entry : Entries(directory_ / path)) {
      if (entry.name == kNetworkFileName) {
        stored = true;  // whatever it is, loading it tells
      } else if (entry.name != kUnfinishedFile && entry.name != kOwnerFileName) {
        Add(path + "/" + entry.name, "not the network.spk of this version");
      }
    }
    if (!stored) {
      Add(path, "a version without its network.spk");
    }
  }

  const fs::path& directory_;
  const std::size_t max_;
  std::vector<Stranger> found_;
};

}  // namespace

std::int64_t ParseVersion(const std::string& text) {
  std::int64_t version = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), version);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  return whole && version > 0 && version <= kMaxVersion && std::to_string(version) == text ? version : 0;
}

std::vector<Stranger> FindStrangers(const fs::path& directory, std::size_t max) {
  return Search(directory, max).Run();
}

}  // namespace spikeserve::serving
