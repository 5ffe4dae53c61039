// The bytes of a .spk file as it may lie in a repository or come with a load: as they are, and as the payload
// of a file whose header fits, which no input would ever be with its digest.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "server/serving/networks/network_file.h"
#include "server/serving/sha256.h"
#include "tests/fuzz/fuzz_server.h"

namespace spikeserve::fuzz {
namespace {

void RequireWhole(const std::string& bytes) {
  const auto file = serving::DecodeNetworkFile(bytes);
  if (!file.ok()) {
    Require(file.status().code() == StatusCode::kDataLoss, "a file that cannot be read is damaged");
    Require(!file.status().message().empty(), "a refusal says why");
    return;
  }
  Require(serving::IsNetworkFile(bytes), "a file that was read begins as one");
  const serving::NetworkFile& read = file.value();
  Require(bytes.size() == static_cast<std::size_t>(serving::kNetworkFileHeaderBytes) + read.payload.size(),
          "nothing is left out of a file");
  Require(serving::Sha256(read.payload) == read.sha256, "a payload has its digest");
}

void RequireRoundTrip(std::string_view payload, engine::Mode mode) {
  const std::string sha256 = serving::Sha256(payload);
  std::string bytes =
      serving::EncodeNetworkFileHeader(mode, static_cast<std::int64_t>(payload.size()), sha256) +
      std::string(payload);
  const auto file = serving::DecodeNetworkFile(bytes);
  Require(file.ok() && file.value().payload == payload && file.value().mode == mode &&
              file.value().sha256 == sha256,
          "what was written is read");
  bytes += '\0';
  Require(!serving::DecodeNetworkFile(std::move(bytes)).ok(), "a file that is too long is refused");
}

}  // namespace
}  // namespace spikeserve::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace spikeserve;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  fuzz::RequireWhole(std::string(bytes));
  for (const engine::Mode mode :
       {engine::Mode::kExact, engine::Mode::kFast, engine::Mode::kReference, engine::Mode::kInt8}) {
    fuzz::RequireRoundTrip(bytes, mode);
  }
  return 0;
}
