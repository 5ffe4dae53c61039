#include "server/serving/networks/folder_lock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "tests/support/temporary_folder.h"

namespace spikeserve::serving {
namespace {

namespace fs = std::filesystem;
using ::spikeserve::testing::TemporaryFolder;
using ::spikeserve::testing::WriteFile;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class FolderLockTest : public ::testing::Test {
 protected:
  std::unique_ptr<FolderLock> Make(bool may_own = true) {
    return std::make_unique<FolderLock>(
        path_, may_own, [this] { ++prepared_; },
        [this](const Standing& standing) { told_.push_back(standing.ownership); });
  }

  TemporaryFolder folder_;
  const fs::path path_ = folder_.path() / "networks";
  int prepared_ = 0;
  std::vector<Ownership> told_;

  void SetUp() override { fs::create_directory(path_); }
};

TEST_F(FolderLockTest, OneOwnsAndTheOthersKnowWho) {
  const auto owner = Make();
  const auto other = Make();
  EXPECT_TRUE(owner->Take().may_write.ok());
  const Status refused = other->Take().may_write;
  EXPECT_EQ(refused.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(refused.message(), HasSubstr("another server owns " + path_.string() + " (\"process "));
  EXPECT_EQ(other->standing().ownership, Ownership::kFollower);
  EXPECT_EQ(prepared_, 1);
}

TEST_F(FolderLockTest, TheNextTakesOverAndIsToldOnce) {
  auto owner = Make();
  const auto heir = Make();
  EXPECT_TRUE(owner->Take().may_write.ok());
  EXPECT_TRUE(owner->Take().may_write.ok());
  EXPECT_FALSE(heir->Take().may_write.ok());
  owner.reset();
  EXPECT_TRUE(heir->Take().may_write.ok());
  EXPECT_EQ(prepared_, 2);
  EXPECT_THAT(told_, ElementsAre(Ownership::kOwner, Ownership::kFollower, Ownership::kOwner));
}

TEST_F(FolderLockTest, WhoFollowsNeverTakesIt) {
  const auto follower = Make(false);
  EXPECT_THAT(follower->Take().may_write.message(), HasSubstr("--repository-role follower"));
  EXPECT_FALSE(fs::exists(path_ / kLockFileName));
  EXPECT_EQ(prepared_, 0);
}

TEST_F(FolderLockTest, AFolderThatIsGoneIsTakenWhenItIsBack) {
  const auto lock = Make();
  EXPECT_TRUE(lock->Take().may_write.ok());
  fs::rename(path_, folder_.path() / "away");
  EXPECT_EQ(lock->Take().ownership, Ownership::kUnable);
  fs::create_directory(path_);  // as where a disk is not mounted
  const Status refused = lock->Take().may_write;
  EXPECT_EQ(refused.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(refused.message(), HasSubstr("is empty"));
  EXPECT_TRUE(fs::is_empty(path_));
  fs::remove(path_);
  fs::rename(folder_.path() / "away", path_);
  EXPECT_TRUE(lock->Take().may_write.ok());
}

TEST_F(FolderLockTest, ALockThatWasDeletedIsMadeAgain) {
  const auto owner = Make();
  const auto other = Make();
  EXPECT_TRUE(owner->Take().may_write.ok());
  WriteFile(path_ / "net/1/network.spk", "x");
  fs::remove(path_ / kLockFileName);
  EXPECT_TRUE(owner->Take().may_write.ok());
  EXPECT_EQ(other->Take().ownership, Ownership::kFollower);
}

TEST_F(FolderLockTest, ALinkIsNotFollowed) {
  WriteFile(folder_.path() / "elsewhere", "mine");
  fs::create_symlink(folder_.path() / "elsewhere", path_ / kLockFileName);
  const auto lock = Make();
  EXPECT_EQ(lock->Take().may_write.code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(spikeserve::testing::ReadFile(folder_.path() / "elsewhere"), "mine");
}

}  // namespace
}  // namespace spikeserve::serving
