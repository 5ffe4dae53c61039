// Between wire and engine: networks there and back, classification, structure checks, the log's lines.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/ringbuffer_sink.h>

#include <chrono>
#include <cmath>
#include <cstring>
#include <limits>

#include "google/rpc/error_details.pb.h"
#include "server/rpc/context/event_log.h"
#include "server/rpc/decode/classification.h"
#include "server/rpc/decode/decode_network.h"
#include "server/rpc/wire/parsed_size.h"
#include "server/rpc/wire/status.h"
#include "server/rpc/wire/wire.h"
#include "server/serving/memory_budget.h"
#include "tests/support/encode_network.h"
#include "tests/support/random_network.h"

namespace spikeserve::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(DecodeNetwork, RandomNetworksComeBackAsTheyWere) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const engine::NetworkDefinition definition = MakeRichNetwork(seed).definition;
    const v1::NetworkDefinition message = EncodeNetwork(definition);
    serving::MemoryBudget budget(1 << 20);
    const auto decoded = rpc::DecodeNetwork(message.SerializeAsString(), {}, budget);
    ASSERT_TRUE(decoded.ok()) << seed;
    EXPECT_TRUE(decoded.value().violations.empty()) << seed;
    EXPECT_EQ(EncodeNetwork(decoded.value().definition).SerializeAsString(), message.SerializeAsString())
        << seed;
  }
}

// What random networks do not use.
TEST(DecodeNetwork, EveryKindOfOperationComesBack) {
  engine::NetworkDefinition definition;
  definition.format_version = 1;
  const engine::NeuronOperation lif{engine::Lif{0.01, 0.001, -1.5, 2}, 2.5, std::string("bias"),
                                    engine::TensorVoltage{"v0"}};
  const engine::NeuronOperation uniform{engine::SpikingRectifiedLinear{3}, {}, {}, engine::UniformVoltage{9}};
  const engine::NeuronOperation zero{engine::IntegrateAndFire{3}, {}, {}, engine::ZeroVoltage{}};
  const engine::NeuronOperation rate{engine::RectifiedLinear{0.5}, {}, {}, engine::ConstantVoltage{0.5}};
  definition.operations = {
      {"input", engine::InputOperation{{4, 4, 1}, 0.5, -1.0}},
      {"conv", engine::ConvOperation{"w", "b", {1, 2}, {3, 4}, {5, 6}, {7, 8}, 9}},
      {"pool", engine::PoolOperation{engine::PoolKind::kAverage, {2}, {3}, {4}, {5}, true}},
      {"scale", engine::ScaleShiftOperation{"s", "t", -1}},
      {"sum", engine::WeightedSumOperation{{1, -0.5}}},
      {"concat", engine::ConcatOperation{-1}},
      {"reshape", engine::ReshapeOperation{{2, 8}}},
      {"permute", engine::PermuteOperation{{1, 0}}},
      {"pad", engine::PadOperation{{1, -1}, {0, 2}}},
      {"lif", lif},
      {"uniform", uniform},
      {"zero", zero},
      {"rate", rate},
      {"memory", engine::NeuronOperation{engine::MemoryRectifiedLinear{2, 6.0, 0.125}, {}, {}, {}}},
      {"function",
       engine::NeuronOperation{
           engine::MemoryFunction{math::MeanFunction::kElu, 2, 0.5}, {}, {}, {}, engine::Parameter(3.0)}},
      {"softmax", engine::ActivationOperation{engine::Softmax{}}},
      {"leaky", engine::ActivationOperation{engine::LeakyRelu{0.25}}}};
  definition.defaults = {0.002, 7, {engine::ReadoutKind::kLast, 3}};
  const v1::NetworkDefinition message = EncodeNetwork(definition);
  serving::MemoryBudget budget(1 << 20);
  const auto decoded = rpc::DecodeNetwork(message.SerializeAsString(), {}, budget);
  ASSERT_TRUE(decoded.ok());
  EXPECT_TRUE(decoded.value().violations.empty());
  EXPECT_EQ(EncodeNetwork(decoded.value().definition).DebugString(), message.DebugString());
  const auto& neuron = std::get<engine::NeuronOperation>(decoded.value().definition.operations[9].kind);
  EXPECT_EQ(std::get<engine::Lif>(neuron.model).min_voltage, -1.5);
  EXPECT_EQ(std::get<double>(neuron.gain), 2.5);
}

TEST(Wire, CountsWhatLiesOutsideOfBulkData) {
  constexpr std::array<int, 2> kPath{5, 4};
  v1::NetworkDefinition message;
  message.add_tensors()->set_data(std::string(1000, 'x'));
  message.add_tensors()->set_id("four");
  const std::string bytes = message.SerializeAsString();
  const std::int64_t structure = static_cast<std::int64_t>(bytes.size()) - 1000;
  EXPECT_TRUE(rpc::CheckStructure(bytes, kPath, structure).ok());
  EXPECT_EQ(rpc::CheckStructure(bytes, kPath, structure - 1).code(), StatusCode::kResourceExhausted);
}

// Two bytes on the wire that become an object, many times over, each in the message that knows the field.
TEST(Wire, TheParsedSizeIsAnUpperBoundOfWhatIsAllocated) {
  constexpr int kTimes = 5000;
  v1::NetworkDefinition operations, connections, probes, tensors, notes, labels, shape;
  for (int i = 0; i < kTimes; ++i) {
    operations.add_operations()->mutable_neuron()->mutable_gain();
    connections.add_connections()->mutable_synapse()->mutable_lowpass();
    probes.add_probes();
    tensors.add_tensors();
    notes.mutable_provenance()->add_notes("");
    labels.mutable_defaults()->add_class_labels("seventeen letters");
    if (i == 0) {
      shape.add_tensors();
    }
    shape.mutable_tensors(0)->add_shape(1);
  }
  v1::NetworkDefinition unknown_texts, unknown_numbers;
  std::string texts, numbers;
  for (int i = 0; i < kTimes; ++i) {
    texts += std::string("\x7a\0", 2);
    numbers += std::string("\x78\1", 2);
  }
  ASSERT_TRUE(unknown_texts.ParseFromString(texts) && unknown_numbers.ParseFromString(numbers));
  for (const auto* built : {&operations, &connections, &probes, &tensors, &notes, &labels, &shape,
                            &unknown_texts, &unknown_numbers}) {
    const std::string bytes = built->SerializeAsString();
    v1::NetworkDefinition message;
    ASSERT_TRUE(message.ParseFromString(bytes));
    const auto bound = rpc::ParsedBytes(bytes, *message.GetDescriptor());
    ASSERT_TRUE(bound.ok());
    EXPECT_GE(bound.value(), static_cast<std::int64_t>(message.SpaceUsedLong()))
        << built->ShortDebugString().substr(0, 60);
    EXPECT_LE(bound.value(), 200 * static_cast<std::int64_t>(bytes.size()));
  }
}

TEST(Wire, GroupsAndTruncatedBytesHaveNoParsedSize) {
  const auto refused = [](std::string_view bytes) {
    return rpc::ParsedBytes(bytes, *v1::NetworkDefinition::descriptor()).status().code();
  };
  EXPECT_EQ(refused("\x7b\x7c"), StatusCode::kInvalidArgument);
  EXPECT_EQ(refused("\x12\x05"), StatusCode::kInvalidArgument);
  EXPECT_EQ(refused("\x12\x03\x0a\x05x"), StatusCode::kInvalidArgument);
}

TEST(Wire, TruncatedBytesAreNoMessage) {
  constexpr std::array<int, 2> kPath{5, 4};
  v1::NetworkDefinition message;
  message.add_tensors()->set_data("some data");
  message.add_operations()->set_name("name");
  const std::string bytes = message.SerializeAsString();
  for (std::size_t size = 1; size < bytes.size(); ++size) {
    const Status status = rpc::CheckStructure(std::string_view(bytes).substr(0, size), kPath, 1000);
    if (!v1::NetworkDefinition().ParseFromString(bytes.substr(0, size))) {
      EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << size;
    }
  }
}

TEST(Classify, TiesGoToTheLowerIndex) {
  const std::vector<double> outputs = {1, 3, 3, 0, 0, 0};
  const v1::Classification classes = rpc::Classify(outputs, 3, {.top_k = 3}, v1::DATA_TYPE_FLOAT32);
  EXPECT_THAT(classes.classes(), ElementsAre(1, 0));
  EXPECT_THAT(classes.margins(), ElementsAre(0, 0));
  EXPECT_THAT(classes.top_k(0).classes(), ElementsAre(1, 2, 0));
  EXPECT_THAT(classes.top_k(0).values(), ElementsAre(3, 3, 1));
  EXPECT_THAT(classes.top_k(1).classes(), ElementsAre(0, 1, 2));
  EXPECT_FALSE(classes.has_scores());
}

TEST(Classify, OneOutputHasAnInfiniteMargin) {
  const std::vector<double> outputs = {-4};
  const v1::Classification classes = rpc::Classify(outputs, 1, {}, v1::DATA_TYPE_FLOAT32);
  EXPECT_THAT(classes.classes(), ElementsAre(0));
  EXPECT_EQ(classes.margins(0), std::numeric_limits<double>::infinity());
}

TEST(Classify, SoftmaxStaysFiniteForLargeOutputs) {
  const std::vector<double> outputs = {1e30, 1e30, -1e30};
  const v1::Classification classes = rpc::Classify(outputs, 3, {.scores = true}, v1::DATA_TYPE_FLOAT64);
  std::array<double, 3> scores{};
  ASSERT_EQ(classes.scores().data().size(), sizeof scores);
  std::memcpy(scores.data(), classes.scores().data().data(), sizeof scores);
  EXPECT_THAT(scores, ElementsAre(0.5, 0.5, 0));
  EXPECT_THAT(classes.scores().shape(), ElementsAre(1, 3));
}

TEST(ToGrpc, CutsAtALineWhatTrailersCannotHold) {
  std::string message;
  for (int i = 0; i < 1000; ++i) {
    message += "line " + std::to_string(i) + "\n";
  }
  const std::string cut = rpc::ToGrpc(InvalidArgument(message)).error_message();
  EXPECT_LT(cut.size(), 6000U);
  EXPECT_THAT(cut, ::testing::EndsWith("\n- and more, too long to be sent"));
  EXPECT_EQ(rpc::ToGrpc(InvalidArgument("short")).error_message(), "short");
}

TEST(ToGrpc, SaysWhenToTryAgain) {
  using namespace std::chrono_literals;
  const grpc::Status status = rpc::ToGrpc(ResourceExhausted("queue full").RetryAfter(2'250ms));
  google::rpc::Status details;
  ASSERT_TRUE(details.ParseFromString(status.error_details()));
  EXPECT_EQ(details.code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(details.message(), "queue full");
  google::rpc::RetryInfo info;
  ASSERT_EQ(details.details_size(), 1);
  EXPECT_EQ(details.details(0).type_url(), "type.googleapis.com/google.rpc.RetryInfo");
  ASSERT_TRUE(details.details(0).UnpackTo(&info));
  EXPECT_EQ(info.retry_delay().seconds(), 2);
  EXPECT_EQ(info.retry_delay().nanos(), 250'000'000);
  EXPECT_EQ(rpc::ToGrpc(ResourceExhausted("queue full")).error_details(), "");
  EXPECT_EQ(rpc::ToGrpc(ResourceExhausted(std::string(5000, 'x')).RetryAfter(1s)).error_details(), "");
}

TEST(EventLog, LinesAreWholeWhateverIsInThem) {
  const auto sink = std::make_shared<spdlog::sinks::ringbuffer_sink_mt>(4);
  const rpc::EventLog json(rpc::LogFormat::kJson, sink);
  json.Info("request",
            {{"name", std::string("a\"b\\\n{}%v")}, {"count", std::int64_t{3}}, {"s", 0.5}, {"ok", true}});
  const auto text_sink = std::make_shared<spdlog::sinks::ringbuffer_sink_mt>(4);
  const rpc::EventLog text(rpc::LogFormat::kText, text_sink);
  text.Warn("request", {{"name", std::string("a\nb")}});
  ASSERT_EQ(sink->last_formatted().size(), 1U);
  ASSERT_EQ(text_sink->last_formatted().size(), 1U);
  EXPECT_THAT(
      sink->last_formatted()[0],
      HasSubstr(
          R"("level":"info","event":"request","name":"a\"b\\\u000a{}%v","count":3,"s":0.5,"ok":true})"));
  EXPECT_THAT(text_sink->last_formatted()[0], HasSubstr(R"( warning request name="a\u000ab")"));
}

}  // namespace
}  // namespace spikeserve::testing
