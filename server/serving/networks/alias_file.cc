#include "server/serving/networks/alias_file.h"

#include <cerrno>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <system_error>

#include "server/base/quote.h"
#include "server/serving/names.h"
#include "server/serving/networks/disk_error.h"
#include "server/serving/networks/durable_file.h"
#include "server/serving/networks/repository_layout.h"

namespace spikeserve::serving {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxFileBytes = kMaxAliases * (kMaxNameBytes + 32);

Status DataLoss(const fs::path& path, const std::string& what) {
  return {StatusCode::kDataLoss, path.string() + ": " + what};
}

}  // namespace

Result<std::map<std::string, std::int64_t>> ReadAliasFile(const fs::path& folder) {
  std::map<std::string, std::int64_t> aliases;
  const fs::path path = folder / kAliasFileName;
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (status.type() == fs::file_type::not_found) {
    return aliases;
  }
  if (status.type() == fs::file_type::none) {
    return Internal(path.string() + ": cannot be read: " + error.message());
  }
  if (!fs::is_regular_file(status)) {  // opening a pipe would wait forever
    return DataLoss(path, "is no regular file");
  }
  std::ifstream file(path, std::ios::binary);
  std::string text(kMaxFileBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!file.is_open() || file.bad()) {  // nobody knows what it says: not that there is nothing
    return Internal(path.string() + ": cannot be read");
  }
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > kMaxFileBytes) {
    return DataLoss(path, "has more than " + std::to_string(kMaxFileBytes) + " bytes");
  }
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t space = line.find(' ');
    const std::string alias = line.substr(0, space);
    const std::int64_t version = space == std::string::npos ? 0 : ParseVersion(line.substr(space + 1));
    if (!IsValidAlias(alias) || version == 0) {
      return DataLoss(path, "got " + Quote(line) + ", wanted an alias, a space and a version");
    }
    aliases[alias] = version;
  }
  return aliases;
}

Status WriteAliasFile(const fs::path& folder, const std::map<std::string, std::int64_t>& aliases) {
  std::string text;
  for (const auto& [alias, version] : aliases) {
    text += alias + " " + std::to_string(version) + "\n";
  }
  const fs::path path = folder / kAliasFileName;
  std::error_code error;
  if (text.empty()) {
    fs::remove(path, error);
    return error ? DiskError(error.value(), "remove", path) : SyncFolder(folder);
  }
  // WriteDurably leaves alone what is there, hence another name first.
  const fs::path unfinished = folder / kUnfinishedAliasFile;
  fs::remove(unfinished, error);
  if (Status status = WriteDurably(unfinished, {text}); !status.ok()) {
    return status;
  }
  if (std::rename(unfinished.c_str(), path.c_str()) != 0) {
    const Status failed = DiskError(errno, "rename", unfinished);
    fs::remove(unfinished, error);
    return failed;
  }
  return SyncFolder(folder);
}

}  // namespace spikeserve::serving
