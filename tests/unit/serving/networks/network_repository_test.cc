#include "server/serving/networks/network_repository.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "server/serving/names.h"
#include "server/serving/networks/durable_file.h"
#include "server/serving/networks/folder_lock.h"
#include "server/serving/networks/repository_layout.h"
#include "server/serving/sha256.h"
#include "tests/support/eventually.h"
#include "tests/support/temporary_folder.h"

namespace spikeserve::serving {
namespace {

namespace fs = std::filesystem;
using ::spikeserve::testing::Eventually;
using ::spikeserve::testing::ReadFile;
using ::spikeserve::testing::TemporaryFolder;
using ::spikeserve::testing::WriteFile;
using ::testing::HasSubstr;

constexpr std::int64_t kLimit = 1000;

class NetworkRepositoryTest : public ::testing::Test {
 protected:
  Status Write(const std::string& name, std::int64_t version, const std::string& payload) const {
    return repository_.Write(name, version, engine::Mode::kExact, payload, Sha256(payload), "");
  }
  // As the next process does, when this one has ended.
  void Reopen() {
    const TemporaryFolder elsewhere;
    repository_ = NetworkRepository::Open(elsewhere.path()).value();
    repository_ = NetworkRepository::Open(folder_.path()).value();
  }
  fs::path File(const std::string& name, const std::string& version) const {
    return folder_.path() / name / version / "network.spk";
  }
  std::vector<std::string> Listed() const {
    std::vector<std::string> names;
    for (const StoredVersion& stored : repository_.List()) {
      names.push_back(stored.name + ":" + std::to_string(stored.version));
    }
    return names;
  }

  TemporaryFolder folder_;
  NetworkRepository repository_ = NetworkRepository::Open(folder_.path()).value();
};

TEST_F(NetworkRepositoryTest, ReadsWhatWasWritten) {
  ASSERT_TRUE(Write("net", 3, "payload").ok());
  const auto file = repository_.Read("net", 3, kLimit);
  ASSERT_TRUE(file.ok()) << file.status().message();
  EXPECT_EQ(file.value().payload, "payload");
  EXPECT_EQ(repository_.PayloadBytes("net", 3, kLimit).value(), 7);
  EXPECT_FALSE(fs::exists(folder_.path() / "net/3" / kUnfinishedFile));
}

TEST_F(NetworkRepositoryTest, NeverOverwrites) {
  WriteFile(File("net", "1"), "damaged, but somebody's");
  const Status status = Write("net", 1, "new");
  EXPECT_EQ(status.code(), StatusCode::kAlreadyExists);
  EXPECT_EQ(ReadFile(File("net", "1")), "damaged, but somebody's");
  EXPECT_FALSE(fs::exists(folder_.path() / "net/1" / kUnfinishedFile));
}

TEST_F(NetworkRepositoryTest, AFailedWriteLeavesNothing) {
  WriteFile(folder_.path() / "net", "a file where the folder should be");
  EXPECT_EQ(Write("net", 1, "new").code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReadFile(folder_.path() / "net"), "a file where the folder should be");
  fs::create_directories(folder_.path() / "other/1" / kUnfinishedFile / "in the way");
  EXPECT_EQ(Write("other", 1, "new").code(), StatusCode::kFailedPrecondition);
  EXPECT_FALSE(repository_.Has("other", 1));
}

TEST_F(NetworkRepositoryTest, ListsValidNamesAndVersionsInOrder) {
  for (const char* version : {"2", "10", "1"}) {
    WriteFile(File("net", version), "x");
  }
  for (const char* version : {"0", "-1", "01", "1.5", "9999999999999999999999", "v1"}) {
    WriteFile(File("net", version), "x");
  }
  WriteFile(File(".hidden", "1"), "x");
  WriteFile(File("b d", "1"), "x");
  WriteFile(folder_.path() / "stray", "x");
  fs::create_directories(folder_.path() / "empty/1");
  ASSERT_TRUE(Write("another", 1, "payload").ok());
  EXPECT_THAT(Listed(), ::testing::ElementsAre("another:1", "net:1", "net:2", "net:10"));
  EXPECT_EQ(repository_.HighestVersion("net"), 10);
  EXPECT_EQ(repository_.HighestVersion("none"), 0);
  EXPECT_EQ(repository_.HighestVersion("../etc"), 0);
}

TEST_F(NetworkRepositoryTest, NamesWhatIsNoNetwork) {
  ASSERT_TRUE(Write("net", 1, "payload").ok());
  EXPECT_TRUE(repository_.Strangers(100).empty());
  for (const char* version : {"0", "01", "+1", "abc", "9999999999999999999999"}) {
    WriteFile(File("net", version), "x");
  }
  WriteFile(File("b d", "1"), "x");
  WriteFile(folder_.path() / "net.spk", "x");
  WriteFile(folder_.path() / "net/network.spk", "x");
  WriteFile(folder_.path() / "net/1/notes.txt", "x");
  WriteFile(folder_.path() / "other/7" / kUnfinishedFile, "x");
  fs::create_directories(folder_.path() / "empty");
  fs::create_directories(folder_.path() / "lost+found/1");
  std::vector<std::string> found;
  for (const Stranger& stranger : repository_.Strangers(100)) {
    found.push_back(stranger.path + ": " + stranger.why.substr(0, stranger.why.find(',')));
  }
  EXPECT_THAT(found, ::testing::ElementsAre(
                         "b d: no name of a network", "empty: a folder without a version in it",
                         "net/+1: no version", "net/0: no version", "net/01: no version",
                         "net/1/notes.txt: not the network.spk of this version",
                         "net/9999999999999999999999: no version", "net/abc: no version",
                         "net/network.spk: a file beside the versions", "net.spk: a file beside the networks",
                         "other/7: a version without its network.spk"));
  EXPECT_EQ(repository_.Strangers(4).size(), 4U);
}

TEST_F(NetworkRepositoryTest, ANetworkTooLargeForTheDiskIsKnownBefore) {
  EXPECT_TRUE(repository_.CheckFreeSpace(1).ok());
  const Status status = repository_.CheckFreeSpace(std::int64_t{1} << 60);
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(status.message(), HasSubstr(folder_.path().string()));
}

TEST_F(NetworkRepositoryTest, ADamagedFileIsReportedAndKept) {
  ASSERT_TRUE(Write("net", 1, "payload").ok());
  std::string bytes = ReadFile(File("net", "1"));
  bytes.back() ^= 1;
  WriteFile(File("net", "1"), bytes);
  const auto file = repository_.Read("net", 1, kLimit);
  EXPECT_EQ(file.status().code(), StatusCode::kDataLoss);
  EXPECT_THAT(file.status().message(), HasSubstr("net/1/network.spk: SHA-256"));
  EXPECT_EQ(ReadFile(File("net", "1")), bytes);
}

TEST_F(NetworkRepositoryTest, RefusesAFileAboveTheLimitBeforeReadingIt) {
  fs::create_directories(File("net", "1").parent_path());
  WriteFile(File("net", "1"), "");
  fs::resize_file(File("net", "1"), std::uintmax_t{1} << 40);  // takes no space
  EXPECT_EQ(repository_.Read("net", 1, kLimit).status().code(), StatusCode::kResourceExhausted);
}

TEST_F(NetworkRepositoryTest, IsNotHeldUpByWhatIsNoFile) {
  fs::create_directories(folder_.path() / "net/1");
  ASSERT_EQ(mkfifo(File("net", "1").c_str(), 0600), 0);
  fs::create_directories(File("net", "2"));
  EXPECT_EQ(repository_.Read("net", 1, kLimit).status().code(), StatusCode::kDataLoss);
  EXPECT_EQ(repository_.Read("net", 2, kLimit).status().code(), StatusCode::kDataLoss);
  EXPECT_EQ(repository_.Read("net", 3, kLimit).status().code(), StatusCode::kNotFound);
}

TEST_F(NetworkRepositoryTest, RemovesFileAndEmptyFolders) {
  ASSERT_TRUE(Write("net", 1, "a").ok());
  ASSERT_TRUE(Write("net", 2, "b").ok());
  EXPECT_TRUE(repository_.Remove("net", 1).ok());
  EXPECT_FALSE(fs::exists(folder_.path() / "net/1"));
  EXPECT_TRUE(repository_.Has("net", 2));
  EXPECT_TRUE(repository_.Remove("net", 2).ok());
  EXPECT_FALSE(fs::exists(folder_.path() / "net"));
  EXPECT_TRUE(repository_.Remove("net", 2).ok());
}

TEST_F(NetworkRepositoryTest, KeepsLinksWithWhatTheyLeadTo) {
  const TemporaryFolder elsewhere;
  fs::create_directory_symlink(elsewhere.path(), folder_.path() / "net");
  ASSERT_TRUE(Write("net", 1, "a").ok());
  ASSERT_TRUE(Write("net", 2, "b").ok());
  EXPECT_TRUE(repository_.Remove("net", 1).ok());
  EXPECT_THAT(Listed(), ::testing::ElementsAre("net:2"));
  EXPECT_TRUE(repository_.Remove("net", 2).ok());
  EXPECT_TRUE(fs::is_symlink(folder_.path() / "net"));
}

TEST_F(NetworkRepositoryTest, KeepsWhatElseIsInAFolder) {
  ASSERT_TRUE(Write("net", 1, "a").ok());
  WriteFile(folder_.path() / "net/1/notes.txt", "mine");
  EXPECT_TRUE(repository_.Remove("net", 1).ok());
  EXPECT_EQ(ReadFile(folder_.path() / "net/1/notes.txt"), "mine");
}

TEST_F(NetworkRepositoryTest, NoNameLeavesTheFolder) {
  for (const char* name : {"..", "a/b", "", ".x"}) {
    EXPECT_EQ(Write(name, 1, "x").code(), StatusCode::kInvalidArgument) << name;
    EXPECT_EQ(repository_.Remove(name, 1).code(), StatusCode::kInvalidArgument) << name;
    EXPECT_EQ(repository_.Read(name, 1, kLimit).status().code(), StatusCode::kInvalidArgument) << name;
    EXPECT_FALSE(repository_.Has(name, 1));
  }
  EXPECT_EQ(Write("net", 0, "x").code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(Write("net", kMaxVersion + 1, "x").code(), StatusCode::kInvalidArgument);
}

TEST_F(NetworkRepositoryTest, OpeningRemovesWhatAnInterruptedWriteLeft) {
  WriteFile(folder_.path() / "net/1" / kUnfinishedFile, "half");
  WriteFile(folder_.path() / "net/notes" / kUnfinishedFile, "not ours");
  Reopen();
  EXPECT_FALSE(fs::exists(folder_.path() / "net/1" / kUnfinishedFile));
  EXPECT_TRUE(fs::exists(folder_.path() / "net/notes" / kUnfinishedFile));
}

// The disk goes away and comes back while a large file is written to it: here a pipe, which a write waits at.
TEST_F(NetworkRepositoryTest, WhoOwnsItAgainKeepsWhatItIsWriting) {
  const fs::path folder = folder_.path() / "net/1";
  const fs::path unfinished = folder / kUnfinishedFile;
  const fs::path pipe = folder_.path() / "pipe";
  fs::create_directories(folder);
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  fs::create_hard_link(pipe, unfinished);
  WriteFile(folder / kOwnerFileName, "removed first");
  std::jthread writer([&] { static_cast<void>(Write("net", 1, "payload")); });
  EXPECT_TRUE(Eventually([&] { return !fs::exists(folder / kOwnerFileName); }));
  const fs::path lock = folder_.path() / kLockFileName;
  fs::remove(lock);
  fs::create_symlink("nowhere", lock);
  EXPECT_FALSE(repository_.Own().ok());
  fs::remove(lock);
  EXPECT_TRUE(repository_.Own().ok());
  EXPECT_TRUE(fs::exists(unfinished));
  std::ifstream reader(pipe);  // lets the writer go on
  while (reader.get() != std::ifstream::traits_type::eof()) {
  }
}

TEST_F(NetworkRepositoryTest, WhoIsNotTheOwnerWritesAndRemovesNothing) {
  ASSERT_TRUE(Write("net", 1, "x").ok());
  WriteFile(folder_.path() / "net/2" / kUnfinishedFile, "on its way");
  for (const bool may_own : {true, false}) {
    const NetworkRepository other = NetworkRepository::Open(folder_.path(), {.may_own = may_own}).value();
    EXPECT_EQ(other.Write("net", 3, engine::Mode::kExact, "x", Sha256("x"), "").code(),
              StatusCode::kFailedPrecondition);
    EXPECT_EQ(other.Remove("net", 1).code(), StatusCode::kFailedPrecondition);
    EXPECT_EQ(other.Read("net", 1, kLimit).value().payload, "x");
  }
  EXPECT_TRUE(repository_.Has("net", 1));
  EXPECT_TRUE(fs::exists(folder_.path() / "net/2" / kUnfinishedFile));
}

TEST_F(NetworkRepositoryTest, ReadsAHeaderOfAFileThatIsWhole) {
  ASSERT_TRUE(Write("net", 1, "payload").ok());
  const auto header = repository_.ReadHeader("net", 1);
  ASSERT_TRUE(header.ok()) << header.status().message();
  EXPECT_EQ(header.value().payload_bytes, 7);
  EXPECT_EQ(header.value().sha256, Sha256("payload"));
  EXPECT_EQ(repository_.ReadHeader("net", 2).status().code(), StatusCode::kNotFound);
  const std::string file = ReadFile(File("net", "1"));
  for (const std::size_t bytes : {std::size_t{0}, std::size_t{55}, std::size_t{60}}) {
    WriteFile(File("net", "3"), file.substr(0, bytes));
    EXPECT_EQ(repository_.ReadHeader("net", 3).status().code(), StatusCode::kDataLoss) << bytes;
  }
}

TEST_F(NetworkRepositoryTest, AnOwnerIsStoredBesideTheNetwork) {
  const auto write = [this](std::int64_t version, const std::string& owner) {
    return repository_.Write("net", version, engine::Mode::kExact, "x", Sha256("x"), owner);
  };
  WriteFile(folder_.path() / "net/1/owner", "left by a write that was interrupted");
  ASSERT_TRUE(write(1, "vision").ok());
  ASSERT_TRUE(write(2, "default").ok());
  EXPECT_EQ(write(1, "other").code(), StatusCode::kAlreadyExists);
  EXPECT_EQ(repository_.Owner("net", 1), "vision");
  EXPECT_EQ(repository_.Owner("net", 2), "default");
  EXPECT_FALSE(fs::exists(folder_.path() / "net/2/owner"));
  for (const std::string& text : {std::string(), std::string("../x"), std::string(1'000, 'a')}) {
    WriteFile(folder_.path() / "net/2/owner", text);
    EXPECT_EQ(repository_.Owner("net", 2), "default") << text;
  }
  ASSERT_TRUE(repository_.Remove("net", 1).ok());
  EXPECT_FALSE(fs::exists(folder_.path() / "net/1"));
}

TEST_F(NetworkRepositoryTest, OpeningRemovesAnOwnerOfNothing) {
  WriteFile(folder_.path() / "net/1/owner", "vision");
  ASSERT_TRUE(Write("net", 2, "x").ok());
  WriteFile(folder_.path() / "net/2/owner", "vision");
  Reopen();
  EXPECT_FALSE(fs::exists(folder_.path() / "net/1/owner"));
  EXPECT_EQ(repository_.Owner("net", 2), "vision");
}

TEST_F(NetworkRepositoryTest, OpeningNamesTheFolderThatCannotBeMade) {
  WriteFile(folder_.path() / "file", "x");
  const auto repository = NetworkRepository::Open(folder_.path() / "file/below");
  EXPECT_EQ(repository.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(repository.status().message(), HasSubstr("file/below"));
}

}  // namespace
}  // namespace spikeserve::serving
