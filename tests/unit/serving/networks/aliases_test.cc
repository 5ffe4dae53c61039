#include "server/serving/networks/aliases.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "server/serving/names.h"
#include "server/serving/networks/network_registry.h"
#include "tests/support/entries.h"
#include "tests/support/temporary_folder.h"

namespace spikeserve::serving {
namespace {

using ::spikeserve::testing::FakeScript;
using ::spikeserve::testing::MakeEntry;
using ::spikeserve::testing::TemporaryFolder;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class AliasesTest : public ::testing::Test {
 protected:
  AliasesTest() {
    for (const std::int64_t version : {1, 2}) {
      auto claim = registry_.BeginLoad("net", version, 0);
      auto entry = MakeEntry(script_, "net", version);
      EXPECT_TRUE(
          repository_.Write("net", version, engine::Mode::kExact, "bytes", std::string(32, 'x'), "").ok());
      registry_.Publish(std::move(claim).value(), std::move(entry));
    }
  }
  Result<NetworkHandle> Find(const std::string& name, std::int64_t version = 0) {
    return aliases_.Find(name, version, [this](const std::string& base, std::int64_t number) {
      return registry_.Show(base, number);
    });
  }

  TemporaryFolder folder_;
  NetworkRepository repository_ = NetworkRepository::Open(folder_.path()).value();
  std::shared_ptr<FakeScript> script_ = std::make_shared<FakeScript>();
  NetworkRegistry registry_;
  Aliases aliases_{registry_, &repository_};
};

TEST_F(AliasesTest, StandForAVersionUntilTheyAreMovedOrDeleted) {
  EXPECT_EQ(aliases_.Set("net", "stable", 1).value(), std::pair(std::int64_t{1}, std::int64_t{0}));
  EXPECT_EQ(Find("net@stable").value()->version, 1);
  EXPECT_EQ(aliases_.Set("net", "stable", 0).value(), std::pair(std::int64_t{2}, std::int64_t{1}));
  EXPECT_EQ(Find("net@stable").value()->version, 2);
  EXPECT_THAT(aliases_.Of("net", 2), ElementsAre("stable"));
  EXPECT_EQ(aliases_.Delete("net", "stable").value(), 2);
  EXPECT_THAT(Find("net@stable").status().message(), HasSubstr("network \"net\" has no alias \"stable\""));
  EXPECT_EQ(aliases_.Delete("net", "stable").status().code(), StatusCode::kNotFound);
}

TEST_F(AliasesTest, AreThereAfterARestart) {
  ASSERT_TRUE(aliases_.Set("net", "stable", 1).ok());
  ASSERT_TRUE(aliases_.Set("net", "canary", 2).ok());
  ASSERT_TRUE(aliases_.Delete("net", "stable").ok());
  ASSERT_TRUE(aliases_.Set("net", "old", 1).ok());
  Aliases again(registry_, &repository_);
  EXPECT_TRUE(again.ReadStored().empty());
  EXPECT_THAT(again.Of("net", 1), ElementsAre("old"));
  EXPECT_THAT(again.Of("net", 2), ElementsAre("canary"));
  EXPECT_TRUE(repository_.Strangers(10).empty());
}

TEST_F(AliasesTest, OfADamagedFileAreToldOf) {
  std::ofstream(folder_.path() / "net" / "aliases") << "stable one\n";
  Aliases again(registry_, &repository_);
  const auto failed = again.ReadStored();
  ASSERT_EQ(failed.size(), 1U);
  EXPECT_EQ(failed.front().second.code(), StatusCode::kDataLoss);
  EXPECT_THAT(failed.front().second.message(),
              HasSubstr("got \"stable one\", wanted an alias, a space and a version"));
}

TEST_F(AliasesTest, KeepTheirVersionFromBeingUnloaded) {
  ASSERT_TRUE(aliases_.Set("net", "stable", 1).ok());
  EXPECT_TRUE(aliases_.CheckUnload("net", 2).ok());
  EXPECT_EQ(aliases_.CheckUnload("net", 1).code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(aliases_.CheckUnload("net", 0).message(), HasSubstr("net@stable would stand for nothing"));
}

TEST_F(AliasesTest, WhatCannotBeOneIsRefused) {
  for (const char* wrong : {"", "12", ".x", "a b", "a@b", "a/b"}) {
    EXPECT_EQ(aliases_.Set("net", wrong, 1).status().code(), StatusCode::kInvalidArgument) << wrong;
  }
  EXPECT_EQ(aliases_.Set("net", "stable", 3).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(aliases_.Set("other", "stable", 0).status().code(), StatusCode::kNotFound);
  ASSERT_TRUE(aliases_.Set("net", "stable", 1).ok());
  EXPECT_EQ(Find("net@stable", 1).status().code(), StatusCode::kInvalidArgument);
}

TEST_F(AliasesTest, AreSoMany) {
  for (std::size_t i = 0; i < kMaxAliases; ++i) {
    ASSERT_TRUE(aliases_.Set("net", "a" + std::to_string(i), 1).ok());
  }
  EXPECT_TRUE(aliases_.Set("net", "a0", 2).ok());
  EXPECT_EQ(aliases_.Set("net", "one-more", 1).status().code(), StatusCode::kResourceExhausted);
}

// The version that it stood for goes while somebody looks for it: the new one is looked for then.
TEST_F(AliasesTest, AMoveInBetweenIsFollowed) {
  ASSERT_TRUE(aliases_.Set("net", "stable", 1).ok());
  std::vector<std::int64_t> asked;
  const auto found = aliases_.Find(
      "net@stable", 0, [&](const std::string& name, std::int64_t version) -> Result<NetworkHandle> {
        asked.push_back(version);
        if (version == 1) {
          EXPECT_TRUE(aliases_.Set("net", "stable", 2).ok());
          return NotFound("gone");
        }
        return registry_.Show(name, version);
      });
  EXPECT_EQ(found.value()->version, 2);
  EXPECT_THAT(asked, ElementsAre(1, 2));
}

TEST_F(AliasesTest, OneWhoseVersionIsGoneIsNamedBesideIt) {
  ASSERT_TRUE(aliases_.Set("net", "stable", 1).ok());
  ASSERT_TRUE(registry_.Unload("net", 1, nullptr).ok());
  const Status status = Find("net@stable", 0).status();
  EXPECT_EQ(status.code(), StatusCode::kNotFound);
  EXPECT_THAT(status.message(),
              HasSubstr("\"net@stable\" stands for version 1: network \"net\" version 1 is"));
}

TEST_F(AliasesTest, WhatAnotherServerHasStoredStays) {
  ASSERT_TRUE(aliases_.Set("net", "stable", 1).ok());
  Aliases successor(registry_, &repository_);  // which owns the repository now, and has not read it
  EXPECT_EQ(successor.CheckUnload("net", 1).code(), StatusCode::kFailedPrecondition);
  ASSERT_TRUE(successor.Set("net", "canary", 2).ok());
  EXPECT_THAT(successor.Of("net", 1), ElementsAre("stable"));
  EXPECT_EQ(successor.Delete("net", "stable").value(), 1);
}

}  // namespace
}  // namespace spikeserve::serving
