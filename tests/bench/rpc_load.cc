#include "tests/bench/rpc_load.h"

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <iostream>
#include <limits>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

#include "spikeserve/v1/simulation.grpc.pb.h"

namespace spikeserve::bench {
namespace {

using Clock = std::chrono::steady_clock;
constexpr double kWarmUpSeconds = 0.5;

std::shared_ptr<grpc::Channel> Connect(const std::string& address, int number) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  arguments.SetInt("spikeserve.connection", number);  // channels with equal arguments share a connection
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

grpc::ByteBuffer Buffer(const std::string& bytes) {
  const grpc::Slice slice(bytes);
  return {&slice, 1};
}

// Keeps a number of calls under way until it is stopped.
class Load {
 public:
  Load(const LoadOptions& options, const std::string& request)
      : method_(options.method), request_(Buffer(request)) {
    for (int i = 0; i < options.connections; ++i) {
      stubs_.push_back(std::make_unique<grpc::GenericStub>(Connect(options.address, i)));
    }
    for (auto& stub : stubs_) {
      for (int i = 0; i < options.in_flight; ++i) {
        Start(*stub);
      }
    }
  }
  std::int64_t done() const { return done_; }
  // What a call took in the middle of those since the last one that was `done` then; once stopped.
  double MedianSince(std::int64_t done) {
    const std::lock_guard lock(mu_);
    const auto first = seconds_.begin() + std::min(done, static_cast<std::int64_t>(seconds_.size()));
    const auto middle = first + (seconds_.end() - first) / 2;
    std::nth_element(first, middle, seconds_.end());
    return middle == seconds_.end() ? 0 : *middle;
  }

  // Waits for the calls under way.
  void Stop() {
    stopping_ = true;
    std::unique_lock lock(mu_);
    idle_.wait(lock, [this] { return running_ == 0; });
    if (!failure_.empty()) {
      throw std::runtime_error(failure_);
    }
  }

 private:
  struct Call {
    grpc::ClientContext context;
    grpc::ByteBuffer response;
    Clock::time_point start = Clock::now();
  };

  void Start(grpc::GenericStub& stub) {
    {
      const std::lock_guard lock(mu_);
      ++running_;
    }
    auto call = std::make_shared<Call>();
    Call& at = *call;
    stub.UnaryCall(&at.context, method_, {}, &request_, &at.response,
                   [this, &stub, call](const grpc::Status& status) { Finish(stub, *call, status); });
  }

  void Finish(grpc::GenericStub& stub, const Call& call, const grpc::Status& status) {
    const std::chrono::duration<double> took = Clock::now() - call.start;
    if (status.ok()) {
      ++done_;
      if (!stopping_) {
        Start(stub);
      }
    }
    const std::lock_guard lock(mu_);
    seconds_.push_back(took.count());
    if (!status.ok() && failure_.empty()) {
      failure_ = method_ + ": " + status.error_message();
    }
    if (--running_ == 0) {
      idle_.notify_all();
    }
  }

  std::string method_;
  grpc::ByteBuffer request_;
  std::vector<std::unique_ptr<grpc::GenericStub>> stubs_;
  std::atomic<std::int64_t> done_ = 0;
  std::atomic<bool> stopping_ = false;
  std::mutex mu_;  // guards all below
  std::condition_variable idle_;
  int running_ = 0;
  std::string failure_;
  std::vector<double> seconds_;  // that each call took
};

void Sleep(double seconds) { std::this_thread::sleep_for(std::chrono::duration<double>(seconds)); }

class EchoService final
    : public v1::SimulationService::WithRawCallbackMethod_Simulate<v1::SimulationService::Service> {
 public:
  explicit EchoService(std::int64_t bytes)
      : response_(Buffer(std::string(static_cast<std::size_t>(bytes), '\0'))) {}
  grpc::ServerUnaryReactor* Simulate(grpc::CallbackServerContext* call, const grpc::ByteBuffer*,
                                     grpc::ByteBuffer* response) override {
    *response = response_;
    grpc::ServerUnaryReactor* reactor = call->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

 private:
  grpc::ByteBuffer response_;
};

}  // namespace

LoadResult MeasureCalls(const LoadOptions& options, const std::string& request) {
  Load load(options, request);
  Sleep(kWarmUpSeconds);
  const std::int64_t before = load.done();
  const auto start = Clock::now();
  Sleep(options.seconds);
  const std::int64_t after = load.done();
  const double took = std::chrono::duration<double>(Clock::now() - start).count();
  load.Stop();
  return {static_cast<double>(after - before) / took, load.MedianSince(before)};
}

std::string CallOnce(const LoadOptions& options, const std::string& request) {
  grpc::GenericStub stub(Connect(options.address, -1));
  grpc::ClientContext context;
  const grpc::ByteBuffer buffer = Buffer(request);
  grpc::ByteBuffer response;
  std::mutex mu;
  std::condition_variable changed;
  bool done = false;
  grpc::Status status;
  stub.UnaryCall(&context, options.method, {}, &buffer, &response, [&](const grpc::Status& result) {
    const std::lock_guard lock(mu);
    status = result;
    done = true;
    changed.notify_all();
  });
  std::unique_lock lock(mu);
  changed.wait(lock, [&] { return done; });
  if (!status.ok()) {
    throw std::runtime_error(options.method + ": " + status.error_message());
  }
  grpc::Slice slice;
  if (!response.DumpToSingleSlice(&slice).ok()) {
    throw std::runtime_error(options.method + ": no response");
  }
  return {reinterpret_cast<const char*>(slice.begin()), slice.size()};
}

void ServeEcho(std::int64_t response_bytes) {
  EchoService service(response_bytes);
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.SetMaxReceiveMessageSize(-1);
  builder.RegisterService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) {
    throw std::runtime_error("cannot listen on 127.0.0.1");
  }
  std::cout << "listening on 127.0.0.1:" << port << std::endl;
  std::cin.ignore(std::numeric_limits<std::streamsize>::max());
  server->Shutdown();
}

}  // namespace spikeserve::bench
