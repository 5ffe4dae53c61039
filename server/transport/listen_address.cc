#include "server/transport/listen_address.h"

#include <sys/un.h>

#include <charconv>
#include <string_view>

#include "server/base/quote.h"

namespace spikeserve::transport {
namespace {

constexpr std::string_view kUnix = "unix:";
constexpr std::size_t kMaxPath = sizeof(sockaddr_un{}.sun_path) - 1;

Status Wanted(const std::string& text, const std::string& what) {
  return InvalidArgument("got " + Quote(text) + ", wanted " + what);
}

Result<ListenAddress> ParseUnix(const std::string& text) {
  std::string path = text.substr(kUnix.size());
  if (path.rfind("//", 0) == 0) {
    path.erase(0, 2);
  }
  if (path.empty() || path.back() == '/') {
    return Wanted(text, "unix:PATH with the path of a socket");
  }
  if (path.size() > kMaxPath) {
    return InvalidArgument("got a unix socket of " + std::to_string(path.size()) +
                           " bytes, the system allows " + std::to_string(kMaxPath));
  }
  ListenAddress address;
  address.path = std::move(path);
  return address;
}

}  // namespace

bool ListenAddress::loopback() const {
  return is_unix() || host == "localhost" || host == "::1" || host.rfind("127.", 0) == 0;
}

Result<ListenAddress> ParseListenAddress(const std::string& text) {
  if (text.rfind(kUnix, 0) == 0) {
    return ParseUnix(text);
  }
  const std::string wanted = "HOST:PORT with a port of 0 to 65535, or unix:PATH";
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos || text.rfind("unix", 0) == 0) {
    return Wanted(text, wanted);
  }
  ListenAddress address;
  const char* const end = text.data() + text.size();
  const auto [last, error] = std::from_chars(text.data() + colon + 1, end, address.port);
  if (error != std::errc() || last != end) {
    return Wanted(text, wanted);
  }
  address.host = text.substr(0, colon);
  const bool brackets = address.host.size() > 2 && address.host.front() == '[' && address.host.back() == ']';
  if (brackets) {
    address.host = address.host.substr(1, address.host.size() - 2);
  }
  if (!brackets && address.host.find_first_of(":[]") != std::string::npos) {
    return Wanted(text, "an IPv6 address in brackets: [ADDRESS]:PORT");
  }
  return address;
}

}  // namespace spikeserve::transport
