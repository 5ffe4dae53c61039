#include "server/app/environment.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
#include <numeric>
#include <regex>
#include <string_view>

namespace spikeserve::app {
namespace {

constexpr std::string_view kPrefix = "SPIKESERVE_";
// The command line of the client reads these, and may have started this server.
constexpr std::array<std::string_view, 3> kOfTheClient{"SPIKESERVE_SERVER", "SPIKESERVE_SERVER_BINARY",
                                                       "SPIKESERVE_TOKEN_FILE"};

// Of a service "spikeserve", or "spikeserve-" and more: its address, and that of each of its ports.
bool IsOfKubernetes(const std::string& name, const std::string& value) {
  static const std::regex service(
      "SPIKESERVE_(.+_)?(SERVICE_(HOST|PORT(_.+)?)|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)");
  static const std::regex port("SPIKESERVE_(.+_)?PORT");  // with an address, which no flag has
  return std::regex_match(name, service) ||
         (std::regex_match(name, port) && value.find("://") != std::string::npos);
}

// How many letters have to be put in, left out or exchanged to make one of the other.
std::size_t Distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0]++;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t exchanged = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({exchanged, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

std::string Nearest(const std::string& name, const std::vector<std::string>& known) {
  const auto nearest = std::min_element(
      known.begin(), known.end(),
      [&](const std::string& a, const std::string& b) { return Distance(name, a) < Distance(name, b); });
  return nearest == known.end() ? std::string() : *nearest;
}

}  // namespace

std::string EnvironmentName(const std::string& flag) {
  std::string name(kPrefix);
  for (const char c : flag.substr(2)) {
    name += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return name;
}

std::vector<StrangeVariable> StrangeVariables(const std::vector<std::string>& environment,
                                              const std::vector<std::string>& known) {
  std::vector<StrangeVariable> strange;
  for (const std::string& variable : environment) {
    const std::size_t end = std::min(variable.find('='), variable.size());
    const std::string name = variable.substr(0, end);
    const bool ours = name.rfind(kPrefix, 0) == 0;
    if (ours && std::find(known.begin(), known.end(), name) == known.end() &&
        std::find(kOfTheClient.begin(), kOfTheClient.end(), name) == kOfTheClient.end() &&
        !IsOfKubernetes(name, variable.substr(end))) {
      strange.push_back({name, Nearest(name, known)});
    }
  }
  return strange;
}

std::vector<std::string> ThisEnvironment() {
  std::vector<std::string> variables;
  for (char** variable = environ; variable != nullptr && *variable != nullptr; ++variable) {
    variables.emplace_back(*variable);
  }
  return variables;
}

}  // namespace spikeserve::app
