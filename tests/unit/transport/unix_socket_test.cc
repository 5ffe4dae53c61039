// A unix socket belongs to one server.

#include "server/transport/unix_socket.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>

#include "tests/support/temporary_folder.h"

namespace spikeserve::testing {
namespace {

using ::testing::HasSubstr;
using transport::Descriptor;
using transport::UnixSocket;

class UnixSocketTest : public ::testing::Test {
 protected:
  // A socket without a lock, as another program makes it.
  Descriptor Foreign() const {
    Descriptor made(socket(AF_UNIX, SOCK_STREAM, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path_.copy(static_cast<char*>(address.sun_path), sizeof address.sun_path - 1);
    EXPECT_EQ(bind(made.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(listen(made.get(), 8), 0);
    return made;
  }

  TemporaryFolder folder_;
  std::string path_ = (folder_.path() / "s").string();
};

TEST_F(UnixSocketTest, IsThereAsLongAsItsServer) {
  {
    const auto socket = UnixSocket::Listen(path_);
    ASSERT_TRUE(socket.ok()) << socket.status().message();
    EXPECT_TRUE(std::filesystem::is_socket(path_));
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
}

TEST_F(UnixSocketTest, ASecondServerIsRefused) {
  const auto first = UnixSocket::Listen(path_);
  ASSERT_TRUE(first.ok());
  EXPECT_THAT(UnixSocket::Listen(path_).status().message(),
              HasSubstr("another server has this socket: " + path_ + ".lock is a lock of process " +
                        std::to_string(getpid())));
  EXPECT_TRUE(std::filesystem::is_socket(path_));
}

TEST_F(UnixSocketTest, OneThatWasLeftBehindIsReplaced) {
  Foreign().Close();
  EXPECT_TRUE(std::filesystem::is_socket(path_));
  const auto socket = UnixSocket::Listen(path_);
  EXPECT_TRUE(socket.ok()) << socket.status().message();
}

TEST_F(UnixSocketTest, OneOfAnotherProgramAndOtherFilesAreLeftAlone) {
  {
    const Descriptor foreign = Foreign();
    EXPECT_THAT(UnixSocket::Listen(path_).status().message(), HasSubstr("another process listens"));
  }
  std::filesystem::remove(path_);
  WriteFile(path_, "text");
  EXPECT_THAT(UnixSocket::Listen(path_).status().message(), HasSubstr("no socket; it is left alone"));
  EXPECT_EQ(ReadFile(path_), "text");
  EXPECT_THAT(UnixSocket::Listen("/nowhere/s").status().message(),
              HasSubstr("/nowhere/s.lock cannot be opened"));
}

TEST_F(UnixSocketTest, ASocketThatIsSomebodyElsesByNowIsLeftAlone) {
  auto first = UnixSocket::Listen(path_);
  ASSERT_TRUE(first.ok());
  std::filesystem::remove(path_);
  const Descriptor foreign = Foreign();
  first.value().reset();
  EXPECT_TRUE(std::filesystem::is_socket(path_));
}

}  // namespace
}  // namespace spikeserve::testing
