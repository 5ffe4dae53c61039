#include "server/rpc/calls/upload_call.h"

#include <array>
#include <string>
#include <utility>

#include "server/base/guarded.h"
#include "server/engine/network/violations.h"
#include "server/rpc/decode/upload_header.h"
#include "server/rpc/encode/network_info.h"
#include "server/rpc/wire/wire.h"
#include "server/serving/networks/network_file.h"
#include "server/serving/sha256.h"

namespace spikeserve::rpc {

using engine::Join;

namespace {

constexpr std::array<int, 1> kChunk{v1::LoadNetworkRequest::kChunkFieldNumber};

}  // namespace

grpc::ServerReadReactor<grpc::ByteBuffer>* UploadCall::Start(const ServiceContext& context,
                                                             UploadTable& uploads,
                                                             grpc::CallbackServerContext& call,
                                                             grpc::ByteBuffer& response) {
  auto* self = new UploadCall(context, uploads, call, response);
  const Status status = Guarded([&] { return self->Admit(); });
  if (status.ok()) {
    self->StartRead(&self->message_);
  } else {
    self->FinishWith(status);
  }
  return self;  // gone only after gRPC has taken it
}

UploadCall::~UploadCall() {
  if (Status status = pass_.Leave(); !status.ok()) {
    record_.SetStatus(status);
  }
  if (Status status = context_.watch.Stop(call_); !status.ok()) {
    record_.SetStatus(status);
  }
  uploads_.Remove(call_);
}

Status UploadCall::Admit() {
  if (!pass_.status().ok()) {
    return pass_.status();
  }
  auto tenant = context_.authorizer.Identify(call_, Scope::kAdmin);
  if (!tenant.ok()) {
    return tenant.status();
  }
  tenant_ = std::move(tenant).value();
  return uploads_.Add(call_);
}

void UploadCall::OnReadDone(bool ok) {
  const Status status = Guarded([&] { return ok ? Take() : TakeEnd(); });
  if (!status.ok()) {
    return FinishWith(status);
  }
  if (ok) {
    return StartRead(&message_);
  }
  const Status posted = Guarded([this]() -> Status {
    context_.tasks.Post([this] { FinishWith(Guarded([this] { return Load(); })); });
    return {};
  });
  if (!posted.ok()) {
    FinishWith(posted);
  }
}

Status UploadCall::Take() {
  uploads_.Touch(call_, static_cast<std::int64_t>(message_.Length()));
  if (Status status = CheckMessage(); !status.ok()) {
    return status;
  }
  v1::LoadNetworkRequest message;
  if (Status status = Parse(message_, message); !status.ok()) {
    return status;
  }
  message_.Clear();
  if (message.has_header()) {
    return TakeHeader(message.header());
  }
  if (message.part_case() == v1::LoadNetworkRequest::kChunk) {
    return TakeChunk(message.chunk());
  }
  return InvalidArgument("part: got none, wanted header first, then chunk");
}

// Before the message is parsed: a chunk within what was announced and reserved, and little besides it.
Status UploadCall::CheckMessage() const {
  const auto structure = StructureBytes(message_, kChunk);
  if (!structure.ok()) {
    return structure.status();
  }
  if (structure.value() > kMaxSmallMessageBytes) {
    return ResourceExhausted(
        Join("part: got ", structure.value(), " bytes besides the chunk, allowed ", kMaxSmallMessageBytes));
  }
  const std::int64_t chunk = static_cast<std::int64_t>(message_.Length()) - structure.value();
  if (chunk == 0) {
    return {};
  }
  if (!claim_) {
    return InvalidArgument("chunk: came before the header");
  }
  const std::int64_t have = static_cast<std::int64_t>(upload_.bytes.size()) + chunk;
  if (have <= header_.total_bytes()) {
    return {};
  }
  return InvalidArgument(Join("chunk: got ", have, " bytes in all, wanted the ", header_.total_bytes(),
                              " that total_bytes announced"));
}

Status UploadCall::TakeHeader(const v1::LoadNetworkHeader& header) {
  if (claim_) {
    return InvalidArgument("header: got a second one, allowed one, as the first message");
  }
  if (Status status = CheckUploadHeader(header, context_.limits); !status.ok()) {
    return status;
  }
  record_.network = header.name();
  auto reservation = context_.budget.Reserve(context_.loader.EstimateUploadBytes(header.total_bytes()),
                                             "total_bytes: the upload");
  if (!reservation.ok()) {
    return reservation.status();
  }
  auto share = context_.loader.TakeShare(*tenant_, header.total_bytes());
  if (!share.ok()) {
    return share.status();
  }
  auto claim = context_.loader.Begin(header.name(), header.version());
  if (!claim.ok()) {
    return claim.status();
  }
  if (Status status = context_.loader.CheckFreeSpace(header.total_bytes()); !status.ok()) {
    return status;
  }
  reservation_ = std::move(reservation).value();
  upload_.share = std::move(share).value();
  claim_.emplace(std::move(claim).value());
  record_.version = claim_->version();
  header_ = header;
  upload_.mode = DecodeMode(header.mode());
  upload_.cancelled = stop_.get_token();
  upload_.bytes.reserve(static_cast<std::size_t>(header.total_bytes()));  // checked and reserved
  return {};
}

Status UploadCall::TakeChunk(const std::string& chunk) {
  if (chunk.empty()) {
    return InvalidArgument("chunk: got 0 bytes, wanted 1 or more");
  }
  upload_.bytes += chunk;
  return {};
}

// The client has closed its side, or is gone.
Status UploadCall::TakeEnd() {
  if (Status reason = uploads_.Reason(call_); !reason.ok()) {
    return reason;
  }
  if (call_.IsCancelled()) {
    return {StatusCode::kCancelled, "cancelled by the client during the upload"};
  }
  if (!claim_) {
    return InvalidArgument("header: got none, wanted one as the first message");
  }
  const auto have = static_cast<std::int64_t>(upload_.bytes.size());
  if (have == header_.total_bytes()) {
    uploads_.Complete(call_);
    return {};
  }
  return InvalidArgument(Join("chunk: got ", have, " bytes in all, wanted the ", header_.total_bytes(),
                              " that total_bytes announced"));
}

// A whole .spk file is taken as what it holds; the mode of the file gives way to one of the request.
Status UploadCall::Unpack() {
  if (!serving::IsNetworkFile(upload_.bytes)) {
    return {};
  }
  auto file = serving::DecodeNetworkFile(std::move(upload_.bytes));
  if (!file.ok()) {
    return InvalidArgument("chunk: the .spk file: " + file.status().message());
  }
  upload_.bytes = std::move(file.value().payload);
  upload_.sha256 = std::move(file.value().sha256);
  if (header_.mode() == v1::MODE_UNSPECIFIED) {
    upload_.mode = file.value().mode;
  }
  return {};
}

// On the task thread.
Status UploadCall::Load() {
  if (stop_.stop_requested()) {
    return {StatusCode::kCancelled, "cancelled by the client before the network was loaded"};
  }
  upload_.sha256 = serving::Sha256(upload_.bytes);
  if (upload_.sha256 != header_.sha256()) {
    return InvalidArgument(Join("sha256: got ", serving::ToHex(header_.sha256()),
                                ", but the uploaded bytes have ", serving::ToHex(upload_.sha256)));
  }
  if (Status status = Unpack(); !status.ok()) {
    return status;
  }
  serving::NetworkRegistry::Claim claim = std::move(*claim_);
  auto handle = context_.loader.Load(std::move(claim), std::move(upload_));
  if (!handle.ok()) {
    return handle.status();
  }
  v1::LoadNetworkResponse response;
  *response.mutable_network() = EncodeNetworkInfo(*handle.value(), serving::NetworkState::kReady);
  auto bytes = Serialize(response);
  if (!bytes.ok()) {
    return bytes.status();
  }
  response_ = std::move(bytes).value();
  return {};
}

// The last thing that is done here: the call may be gone afterwards. What the upload held goes first, so that
// who has the answer may count on it.
void UploadCall::FinishWith(const Status& status) {
  claim_.reset();
  upload_ = {};
  reservation_ = {};
  record_.SetStatus(status);
  context_.watch.Start(call_);
  Finish(record_.ToGrpc(status));
}

}  // namespace spikeserve::rpc
