#include "server/serving/networks/network_loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <new>
#include <optional>

#include "server/serving/sha256.h"
#include "tests/support/definitions.h"
#include "tests/support/fake_backend.h"
#include "tests/support/fake_clock.h"
#include "tests/support/temporary_folder.h"

namespace spikeserve::serving {
namespace {

using ::spikeserve::testing::FakeBackend;
using ::spikeserve::testing::FakeClock;
using ::spikeserve::testing::FakeScript;
using ::spikeserve::testing::SmallMlp;
using ::spikeserve::testing::TemporaryFolder;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// The bytes of an upload say what parsing them gives.
Result<ParsedNetwork> ParseFake(std::string_view bytes) {
  if (bytes == "throws") {
    throw std::bad_alloc();
  }
  if (bytes == "no message") {
    return InvalidArgument("not a message");
  }
  ParsedNetwork parsed{SmallMlp(), {}, {}};
  if (bytes.find("labels") != std::string_view::npos) {
    parsed.metadata.class_labels = {"a", "b"};
  }
  if (bytes.find("unknown") != std::string_view::npos) {
    parsed.violations = {"synapse: unknown", "gain: empty"};
  }
  if (bytes.find("cycle") != std::string_view::npos) {
    parsed.definition.connections.push_back({"output", "dense", {}});
  }
  return parsed;
}

class NetworkLoaderTest : public ::testing::Test {
 protected:
  Result<NetworkHandle> Load(const std::string& bytes, std::int64_t version = 0) {
    auto claim = loader_.Begin("net", version);
    if (!claim.ok()) {
      return claim.status();
    }
    return loader_.Load(std::move(claim).value(),
                        {bytes, Sha256(bytes), engine::Mode::kExact, stop_.get_token()});
  }
  Result<std::vector<std::int64_t>> Unload(std::int64_t version) {
    std::promise<Result<std::vector<std::int64_t>>> done;
    loader_.Unload("net", version,
                   [&done](Result<std::vector<std::int64_t>> result) { done.set_value(result); });
    return done.get_future().get();
  }
  void ExpectNothingLeft() {
    EXPECT_TRUE(registry_.List().empty());
    EXPECT_EQ(script_->networks, 0);
    EXPECT_EQ(budget_.used_bytes(), 0);
    EXPECT_TRUE(repository_.List().empty());
  }

  TemporaryFolder folder_;
  NetworkRepository repository_ = NetworkRepository::Open(folder_.path()).value();
  MemoryBudget budget_{100'000};
  std::shared_ptr<FakeScript> script_ = std::make_shared<FakeScript>();
  FakeBackend backend_{script_};
  std::stop_source stop_;
  NetworkRegistry registry_;
  NetworkLoader loader_{{registry_, budget_, backend_, &repository_, ParseFake, {}, 1000}};
};

TEST_F(NetworkLoaderTest, ALoadedNetworkIsReadyStoredAndPaidFor) {
  const auto handle = Load("good");
  ASSERT_TRUE(handle.ok()) << handle.status().message();
  EXPECT_EQ(handle.value()->version, 1);
  EXPECT_EQ(handle.value()->sha256, ToHex(Sha256("good")));
  EXPECT_EQ(registry_.Get("net", 0).value(), handle.value());
  EXPECT_EQ(repository_.Read("net", 1, 1000).value().payload, "good");
  EXPECT_EQ(budget_.used_bytes(), script_->network_bytes);
  EXPECT_EQ(script_->batches().size(), 1U);  // the warm-up
}

TEST_F(NetworkLoaderTest, WhatFailsLeavesNothing) {
  EXPECT_EQ(Load("no message").status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(Load("cycle").status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(Load("throws").status().code(), StatusCode::kResourceExhausted);
  script_->on_load = [] { return Internal("no device"); };
  EXPECT_EQ(Load("good").status().message(), "no device");
  script_->on_load = nullptr;
  script_->on_advance = [](std::int64_t) { return Internal("warm-up failed"); };
  EXPECT_EQ(Load("good").status().message(), "warm-up failed");
  script_->on_advance = nullptr;
  script_->network_bytes = 1'000'000;
  EXPECT_EQ(Load("good").status().code(), StatusCode::kResourceExhausted);
  ExpectNothingLeft();
}

TEST_F(NetworkLoaderTest, ACancelledUploadIsNotStored) {
  stop_.request_stop();
  EXPECT_EQ(Load("good").status().code(), StatusCode::kCancelled);
  ExpectNothingLeft();
}

TEST_F(NetworkLoaderTest, OneAnswerHoldsTheViolationsOfMessageAndNetwork) {
  const Status status = Load("unknown cycle").status();
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(),
              HasSubstr("the definition has 2 violations:\n- synapse: unknown\n- gain: empty"));
  EXPECT_THAT(status.message(), HasSubstr("cycle"));
}

TEST_F(NetworkLoaderTest, LabelsMustFitTheFirstProbe) {
  const Status status = Load("labels").status();
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("class_labels: got 2, wanted 1"));
  ExpectNothingLeft();
}

TEST_F(NetworkLoaderTest, AStoredButUnloadedVersionIsNotReplaced) {
  spikeserve::testing::WriteFile(folder_.path() / "net/4/network.spk", "damaged");
  const Status status = Load("good", 4).status();
  EXPECT_EQ(status.code(), StatusCode::kAlreadyExists);
  EXPECT_THAT(status.message(), HasSubstr("version 4 is stored"));
  EXPECT_EQ(spikeserve::testing::ReadFile(folder_.path() / "net/4/network.spk"), "damaged");
  EXPECT_TRUE(registry_.List().empty());
  EXPECT_EQ(Load("good").value()->version, 5);
}

TEST_F(NetworkLoaderTest, LoadsWhatIsStored) {
  ASSERT_TRUE(repository_.Write("net", 2, engine::Mode::kReference, "good", Sha256("good"), "").ok());
  const auto handle = loader_.LoadStored({"net", 2});
  ASSERT_TRUE(handle.ok()) << handle.status().message();
  EXPECT_EQ(handle.value()->mode, engine::Mode::kReference);
  EXPECT_EQ(handle.value()->version, 2);
  EXPECT_EQ(budget_.used_bytes(), script_->network_bytes);
}

TEST_F(NetworkLoaderTest, ADamagedStoredFileIsAnErrorAndStays) {
  spikeserve::testing::WriteFile(folder_.path() / "net/2/network.spk", "damaged");
  EXPECT_EQ(loader_.LoadStored({"net", 2}).status().code(), StatusCode::kDataLoss);
  EXPECT_TRUE(repository_.Has("net", 2));
  EXPECT_TRUE(registry_.List().empty());
  EXPECT_EQ(budget_.used_bytes(), 0);
}

TEST_F(NetworkLoaderTest, UnloadRemovesMemoryAndFiles) {
  ASSERT_TRUE(Load("good").ok());
  ASSERT_TRUE(Load("good").ok());
  EXPECT_THAT(Unload(0).value(), ElementsAre(1, 2));
  ExpectNothingLeft();
  EXPECT_EQ(Unload(0).status().code(), StatusCode::kNotFound);
}

// It would be back after the next start, so it is not to be gone before.
TEST_F(NetworkLoaderTest, ANetworkWhoseFileCannotBeRemovedStaysLoaded) {
  ASSERT_TRUE(Load("good").ok());
  std::filesystem::remove(folder_.path() / "net/1/network.spk");
  std::filesystem::create_directories(folder_.path() / "net/1/network.spk/in the way");
  for (int i = 0; i < 2; ++i) {
    const Status status = Unload(i).status();
    EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
    EXPECT_THAT(status.message(), HasSubstr("version 1 stays, as its file cannot be deleted: "));
    EXPECT_TRUE(registry_.Get("net", 1).ok());
  }
  std::filesystem::remove_all(folder_.path() / "net/1/network.spk/in the way");
  EXPECT_THAT(Unload(1).value(), ElementsAre(1));
  ExpectNothingLeft();
}

TEST_F(NetworkLoaderTest, WhoDoesNotOwnTheRepositoryNeitherLoadsNorUnloads) {
  ASSERT_TRUE(Load("good").ok());
  const NetworkRepository followed = NetworkRepository::Open(folder_.path()).value();
  const NetworkLoader follower({registry_, budget_, backend_, &followed, ParseFake, {}, 1000});
  EXPECT_EQ(follower.Begin("net", 0).status().code(), StatusCode::kFailedPrecondition);
  // Also where the file is gone, as its owner has just deleted it.
  for (const bool gone : {false, true}) {
    if (gone) {
      std::filesystem::remove(folder_.path() / "net/1/network.spk");
    }
    std::promise<Status> done;
    follower.Unload("net", 1, [&done](const auto& result) { done.set_value(result.status()); });
    const Status status = done.get_future().get();
    EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
    EXPECT_THAT(status.message(),
                HasSubstr("version 1 stays, as its file cannot be deleted: another server"));
    EXPECT_TRUE(registry_.Get("net", 1).ok());
  }
}

TEST_F(NetworkLoaderTest, UnloadRemovesWhatIsStoredAndNotLoaded) {
  spikeserve::testing::WriteFile(folder_.path() / "net/4/network.spk", "damaged");
  ASSERT_TRUE(Load("good").ok());
  EXPECT_EQ(Unload(3).status().code(), StatusCode::kNotFound);
  EXPECT_THAT(Unload(4).value(), ElementsAre(4));
  EXPECT_FALSE(repository_.Has("net", 4));
  spikeserve::testing::WriteFile(folder_.path() / "net/2/network.spk", "damaged");
  EXPECT_THAT(Unload(0).value(), ElementsAre(2, 5));
  ExpectNothingLeft();
}

TEST_F(NetworkLoaderTest, ANetworkCountsForItsOwnerAlsoAfterARestart) {
  FakeClock clock;
  const auto tenant = std::make_shared<Tenant>("vision", TenantRules(), clock);
  auto share = loader_.TakeShare(*tenant, 4);
  ASSERT_TRUE(share.ok());
  auto claim = loader_.Begin("net", 1);
  ASSERT_TRUE(claim.ok());
  ASSERT_TRUE(loader_
                  .Load(std::move(claim).value(),
                        {"good", Sha256("good"), engine::Mode::kExact, {}, std::move(share).value()})
                  .ok());
  EXPECT_EQ(loader_.shares().Of("vision").networks, 1);
  NetworkRegistry registry;
  const NetworkLoader again({registry, budget_, backend_, &repository_, ParseFake, {}, 1000});
  ASSERT_TRUE(again.LoadStored({"net", 1}).ok());
  EXPECT_EQ(again.shares().Of("vision").networks, 1);
  EXPECT_EQ(again.shares().Of("vision").bytes, 4);
  ASSERT_TRUE(Unload(1).ok());
  EXPECT_EQ(loader_.shares().Of("vision").networks, 0);
}

TEST_F(NetworkLoaderTest, UnloadLeavesWhatIsOnItsWayIn) {
  const auto claim = loader_.Begin("net", 2);
  ASSERT_TRUE(claim.ok());
  EXPECT_EQ(Unload(2).status().code(), StatusCode::kUnavailable);
  EXPECT_EQ(Unload(0).status().code(), StatusCode::kUnavailable);
}

}  // namespace
}  // namespace spikeserve::serving
