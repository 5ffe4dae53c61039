#include "server/serving/networks/disk_error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <filesystem>

#include "tests/support/temporary_folder.h"

namespace spikeserve::serving {
namespace {

using ::spikeserve::testing::TemporaryFolder;
using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(DiskError, AFullDiskIsNamedWithWhatIsNeededAndFree) {
  const TemporaryFolder folder;
  for (const int error : {ENOSPC, EDQUOT}) {
    const Status status = DiskError(error, "write", folder.path() / "net/1/network.spk.tmp", 12'345);
    EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
    EXPECT_THAT(status.message(),
                AllOf(HasSubstr("write " + folder.path().string() + "/net/1/network.spk.tmp: "),
                      HasSubstr("the disk of " + folder.path().string() + " has "),
                      HasSubstr("bytes free, and 12345 are needed")));
  }
}

TEST(DiskError, SaysWhatTryingAgainDoesNotMend) {
  EXPECT_THAT(DiskError(EROFS, "mkdir", "/repository/net").message(), HasSubstr("read-only"));
  EXPECT_THAT(DiskError(EACCES, "open", "/repository/net").message(), HasSubstr("may not write"));
  for (const int error : {EROFS, EACCES, EPERM, ENOTDIR, EEXIST, EISDIR, ENOENT}) {
    EXPECT_EQ(DiskError(error, "open", "/repository/net").code(), StatusCode::kFailedPrecondition) << error;
  }
  EXPECT_EQ(DiskError(EFBIG, "write", "/repository/net", 5).code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(DiskError(EIO, "write", "/repository/net").code(), StatusCode::kInternal);
}

TEST(CheckFreeSpace, ComparesWithTheDiskThatTheFolderWouldBeOn) {
  const TemporaryFolder folder;
  EXPECT_TRUE(CheckFreeSpace(folder.path(), 0).ok());
  const auto below = folder.path() / "not/there/yet";
  const auto free = static_cast<std::int64_t>(std::filesystem::space(folder.path()).available);
  const Status status = CheckFreeSpace(below, free + (std::int64_t{1} << 40));
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(status.message(),
              AllOf(HasSubstr("the disk of " + folder.path().string() + " has "),
                    HasSubstr(std::to_string(free + (std::int64_t{1} << 40)) + " are needed"),
                    HasSubstr("--network-repository")));
  EXPECT_FALSE(std::filesystem::exists(below));
}

}  // namespace
}  // namespace spikeserve::serving
