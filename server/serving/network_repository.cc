#include "server/serving/network_repository.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <system_error>
#include <utility>

#include "server/serving/durable_file.h"
#include "server/serving/names.h"

namespace spikeserve::serving {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kFileName = "network.spk";

std::vector<std::string> Subfolders(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    std::error_code ignored;
    if (it->is_directory(ignored)) names.push_back(it->path().filename().string());
  }
  return names;
}

// 0 where `text` is not how this server would write a version.
std::int64_t ParseVersion(const std::string& text) {
  std::int64_t version = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), version);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  return whole && version > 0 && std::to_string(version) == text ? version : 0;
}

std::vector<std::int64_t> StoredVersions(const fs::path& folder) {
  std::vector<std::int64_t> versions;
  for (const std::string& name : Subfolders(folder)) {
    const std::int64_t version = ParseVersion(name);
    std::error_code ignored;
    if (version > 0 && fs::exists(folder / name / kFileName, ignored)) versions.push_back(version);
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
    if (!IsValidName(name)) continue;
    for (const std::int64_t version : StoredVersions(directory_ / name)) {
      stored.push_back({name, version});
    }
  }
  return stored;
}

std::int64_t NetworkRepository::HighestVersion(const std::string& name) const {
  if (!IsValidName(name)) return 0;
  const std::vector<std::int64_t> versions = StoredVersions(directory_ / name);
  return versions.empty() ? 0 : versions.back();
}

Result<NetworkFile> NetworkRepository::Read(const std::string& name, std::int64_t version,
                                            std::int64_t max_payload_bytes) const {
  const Result<fs::path> folder = Folder(name, version);
  if (!folder.ok()) return folder.status();
  const fs::path path = folder.value() / kFileName;
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) return NotFound(path.string() + " cannot be opened");
  const auto size = static_cast<std::int64_t>(file.tellg());
  if (size > max_payload_bytes + kNetworkFileHeaderBytes) {
    return ResourceExhausted(path.string() + ": got " + std::to_string(size) + " bytes, limit " +
                             std::to_string(max_payload_bytes) + " (--max-upload-mb)");
  }
  std::string bytes(static_cast<std::size_t>(std::max<std::int64_t>(size, 0)), '\0');
  file.seekg(0);
  if (!file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()))) {
    return Status(StatusCode::kDataLoss, path.string() + ": cannot be read");
  }
  Result<NetworkFile> decoded = DecodeNetworkFile(std::move(bytes));
  if (decoded.ok()) return decoded;
  return Status(decoded.status().code(), path.string() + ": " + decoded.status().message());
}

Status NetworkRepository::Write(const std::string& name, std::int64_t version, engine::Mode mode,
                                std::string_view payload, std::string_view sha256) const {
  const Result<fs::path> folder = Folder(name, version);
  if (!folder.ok()) return folder.status();
  const fs::path target = folder.value() / kFileName;
  std::error_code error;
  if (fs::exists(target, error)) return AlreadyExists(target.string() + " is already stored");
  fs::create_directories(folder.value(), error);
  if (error) return Unavailable(folder.value().string() + ": " + error.message());
  const std::string header =
      EncodeNetworkFileHeader(mode, static_cast<std::int64_t>(payload.size()), sha256);
  Status status = WriteDurably(target, {header, payload});
  if (status.ok()) status = SyncFolder(folder.value().parent_path());
  if (status.ok()) status = SyncFolder(directory_);
  // Also where only a sync failed: the caller was told that nothing is stored.
  if (!status.ok()) static_cast<void>(Remove(name, version));
  return status;
}

Status NetworkRepository::Remove(const std::string& name, std::int64_t version) const {
  const Result<fs::path> folder = Folder(name, version);
  if (!folder.ok()) return folder.status();
  std::error_code error;
  fs::remove(folder.value() / kFileName, error);
  if (error) return Unavailable(folder.value().string() + ": " + error.message());
  // Folders go only where nothing else is in them.
  std::error_code ignored;
  fs::remove(folder.value(), ignored);
  fs::remove(folder.value().parent_path(), ignored);
  return {};
}

// The only place that builds a path from a name, hence the check.
Result<fs::path> NetworkRepository::Folder(const std::string& name, std::int64_t version) const {
  if (!IsValidName(name)) {
    return InvalidArgument("name: got " + Quote(name) + ", allowed " + std::string(kNameRule));
  }
  if (version < 1) {
    return InvalidArgument("version: got " + std::to_string(version) + ", wanted 1 or more");
  }
  return directory_ / name / std::to_string(version);
}

void NetworkRepository::RemoveStaleFiles() const {
  for (const std::string& name : Subfolders(directory_)) {
    if (!IsValidName(name)) continue;
    for (const std::string& version : Subfolders(directory_ / name)) {
      std::error_code ignored;
      if (ParseVersion(version) > 0) {
        fs::remove(directory_ / name / version / kUnfinishedFile, ignored);
      }
    }
  }
}

}  // namespace spikeserve::serving
