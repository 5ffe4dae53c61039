#include "server/rpc/upload_call.h"

#include <string>
#include <utility>

#include "server/engine/violations.h"
#include "server/rpc/network_info.h"
#include "server/rpc/status.h"
#include "server/rpc/upload_header.h"
#include "server/serving/sha256.h"

namespace spikeserve::rpc {

using engine::Join;

grpc::ServerReadReactor<v1::LoadNetworkRequest>* UploadCall::Start(const ServiceContext& context,
                                                                   UploadTable& uploads,
                                                                   grpc::CallbackServerContext& call,
                                                                   v1::LoadNetworkResponse& response) {
  auto* self = new UploadCall(context, uploads, call, response);
  const Status status = Guarded([&] { return self->Admit(); });
  if (status.ok()) {
    self->StartRead(&self->message_);
  } else {
    self->FinishWith(status);
  }
  return self;  // gone only after gRPC has taken it
}

Status UploadCall::Admit() {
  if (Status status = context_.authorizer.Check(call_, Scope::kAdmin); !status.ok()) return status;
  return uploads_.Add(call_);
}

void UploadCall::OnReadDone(bool ok) {
  const Status status = Guarded([&] { return ok ? Take() : TakeEnd(); });
  if (!status.ok()) return FinishWith(status);
  if (ok) return StartRead(&message_);
  const Status posted = Guarded([this]() -> Status {
    context_.tasks.Post([this] { FinishWith(Guarded([this] { return Load(); })); });
    return {};
  });
  if (!posted.ok()) FinishWith(posted);
}

Status UploadCall::Take() {
  uploads_.Touch(call_);
  if (message_.has_header()) return TakeHeader(message_.header());
  if (message_.part_case() == v1::LoadNetworkRequest::kChunk) return TakeChunk(*message_.mutable_chunk());
  return InvalidArgument("part: got none, wanted header first, then chunk");
}

Status UploadCall::TakeHeader(const v1::LoadNetworkHeader& header) {
  if (claim_) return InvalidArgument("header: got a second one, allowed one, as the first message");
  if (Status status = CheckUploadHeader(header, context_.limits); !status.ok()) return status;
  record_.network = header.name();
  auto reservation = context_.budget.Reserve(context_.loader.EstimateUploadBytes(header.total_bytes()),
                                             "total_bytes: the upload");
  if (!reservation.ok()) return reservation.status();
  auto claim = context_.loader.Begin(header.name(), header.version());
  if (!claim.ok()) return claim.status();
  reservation_ = std::move(reservation).value();
  claim_.emplace(std::move(claim).value());
  record_.version = claim_->version();
  header_ = header;
  upload_.mode = DecodeMode(header.mode());
  upload_.cancelled = stop_.get_token();
  upload_.bytes.reserve(static_cast<std::size_t>(header.total_bytes()));  // checked and reserved
  return {};
}

Status UploadCall::TakeChunk(std::string& chunk) {
  if (!claim_) return InvalidArgument("chunk: came before the header");
  if (chunk.empty()) return InvalidArgument("chunk: got 0 bytes, wanted 1 or more");
  const auto have = static_cast<std::int64_t>(upload_.bytes.size() + chunk.size());
  if (have > header_.total_bytes()) {
    return InvalidArgument(Join("chunk: got ", have, " bytes in all, wanted the ", header_.total_bytes(),
                                " that total_bytes announced"));
  }
  upload_.bytes += chunk;
  return {};
}

// The client has closed its side, or is gone.
Status UploadCall::TakeEnd() {
  if (call_.IsCancelled()) return {StatusCode::kCancelled, "cancelled by the client during the upload"};
  if (!claim_) return InvalidArgument("header: got none, wanted one as the first message");
  const auto have = static_cast<std::int64_t>(upload_.bytes.size());
  if (have == header_.total_bytes()) {
    uploads_.Complete(call_);
    return {};
  }
  return InvalidArgument(Join("chunk: got ", have, " bytes in all, wanted the ", header_.total_bytes(),
                              " that total_bytes announced"));
}

// On the task thread.
Status UploadCall::Load() {
  if (stop_.stop_requested())
    return {StatusCode::kCancelled, "cancelled by the client before the network was loaded"};
  const std::string digest = serving::Sha256(upload_.bytes);
  if (digest != header_.sha256()) {
    return InvalidArgument(Join("sha256: got ", serving::ToHex(header_.sha256()),
                                ", but the uploaded bytes have ", serving::ToHex(digest)));
  }
  serving::NetworkRegistry::Claim claim = std::move(*claim_);
  auto handle = context_.loader.Load(std::move(claim), upload_);
  if (!handle.ok()) return handle.status();
  *response_.mutable_network() = EncodeNetworkInfo(*handle.value(), serving::NetworkState::kReady);
  return {};
}

// The last thing that is done here: the call may be gone afterwards. What the upload held goes first, so that
// who has the answer may count on it.
void UploadCall::FinishWith(const Status& status) {
  claim_.reset();
  std::string().swap(upload_.bytes);
  reservation_ = {};
  record_.SetStatus(status);
  Finish(ToGrpc(status));
}

}  // namespace spikeserve::rpc
