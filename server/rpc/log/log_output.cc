#include "server/rpc/log/log_output.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <string>

namespace spikeserve::rpc {
namespace {

// The same pipe or terminal with flags of our own; -1 where the system does not let us.
int Reopen(int descriptor) {
  const std::string path = "/proc/self/fd/" + std::to_string(descriptor);
  return open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
}

bool CanWrite(int descriptor, std::chrono::milliseconds time) {
  pollfd wanted{descriptor, POLLOUT, 0};
  return poll(&wanted, 1, static_cast<int>(time.count())) > 0;
}

}  // namespace

LogOutput::LogOutput(int descriptor) : kind_(Kind::kFile), descriptor_(descriptor) {
  struct stat status {};
  if (fstat(descriptor, &status) != 0) {
    return;
  }
  if (S_ISSOCK(status.st_mode)) {
    kind_ = Kind::kSocket;
  } else if (S_ISFIFO(status.st_mode) || S_ISCHR(status.st_mode)) {
    const int reopened = Reopen(descriptor);
    own_ = reopened >= 0;
    kind_ = own_ ? Kind::kNonBlocking : Kind::kPolled;
    descriptor_ = own_ ? reopened : descriptor;
  }
}

LogOutput::~LogOutput() {
  if (own_) {
    close(descriptor_);
  }
}

ssize_t LogOutput::Write(std::string_view bytes) {
  if (kind_ == Kind::kPolled) {
    // A pipe that says it can be written has room for this much, unless another process is faster.
    bytes = bytes.substr(0, PIPE_BUF);
    if (!CanWrite(descriptor_, std::chrono::milliseconds(0))) {
      return 0;
    }
  }
  const ssize_t written = kind_ == Kind::kSocket
                              ? send(descriptor_, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL)
                              : write(descriptor_, bytes.data(), bytes.size());
  if (written >= 0) {
    return written;
  }
  return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? 0 : -1;
}

void LogOutput::Await(std::chrono::milliseconds time) const {
  static_cast<void>(CanWrite(descriptor_, time));
}

}  // namespace spikeserve::rpc
