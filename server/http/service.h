#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <variant>

#include "server/base/status.h"
#include "server/http/message.h"

namespace spikeserve::http {

// A request that was let in, with what answers it. `post` runs work on the threads of HTTP, one piece after
// another for one connection; `respond` is called once, from there.
class Exchange {
 public:
  Exchange() = default;
  virtual ~Exchange() = default;
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  // The client has gone away before it was answered.
  virtual void Cancel() {}

  Head head;
  std::string body;
  bool has_body = false;              // false: it was not read
  std::shared_ptr<void> body_memory;  // what was reserved for it
  std::function<void(std::function<void()>)> post;
  std::function<void(Response)> respond;
};

// A request before its body is read.
struct Admission {
  std::shared_ptr<Exchange> exchange;
  bool read_body = false;
};

// What stands behind a Server. Thread-safe.
class Service {
 public:
  virtual ~Service() = default;

  // By what the head says alone. Has the head in what it returns.
  virtual std::variant<Admission, Response> Admit(const Head& head) = 0;
  // Memory for a body, for as long as the result lives.
  virtual Result<std::shared_ptr<void>> ReserveBody(std::int64_t bytes) = 0;
  // Has `respond` called, soon or later. From a thread of HTTP.
  virtual void Handle(const std::shared_ptr<Exchange>& exchange) = 0;
  // An error, in the form that clients of the service read.
  virtual Response Refusal(int http_status, const Status& status) = 0;
};

}  // namespace spikeserve::http
