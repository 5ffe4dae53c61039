// ModelStreamInfer: many requests on one stream, answers on the way, failures that do not end it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "inference/grpc_service.grpc.pb.h"
#include "tests/rpc/infer_test.h"
#include "tests/support/eventually.h"

namespace spikeserve::testing {
namespace {

using inference::ModelInferRequest;
using inference::ModelStreamInferResponse;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Stream = grpc::ClientReaderWriter<ModelInferRequest, ModelStreamInferResponse>;

class InferStreamTest : public InferTest {
 protected:
  void SetUp() override {
    Start();
    ASSERT_TRUE(LoadLabelled("net").ok());
  }
  static ModelInferRequest Numbered(const std::string& id, std::int64_t report_every = 0) {
    ModelInferRequest request = RawRequest({1});
    request.set_id(id);
    (*request.mutable_parameters())["steps"].set_int64_param(16);
    if (report_every > 0) {
      (*request.mutable_parameters())["report_every"].set_int64_param(report_every);
    }
    return request;
  }
  static bool IsFinal(const ModelStreamInferResponse& response) {
    return response.infer_response().parameters().at("triton_final_response").bool_param();
  }
};

TEST_F(InferStreamTest, AnswersInOrderAndEndsWithTheClient) {
  grpc::ClientContext call;
  const auto stream = stub_->ModelStreamInfer(&call);
  constexpr int kRequests = 200;  // more than may be under way at the same time
  std::thread writer([&] {
    for (int i = 0; i < kRequests; ++i) {
      stream->Write(Numbered(std::to_string(i)));
    }
    stream->WritesDone();
  });
  ModelStreamInferResponse response;
  for (int i = 0; i < kRequests; ++i) {
    ASSERT_TRUE(stream->Read(&response)) << i;
    EXPECT_EQ(response.error_message(), "");
    EXPECT_EQ(response.infer_response().id(), std::to_string(i));
    EXPECT_TRUE(IsFinal(response));
  }
  EXPECT_FALSE(stream->Read(&response));
  writer.join();
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_TRUE(Idle(resident_));
}

TEST_F(InferStreamTest, ReportsOnTheWay) {
  grpc::ClientContext call;
  const auto stream = stub_->ModelStreamInfer(&call);
  stream->Write(Numbered("a", 4));
  stream->WritesDone();
  ModelStreamInferResponse response;
  for (const std::int64_t steps : {4, 8, 12}) {
    ASSERT_TRUE(stream->Read(&response));
    EXPECT_EQ(response.infer_response().parameters().at("steps_done").int64_param(), steps);
    EXPECT_FALSE(IsFinal(response));
    EXPECT_EQ(response.infer_response().outputs(0).name(), "output");
  }
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_TRUE(IsFinal(response));
  EXPECT_EQ(response.infer_response().outputs_size(), 1);
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(InferStreamTest, SendsAnEmptyLastAnswerOnRequest) {
  grpc::ClientContext call;
  const auto stream = stub_->ModelStreamInfer(&call);
  ModelInferRequest request = Numbered("a", 8);
  (*request.mutable_parameters())["triton_enable_empty_final_response"].set_bool_param(true);
  stream->Write(request);
  stream->WritesDone();
  ModelStreamInferResponse response;
  std::vector<int> outputs;
  std::vector<bool> finals;
  while (stream->Read(&response)) {
    outputs.push_back(response.infer_response().outputs_size());
    finals.push_back(IsFinal(response));
    EXPECT_EQ(response.infer_response().id(), "a");
  }
  EXPECT_THAT(outputs, ElementsAre(1, 1, 0));
  EXPECT_THAT(finals, ElementsAre(false, false, true));
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(InferStreamTest, ARequestThatFailsDoesNotEndTheStream) {
  grpc::ClientContext call;
  const auto stream = stub_->ModelStreamInfer(&call);
  ModelInferRequest wrong = Numbered("wrong");
  wrong.set_model_name("nothing");
  ModelStreamInferResponse response;
  for (const ModelInferRequest& request : {wrong, Numbered("right")}) {
    ASSERT_TRUE(stream->Write(request));
    ASSERT_TRUE(stream->Read(&response));
    EXPECT_EQ(response.infer_response().id(), request.id());
    EXPECT_EQ(response.infer_response().model_name(), request.model_name());
    EXPECT_EQ(response.error_message(),
              request.id() == "wrong" ? "NOT_FOUND: network \"nothing\" is not loaded" : "");
  }
  stream->WritesDone();
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(InferStreamTest, EndsWithTheFirstFailureWhereThatIsWanted) {
  grpc::ClientContext call;
  call.AddMetadata("triton_grpc_error", "true");
  const auto stream = stub_->ModelStreamInfer(&call);
  ModelInferRequest wrong = Numbered("wrong");
  wrong.set_model_name("nothing");
  stream->Write(Numbered("right"));
  stream->Write(wrong);
  stream->Write(Numbered("late"));
  ModelStreamInferResponse response;
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.infer_response().id(), "right");
  EXPECT_FALSE(stream->Read(&response));
  const grpc::Status status = stream->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_THAT(status.error_message(), HasSubstr("\"nothing\" is not loaded"));
  EXPECT_TRUE(Idle(resident_));
}

TEST_F(InferStreamTest, ACancelledStreamLeavesNothing) {
  std::atomic<bool> gone = false;
  script_->on_advance = [&](std::int64_t done) {
    while (done >= 50 && !gone) {
      std::this_thread::yield();
    }
    return Status();
  };
  {
    grpc::ClientContext call;
    const auto stream = stub_->ModelStreamInfer(&call);
    for (int i = 0; i < 10; ++i) {
      ModelInferRequest request = Numbered(std::to_string(i), 1);
      (*request.mutable_parameters())["steps"].set_int64_param(10'000);
      stream->Write(request);
    }
    ModelStreamInferResponse response;
    ASSERT_TRUE(stream->Read(&response));
    call.TryCancel();
    while (stream->Read(&response)) {
    }
    EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
  gone = true;
  EXPECT_TRUE(Idle(resident_));
}

TEST_F(InferStreamTest, AServerThatShutsDownEndsIdleStreams) {
  grpc::ClientContext call;
  const auto stream = stub_->ModelStreamInfer(&call);
  stream->Write(Numbered("a"));
  ModelStreamInferResponse response;
  ASSERT_TRUE(stream->Read(&response));
  const auto began = std::chrono::steady_clock::now();
  server().Drain({.patience = std::chrono::seconds(60)});
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(30));
  EXPECT_FALSE(stream->Read(&response));
  const grpc::Status status = stream->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_THAT(status.error_message(), HasSubstr("shutting down"));
}

TEST_F(InferStreamTest, ARequestThatComesAfterTheEndIsCountedAsTheEnd) {
  grpc::ClientContext idle_call;
  const auto idle = stub_->ModelStreamInfer(&idle_call);
  ModelStreamInferResponse none;
  ASSERT_TRUE(idle->Write(Numbered("b")));
  ASSERT_TRUE(idle->Read(&none));
  std::atomic<bool> begun = false, over = false;
  script_->on_advance = [&](std::int64_t) {
    begun = true;
    EXPECT_TRUE(Eventually([&] { return over.load(); }));
    return Status();
  };
  grpc::ClientContext call;
  call.AddMetadata("x-request-id", "of-this-stream");
  const auto ended = [this] {  // by its line in the log, which others that are refused may have too
    const std::string log = Log();
    const std::size_t id = log.find("of-this-stream");
    const std::size_t end = std::min(log.find('\n', id), log.size());
    return id != std::string::npos &&
           log.substr(id, end - id).find(R"("code":"UNAVAILABLE")") != std::string::npos;
  };
  const auto stream = stub_->ModelStreamInfer(&call);
  ASSERT_TRUE(stream->Write(Numbered("a")));
  ASSERT_TRUE(Eventually([&] { return begun.load(); }));
  std::thread drain([&] { server().Drain({.patience = std::chrono::seconds(60)}); });
  ASSERT_FALSE(idle->Read(&none));  // all streams are ended one after the other
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  ASSERT_TRUE(stream->Write(Numbered("late")));
  for (int i = 0; i < 50 && !ended(); ++i) {  // told of now if the stream was read on, else at its end
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  over = true;
  drain.join();
  ModelStreamInferResponse response;
  EXPECT_TRUE(stream->Read(&response));
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_TRUE(ended());
  EXPECT_EQ(Log().find(R"("method":"ModelStreamInfer","code":"CANCELLED")"), std::string::npos);
}

// What is under way is answered, however the stream would end.
class DrainedStreamTest : public InferStreamTest, public ::testing::WithParamInterface<const char*> {};

TEST_P(DrainedStreamTest, AnswersWhatIsUnderWay) {
  const std::string how = GetParam();
  std::atomic<bool> draining = false;
  std::atomic<bool> over = false;
  const std::size_t last_run = script_->batches().size() + 3;
  // The first run waits for the drain; the last, of another call, keeps the connection open until all is
  // read.
  script_->on_advance = [&](std::int64_t) {
    EXPECT_TRUE(
        Eventually([&] { return script_->batches().size() < last_run ? draining.load() : over.load(); }));
    return Status();
  };
  grpc::ClientContext call;
  if (how == "GrpcErrors") {
    call.AddMetadata("triton_grpc_error", "true");
  }
  const auto stream = stub_->ModelStreamInfer(&call);
  ASSERT_TRUE(stream->Write(Numbered("a")));
  ASSERT_TRUE(Eventually([&] { return script_->simulations == 1; }));  // so that it runs alone
  ASSERT_TRUE(stream->Write(Numbered("b")));
  ASSERT_TRUE(stream->Write(Numbered("c")));
  if (how == "HalfClosed") {
    stream->WritesDone();
  }
  ASSERT_TRUE(Eventually([&] { return server().batcher().queued_samples() == 2; }));
  std::thread last([&] { EXPECT_TRUE(Simulate(Request("net", {5})).ok()); });
  ASSERT_TRUE(Eventually([&] { return server().batcher().queued_samples() == 3; }));
  std::thread drain([&] { server().Drain({.patience = std::chrono::seconds(60)}); });
  ASSERT_TRUE(Eventually([&] {  // from now on new streams are refused
    grpc::ClientContext other;
    const auto refused = stub_->ModelStreamInfer(&other);
    ModelStreamInferResponse none;
    return !refused->Read(&none) && refused->Finish().error_code() == grpc::StatusCode::UNAVAILABLE;
  }));
  draining = true;
  ModelStreamInferResponse response;
  for (const char* id : {"a", "b", "c"}) {
    EXPECT_TRUE(stream->Read(&response)) << id;
    EXPECT_EQ(response.error_message(), "");
    EXPECT_EQ(response.infer_response().id(), id);
  }
  EXPECT_FALSE(stream->Read(&response));
  const grpc::Status end = stream->Finish();
  EXPECT_EQ(end.error_code(), how == "HalfClosed" ? grpc::StatusCode::OK : grpc::StatusCode::UNAVAILABLE)
      << end.error_message();
  over = true;
  last.join();
  drain.join();
}

INSTANTIATE_TEST_SUITE_P(Ways, DrainedStreamTest, ::testing::Values("Open", "HalfClosed", "GrpcErrors"),
                         [](const auto& way) { return std::string(way.param); });

// Half-closed, cancelled, read or not, with networks that come and go: nothing is left, and nothing is
// touched that is gone.
TEST_F(InferStreamTest, ManyStreamsEndInEveryWay) {
  constexpr int kThreads = 6;
  constexpr int kStreams = 40;
  std::atomic<bool> over = false;
  std::thread churn([&] {
    while (!over) {
      EXPECT_TRUE(Load("other", ThreeClasses()).ok());
      EXPECT_TRUE(Unload("other").ok());
    }
  });
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; i < kStreams; ++i) {
        grpc::ClientContext call;
        if (i % 3 == 0) {
          call.AddMetadata("triton_grpc_error", "true");
        }
        const auto stream = stub_->ModelStreamInfer(&call);
        for (int request = 0; request < 1 + i % 7; ++request) {
          ModelInferRequest message = Numbered(std::to_string(request), request % 3);
          message.set_model_name(request % 2 == 0 ? "net" : "other");
          stream->Write(message);
        }
        stream->WritesDone();
        ModelStreamInferResponse response;
        if ((i + thread) % 4 == 0) {
          call.TryCancel();
        }
        while ((i + thread) % 4 != 1 && stream->Read(&response)) {
        }
        if ((i + thread) % 4 == 1) {
          call.TryCancel();
        }
        static_cast<void>(stream->Finish());
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  over = true;
  churn.join();
  EXPECT_TRUE(Idle(resident_));
}

// 240 kB each, more than the transport holds.
TEST_F(InferStreamTest, AReaderThatDoesNotReadMissesReportsButNoAnswer) {
  engine::NetworkDefinition wide = SmallMlp();
  wide.tensors[2] = Tensor("w1", {60'000, 3}, std::vector<float>(180'000, 1.0F));
  ASSERT_TRUE(Load("wide", wide).ok());
  std::atomic<int> chunks = 0;
  script_->on_advance = [&](std::int64_t) {
    ++chunks;
    return Status();
  };
  grpc::ClientContext call;
  const auto stream = stub_->ModelStreamInfer(&call);
  ModelInferRequest request = Numbered("a", 1);
  request.set_model_name("wide");
  (*request.mutable_parameters())["steps"].set_int64_param(1000);
  stream->Write(request);
  ASSERT_TRUE(Eventually([&] { return script_->steps >= 1000; }));  // without a single read
  EXPECT_LT(chunks, 500);  // as reports that nobody takes are not made
  stream->WritesDone();
  ModelStreamInferResponse response;
  int reports = 0;
  while (stream->Read(&response) && !IsFinal(response)) {
    ++reports;
  }
  EXPECT_LT(reports, 999);
  EXPECT_TRUE(IsFinal(response));
  EXPECT_TRUE(stream->Finish().ok());
}

}  // namespace
}  // namespace spikeserve::testing
