// Session: pieces equal the whole through the wire, every refusal, idle and killed clients, draining.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <thread>

#include "server/engine/make_backend.h"
#include "tests/rpc/server_test.h"
#include "tests/support/eventually.h"

namespace spikeserve::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// The CPU engine behind a server.
class SessionTest : public ServerTest {
 protected:
  std::unique_ptr<engine::Backend> MakeDevice() override {
    return std::move(engine::MakeBackend({.kind = "cpu", .threads = 2})).value();
  }
  void StartWithNetwork() {
    Start();
    engine::NetworkDefinition network = SmallMlp();
    std::get<engine::NeuronOperation>(network.operations[2].kind).gain = 40.0;
    network.probes[0].synapse = engine::Lowpass{0.004};
    ASSERT_TRUE(Load("net", network).ok());
    idle_bytes_ = server().budget().used_bytes();
  }
  std::int64_t idle_bytes_ = 0;
};

// One side of a session.
class Talk {
 public:
  explicit Talk(v1::SimulationService::Stub& stub) : stream_(stub.Session(&context_)) {}

  // Sends and waits for the answer; false where there is none.
  bool Ask(const v1::SessionRequest& request) { return stream_->Write(request) && stream_->Read(&answer); }
  bool Open(std::int64_t batch, bool goaway = false) {
    v1::SessionRequest request;
    request.mutable_open()->set_goaway(goaway);
    request.mutable_open()->mutable_settings()->set_network("net");
    request.mutable_open()->set_batch(batch);
    return Ask(request);
  }
  bool Read() { return stream_->Read(&answer); }
  bool Advance(std::int64_t steps, const v1::Array& inputs) {
    v1::SessionRequest request;
    request.mutable_advance()->set_steps(steps);
    *request.mutable_advance()->add_inputs() = inputs;
    return Ask(request);
  }
  bool Reset(const std::vector<std::int64_t>& samples) {
    v1::SessionRequest request;
    request.mutable_reset()->mutable_samples()->Assign(samples.begin(), samples.end());
    return Ask(request);
  }
  grpc::Status Finish() {
    stream_->WritesDone();
    return FinishWithoutClosing();
  }
  // Waits for the server to end the session.
  grpc::Status FinishWithoutClosing() {
    v1::SessionResponse ignored;
    while (stream_->Read(&ignored)) {
    }
    return stream_->Finish();
  }
  void Kill() { context_.TryCancel(); }

  v1::SessionResponse answer;

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::SessionRequest, v1::SessionResponse>> stream_;
};

TEST_F(SessionTest, PiecesEqualTheWhole) {
  StartWithNetwork();
  v1::SimulateRequest request = Request("net", {1.5F, 0.25F, -2});
  request.set_steps(300);
  v1::SimulateResponse whole;
  ASSERT_TRUE(Simulate(request, &whole).ok());
  Talk talk(*simulations_);
  ASSERT_TRUE(talk.Open(3)) << talk.Finish().error_message();
  EXPECT_EQ(talk.answer.opened().settings().network(), "net");
  EXPECT_EQ(talk.answer.opened().settings().dt(), 0.001);
  for (const std::int64_t steps : {1, 7, 250, 42}) {
    ASSERT_TRUE(talk.Advance(steps, request.inputs(0)));
  }
  const v1::SessionProgress& progress = talk.answer.progress();
  EXPECT_EQ(progress.steps_done(), 300);
  EXPECT_THAT(progress.sample_steps(), ElementsAre(300, 300, 300));
  EXPECT_EQ(progress.probes(0).outputs().data(), whole.probes(0).outputs().data());
  EXPECT_EQ(progress.classification().SerializeAsString(), whole.classification().SerializeAsString());
  ASSERT_TRUE(talk.Reset({1}));
  EXPECT_TRUE(talk.answer.has_reset());
  ASSERT_TRUE(talk.Advance(10, request.inputs(0)));
  EXPECT_THAT(talk.answer.progress().sample_steps(), ElementsAre(310, 10, 310));
  EXPECT_TRUE(talk.Finish().ok());
  EXPECT_TRUE(Idle(idle_bytes_));
}

TEST_F(SessionTest, RefusalsNameTheField) {
  config_.limits.max_steps = 500;
  config_.limits.max_samples = 4;
  StartWithNetwork();
  const auto refused = [&](auto change, const std::string& text,
                           grpc::StatusCode code = grpc::StatusCode::INVALID_ARGUMENT) {
    Talk talk(*simulations_);
    change(talk);
    const grpc::Status status = talk.Finish();
    EXPECT_EQ(status.error_code(), code) << text << ": " << status.error_message();
    EXPECT_THAT(status.error_message(), HasSubstr(text));
  };
  const v1::Array input = Request("net", {1}).inputs(0);
  refused([&](Talk& talk) { talk.Advance(1, input); }, "open: wanted as the first message");
  refused([&](Talk& talk) { talk.Open(1), talk.Open(1); }, "open: got a second one");
  refused([&](Talk& talk) { talk.Open(0); }, "open.batch: got 0, allowed 1..4");
  refused([&](Talk& talk) { talk.Open(5); }, "open.batch: got 5", grpc::StatusCode::RESOURCE_EXHAUSTED);
  refused([&](Talk& talk) { talk.Open(1), talk.Advance(0, input); }, "advance.steps: got 0, allowed 1..500");
  refused([&](Talk& talk) { talk.Open(1), talk.Advance(501, input); }, "advance.steps: got 501",
          grpc::StatusCode::RESOURCE_EXHAUSTED);
  refused([&](Talk& talk) { talk.Open(2), talk.Advance(1, input); }, "got a batch of 1, wanted the 2");
  refused([&](Talk& talk) { talk.Open(1), talk.Reset({1}); }, "reset.samples[0]: got 1, allowed 0..0");
  refused([&](Talk& talk) { talk.Open(1), talk.Ask({}); }, "message: got none");
  refused(
      [&](Talk& talk) {
        v1::SessionRequest request;
        request.mutable_advance()->set_steps(3);
        *request.mutable_advance()->add_inputs() = input;
        request.mutable_advance()->add_encodings()->mutable_latency();
        talk.Open(1), talk.Ask(request);
      },
      "encodings[0].latency.window_steps: got 0");
  refused(
      [&](Talk& talk) {
        v1::SessionRequest request;
        request.mutable_open()->mutable_settings()->set_network("other");
        request.mutable_open()->set_batch(1);
        talk.Ask(request);
      },
      "\"other\" is not loaded", grpc::StatusCode::NOT_FOUND);
  refused(
      [&](Talk& talk) {
        v1::SessionRequest request;
        request.mutable_open()->mutable_settings()->set_network("net");
        request.mutable_open()->mutable_settings()->set_steps(3);
        request.mutable_open()->set_batch(1);
        talk.Ask(request);
      },
      "inputs, steps and encodings come with advance");
  EXPECT_TRUE(Idle(idle_bytes_));
}

TEST_F(SessionTest, TooManyAreRefused) {
  config_.limits.max_sessions = 1;
  StartWithNetwork();
  Talk first(*simulations_);
  ASSERT_TRUE(first.Open(1));
  Talk second(*simulations_);
  EXPECT_FALSE(second.Open(1));
  const grpc::Status status = second.Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(status.error_message(), HasSubstr("--max-sessions"));
  EXPECT_TRUE(first.Finish().ok());
}

// Who knows that a session has ended may count on its place.
TEST_F(SessionTest, AnEndedSessionLeavesItsPlaceAtOnce) {
  config_.limits.max_sessions = 1;
  StartWithNetwork();
  for (int i = 0; i < 100; ++i) {
    Talk talk(*simulations_);
    ASSERT_TRUE(talk.Open(1)) << i;
    ASSERT_TRUE(talk.Finish().ok()) << i;
  }
}

TEST_F(SessionTest, SilentOnesEnd) {
  config_.limits.session_idle_seconds = 1;
  StartWithNetwork();
  Talk silent(*simulations_);
  ASSERT_TRUE(silent.Open(1));
  const grpc::Status status = silent.FinishWithoutClosing();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED) << status.error_message();
  EXPECT_THAT(status.error_message(), HasSubstr("--session-idle-seconds"));
  EXPECT_TRUE(Idle(idle_bytes_));
}

TEST_F(SessionTest, KilledClientLeavesNothing) {
  StartWithNetwork();
  {
    Talk talk(*simulations_);
    ASSERT_TRUE(talk.Open(4));
    ASSERT_TRUE(talk.Advance(5, Request("net", {1, 2, 3, 4}).inputs(0)));
    talk.Kill();
    EXPECT_EQ(talk.Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
  EXPECT_TRUE(Idle(idle_bytes_));
}

TEST_F(SessionTest, DrainingEndsThem) {
  StartWithNetwork();
  Talk talk(*simulations_);
  ASSERT_TRUE(talk.Open(1));
  std::jthread drain([this] { server().Drain({.patience = std::chrono::seconds(20)}); });
  const grpc::Status status = talk.FinishWithoutClosing();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE) << status.error_message();
}

TEST_F(SessionTest, ThoseThatAskForItAreToldOfTheEndAndServedUntilThen) {
  StartWithNetwork();
  const v1::Array input = Request("net", {1}).inputs(0);
  Talk asks(*simulations_);
  Talk knows_nothing(*simulations_);
  ASSERT_TRUE(asks.Open(1, true) && asks.Advance(3, input));
  ASSERT_TRUE(knows_nothing.Open(1) && knows_nothing.Advance(3, input));
  std::jthread drain([this] {
    server().Drain({.lame_duck = std::chrono::seconds(8), .patience = std::chrono::seconds(60)});
  });
  ASSERT_TRUE(asks.Read());  // while the server waits for a message
  ASSERT_TRUE(asks.answer.has_goaway()) << asks.answer.DebugString();
  EXPECT_EQ(asks.answer.goaway().steps_done(), 3);
  EXPECT_GT(asks.answer.goaway().seconds_left(), 1);
  EXPECT_LE(asks.answer.goaway().seconds_left(), 8);
  Talk late(*simulations_);
  ASSERT_TRUE(late.Open(1, true) && late.Read());
  EXPECT_TRUE(late.answer.has_goaway());
  for (Talk* talk : {&asks, &knows_nothing}) {
    ASSERT_TRUE(talk->Advance(4, input));
    EXPECT_EQ(talk->answer.progress().steps_done(), 7);
  }
  for (Talk* talk : {&asks, &knows_nothing, &late}) {  // at the end of the time
    EXPECT_FALSE(talk->Read()) << talk->answer.DebugString();
    EXPECT_EQ(talk->FinishWithoutClosing().error_code(), grpc::StatusCode::UNAVAILABLE);
  }
}

TEST_F(SessionTest, ACallThatIsCancelledMeanwhileEndsOnce) {
  StartWithNetwork();
  for (int i = 0; i < 50; ++i) {
    Talk talk(*simulations_);
    ASSERT_TRUE(talk.Open(1, true));
    if (i % 2 == 0) {
      talk.Kill();
    }
    server().Drain({.lame_duck = std::chrono::milliseconds(i % 5), .patience = std::chrono::seconds(20)});
    EXPECT_FALSE(talk.FinishWithoutClosing().ok());
    Stop();
    Start();
  }
}

}  // namespace
}  // namespace spikeserve::testing
