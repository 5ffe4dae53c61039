// Files that change, by every way in which they do.

#include "server/app/file_watch.h"

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>

#include "tests/support/eventually.h"
#include "tests/support/temporary_folder.h"

namespace spikeserve::testing {
namespace {

namespace fs = std::filesystem;
using app::FileWatch;
using app::StatesOf;

class FileWatchTest : public ::testing::Test {
 protected:
  FileWatchTest() {
    WriteFile(folder_.path() / "..1/file", "one");
    WriteFile(folder_.path() / "..2/file", "two");
    Link("..1");
    fs::create_symlink("..data/file", path_);
  }
  // As Kubernetes renews what it mounts.
  void Link(const std::string& version) {
    fs::create_directory_symlink(version, folder_.path() / "..new");
    fs::rename(folder_.path() / "..new", folder_.path() / "..data");
  }
  void Watch() {
    watch_ = std::make_unique<FileWatch>(std::vector<std::string>{path_}, StatesOf({path_}),
                                         std::chrono::milliseconds(1), [this] { ++changes_; });
  }
  // Whether a change is told once `change` was made, and what the state was before is another one.
  bool Sees(const std::function<void()>& change) {
    const int before = changes_;
    const auto state = StatesOf({path_});
    change();
    return StatesOf({path_}) != state && Eventually([&] { return changes_ > before; });
  }

  TemporaryFolder folder_;
  const std::string path_ = folder_.path() / "file";
  std::atomic<int> changes_ = 0;
  std::unique_ptr<FileWatch> watch_;
};

TEST_F(FileWatchTest, SeesEveryChange) {
  Watch();
  EXPECT_TRUE(Sees([this] { WriteFile(folder_.path() / "..1/file", "longer"); })) << "written";
  EXPECT_TRUE(Sees([this] { Link("..2"); })) << "a folder's link";
  EXPECT_TRUE(Sees([this] {
    WriteFile(folder_.path() / "..2/new", "six");
    fs::rename(folder_.path() / "..2/new", folder_.path() / "..2/file");
  })) << "renamed, of the same size";
  EXPECT_TRUE(Sees([this] { fs::remove(folder_.path() / "..2/file"); })) << "gone";
  EXPECT_TRUE(Sees([this] { WriteFile(folder_.path() / "..2/file", "two"); })) << "there again";
}

TEST_F(FileWatchTest, SeesWhatHasChangedSinceItWasRead) {
  const auto known = StatesOf({path_});
  Link("..2");
  watch_ = std::make_unique<FileWatch>(std::vector<std::string>{path_}, known, std::chrono::milliseconds(1),
                                       [this] { ++changes_; });
  EXPECT_TRUE(Eventually([&] { return changes_ == 1; }));
}

TEST_F(FileWatchTest, EndsAtOnceHoweverSeldomItLooks) {
  const FileWatch seldom({path_}, StatesOf({path_}), std::chrono::hours(1), [this] { ++changes_; });
}

}  // namespace
}  // namespace spikeserve::testing
