#include "server/rpc/decode/upload_header.h"

#include <string>

#include "server/base/quote.h"
#include "server/engine/network/violations.h"
#include "server/serving/names.h"

namespace spikeserve::rpc {
namespace {

using engine::Join;

constexpr std::size_t kDigestBytes = 32;

bool IsKnown(v1::Mode mode) {
  return mode == v1::MODE_UNSPECIFIED || mode == v1::MODE_EXACT || mode == v1::MODE_FAST ||
         mode == v1::MODE_INT8 || mode == v1::MODE_REFERENCE;
}

}  // namespace

Status CheckNetworkName(const std::string& name, std::int64_t version) {
  if (!serving::IsValidName(name)) {
    return InvalidArgument(Join("name: got ", Quote(name), ", allowed ", serving::kNameRule));
  }
  if (version >= 0 && version <= serving::kMaxVersion) {
    return {};
  }
  return InvalidArgument(Join("version: got ", version, ", allowed 0..", serving::kMaxVersion));
}

Status CheckNetworkReference(const std::string& name, std::int64_t version) {
  return serving::IsValidReference(name)
             ? CheckNetworkName(std::string(serving::NetworkOf(name)), version)
             : InvalidArgument(Join("name: got ", Quote(name), ", allowed ", serving::kNameRule,
                                    ", and @ALIAS behind it"));
}

Status CheckUploadHeader(const v1::LoadNetworkHeader& header, const Limits& limits) {
  if (Status status = CheckNetworkName(header.name(), header.version()); !status.ok()) {
    return status;
  }
  if (!IsKnown(header.mode())) {
    return InvalidArgument(
        Join("mode: got ", header.mode(),
             ", allowed MODE_EXACT, MODE_FAST, MODE_INT8, MODE_REFERENCE, or none for exact"));
  }
  if (header.sha256().size() != kDigestBytes) {
    return InvalidArgument(Join("sha256: got ", header.sha256().size(), " bytes, wanted ", kDigestBytes));
  }
  if (header.total_bytes() < 1) {
    return InvalidArgument(
        Join("total_bytes: got ", header.total_bytes(), ", allowed 1..", limits.max_upload_bytes));
  }
  if (header.total_bytes() <= limits.max_upload_bytes) {
    return {};
  }
  return ResourceExhausted(Join("total_bytes: got ", header.total_bytes(), ", allowed 1..",
                                limits.max_upload_bytes, " (--max-upload-mb)"));
}

engine::Mode DecodeMode(v1::Mode mode) {
  switch (mode) {
    case v1::MODE_FAST: return engine::Mode::kFast;
    case v1::MODE_INT8: return engine::Mode::kInt8;
    case v1::MODE_REFERENCE: return engine::Mode::kReference;
    default: return engine::Mode::kExact;
  }
}

}  // namespace spikeserve::rpc
