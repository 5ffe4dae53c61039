#include "server/serving/store/repository_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "server/serving/sha256.h"
#include "tests/support/definitions.h"
#include "tests/support/eventually.h"
#include "tests/support/fake_backend.h"
#include "tests/support/temporary_folder.h"

namespace spikeserve::serving {
namespace {

namespace fs = std::filesystem;
using ::spikeserve::testing::Eventually;
using ::spikeserve::testing::FakeBackend;
using ::spikeserve::testing::FakeScript;
using ::spikeserve::testing::SmallMlp;
using ::spikeserve::testing::TemporaryFolder;
using ::spikeserve::testing::WriteFile;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Kind = StoreEvent::Kind;

std::string FileOf(const std::string& payload) {
  return EncodeNetworkFileHeader(engine::Mode::kExact, static_cast<std::int64_t>(payload.size()),
                                 Sha256(payload)) +
         payload;
}

// The folder is written by somebody else; the networks are all alike, but for their bytes.
class RepositoryWatchTest : public ::testing::Test {
 protected:
  fs::path File(const std::string& name, std::int64_t version) const {
    return path_ / name / std::to_string(version) / kNetworkFileName;
  }
  void Store(const std::string& name, std::int64_t version, const std::string& payload) const {
    WriteFile(File(name, version), FileOf(payload));
  }
  // The kinds of what a look tells of.
  std::vector<Kind> Look() {
    events_.clear();
    watch_.Look();
    std::vector<Kind> kinds;
    for (const StoreEvent& event : events_) {
      kinds.push_back(event.kind);
    }
    return kinds;
  }
  std::vector<std::string> Ready() const {
    std::vector<std::string> ready;
    for (const NetworkListing& listing : registry_.List()) {
      if (listing.state == NetworkState::kReady) {
        ready.push_back(listing.name + ":" + std::to_string(listing.version) + ":" + listing.handle->sha256);
      }
    }
    return ready;
  }
  static std::string Shown(const std::string& name, std::int64_t version, const std::string& payload) {
    return name + ":" + std::to_string(version) + ":" + ToHex(Sha256(payload));
  }

  TemporaryFolder folder_;
  const fs::path path_ = folder_.path() / "networks";
  NetworkRepository repository_ = NetworkRepository::Open(path_, {.may_own = false}).value();
  MemoryBudget budget_{100'000};
  std::shared_ptr<FakeScript> script_ = std::make_shared<FakeScript>();
  FakeBackend backend_{script_};
  NetworkRegistry registry_;
  NetworkLoader loader_{{registry_,
                         budget_,
                         backend_,
                         &repository_,
                         [](std::string_view) {
                           return ParsedNetwork{SmallMlp(), {}, {}};
                         },
                         {},
                         1000}};
  TaskThread tasks_;
  std::vector<StoreEvent> events_;
  Aliases aliases_{registry_, &repository_};
  RepositoryWatch watch_{repository_, loader_, aliases_, tasks_,
                         [this](const StoreEvent& event) { events_.push_back(event); }};
};

TEST_F(RepositoryWatchTest, FollowsAliasesOnceWhatTheyStandForIsThere) {
  Store("net", 1, "one");
  WriteFile(path_ / "net/aliases", "stable 1\n");
  EXPECT_THAT(Look(), ElementsAre(Kind::kLoaded, Kind::kAliasesRead));
  EXPECT_THAT(aliases_.Of("net", 1), ElementsAre("stable"));
  EXPECT_THAT(Look(), IsEmpty());
  WriteFile(path_ / "net/aliases", "canary 2\nstable 2\n");
  EXPECT_THAT(Look(), IsEmpty());
  EXPECT_THAT(aliases_.Of("net", 1), ElementsAre("stable"));  // as long as there is no other
  Store("net", 2, "two");
  EXPECT_THAT(Look(), ElementsAre(Kind::kLoaded, Kind::kAliasesRead));
  EXPECT_THAT(aliases_.Of("net", 2), ElementsAre("canary", "stable"));
  WriteFile(path_ / "net/aliases", "nonsense");
  EXPECT_THAT(Look(), ElementsAre(Kind::kAliasesSkipped));
  EXPECT_THAT(Look(), IsEmpty());
  EXPECT_THAT(aliases_.Of("net", 2), ElementsAre("canary", "stable"));
  fs::remove(path_ / "net/aliases");
  EXPECT_THAT(Look(), IsEmpty());
  EXPECT_THAT(Look(), ElementsAre(Kind::kAliasesRead));
  EXPECT_THAT(aliases_.Of("net", 2), IsEmpty());
}

TEST_F(RepositoryWatchTest, LoadsWhatComesAndUnloadsWhatStaysAway) {
  EXPECT_THAT(Look(), IsEmpty());
  Store("net", 1, "one");
  Store("net", 2, "two");
  Store("net", 3, "three");
  EXPECT_THAT(Look(), ElementsAre(Kind::kLoaded, Kind::kLoaded, Kind::kLoaded));
  EXPECT_THAT(Look(), IsEmpty());
  EXPECT_THAT(Ready(), ElementsAre(Shown("net", 1, "one"), Shown("net", 2, "two"), Shown("net", 3, "three")));
  fs::remove_all(path_ / "net/2");
  EXPECT_THAT(Look(), IsEmpty());  // a folder may be exchanged
  EXPECT_THAT(Look(), ElementsAre(Kind::kUnloaded));
  EXPECT_THAT(Ready(), ElementsAre(Shown("net", 1, "one"), Shown("net", 3, "three")));
  EXPECT_EQ(watch_.reading().failed, 0);
}

TEST_F(RepositoryWatchTest, AFileThatIsNotWholeIsToldOfOnceItStaysSo) {
  const std::string file = FileOf("payload");
  WriteFile(File("net", 1), file.substr(0, 20));
  EXPECT_THAT(Look(), IsEmpty());
  WriteFile(File("net", 1), file.substr(0, 60));
  EXPECT_THAT(Look(), IsEmpty());
  EXPECT_THAT(Look(), ElementsAre(Kind::kSkipped));
  EXPECT_THAT(events_[0].message, HasSubstr("payload bytes: got 4, wanted 7"));
  EXPECT_THAT(Look(), IsEmpty());
  EXPECT_EQ(watch_.reading().skipped, 1);
  WriteFile(File("net", 1), file);
  EXPECT_THAT(Look(), ElementsAre(Kind::kLoaded));
  EXPECT_EQ(watch_.reading().skipped, 0);
}

TEST_F(RepositoryWatchTest, OtherBytesReplaceTheVersionForNewRequests) {
  Store("net", 1, "old");
  Look();
  const NetworkHandle held = registry_.Get("net", 1).value();
  std::string half = FileOf("new");
  half.back() = 'X';
  WriteFile(File("net", 1), half);
  EXPECT_THAT(Look(), IsEmpty());
  EXPECT_THAT(Look(), ElementsAre(Kind::kSkipped));
  EXPECT_THAT(events_[0].message, HasSubstr("what was loaded of this version before stays"));
  EXPECT_EQ(registry_.Get("net", 1).value(), held);
  Store("net", 1, "new");
  EXPECT_THAT(Look(), ElementsAre(Kind::kExchanged));
  EXPECT_EQ(held->sha256, ToHex(Sha256("old")));
  EXPECT_THAT(Ready(), ElementsAre(Shown("net", 1, "new")));
}

TEST_F(RepositoryWatchTest, TheSameBytesInAnotherFileAreTheSameNetwork) {
  Store("net", 1, "bytes");
  Store("other", 1, "other");
  Look();
  const NetworkHandle held = registry_.Get("net", 1).value();
  fs::remove_all(path_ / "net");
  EXPECT_THAT(Look(), IsEmpty());
  Store("net", 1, "bytes");
  EXPECT_THAT(Look(), IsEmpty());
  EXPECT_EQ(registry_.Get("net", 1).value(), held);
}

TEST_F(RepositoryWatchTest, TheFolderMayBeALinkThatMoves) {
  fs::rename(path_, folder_.path() / "first");
  fs::create_directory_symlink("first", path_);
  Store("net", 1, "bytes");
  Look();
  const NetworkHandle held = registry_.Get("net", 1).value();
  WriteFile(folder_.path() / "second/net/1" / kNetworkFileName, FileOf("bytes"));
  WriteFile(folder_.path() / "second/net/2" / kNetworkFileName, FileOf("more"));
  fs::create_directory_symlink("second", folder_.path() / "next");
  fs::rename(folder_.path() / "next", path_);
  EXPECT_THAT(Look(), ElementsAre(Kind::kLoaded));
  EXPECT_THAT(Ready(), ElementsAre(Shown("net", 1, "bytes"), Shown("net", 2, "more")));
  EXPECT_EQ(registry_.Get("net", 1).value(), held);
}

TEST_F(RepositoryWatchTest, AFolderThatIsGoneOrEmptyUnloadsNothing) {
  Store("net", 1, "bytes");
  Look();
  fs::rename(path_, folder_.path() / "away");
  EXPECT_THAT(Look(), ElementsAre(Kind::kLookFailed));
  EXPECT_THAT(Look(), IsEmpty());
  fs::create_directory(path_);
  EXPECT_THAT(Look(), ElementsAre(Kind::kLookFailed));
  EXPECT_THAT(events_[0].message, HasSubstr("is empty"));
  EXPECT_THAT(Look(), IsEmpty());
  EXPECT_EQ(Ready().size(), 1U);
  EXPECT_EQ(watch_.reading().failed, 4);
  fs::remove(path_);
  fs::rename(folder_.path() / "away", path_);
  EXPECT_THAT(Look(), ElementsAre(Kind::kLookRecovered));
  EXPECT_EQ(watch_.reading().error, "");
}

TEST_F(RepositoryWatchTest, AnEmptyFolderWithTheLockOfAnOwnerIsEmpty) {
  const NetworkRepository owner = NetworkRepository::Open(path_).value();
  ASSERT_TRUE(owner.Write("net", 1, engine::Mode::kExact, "bytes", Sha256("bytes"), "").ok());
  EXPECT_THAT(Look(), ElementsAre(Kind::kLoaded));
  ASSERT_TRUE(owner.Remove("net", 1).ok());
  Look();
  EXPECT_THAT(Look(), ElementsAre(Kind::kUnloaded));
}

TEST_F(RepositoryWatchTest, WhatDoesNotFitIsTriedAgainWhenThereIsRoom) {
  script_->network_bytes = 60'000;
  Store("net", 1, "one");
  Store("net", 2, "two");
  EXPECT_THAT(Look(), ElementsAre(Kind::kLoaded, Kind::kSkipped));
  for (int i = 0; i < 10; ++i) {
    EXPECT_THAT(Look(), IsEmpty());
  }
  fs::remove_all(path_ / "net/1");
  Look();
  EXPECT_TRUE(Eventually([this] {  // the memory is freed by another thread
    Look();
    return Ready() == std::vector{Shown("net", 2, "two")};
  }));
}

TEST_F(RepositoryWatchTest, WhatIsNoNetworkIsPassedOver) {
  WriteFile(path_ / ".hidden/1/network.spk", FileOf("a"));
  WriteFile(path_ / "net/01/network.spk", FileOf("b"));
  WriteFile(path_ / "net/1/network.spk.partial", FileOf("c"));
  WriteFile(path_ / "net/1/.network.spk", FileOf("d"));
  WriteFile(path_ / "net/1/network.spk.tmp", FileOf("e"));
  WriteFile(path_ / "file", "f");
  EXPECT_THAT(Look(), IsEmpty());
  EXPECT_THAT(Look(), IsEmpty());
  EXPECT_TRUE(fs::exists(path_ / "net/1/network.spk.tmp"));  // another server's, perhaps
}

}  // namespace
}  // namespace spikeserve::serving
