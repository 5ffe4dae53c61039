#include "server/serving/networks/network_file.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>
#include <utility>

#include "server/serving/sha256.h"

namespace spikeserve::serving {
namespace {

constexpr std::string_view kMagic = "SPKNET\r\n";
constexpr std::uint64_t kFormatVersion = 1;
constexpr std::size_t kHeaderBytes = static_cast<std::size_t>(kNetworkFileHeaderBytes);
constexpr std::uint64_t kMaxPayloadBytes = std::numeric_limits<std::int64_t>::max();
// Modes by the number in the header; 0 stands for the first, too.
constexpr std::array kModes = {engine::Mode::kExact, engine::Mode::kReference, engine::Mode::kFast,
                               engine::Mode::kInt8};

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

Result<NetworkFileHeader> DecodeNetworkFileHeader(std::string_view bytes) {
  if (bytes.size() < kHeaderBytes) {
    return Damaged(GotWanted("bytes of the header", bytes.size(), kHeaderBytes));
  }
  if (!IsNetworkFile(bytes)) {
    return Damaged("not a network file: wrong magic");
  }
  const std::uint64_t version = LittleEndian(bytes.substr(8, 4));
  if (version != kFormatVersion) {
    return Damaged(GotWanted("format version", version, kFormatVersion));
  }
  const std::uint64_t mode = LittleEndian(bytes.substr(12, 4));
  if (mode > kModes.size()) {
    return Damaged("mode: got " + std::to_string(mode) +
                   ", wanted 0..4: exact (0 or 1), reference, fast, int8");
  }
  const std::uint64_t length = LittleEndian(bytes.substr(16, 8));
  if (length > kMaxPayloadBytes) {
    return Damaged("payload bytes: got " + std::to_string(length) + ", wanted at most " +
                   std::to_string(kMaxPayloadBytes));
  }
  return NetworkFileHeader{kModes[mode == 0 ? 0 : mode - 1], static_cast<std::int64_t>(length),
                           std::string(bytes.substr(24, 32))};
}

Result<NetworkFile> DecodeNetworkFile(std::string bytes) {
  Result<NetworkFileHeader> header = DecodeNetworkFileHeader(bytes);
  if (!header.ok()) {
    return header.status();
  }
  const std::size_t payload_bytes = bytes.size() - kHeaderBytes;
  const auto length = static_cast<std::uint64_t>(header.value().payload_bytes);
  if (length != payload_bytes) {
    return Damaged(GotWanted("payload bytes", payload_bytes, length));
  }
  std::string sha256 = Sha256(std::string_view(bytes).substr(kHeaderBytes));
  if (sha256 != header.value().sha256) {
    return Damaged("SHA-256 of the payload does not match the header");
  }
  bytes.erase(0, kHeaderBytes);
  return NetworkFile{header.value().mode, std::move(sha256), std::move(bytes)};
}

}  // namespace spikeserve::serving
