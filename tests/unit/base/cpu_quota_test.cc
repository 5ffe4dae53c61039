// Limits of control groups, read from file systems that are made up.

#include "server/base/cpu_quota.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include "tests/support/temporary_folder.h"

namespace spikeserve {
namespace {

constexpr char kV1[] =
    "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
    "32 31 0:29 / /sys/fs/cgroup/cpuacct rw shared:9 - cgroup cgroup rw,cpuacct\n"
    "33 31 0:30 ABOVE /sys/fs/cgroup/cpu rw,relatime shared:9 master:2 - cgroup cgroup rw,cpu,cpuacct\n";
constexpr char kV2[] = "31 23 0:28 ABOVE /sys/fs/cgroup ro,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";

class CpuQuotaTest : public ::testing::Test {
 protected:
  void Write(const std::string& path, const std::string& text) {
    const std::filesystem::path file = folder_.path() / path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  // `above`: the group that is seen as the root of the mount.
  void Mount(std::string mounts, const std::string& above, const std::string& groups) {
    mounts.replace(mounts.find("ABOVE"), 5, above);
    Write("proc/self/mountinfo", mounts);
    Write("proc/self/cgroup", groups);
  }
  std::optional<double> Cores() const { return CpuQuota::Cores(folder_.path()); }

  ::spikeserve::testing::TemporaryFolder folder_;
};

TEST_F(CpuQuotaTest, NoneWithoutGroups) {
  EXPECT_EQ(Cores(), std::nullopt);
  Mount(kV2, "/", "0::/\n");
  EXPECT_EQ(Cores(), std::nullopt);
  Write("sys/fs/cgroup/cpu.max", "max 100000\n");
  EXPECT_EQ(Cores(), std::nullopt);
  Write("sys/fs/cgroup/cpu.max", "nonsense\n");
  EXPECT_EQ(Cores(), std::nullopt);
  Write("sys/fs/cgroup/cpu.max", "100000 0\n");
  EXPECT_EQ(Cores(), std::nullopt);
}

TEST_F(CpuQuotaTest, OfAContainerThatSeesItsOwnGroupAsTheRoot) {
  Mount(kV2, "/", "0::/\n");
  Write("sys/fs/cgroup/cpu.max", "250000 100000\n");
  EXPECT_EQ(Cores(), 2.5);
}

TEST_F(CpuQuotaTest, TheLeastOfTheGroupAndThoseAroundIt) {
  Mount(kV2, "/", "0::/kubepods/pod/one\n");
  Write("sys/fs/cgroup/cpu.max", "max 100000\n");
  Write("sys/fs/cgroup/kubepods/cpu.max", "150000 100000\n");
  Write("sys/fs/cgroup/kubepods/pod/one/cpu.max", "400000 100000\n");
  Write("sys/fs/cgroup/other/cpu.max", "1000 100000\n");
  EXPECT_EQ(Cores(), 1.5);
  Write("sys/fs/cgroup/kubepods/pod/one/cpu.max", "50000 100000\n");
  EXPECT_EQ(Cores(), 0.5);
}

TEST_F(CpuQuotaTest, OfTheFirstVersion) {
  const std::string groups = "5:cpuset:/\n3:cpu,cpuacct:/docker/one\n2:memory:/docker/one\n0::/elsewhere\n";
  Mount(kV1, "/", groups);
  Write("sys/fs/cgroup/cpu/docker/one/cpu.cfs_quota_us", "-1\n");
  Write("sys/fs/cgroup/cpu/docker/one/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(Cores(), std::nullopt);
  Write("sys/fs/cgroup/cpu/docker/one/cpu.cfs_quota_us", "300000\n");
  EXPECT_EQ(Cores(), 3.0);
}

TEST_F(CpuQuotaTest, OfAContainerWhosePathIsThatOutside) {
  const std::string groups = "3:cpu,cpuacct:/docker/one\n";
  Write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "20000\n");
  Write("sys/fs/cgroup/cpu/cpu.cfs_period_us", "10000\n");
  Mount(kV1, "/docker/one", groups);
  EXPECT_EQ(Cores(), 2.0);
  Mount(kV1, "/docker/another", groups);  // as seen from another namespace: the mount is all there is
  EXPECT_EQ(Cores(), 2.0);
}

}  // namespace
}  // namespace spikeserve
