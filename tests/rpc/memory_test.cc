// Memory of messages: what a few bytes on the wire may grow to, and the texts that stay with a network.

#include <gmock/gmock.h>
#include <google/protobuf/unknown_field_set.h>
#include <gtest/gtest.h>

#include <functional>

#include "tests/rpc/raw_call.h"
#include "tests/rpc/server_test.h"
#include "tests/support/encode_network.h"

namespace spikeserve::testing {
namespace {

using ::testing::HasSubstr;

class MemoryTest : public ServerTest {
 protected:
  void ExpectRequestRefused(const std::function<void(v1::SimulateRequest&)>& change,
                            const std::string& text) {
    v1::SimulateRequest request = Request("net", {1, 2});
    change(request);
    ExpectExhausted(Simulate(request), text);
  }
  void ExpectUploadRefused(const std::string& bytes, const std::string& text) {
    ExpectExhausted(Upload(Header("net", bytes), bytes, nullptr, 1 << 20), text);
    EXPECT_TRUE(Idle(0));
    EXPECT_TRUE(server().registry().List().empty());
  }

 private:
  static void ExpectExhausted(const grpc::Status& status, const std::string& text) {
    EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
    EXPECT_THAT(status.error_message(), HasSubstr(text));
  }
};

TEST_F(MemoryTest, RequestsPayForWhatSmallFieldsGrowTo) {
  config_.memory_budget_bytes = 60'000;
  Start();
  ASSERT_TRUE(Load("net").ok());
  const auto flood = [](int fields, std::uint32_t number) {
    return [fields, number](v1::SimulateRequest& r) {
      auto* unknown = r.GetReflection()->MutableUnknownFields(&r);
      for (int i = 0; i < fields; ++i) {
        unknown->AddLengthDelimited(static_cast<int>(number), "");
      }
    };
  };
  ExpectRequestRefused(flood(1000, 15), "the request: needs");
  ExpectRequestRefused(
      [](auto& r) {
        for (int i = 0; i < 300; ++i) {
          r.add_inputs();
        }
      },
      "the request: needs");
  EXPECT_TRUE(Idle(script_->network_bytes));
}

TEST_F(MemoryTest, FieldsThatNobodyKnowsAreNotKept) {
  Start();
  ASSERT_TRUE(Load("net").ok());
  std::int64_t used = 0;
  script_->on_advance = [&](std::int64_t) {
    used = server().budget().used_bytes();
    return Status();
  };
  v1::SimulateRequest request = Request("net", {1});
  ASSERT_TRUE(Simulate(request).ok());
  const std::int64_t plain = used;
  ASSERT_TRUE(Idle(script_->network_bytes));  // the answer is read before its bytes are given back
  auto* unknown = request.GetReflection()->MutableUnknownFields(&request);
  for (int i = 0; i < 4000; ++i) {
    unknown->AddLengthDelimited(100, "");
  }
  ASSERT_TRUE(Simulate(request).ok());
  EXPECT_LE(used, plain + 4000 * 3);  // their bytes as received
  for (int i = 0; i < 4000; ++i) {
    unknown->AddLengthDelimited(100, "");
  }
  const grpc::Status status = Simulate(request);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(status.error_message(),
            "the message holds 24000 bytes of fields that this server does not know, allowed 16384");
}

TEST_F(MemoryTest, SessionsAreCheckedBeforeTheyAreReadToo) {
  Start();
  std::string unknown;
  for (int i = 0; i < 10'000; ++i) {
    unknown += std::string("\x7a\0", 2);
  }
  EXPECT_THAT(RawStream(channel_, "/spikeserve.v1.SimulationService/Session", unknown),
              ::testing::HasSubstr("error 8: "));
}

TEST_F(MemoryTest, CountsListsBeforeTheyAreParsed) {
  Start();
  const auto refuse = [this](const std::string& field, const std::string& text) {
    std::string lists;
    for (int i = 0; i < 9000; ++i) {
      lists += field;
    }
    ExpectUploadRefused(lists, text);
  };
  refuse(std::string("\x12\0", 2), "operations: got 9000, allowed 1024 (--max-operations)");
  refuse(std::string("\x1a\0", 2), "connections: got 9000, allowed 4096 (--max-connections)");
  refuse(std::string("\x22\0", 2), "probes: got 9000, allowed 256 (--max-probes)");
  refuse(std::string("\x2a\0", 2), "tensors: got 9000, allowed 8192 (8 for each of --max-operations)");
}

TEST_F(MemoryTest, UploadsPayForWhatSmallFieldsGrowTo) {
  config_.memory_budget_bytes = 1'000'000;
  Start();
  std::string unknown;
  for (int i = 0; i < 5000; ++i) {
    unknown += std::string("\x7a\0", 2);
  }
  ExpectUploadRefused(unknown, "the definition: needs 14");
}

TEST_F(MemoryTest, BoundsTheTextsOfANetwork) {
  Start();
  const auto refuse = [this](const std::function<void(v1::NetworkDefinition&)>& change,
                             const std::string& text) {
    v1::NetworkDefinition definition = EncodeNetwork(SmallMlp());
    change(definition);
    const std::string bytes = definition.SerializeAsString();
    ExpectUploadRefused(bytes, text);
  };
  refuse(
      [](auto& n) {
        for (int i = 0; i < 1025; ++i) {
          n.mutable_provenance()->add_notes("");
        }
      },
      "provenance.notes: got 1025, allowed 1024");
  refuse(
      [](auto& n) {
        for (int i = 0; i < 65'537; ++i) {
          n.mutable_defaults()->add_class_labels("");
        }
      },
      "defaults.class_labels: got 65537, allowed 65536");
  refuse([](auto& n) { n.mutable_provenance()->set_source_format(std::string(1'100'000, 'x')); },
         "provenance and defaults.class_labels: bytes: got 1100004, allowed 1048576");
}

TEST_F(MemoryTest, TheTextsOfANetworkAndTheirListingArePaidFor) {
  constexpr int kNotes = 1000;
  config_.memory_budget_bytes = 2'200'000;
  Start();
  v1::NetworkDefinition definition = EncodeNetwork(SmallMlp());
  for (int i = 0; i < kNotes; ++i) {
    definition.mutable_provenance()->add_notes(std::string(500, 'x'));
  }
  const std::string bytes = definition.SerializeAsString();
  const grpc::Status status = Upload(Header("net", bytes), bytes, nullptr, 1 << 20);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_TRUE(Idle(script_->network_bytes + kNotes * static_cast<std::int64_t>(500 + sizeof(std::string))));
  grpc::ClientContext call;
  v1::ListNetworksResponse response;
  const grpc::Status listed = networks_->ListNetworks(&call, {}, &response);
  EXPECT_EQ(listed.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(listed.error_message(), HasSubstr("the answer: needs 2"));
}

}  // namespace
}  // namespace spikeserve::testing
