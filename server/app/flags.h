#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "server/app/config.h"

namespace spikeserve::app {

// What the command line asks for: to serve with `config`, to probe `healthcheck`, or only to print `text`.
struct Invocation {
  Config config;
  std::string healthcheck;       // address of a server to probe; empty: serve
  std::optional<int> exit_code;  // set: print `text` and exit
  std::string text;
  std::vector<std::pair<std::string, std::string>> effective;  // flag and value, for the log; secrets masked
  std::vector<std::string> variables = {};                     // of the environment, that flags are read from
};

// Reads flags and SPIKESERVE_<FLAG> variables; a flag wins over its variable.
Invocation ParseFlags(int argc, const char* const* argv);

}  // namespace spikeserve::app
