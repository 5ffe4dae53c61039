#include "server/serving/networks/network_file.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

#include "server/serving/sha256.h"

namespace spikeserve::serving {
namespace {

constexpr std::string_view kMagic = "SPKNET\r\n";
constexpr std::uint64_t kFormatVersion = 1;
constexpr std::size_t kHeaderBytes = static_cast<std::size_t>(kNetworkFileHeaderBytes);
// Modes by the number in the header; 0 stands for the first, too.
constexpr std::array kModes = {engine::Mode::kExact, engine::Mode::kReference, engine::Mode::kFast};

std::string LittleEndian(std::uint64_t value, std::size_t bytes) {
  std::string encoded;
  for (std::size_t i = 0; i < bytes; ++i) {
    encoded += static_cast<char>((value >> (8 * i)) & 0xFFU);
  }
  return encoded;
}

std::uint64_t LittleEndian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) {
    value = (value << 8U) | static_cast<unsigned char>(bytes[i]);
  }
  return value;
}

Status Damaged(std::string message) { return {StatusCode::kDataLoss, std::move(message)}; }

std::string GotWanted(const std::string& what, std::uint64_t got, std::uint64_t wanted) {
  return what + ": got " + std::to_string(got) + ", wanted " + std::to_string(wanted);
}

}  // namespace

std::string EncodeNetworkFileHeader(engine::Mode mode, std::int64_t payload_bytes, std::string_view sha256) {
  const auto mode_number =
      static_cast<std::uint64_t>(std::find(kModes.begin(), kModes.end(), mode) - kModes.begin()) + 1;
  return std::string(kMagic) + LittleEndian(kFormatVersion, 4) + LittleEndian(mode_number, 4) +
         LittleEndian(static_cast<std::uint64_t>(payload_bytes), 8) + std::string(sha256);
}

bool IsNetworkFile(std::string_view bytes) { return bytes.starts_with(kMagic); }

Result<NetworkFile> DecodeNetworkFile(std::string bytes) {
  const std::string_view view = bytes;
  if (view.size() < kHeaderBytes) {
    return Damaged(GotWanted("bytes of the header", view.size(), kHeaderBytes));
  }
  if (view.substr(0, 8) != kMagic) {
    return Damaged("not a network file: wrong magic");
  }
  const std::uint64_t version = LittleEndian(view.substr(8, 4));
  if (version != kFormatVersion) {
    return Damaged(GotWanted("format version", version, kFormatVersion));
  }
  const std::uint64_t mode = LittleEndian(view.substr(12, 4));
  if (mode > kModes.size()) {
    return Damaged("mode: got " + std::to_string(mode) + ", wanted 0..3: exact (0 or 1), reference, fast");
  }
  const std::uint64_t length = LittleEndian(view.substr(16, 8));
  if (length != view.size() - kHeaderBytes) {
    return Damaged(GotWanted("payload bytes", view.size() - kHeaderBytes, length));
  }
  std::string sha256 = Sha256(view.substr(kHeaderBytes));
  if (sha256 != view.substr(24, 32)) {
    return Damaged("SHA-256 of the payload does not match the header");
  }
  bytes.erase(0, kHeaderBytes);
  return NetworkFile{kModes[mode == 0 ? 0 : mode - 1], std::move(sha256), std::move(bytes)};
}

}  // namespace spikeserve::serving
