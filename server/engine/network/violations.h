#pragma once

#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "server/base/status.h"

namespace spikeserve::engine {

// Text of the parts, streamed one after the other.
template <typename... Parts>
std::string Join(const Parts&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  return text.str();
}

// Collects everything that is wrong with a network, so that one answer can name it all.
// One thread at a time.
class Violations {
 public:
  template <typename... Parts>
  void Add(const Parts&... parts) {
    Append(StatusCode::kInvalidArgument, Join(parts...));
  }
  // A limit of this server was passed, rather than a rule broken.
  template <typename... Parts>
  void AddLimit(const Parts&... parts) {
    Append(StatusCode::kResourceExhausted, Join(parts...));
  }

  bool empty() const { return count_ == 0; }

  // INVALID_ARGUMENT if any rule was broken, else RESOURCE_EXHAUSTED.
  Status ToStatus() const {
    std::string text = Join("the network has ", count_, count_ == 1 ? " violation:" : " violations:");
    for (const std::string& message : messages_) {
      text += "\n- " + message;
    }
    if (count_ > messages_.size()) {
      text += Join("\n- and ", count_ - messages_.size(), " more");
    }
    return {invalid_ ? StatusCode::kInvalidArgument : StatusCode::kResourceExhausted, std::move(text)};
  }

 private:
  static constexpr std::size_t kMaxListed = 50;  // an answer is for people to read

  void Append(StatusCode code, std::string message) {
    invalid_ = invalid_ || code == StatusCode::kInvalidArgument;
    ++count_;
    if (messages_.size() < kMaxListed) {
      messages_.push_back(std::move(message));
    }
  }

  std::vector<std::string> messages_;
  std::size_t count_ = 0;
  bool invalid_ = false;
};

}  // namespace spikeserve::engine
