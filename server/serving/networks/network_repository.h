#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "server/base/status.h"
#include "server/engine/run/backend.h"
#include "server/serving/networks/network_file.h"
#include "server/serving/networks/repository_layout.h"

namespace spikeserve::serving {

// One file of a repository.
struct StoredVersion {
  std::string name;
  std::int64_t version = 0;
};

// A folder of networks, DIRECTORY/NAME/VERSION/network.spk. Files appear whole or not at all, and
// damaged ones are left for their owner to look at. Thread-safe for different names and versions; one
// process per folder.
class NetworkRepository {
 public:
  // Creates the folder where it is missing and removes what interrupted writes left.
  static Result<NetworkRepository> Open(const std::filesystem::path& directory);

  // What lies in the folder and is no network, so that somebody can be told; at most `max` of it.
  std::vector<Stranger> Strangers(std::size_t max) const;
  // RESOURCE_EXHAUSTED where the disk has no room for a network of so many bytes.
  Status CheckFreeSpace(std::int64_t payload_bytes) const;
  // Every stored file with a valid name and version, damaged or not, in order.
  std::vector<StoredVersion> List() const;
  // Whether this version is stored, damaged or not.
  bool Has(const std::string& name, std::int64_t version) const;
  // The stored versions of `name`, damaged or not, in order.
  std::vector<std::int64_t> Versions(const std::string& name) const;
  // The highest stored version of `name`, damaged or not; 0 where there is none.
  std::int64_t HighestVersion(const std::string& name) const;

  // Size of the file less its header. NOT_FOUND, DATA_LOSS for what is too short or no file,
  // RESOURCE_EXHAUSTED for one above `max_payload_bytes`.
  Result<std::int64_t> PayloadBytes(const std::string& name, std::int64_t version,
                                    std::int64_t max_payload_bytes) const;
  // As PayloadBytes; DATA_LOSS for a damaged file.
  Result<NetworkFile> Read(const std::string& name, std::int64_t version,
                           std::int64_t max_payload_bytes) const;
  // Durable once it returns OK; on failure nothing new is stored. ALREADY_EXISTS: never overwrites; else the
  // failures of DiskError. `owner` is the name of a tenant, and stored in a file of its own beside the
  // network; for none or the default there is none.
  Status Write(const std::string& name, std::int64_t version, engine::Mode mode, std::string_view payload,
               std::string_view sha256, const std::string& owner) const;
  // Who stored it; the default where it does not say, or nothing that may be a name.
  std::string Owner(const std::string& name, std::int64_t version) const;
  // Gone for good once it returns OK, also where there was nothing. The failures of DiskError.
  Status Remove(const std::string& name, std::int64_t version) const;

 private:
  explicit NetworkRepository(std::filesystem::path directory) : directory_(std::move(directory)) {}

  Result<std::filesystem::path> Folder(const std::string& name, std::int64_t version) const;
  void RemoveStaleFiles() const;

  std::filesystem::path directory_;
};

}  // namespace spikeserve::serving
