#include "server/transport/unix_socket.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>

namespace spikeserve::transport {
namespace {

Status Failed(const std::string& what, int error) {
  return Unavailable(what + ": " + std::generic_category().message(error));
}

sockaddr_un Address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(static_cast<char*>(address.sun_path), sizeof address.sun_path - 1);
  return address;
}

const sockaddr* General(const sockaddr_un& address) { return reinterpret_cast<const sockaddr*>(&address); }

// The number of the process that wrote the lock; empty where none is there.
std::string Holder(int lock) {
  std::array<char, 16> text{};
  const ssize_t size = pread(lock, text.data(), text.size(), 0);
  return size > 0 ? " of process " + std::string(text.data(), static_cast<std::size_t>(size)) : std::string();
}

bool SameFile(int descriptor, const std::string& path) {
  struct stat open {};
  struct stat named {};
  return fstat(descriptor, &open) == 0 && stat(path.c_str(), &named) == 0 && open.st_ino == named.st_ino &&
         open.st_dev == named.st_dev;
}

}  // namespace

Result<std::unique_ptr<UnixSocket>> UnixSocket::Listen(const std::string& path) {
  std::unique_ptr<UnixSocket> self(new UnixSocket(path));
  if (Status status = self->Lock(); !status.ok()) {
    return status;
  }
  if (Status status = self->MakeRoom(); !status.ok()) {
    return status;
  }
  if (Status status = self->Bind(); !status.ok()) {
    return status;
  }
  return self;
}

Status UnixSocket::Lock() {
  while (true) {
    Descriptor lock(open(lock_path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR));
    if (!lock.valid()) {
      return Failed("its lock " + lock_path_ + " cannot be opened", errno);
    }
    if (flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
      return errno == EWOULDBLOCK ? Unavailable("another server has this socket: " + lock_path_ +
                                                " is a lock" + Holder(lock.get()))
                                  : Failed("its lock " + lock_path_ + " cannot be taken", errno);
    }
    if (!SameFile(lock.get(), lock_path_)) {
      continue;  // whoever held it before has just deleted it
    }
    const std::string process = std::to_string(getpid());
    if (ftruncate(lock.get(), 0) != 0 ||
        pwrite(lock.get(), process.data(), process.size(), 0) != static_cast<ssize_t>(process.size())) {
      return Failed("its lock " + lock_path_ + " cannot be written", errno);
    }
    lock_ = std::move(lock);
    return {};
  }
}

Status UnixSocket::MakeRoom() const {
  struct stat there {};
  if (lstat(path_.c_str(), &there) != 0) {
    return errno == ENOENT ? Status() : Failed(path_ + " cannot be looked at", errno);
  }
  if (!S_ISSOCK(there.st_mode)) {
    return Unavailable(path_ + " is there and no socket; it is left alone");
  }
  const Descriptor probe(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const sockaddr_un address = Address(path_);
  if (connect(probe.get(), General(address), sizeof address) == 0 || errno == EAGAIN) {
    return Unavailable("another process listens on this socket");
  }
  if (unlink(path_.c_str()) != 0) {
    return Failed("the socket " + path_ + ", which a server left behind, cannot be removed", errno);
  }
  return {};
}

Status UnixSocket::Bind() {
  socket_ = Descriptor(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const sockaddr_un address = Address(path_);
  if (!socket_.valid() || bind(socket_.get(), General(address), sizeof address) != 0) {
    return Failed(path_ + " cannot be made", errno);
  }
  struct stat made {};
  if (stat(path_.c_str(), &made) == 0) {
    inode_ = made.st_ino;
  }
  return listen(socket_.get(), SOMAXCONN) == 0 ? Status() : Failed("listen", errno);
}

UnixSocket::~UnixSocket() {
  struct stat there {};
  if (inode_ != 0 && lstat(path_.c_str(), &there) == 0 && there.st_ino == inode_) {
    unlink(path_.c_str());
  }
  if (lock_.valid()) {  // deleted while it is held: who waits for it sees that its file is gone
    unlink(lock_path_.c_str());
  }
}

}  // namespace spikeserve::transport
