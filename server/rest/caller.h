#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/impl/codegen/proto_utils.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "server/base/guarded.h"
#include "server/base/mutex.h"
#include "server/base/status.h"
#include "server/rest/exchange.h"
#include "server/rest/http_error.h"
#include "server/serving/memory_budget.h"

namespace spikeserve::rest {

// Calls the GRPCInferenceService behind a channel with a client's token and deadline, without a thread that
// waits. Thread-safe; destroyed after the server behind the channel was shut down.
class Caller {
 public:
  Caller(std::shared_ptr<grpc::Channel> channel, serving::MemoryBudget& budget)
      : channel_(std::move(channel)), budget_(budget) {}
  // As WaitIdle.
  ~Caller();

  // From now on the server behind the channel goes: calls that it cuts off are said to be for that reason.
  void Close() { closed_ = true; }
  bool closed() const { return closed_; }
  // Waits for the calls under way.
  void WaitIdle();

  // Calls the method of this name; then `next`, on a thread of HTTP, which responds or calls again. An error
  // of the call, and one that `next` returns, is the response. What the answer takes is reserved before it is
  // parsed, until `next` has returned.
  template <typename Request, typename Response>
  void Then(const std::shared_ptr<Exchange>& exchange, const char* method, Request request,
            std::function<Status(const Response&)> next);
  // Calls the method, and responds with what `show` makes of the answer.
  template <typename Request, typename Response>
  void Call(const std::shared_ptr<Exchange>& exchange, const char* method, Request request,
            std::function<Result<http::Response>(const Response&)> show);

 private:
  // What a call needs until it has ended.
  template <typename Request>
  struct Parts {
    Request request;
    grpc::ByteBuffer response;
    std::shared_ptr<grpc::ClientContext> context;
  };
  // Who waits for it.
  template <typename Request, typename Response>
  struct Waiting {
    std::shared_ptr<Exchange> exchange;
    std::shared_ptr<Parts<Request>> parts;
    std::function<Status(const Response&)> next;
  };

  void Begun();
  void Ended();
  Status StatusOf(const grpc::Status& status) const;
  // Room for what these bytes become; they come from this very server, which has bounded them already.
  Result<serving::MemoryBudget::Reservation> ReserveParsed(const grpc::ByteBuffer& bytes);
  // Parses the answer, and calls `next` with it.
  template <typename Response>
  Status Parsed(grpc::ByteBuffer& bytes, const std::function<Status(const Response&)>& next);
  static std::string PathOf(const char* method);

  std::atomic<bool> closed_ = false;
  const std::shared_ptr<grpc::Channel> channel_;
  serving::MemoryBudget& budget_;
  Mutex mu_;
  std::condition_variable_any none_left_;
  int calls_ SPIKESERVE_GUARDED_BY(mu_) = 0;
};

// Sets token and deadline of a call; INVALID_ARGUMENT or UNAUTHENTICATED where a header cannot be passed on.
Status PrepareCall(const http::Head& head, grpc::ClientContext& context);

template <typename Request, typename Response>
void Caller::Then(const std::shared_ptr<Exchange>& exchange, const char* method, Request request,
                  std::function<Status(const Response&)> next) {
  auto parts = std::make_shared<Parts<Request>>();
  parts->request = std::move(request);
  parts->context = exchange->pending.Begin();
  if (Status status = PrepareCall(exchange->head, *parts->context); !status.ok()) {
    exchange->respond(ErrorResponse(status));
    return;
  }
  auto waiting = std::make_shared<Waiting<Request, Response>>(
      Waiting<Request, Response>{exchange, parts, std::move(next)});
  const std::function<void(grpc::Status)> done = [this, waiting](const grpc::Status& status) {
    {
      // All of it moves on: after Ended the server may go, and gRPC keeps this function for a moment longer.
      auto mine = std::exchange(*waiting, {});
      const auto post = mine.exchange->post;
      post([this, mine = std::move(mine), called = StatusOf(status)] {
        const Status result =
            called.ok()
                ? Guarded([&] { return Parsed<Response>(mine.parts->response, mine.next); }, "answering")
                : called;
        if (!result.ok()) {
          mine.exchange->respond(ErrorResponse(result));
        }
      });
    }
    Ended();
  };
  Begun();
  grpc::TemplatedGenericStub<Request, grpc::ByteBuffer> stub(channel_);
  stub.UnaryCall(parts->context.get(), PathOf(method), {}, &parts->request, &parts->response, done);
}

template <typename Response>
Status Caller::Parsed(grpc::ByteBuffer& bytes, const std::function<Status(const Response&)>& next) {
  auto reservation = ReserveParsed(bytes);
  if (!reservation.ok()) {
    return reservation.status();
  }
  Response response;
  if (!grpc::SerializationTraits<Response>::Deserialize(&bytes, &response).ok()) {
    return Internal("the answer of the call cannot be read");
  }
  reservation.value().ShrinkTo(static_cast<std::int64_t>(response.SpaceUsedLong()));
  return next(response);
}

template <typename Request, typename Response>
void Caller::Call(const std::shared_ptr<Exchange>& exchange, const char* method, Request request,
                  std::function<Result<http::Response>(const Response&)> show) {
  Then<Request, Response>(exchange, method, std::move(request),
                          [exchange, show = std::move(show)](const Response& response) {
                            auto shown = show(response);
                            if (!shown.ok()) {
                              return shown.status();
                            }
                            exchange->respond(std::move(shown).value());
                            return Status();
                          });
}

}  // namespace spikeserve::rest
