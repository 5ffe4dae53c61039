#include "server/serving/networks/network_repository.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <system_error>
#include <utility>

#include "server/base/quote.h"
#include "server/serving/names.h"
#include "server/serving/networks/durable_file.h"
#include "server/serving/networks/owner_file.h"

namespace spikeserve::serving {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kFileName = "network.spk";

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

// 0 where `text` is not how this server would write a version.
std::int64_t ParseVersion(const std::string& text) {
  std::int64_t version = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), version);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  return whole && version > 0 && version <= kMaxVersion && std::to_string(version) == text ? version : 0;
}

// A version's folder and the one above, where nothing else is in them.
void RemoveEmptyFolders(const fs::path& folder) {
  std::error_code ignored;
  if (fs::remove(folder, ignored)) {
    fs::remove(folder.parent_path(), ignored);
  }
}

std::vector<std::int64_t> StoredVersions(const fs::path& folder) {
  std::vector<std::int64_t> versions;
  for (const std::string& name : Subfolders(folder)) {
    const std::int64_t version = ParseVersion(name);
    std::error_code ignored;
    if (version > 0 && fs::exists(folder / name / kFileName, ignored)) {
      versions.push_back(version);
    }
  }
  std::sort(versions.begin(), versions.end());
  return versions;
}

}  // namespace

Result<NetworkRepository> NetworkRepository::Open(const fs::path& directory) {
  std::error_code error;
  fs::create_directories(directory, error);
  if (error) {
    return FailedPrecondition("network repository " + directory.string() + ": " + error.message());
  }
  NetworkRepository repository(directory);
  repository.RemoveStaleFiles();
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
  return folder.ok() && fs::exists(folder.value() / kFileName, ignored);
}

Result<std::int64_t> NetworkRepository::PayloadBytes(const std::string& name, std::int64_t version,
                                                     std::int64_t max_payload_bytes) const {
  const Result<fs::path> folder = Folder(name, version);
  if (!folder.ok()) {
    return folder.status();
  }
  const fs::path path = folder.value() / kFileName;
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (status.type() == fs::file_type::not_found) {
    return NotFound(path.string() + " does not exist");
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

Result<NetworkFile> NetworkRepository::Read(const std::string& name, std::int64_t version,
                                            std::int64_t max_payload_bytes) const {
  const Result<std::int64_t> payload = PayloadBytes(name, version, max_payload_bytes);
  if (!payload.ok()) {
    return payload.status();
  }
  const fs::path path = Folder(name, version).value() / kFileName;
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return Status(StatusCode::kDataLoss, path.string() + ": cannot be opened");
  }
  // One byte more than there should be, to notice a file that grows; a short one fails its checks.
  std::string bytes(static_cast<std::size_t>(payload.value() + kNetworkFileHeaderBytes + 1), '\0');
  file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
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
  const fs::path target = folder.value() / kFileName;
  std::error_code error;
  fs::create_directories(folder.value(), error);
  if (error) {
    return Unavailable(folder.value().string() + ": " + error.message());
  }
  const std::string header = EncodeNetworkFileHeader(mode, static_cast<std::int64_t>(payload.size()), sha256);
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

std::string NetworkRepository::Owner(const std::string& name, std::int64_t version) const {
  const Result<fs::path> folder = Folder(name, version);
  return folder.ok() ? ReadOwner(folder.value()) : std::string();
}

Status NetworkRepository::Remove(const std::string& name, std::int64_t version) const {
  const Result<fs::path> folder = Folder(name, version);
  if (!folder.ok()) {
    return folder.status();
  }
  std::error_code error;
  const bool removed = fs::remove(folder.value() / kFileName, error);
  if (error) {
    return Unavailable(folder.value().string() + ": " + error.message());
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

void NetworkRepository::RemoveStaleFiles() const {
  for (const std::string& name : Subfolders(directory_)) {
    if (!IsValidName(name)) {
      continue;
    }
    for (const std::string& version : Subfolders(directory_ / name)) {
      std::error_code ignored;
      if (ParseVersion(version) > 0) {
        const fs::path folder = directory_ / name / version;
        fs::remove(folder / kUnfinishedFile, ignored);
        if (!fs::exists(folder / kFileName, ignored)) {
          RemoveOwner(folder);
        }
      }
    }
  }
}

}  // namespace spikeserve::serving
