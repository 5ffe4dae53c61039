#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "server/base/status.h"
#include "server/engine/run/backend.h"

namespace spikeserve::serving {

// The file of a stored network, also written by the Python client:
//
//   offset  0   8 bytes   magic "SPKNET\r\n" (the line end shows transfers in text mode)
//           8   uint32    format version 1, little-endian like all numbers here
//          12   uint32    mode: 0 or 1 exact, 2 reference, 3 fast
//          16   uint64    length of the payload
//          24  32 bytes   SHA-256 of the payload
//          56             payload: the serialized NetworkDefinition, to the end of the file
struct NetworkFile {
  engine::Mode mode = engine::Mode::kExact;
  std::string sha256;  // of the payload, 32 bytes: that of the header, which was checked
  std::string payload;
};

// Where the payload begins.
inline constexpr std::int64_t kNetworkFileHeaderBytes = 56;

// The header for a payload with this digest (32 bytes).
std::string EncodeNetworkFileHeader(engine::Mode mode, std::int64_t payload_bytes, std::string_view sha256);

// What stands before the payload.
struct NetworkFileHeader {
  engine::Mode mode = engine::Mode::kExact;
  std::int64_t payload_bytes = 0;
  std::string sha256;  // of the payload, 32 bytes
};

// Of a file that begins with `bytes`; DATA_LOSS says what is wrong with it.
Result<NetworkFileHeader> DecodeNetworkFileHeader(std::string_view bytes);

// Whether `bytes` begin as such a file does.
bool IsNetworkFile(std::string_view bytes);

// DATA_LOSS says what is wrong with the file.
Result<NetworkFile> DecodeNetworkFile(std::string bytes);

}  // namespace spikeserve::serving
