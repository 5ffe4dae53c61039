#include "server/rpc/trace/span_exporter.h"

#include <gmock/gmock.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "opentelemetry/proto/collector/trace/v1/trace_service.grpc.pb.h"
#include "tests/support/eventually.h"

namespace spikeserve::rpc {
namespace {

namespace otlp = opentelemetry::proto::collector::trace::v1;
using ::testing::HasSubstr;

// Answers with `status`, and counts what it takes.
class Collector final : public otlp::TraceService::Service {
 public:
  Collector() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  ~Collector() override { server_->Shutdown(std::chrono::system_clock::now()); }

  grpc::Status Export(grpc::ServerContext* /*context*/, const otlp::ExportTraceServiceRequest* request,
                      otlp::ExportTraceServiceResponse* response) override {
    ++calls;
    spans += request->resource_spans(0).scope_spans(0).spans_size();
    response->mutable_partial_success()->set_rejected_spans(rejected);
    return status;
  }

  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

  std::atomic<int> calls = 0;
  std::atomic<int> spans = 0;
  int rejected = 0;
  grpc::Status status;

 private:
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

std::unique_ptr<SpanExporter> Start(const std::string& endpoint) {
  return SpanExporter::Start(endpoint, {{"service.name", std::string("test")}}).value();
}

std::vector<Span> Spans(std::size_t count) { return std::vector<Span>(count); }

TEST(SpanExporter, SendsManyAtATime) {
  Collector collector;
  const auto exporter = Start("http://" + collector.address() + "/");
  for (int i = 0; i < 200; ++i) {
    exporter->Add(Spans(5));
  }
  EXPECT_TRUE(testing::Eventually([&] { return exporter->sent() == 1000; }));
  EXPECT_EQ(collector.spans, 1000);
  EXPECT_LT(collector.calls, 10);
  EXPECT_EQ(exporter->lost(), 0);
}

TEST(SpanExporter, ItsEndSendsWhatWaits) {
  Collector collector;
  auto exporter = Start(collector.address());
  exporter->Add(Spans(3));
  exporter.reset();
  EXPECT_EQ(collector.spans, 3);
}

TEST(SpanExporter, WhatIsRefusedForGoodIsLost) {
  Collector collector;
  collector.status = {grpc::StatusCode::INVALID_ARGUMENT, "no"};
  const auto exporter = Start(collector.address());
  exporter->Add(Spans(512));
  EXPECT_TRUE(testing::Eventually([&] { return exporter->lost() == 512; }));
  EXPECT_EQ(collector.calls, 1);
}

TEST(SpanExporter, CountsWhatACollectorLeavesOut) {
  Collector collector;
  collector.rejected = 12;
  const auto exporter = Start(collector.address());
  exporter->Add(Spans(512));
  EXPECT_TRUE(testing::Eventually([&] { return exporter->sent() == 500; }));
  EXPECT_EQ(exporter->lost(), 12);
}

TEST(SpanExporter, WithoutACollectorNobodyWaitsAndSpansAreLost) {
  auto exporter = Start("127.0.0.1:1");
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 20'000; ++i) {
    exporter->Add(Spans(5));
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
  EXPECT_GT(exporter->lost(), 50'000);
  EXPECT_EQ(exporter->sent(), 0);
  const auto end = std::chrono::steady_clock::now();
  exporter.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - end, std::chrono::seconds(10));
}

TEST(SpanExporter, RefusesWhatIsNoEndpoint) {
  for (const char* endpoint :
       {"collector", "http://collector", "http://collector:4318/v1/traces", ":4317", "ftp://a:b"}) {
    const auto exporter = SpanExporter::Start(endpoint, {});
    ASSERT_FALSE(exporter.ok()) << endpoint;
    EXPECT_THAT(exporter.status().message(), HasSubstr("--trace-endpoint")) << endpoint;
  }
}

}  // namespace
}  // namespace spikeserve::rpc
