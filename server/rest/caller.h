#pragma once

#include <grpcpp/channel.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <utility>

#include "inference/grpc_service.grpc.pb.h"
#include "server/base/guarded.h"
#include "server/base/mutex.h"
#include "server/base/status.h"
#include "server/rest/exchange.h"
#include "server/rest/http_error.h"

namespace spikeserve::rest {

// Calls the GRPCInferenceService behind a channel with a client's token and deadline, without a thread that
// waits. Thread-safe; destroyed after the server behind the channel was shut down.
class Caller {
 public:
  using Async = inference::GRPCInferenceService::StubInterface::async_interface;
  template <typename Request, typename Response>
  using Method = void (Async::*)(grpc::ClientContext*, const Request*, Response*,
                                 std::function<void(grpc::Status)>);

  explicit Caller(const std::shared_ptr<grpc::Channel>& channel);
  // As WaitIdle.
  ~Caller();

  // From now on the server behind the channel goes: calls that it cuts off are said to be for that reason.
  void Close() { closed_ = true; }
  bool closed() const { return closed_; }
  // Waits for the calls under way.
  void WaitIdle();

  // Calls `method`; then `next`, on a thread of HTTP, which responds or calls again. An error of the call,
  // and one that `next` returns, is the response.
  template <typename Request, typename Response>
  void Then(const std::shared_ptr<Exchange>& exchange, Method<Request, Response> method, Request request,
            std::function<Status(const Response&)> next);
  // Calls `method`, and responds with what `show` makes of the answer.
  template <typename Request, typename Response>
  void Call(const std::shared_ptr<Exchange>& exchange, Method<Request, Response> method, Request request,
            std::function<Result<HttpResponse>(const Response&)> show);

 private:
  // What a call needs until it has ended.
  template <typename Request, typename Response>
  struct Parts {
    Request request;
    Response response;
    std::shared_ptr<grpc::ClientContext> context;
  };
  // Who waits for it.
  template <typename Request, typename Response>
  struct Waiting {
    std::shared_ptr<Exchange> exchange;
    std::shared_ptr<Parts<Request, Response>> parts;
    std::function<Status(const Response&)> next;
  };

  void Begun();
  void Ended();
  Status StatusOf(const grpc::Status& status) const;

  std::atomic<bool> closed_ = false;
  const std::unique_ptr<inference::GRPCInferenceService::Stub> stub_;
  Mutex mu_;
  std::condition_variable_any none_left_;
  int calls_ SPIKESERVE_GUARDED_BY(mu_) = 0;
};

// Sets token and deadline of a call; INVALID_ARGUMENT or UNAUTHENTICATED where a header cannot be passed on.
Status PrepareCall(const HttpHead& head, grpc::ClientContext& context);

template <typename Request, typename Response>
void Caller::Then(const std::shared_ptr<Exchange>& exchange, Method<Request, Response> method,
                  Request request, std::function<Status(const Response&)> next) {
  auto parts = std::make_shared<Parts<Request, Response>>();
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
      post([mine = std::move(mine), called = StatusOf(status)] {
        const Status result =
            called.ok() ? Guarded([&] { return mine.next(mine.parts->response); }, "answering") : called;
        if (!result.ok()) {
          mine.exchange->respond(ErrorResponse(result));
        }
      });
    }
    Ended();
  };
  Begun();
  (static_cast<Async*>(stub_->async())->*method)(parts->context.get(), &parts->request, &parts->response,
                                                 done);
}

template <typename Request, typename Response>
void Caller::Call(const std::shared_ptr<Exchange>& exchange, Method<Request, Response> method,
                  Request request, std::function<Result<HttpResponse>(const Response&)> show) {
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
