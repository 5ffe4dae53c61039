#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "server/base/status.h"
#include "server/engine/run/backend.h"
#include "server/serving/networks/busy_folders.h"
#include "server/serving/networks/folder_lock.h"
#include "server/serving/networks/network_file.h"
#include "server/serving/networks/repository_layout.h"

namespace spikeserve::serving {

// One file of a repository.
struct StoredVersion {
  std::string name;
  std::int64_t version = 0;
};

// How to use a folder that others use too.
struct RepositoryUse {
  bool may_own = true;                  // else this server never writes to it
  FolderLock::Listener on_change = {};  // of who owns it
};

// A folder of networks, DIRECTORY/NAME/VERSION/network.spk. Files appear whole or not at all, and
// damaged ones are left for their owner to look at. Thread-safe for different names and versions. Of all
// servers that use the folder one owns it, and writes; the others read.
class NetworkRepository {
 public:
  // Creates the folder where it is missing. Takes the lock if it is to be had, and then removes what
  // interrupted writes left. FAILED_PRECONDITION where the folder cannot be read.
  static Result<NetworkRepository> Open(const std::filesystem::path& directory, RepositoryUse use = {});

  const std::filesystem::path& directory() const { return directory_; }
  // OK where this server owns the folder, after trying to; else why it does not, and what to do.
  Status Own() const { return lock_->Take().may_write; }
  // As of the last time that somebody tried.
  Standing standing() const { return lock_->standing(); }

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
  // Whether there is certainly no such file: not where the disk does not say.
  bool IsGone(const std::string& name, std::int64_t version) const;
  // The highest stored version of `name`, damaged or not; 0 where there is none.
  std::int64_t HighestVersion(const std::string& name) const;

  // Size of the file less its header. NOT_FOUND, DATA_LOSS for what is too short or no file,
  // RESOURCE_EXHAUSTED for one above `max_payload_bytes`.
  Result<std::int64_t> PayloadBytes(const std::string& name, std::int64_t version,
                                    std::int64_t max_payload_bytes) const;
  // What the header says of a file that has the length that it should; its payload is not read. NOT_FOUND,
  // DATA_LOSS for a file that is no network, or not all of one, INTERNAL where it cannot be read.
  Result<NetworkFileHeader> ReadHeader(const std::string& name, std::int64_t version) const;
  // As PayloadBytes; DATA_LOSS for a damaged file, INTERNAL for one that cannot be read.
  Result<NetworkFile> Read(const std::string& name, std::int64_t version,
                           std::int64_t max_payload_bytes) const;
  // Durable once it returns OK; on failure nothing new is stored. ALREADY_EXISTS: never overwrites; else the
  // failures of Own and DiskError. `owner` is the name of a tenant, and stored in a file of its own beside
  // the network; for none or the default there is none.
  Status Write(const std::string& name, std::int64_t version, engine::Mode mode, std::string_view payload,
               std::string_view sha256, const std::string& owner) const;
  // The networks of which something is stored, in order.
  std::vector<std::string> Names() const;
  // The aliases of a network: none where nothing is stored of them. DATA_LOSS.
  Result<std::map<std::string, std::int64_t>> ReadAliases(const std::string& name) const;
  // Durable once it returns OK; on failure those before may be stored or these. The failures of Own and
  // DiskError.
  Status WriteAliases(const std::string& name, const std::map<std::string, std::int64_t>& aliases) const;
  // Who stored it; the default where it does not say, or nothing that may be a name.
  std::string Owner(const std::string& name, std::int64_t version) const;
  // Gone for good once it returns OK, also where there was nothing. The failures of Own and DiskError; the
  // file may be gone then, which IsGone tells, and come back after a crash of the machine.
  Status Remove(const std::string& name, std::int64_t version) const;

 private:
  NetworkRepository(std::filesystem::path directory, RepositoryUse use);

  Result<std::filesystem::path> Folder(const std::string& name, std::int64_t version) const;

  std::filesystem::path directory_;
  std::shared_ptr<BusyFolders> busy_;  // shared by copies, as the lock
  std::shared_ptr<FolderLock> lock_;
};

}  // namespace spikeserve::serving
