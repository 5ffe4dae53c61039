#include "tests/rpc/raw_call.h"

#include <grpcpp/generic/generic_stub.h>

#include <future>
#include <utility>

namespace spikeserve::testing {
namespace {

grpc::ByteBuffer Buffer(const std::string& bytes) {
  const grpc::Slice slice(bytes);
  return grpc::ByteBuffer(&slice, 1);
}

std::string Text(const grpc::ByteBuffer& buffer) {
  grpc::Slice slice;
  return buffer.Valid() && buffer.DumpToSingleSlice(&slice).ok()
             ? std::string(reinterpret_cast<const char*>(slice.begin()), slice.size())
             : std::string();
}

std::string Error(const grpc::Status& status) {
  return "error " + std::to_string(status.error_code()) + ": " + status.error_message();
}

// Sends one message, takes one, and ends.
class OneExchange final : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  explicit OneExchange(const std::string& request) : request_(Buffer(request)) {}

  void Begin() {
    StartWriteLast(&request_, grpc::WriteOptions());
    StartRead(&response_);
    StartCall();
  }
  void OnReadDone(bool ok) override {
    if (ok && text_.empty()) {
      text_ = Text(response_);
      StartRead(&response_);
    }
  }
  void OnDone(const grpc::Status& status) override { done_.set_value(status.ok() ? text_ : Error(status)); }
  std::string Await() { return done_.get_future().get(); }

 private:
  grpc::ByteBuffer request_;
  grpc::ByteBuffer response_;
  std::string text_;
  std::promise<std::string> done_;
};

}  // namespace

std::string RawCall(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                    const std::string& request) {
  grpc::GenericStub stub(channel);
  grpc::ClientContext call;
  const grpc::ByteBuffer message = Buffer(request);
  grpc::ByteBuffer response;
  std::promise<grpc::Status> done;
  stub.UnaryCall(&call, method, grpc::StubOptions(), &message, &response,
                 [&done](grpc::Status status) { done.set_value(std::move(status)); });
  const grpc::Status status = done.get_future().get();
  return status.ok() ? Text(response) : Error(status);
}

std::string RawStream(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                      const std::string& request) {
  grpc::GenericStub stub(channel);
  grpc::ClientContext call;
  OneExchange exchange(request);
  stub.PrepareBidiStreamingCall(&call, method, grpc::StubOptions(), &exchange);
  exchange.Begin();
  return exchange.Await();
}

}  // namespace spikeserve::testing
