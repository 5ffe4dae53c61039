#include "server/rpc/context/call_spans.h"

#include <gtest/gtest.h>

#include <chrono>

#include "server/rpc/trace/otlp_message.h"

namespace spikeserve::rpc {
namespace {

using std::chrono::milliseconds;

const CallIdentity kIdentity{"order-7", "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", true};

TracedCall Call(const Status& status = {}) {
  return {.identity = kIdentity,
          .method = "Simulate",
          .network = "fashion",
          .version = 3,
          .samples = 4,
          .batch_size = 16,
          .received = std::chrono::system_clock::time_point(std::chrono::hours(1)),
          .queued_s = 0.010,
          .queue_s = 0.020,
          .done_s = 0.080,
          .total_s = 0.090,
          .chunks = {{0.040, 128}, {0.080, 72}},
          .status = status};
}

TEST(SpansOf, TheCallAndItsPartsFollowOneAnother) {
  IdSource ids;
  const TracedCall call = Call();
  const auto spans = SpansOf(call, ids);
  ASSERT_EQ(spans.size(), 5U);
  EXPECT_EQ(spans[0].parent_span_id, kIdentity.parent_span_id);
  EXPECT_TRUE(spans[0].of_call);
  const std::array<int, 5> at{0, 10, 30, 80, 90};
  const std::array<const char*, 4> names{"decode", "queue", "run", "encode"};
  for (std::size_t i = 0; i < names.size(); ++i) {
    EXPECT_EQ(spans[i + 1].name, names[i]);
    EXPECT_EQ(spans[i + 1].trace_id, kIdentity.trace_id);
    EXPECT_EQ(spans[i + 1].parent_span_id, spans[0].span_id);
    EXPECT_EQ(std::chrono::round<milliseconds>(spans[i + 1].start - call.received).count(), at[i]);
    EXPECT_EQ(std::chrono::round<milliseconds>(spans[i + 1].end - call.received).count(), at[i + 1]);
  }
}

TEST(SpansOf, ChunksAreEventsOfTheRun) {
  IdSource ids;
  const TracedCall call = Call();
  const Span run = SpansOf(call, ids)[3];
  ASSERT_EQ(run.events.size(), 2U);
  EXPECT_EQ(std::chrono::round<milliseconds>(run.events[0].at - call.received).count(), 40);
  EXPECT_EQ(std::get<std::int64_t>(run.events[1].attributes.front().second), 72);
}

TEST(SpansOf, ACallWithoutARunIsOneSpan) {
  IdSource ids;
  TracedCall call = Call(NotFound("there is no such network"));
  call.done_s = 0;
  const auto spans = SpansOf(call, ids);
  ASSERT_EQ(spans.size(), 1U);
  EXPECT_EQ(spans[0].status.message(), "there is no such network");
}

TEST(EncodeSpans, IdsAreBytesAndTimesNanoseconds) {
  IdSource ids;
  const auto request =
      EncodeSpans(SpansOf(Call(Internal("broken")), ids), {{"service.name", std::string("x")}});
  ASSERT_EQ(request.resource_spans_size(), 1);
  EXPECT_EQ(request.resource_spans(0).resource().attributes(0).value().string_value(), "x");
  const auto& spans = request.resource_spans(0).scope_spans(0).spans();
  ASSERT_EQ(spans.size(), 5);
  EXPECT_EQ(spans[0].trace_id(),
            std::string("\x0a\xf7\x65\x19\x16\xcd\x43\xdd\x84\x48\xeb\x21\x1c\x80\x31\x9c"));
  EXPECT_EQ(spans[0].parent_span_id(), std::string("\xb7\xad\x6b\x71\x69\x20\x33\x31"));
  EXPECT_EQ(spans[0].start_time_unix_nano(), 3'600'000'000'000U);
  EXPECT_EQ(spans[0].end_time_unix_nano(), 3'600'090'000'000U);
  EXPECT_EQ(spans[0].status().code(), opentelemetry::proto::trace::v1::Status::STATUS_CODE_ERROR);
  EXPECT_EQ(spans[0].status().message(), "broken");
  EXPECT_EQ(spans[1].kind(), opentelemetry::proto::trace::v1::Span::SPAN_KIND_INTERNAL);
}

}  // namespace
}  // namespace spikeserve::rpc
