#include "server/http/session.h"

#include <poll.h>

#include <array>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/stream_traits.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <cstdint>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

#include "server/base/guarded.h"
#include "server/http/reading.h"

namespace spikeserve::http {
namespace {

namespace net = boost::asio;
namespace beast = boost::beast;
namespace beast_http = boost::beast::http;
using boost::system::error_code;
using tcp = net::ip::tcp;
using PlainStream = beast::tcp_stream;
using TlsStream = net::ssl::stream<beast::tcp_stream>;

constexpr std::size_t kReadBytes = 64 << 10;
// How long a connection that is given up is read on, so that its client sees the answer and not a reset.
constexpr std::chrono::seconds kLinger{2};

template <typename Stream>
class Session : public std::enable_shared_from_this<Session<Stream>> {
 public:
  Session(Stream stream, SessionContext& context, std::function<void()> closed)
      : stream_(std::move(stream)),
        context_(context),
        closed_(std::move(closed)),
        reading_(stream_.get_executor()) {}
  ~Session() {
    EndIdle();
    EndAnswer();
    closed_();
  }

  void Start() {
    BeginIdle();
    Limit(context_.options.timeout);
    if constexpr (std::is_same_v<Stream, TlsStream>) {
      stream_.async_handshake(net::ssl::stream_base::server, Bind(&Session::OnHandshake));
    } else {
      ReadHead();
    }
  }

 private:
  beast::tcp_stream& Tcp() { return beast::get_lowest_layer(stream_); }
  void Limit(std::chrono::seconds time) { Tcp().expires_after(time); }

  // A handler that keeps this alive. What throws ends the connection.
  template <typename... Arguments>
  auto Bind(void (Session::*handler)(Arguments...)) {
    return [self = this->shared_from_this(), handler](const error_code& error, auto&&... /*bytes*/) {
      try {
        ((*self).*handler)(error);
      } catch (...) {
        self->Close();
      }
    };
  }

  // For all of a request together. Not by the stream's own limit, after which nothing can be written.
  void LimitReading() {
    Tcp().expires_never();
    late_ = false;
    reading_.expires_after(context_.options.timeout);
    reading_.async_wait([session = this->weak_from_this()](const error_code& error) {
      const auto self = session.lock();
      if (!error && self && !self->answering()) {
        self->late_ = true;
        self->Tcp().cancel();
      }
    });
  }

  // Whether the request was read, or given up: the limit came too late.
  bool answering() const { return exchange_ != nullptr || response_.has_value(); }

  void OnHandshake(const error_code& error) {
    if (!error) {
      ReadHead();
    }
  }

  void ReadHead() {
    BeginIdle();
    parser_.emplace();
    parser_->header_limit(kMaxHeadBytes);
    parser_->body_limit(static_cast<std::uint64_t>(context_.options.max_body_bytes));
    head_ = {};
    LimitReading();
    beast_http::async_read_header(stream_, buffer_, *parser_, Bind(&Session::OnHead));
  }

  void OnHead(const error_code& error) {
    if (error || late_) {
      Unreadable(error, parser_->got_some());
      return;
    }
    EndIdle();
    head_ = MakeHead(parser_->get());
    if (auto refusal = CodingError(parser_->get(), context_.service)) {
      Refuse(*std::move(refusal));
      return;
    }
    auto admission = context_.service.Admit(head_);
    if (auto* refusal = std::get_if<Response>(&admission)) {
      Refuse(std::move(*refusal));
      return;
    }
    admission_ = std::move(std::get<Admission>(admission));
    if (!admission_.read_body) {
      Handle(false);
      return;
    }
    if (const auto length = parser_->content_length();
        length && !ReserveBody(static_cast<std::int64_t>(*length))) {
      return;
    }
    if (Header(parser_->get(), "Expect").empty()) {
      ReadBody();
      return;
    }
    static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
    net::async_write(stream_, net::buffer(kContinue.data(), kContinue.size()), Bind(&Session::OnContinued));
  }

  void OnContinued(const error_code& error) {
    if (!error) {
      ReadBody();
    }
  }

  // Whether there is memory for a body of `bytes`; if not, says so.
  bool ReserveBody(std::int64_t bytes) {
    auto memory = context_.service.ReserveBody(bytes);
    if (!memory.ok()) {
      Refuse(context_.service.Refusal(HttpStatus(memory.status().code()), memory.status()));
      return false;
    }
    body_memory_ = std::move(memory).value();
    body_bytes_ = bytes;
    return true;
  }

  void ReadBody() {
    if (parser_->is_done()) {
      Handle(true);
      return;
    }
    beast_http::async_read_some(stream_, buffer_, *parser_, Bind(&Session::OnBody));
  }

  void OnBody(const error_code& error) {
    if (error || late_) {
      Unreadable(error, true);
      return;
    }
    // A body without a length has no memory yet, and grows as strings do.
    const auto held = static_cast<std::int64_t>(parser_->get().body().capacity() + kReadBytes);
    if (!parser_->content_length() && held > body_bytes_) {
      body_memory_.reset();
      if (!ReserveBody(2 * held)) {
        return;
      }
    }
    ReadBody();
  }

  void Unreadable(const error_code& error, bool begun) {
    auto response = ReadError(error, late_, context_.options, context_.service);
    if (response && (begun || !late_)) {
      Refuse(*std::move(response));
      return;
    }
    Close();
  }

  void Handle(bool has_body) {
    reading_.cancel();
    BeginAnswer();
    close_after_ = !parser_->is_done() || !parser_->keep_alive();
    const auto self = this->shared_from_this();
    exchange_ = std::move(admission_.exchange);
    exchange_->has_body = has_body;
    if (has_body) {
      exchange_->body = std::move(parser_->get().body());
      exchange_->body_memory = std::move(body_memory_);
    }
    exchange_->post = [executor = stream_.get_executor()](std::function<void()> work) {
      net::post(executor, std::move(work));
    };
    exchange_->respond = [self](Response response) { self->Write(std::move(response)); };
    WatchClient();
    context_.service.Handle(std::shared_ptr(exchange_));  // which lets go of ours when it responds at once
  }

  // Cancels the call of a client that goes away.
  void WatchClient() {
    Tcp().socket().async_wait(
        tcp::socket::wait_read,
        [session = this->weak_from_this(), watched = std::weak_ptr(exchange_)](const error_code& error) {
          const auto self = session.lock();
          const auto exchange = watched.lock();
          if (!error && self && exchange && self->exchange_ == exchange && self->ClientIsGone()) {
            exchange->Cancel();
          }
        });
  }

  bool ClientIsGone() {
    pollfd descriptor{Tcp().socket().native_handle(), POLLRDHUP, 0};
    return poll(&descriptor, 1, 0) > 0;
  }

  // Answers a request that was not made a call, and ends the connection: what of it is still to come is
  // unknown.
  void Refuse(Response response) {
    close_after_ = true;
    if (context_.options.on_refusal) {
      context_.options.on_refusal(head_, response);
    }
    Write(std::move(response));
  }

  void Write(Response response) {
    reading_.cancel();
    BeginAnswer();
    exchange_.reset();
    body_memory_.reset();
    body_bytes_ = 0;
    memory_ = std::move(response.memory);
    constexpr unsigned kHttp11 = 11;
    response_.emplace();
    response_->version(kHttp11);
    response_->result(static_cast<unsigned>(response.status));
    response_->set(beast_http::field::content_type, response.content_type);
    for (const auto& [name, value] : response.headers) {
      response_->set(name, value);
    }
    if (head_.method == "HEAD") {
      response_->content_length(response.body.size());
    } else {
      response_->body() = std::move(response.body);
      response_->content_length(response_->body().size());
    }
    close_after_ = close_after_ || context_.ending;
    response_->keep_alive(!close_after_);
    Limit(context_.options.timeout);
    beast_http::async_write(stream_, *response_, Bind(&Session::OnWritten));
  }

  void OnWritten(const error_code& error) {
    response_.reset();
    memory_.reset();
    EndAnswer();
    if (error) {
      Close();
    } else if (close_after_) {
      EndConnection();
    } else {
      ReadHead();
    }
  }

  // While it waits for a request, or for TLS, it may have to make room for others.
  void BeginIdle() {
    if (idle_) {
      return;
    }
    const auto close = [session = this->weak_from_this(), executor = stream_.get_executor()] {
      net::post(executor, [session] {
        if (const auto self = session.lock(); self && self->idle_) {
          self->Close();
        }
      });
    };
    idle_ = context_.idle.Enter(close);
    context_.on_idle();
  }

  void EndIdle() {
    if (idle_) {
      context_.idle.Leave(*std::exchange(idle_, std::nullopt));
    }
  }

  void BeginAnswer() {
    if (!std::exchange(busy_, true)) {
      context_.Begun();
    }
  }

  void EndAnswer() {
    if (std::exchange(busy_, false)) {
      context_.Ended();
    }
  }

  void EndConnection() {
    Limit(kLinger);
    if constexpr (std::is_same_v<Stream, TlsStream>) {
      stream_.async_shutdown(Bind(&Session::OnShutdown));
    } else {
      OnShutdown({});
    }
  }

  void OnShutdown(const error_code& /*error*/) {
    error_code ignored;
    Tcp().socket().shutdown(tcp::socket::shutdown_send, ignored);
    parser_.reset();
    buffer_.clear();
    OnLeftover({});
  }

  // Reads and forgets, until the client closes or the time is over.
  void OnLeftover(const error_code& error) {
    if (error) {
      Close();
      return;
    }
    Tcp().async_read_some(net::buffer(leftover_), Bind(&Session::OnLeftover));
  }

  void Close() {
    error_code ignored;
    Tcp().socket().close(ignored);
  }

  Stream stream_;
  SessionContext& context_;
  const std::function<void()> closed_;
  beast::flat_buffer buffer_{kMaxHeadBytes + kReadBytes};
  std::optional<beast_http::request_parser<beast_http::string_body>> parser_;
  Head head_;
  Admission admission_;
  std::optional<IdleConnections::Ticket> idle_;  // while it waits for a request
  std::shared_ptr<void> body_memory_;
  std::int64_t body_bytes_ = 0;  // of body_memory_
  net::steady_timer reading_;    // the time for a request to come
  bool late_ = false;
  bool busy_ = false;
  bool close_after_ = false;
  std::shared_ptr<Exchange> exchange_;  // while it waits for its answer
  std::optional<beast_http::response<beast_http::string_body>> response_;
  std::shared_ptr<void> memory_;     // of the response
  std::array<char, 4096> leftover_;  // NOLINT: never looked at
};

}  // namespace

void StartSession(tcp::socket socket, SessionContext& context, std::function<void()> closed) {
  error_code ignored;
  socket.set_option(tcp::no_delay(true), ignored);
  beast::tcp_stream stream(std::move(socket));
  if (const auto tls = context.tls()) {  // a connection keeps what it needs of it
    std::make_shared<Session<TlsStream>>(TlsStream(std::move(stream), *tls), context, std::move(closed))
        ->Start();
  } else {
    std::make_shared<Session<PlainStream>>(std::move(stream), context, std::move(closed))->Start();
  }
}

}  // namespace spikeserve::http
