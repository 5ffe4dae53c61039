#include "server/serving/networks/network_repository.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <limits>
#include <system_error>
#include <utility>

#include "server/base/quote.h"
#include "server/serving/names.h"
#include "server/serving/networks/alias_file.h"
#include "server/serving/networks/disk_error.h"
#include "server/serving/networks/durable_file.h"
#include "server/serving/networks/owner_file.h"
#include "server/serving/networks/repository_layout.h"

namespace spikeserve::serving {
namespace {

namespace fs = std::filesystem;

// Of a folder or the start of a file.
constexpr std::int64_t kDiskBlockBytes = 4096;

std::vector<std::string> Subfolders(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    std::error_code ignored;
    if (it->is_directory(ignored)) {
      names.push_back(it->path().filename().string());
    }
  }
  return names;
}

Status CannotRead(const fs::path& path, const std::string& why) {
  return Internal(path.string() + ": cannot be read: " + why);
}

// A version's folder and the one above, where they are there and nothing else is in them. Not what is
// something else, such as a link to a folder, which std::filesystem would remove as well.
void RemoveEmptyFolders(const fs::path& folder) {
  static_cast<void>(rmdir(folder.c_str()));
  static_cast<void>(rmdir(folder.parent_path().c_str()));
}

std::vector<std::int64_t> StoredVersions(const fs::path& folder) {
  std::vector<std::int64_t> versions;
  for (const std::string& name : Subfolders(folder)) {
    const std::int64_t version = ParseVersion(name);
    std::error_code ignored;
    if (version > 0 && fs::exists(folder / name / kNetworkFileName, ignored)) {
      versions.push_back(version);
    }
  }
  std::sort(versions.begin(), versions.end());
  return versions;
}

// What interrupted writes left. Only the owner may: of another's file the rest may be on its way.
void RemoveStaleFiles(const fs::path& directory, BusyFolders& busy) {
  for (const std::string& name : Subfolders(directory)) {
    if (!IsValidName(name)) {
      continue;
    }
    std::error_code ignored;
    busy.IfIdle(directory / name, [&] {
      fs::remove(directory / name / kUnfinishedFile, ignored);
      fs::remove(directory / name / kUnfinishedAliasFile, ignored);
    });
    for (const std::string& version : Subfolders(directory / name)) {
      if (ParseVersion(version) > 0) {
        const fs::path folder = directory / name / version;
        busy.IfIdle(folder, [&] {
          fs::remove(folder / kUnfinishedFile, ignored);
          if (!fs::exists(folder / kNetworkFileName, ignored)) {
            RemoveOwner(folder);
          }
        });
      }
    }
  }
}

}  // namespace

NetworkRepository::NetworkRepository(fs::path directory, RepositoryUse use)
    : directory_(std::move(directory)),
      busy_(std::make_shared<BusyFolders>()),
      lock_(std::make_shared<FolderLock>(
          directory_, use.may_own,
          [directory = directory_, busy = busy_] { RemoveStaleFiles(directory, *busy); },
          std::move(use.on_change))) {}

Result<NetworkRepository> NetworkRepository::Open(const fs::path& directory, RepositoryUse use) {
  std::error_code error;
  fs::create_directories(directory, error);
  if (!error) {
    static_cast<void>(fs::directory_iterator(directory, error));
  }
  if (error) {
    return FailedPrecondition("network repository " + directory.string() + ": " + error.message());
  }
  NetworkRepository repository(directory, std::move(use));
  static_cast<void>(repository.Own());  // who cannot own it reads it
  return repository;
}

std::vector<StoredVersion> NetworkRepository::List() const {
  std::vector<std::string> names = Subfolders(directory_);
  std::sort(names.begin(), names.end());
  std::vector<StoredVersion> stored;
  for (const std::string& name : names) {
    if (!IsValidName(name)) {
      continue;
    }
    for (const std::int64_t version : StoredVersions(directory_ / name)) {
      stored.push_back({name, version});
    }
  }
  return stored;
}

std::vector<std::string> NetworkRepository::Names() const {
  std::vector<std::string> names = Subfolders(directory_);
  std::erase_if(names, [](const std::string& name) { return !IsValidName(name); });
  std::sort(names.begin(), names.end());
  return names;
}

Result<std::map<std::string, std::int64_t>> NetworkRepository::ReadAliases(const std::string& name) const {
  return ReadAliasFile(directory_ / name);
}

Status NetworkRepository::WriteAliases(const std::string& name,
                                       const std::map<std::string, std::int64_t>& aliases) const {
  if (Status owned = Own(); !owned.ok()) {
    return owned;
  }
  const BusyFolders::Use use(*busy_, directory_ / name);
  return WriteAliasFile(directory_ / name, aliases);
}

std::vector<std::int64_t> NetworkRepository::Versions(const std::string& name) const {
  if (!IsValidName(name)) {
    return {};
  }
  return StoredVersions(directory_ / name);
}

std::int64_t NetworkRepository::HighestVersion(const std::string& name) const {
  const std::vector<std::int64_t> versions = Versions(name);
  return versions.empty() ? 0 : versions.back();
}

bool NetworkRepository::Has(const std::string& name, std::int64_t version) const {
  const Result<fs::path> folder = Folder(name, version);
  std::error_code ignored;
  return folder.ok() && fs::exists(folder.value() / kNetworkFileName, ignored);
}

bool NetworkRepository::IsGone(const std::string& name, std::int64_t version) const {
  const Result<fs::path> folder = Folder(name, version);
  std::error_code ignored;
  return folder.ok() &&
         fs::status(folder.value() / kNetworkFileName, ignored).type() == fs::file_type::not_found;
}

Result<std::int64_t> NetworkRepository::PayloadBytes(const std::string& name, std::int64_t version,
                                                     std::int64_t max_payload_bytes) const {
  const Result<fs::path> folder = Folder(name, version);
  if (!folder.ok()) {
    return folder.status();
  }
  const fs::path path = folder.value() / kNetworkFileName;
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (status.type() == fs::file_type::not_found) {
    return NotFound(path.string() + " does not exist");
  }
  if (status.type() == fs::file_type::none) {
    return CannotRead(path, error.message());
  }
  // Opening a pipe would wait forever.
  if (!fs::is_regular_file(status)) {
    return Status(StatusCode::kDataLoss, path.string() + ": is no regular file");
  }
  const std::uintmax_t size = fs::file_size(path, error);
  if (error) {
    return Status(StatusCode::kDataLoss, path.string() + ": " + error.message());
  }
  if (size > static_cast<std::uintmax_t>(max_payload_bytes + kNetworkFileHeaderBytes)) {
    return ResourceExhausted(path.string() + ": got " + std::to_string(size) + " bytes, limit " +
                             std::to_string(max_payload_bytes) + " (--max-upload-mb)");
  }
  return std::max<std::int64_t>(static_cast<std::int64_t>(size) - kNetworkFileHeaderBytes, 0);
}

Result<NetworkFileHeader> NetworkRepository::ReadHeader(const std::string& name, std::int64_t version) const {
  const Result<std::int64_t> payload =
      PayloadBytes(name, version, std::numeric_limits<std::int64_t>::max() - kNetworkFileHeaderBytes);
  if (!payload.ok()) {
    return payload.status();
  }
  const fs::path path = Folder(name, version).value() / kNetworkFileName;
  std::ifstream file(path, std::ios::binary);
  std::string bytes(static_cast<std::size_t>(kNetworkFileHeaderBytes), '\0');
  file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (file.bad() || !file.is_open()) {
    return CannotRead(path, std::generic_category().message(errno));
  }
  bytes.resize(static_cast<std::size_t>(file.gcount()));
  Result<NetworkFileHeader> header = DecodeNetworkFileHeader(bytes);
  if (header.ok() && header.value().payload_bytes == payload.value()) {
    return header;
  }
  return Status(StatusCode::kDataLoss,
                path.string() + ": " +
                    (header.ok() ? "payload bytes: got " + std::to_string(payload.value()) + ", wanted " +
                                       std::to_string(header.value().payload_bytes)
                                 : header.status().message()));
}

Result<NetworkFile> NetworkRepository::Read(const std::string& name, std::int64_t version,
                                            std::int64_t max_payload_bytes) const {
  const Result<std::int64_t> payload = PayloadBytes(name, version, max_payload_bytes);
  if (!payload.ok()) {
    return payload.status();
  }
  const fs::path path = Folder(name, version).value() / kNetworkFileName;
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return CannotRead(path, std::generic_category().message(errno));
  }
  // One byte more than there should be, to notice a file that grows; a short one fails its checks.
  std::string bytes(static_cast<std::size_t>(payload.value() + kNetworkFileHeaderBytes + 1), '\0');
  file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (file.bad()) {
    return CannotRead(path, "the disk has an error");
  }
  bytes.resize(static_cast<std::size_t>(file.gcount()));
  Result<NetworkFile> decoded = DecodeNetworkFile(std::move(bytes));
  if (decoded.ok()) {
    return decoded;
  }
  return Status(decoded.status().code(), path.string() + ": " + decoded.status().message());
}

Status NetworkRepository::Write(const std::string& name, std::int64_t version, engine::Mode mode,
                                std::string_view payload, std::string_view sha256,
                                const std::string& owner) const {
  const Result<fs::path> folder = Folder(name, version);
  if (!folder.ok()) {
    return folder.status();
  }
  if (Status status = Own(); !status.ok()) {
    return status;
  }
  const BusyFolders::Use use(*busy_, folder.value());
  const fs::path target = folder.value() / kNetworkFileName;
  const auto payload_bytes = static_cast<std::int64_t>(payload.size());
  std::error_code error;
  fs::create_directories(folder.value(), error);
  if (error) {
    RemoveEmptyFolders(folder.value());
    return DiskError(error.value(), "mkdir", folder.value(), payload_bytes + kNetworkFileHeaderBytes);
  }
  const std::string header = EncodeNetworkFileHeader(mode, payload_bytes, sha256);
  Status status = Has(name, version) ? AlreadyExists(target.string() + " is already stored")
                                     : WriteOwner(folder.value(), owner);
  if (!status.ok()) {
    RemoveEmptyFolders(folder.value());
    return status;
  }
  status = WriteDurably(target, {header, payload});
  if (!status.ok()) {
    RemoveOwner(folder.value());
    RemoveEmptyFolders(folder.value());
    return status;
  }
  status = SyncFolder(folder.value().parent_path());
  if (status.ok()) {
    status = SyncFolder(directory_);
  }
  // The caller is told that nothing is stored.
  if (!status.ok()) {
    static_cast<void>(Remove(name, version));
  }
  return status;
}

Status NetworkRepository::CheckFreeSpace(std::int64_t payload_bytes) const {
  constexpr std::int64_t kBlocks =
      3;  // of the two folders, and what the last one of the file is rounded up to
  return serving::CheckFreeSpace(directory_,
                                 payload_bytes + kNetworkFileHeaderBytes + kBlocks * kDiskBlockBytes);
}

std::vector<Stranger> NetworkRepository::Strangers(std::size_t max) const {
  return FindStrangers(directory_, max);
}

std::string NetworkRepository::Owner(const std::string& name, std::int64_t version) const {
  const Result<fs::path> folder = Folder(name, version);
  return folder.ok() ? ReadOwner(folder.value()) : std::string();
}

Status NetworkRepository::Remove(const std::string& name, std::int64_t version) const {
  const Result<fs::path> folder = Folder(name, version);
  if (!folder.ok()) {
    return folder.status();
  }
  if (Status status = Own(); !status.ok()) {
    return status;
  }
  std::error_code error;
  const bool removed = fs::remove(folder.value() / kNetworkFileName, error);
  if (error) {
    return DiskError(error.value(), "remove", folder.value() / kNetworkFileName);
  }
  RemoveOwner(folder.value());
  Status synced = removed ? SyncFolder(folder.value()) : Status();
  RemoveEmptyFolders(folder.value());
  return synced;
}

// The only place that builds a path from a name, hence the check.
Result<fs::path> NetworkRepository::Folder(const std::string& name, std::int64_t version) const {
  if (!IsValidName(name)) {
    return InvalidArgument("name: got " + Quote(name) + ", allowed " + std::string(kNameRule));
  }
  if (version < 1 || version > kMaxVersion) {
    return InvalidArgument("version: got " + std::to_string(version) + ", allowed 1.." +
                           std::to_string(kMaxVersion));
  }
  return directory_ / name / std::to_string(version);
}

}  // namespace spikeserve::serving
