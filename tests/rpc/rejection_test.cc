#include "server/rpc/context/rejection.h"

#include <gtest/gtest.h>

namespace spikeserve::rpc {
namespace {

TEST(RejectionReason, IsTheFlagThatALimitNames) {
  EXPECT_STREQ(RejectionReason(ResourceExhausted("the queue is full: 8192 samples wait (--max-queue)")),
               "max-queue");
  EXPECT_STREQ(RejectionReason(ResourceExhausted("it takes 5 bytes (--memory-budget-mb); try later")),
               "memory-budget-mb");
}

TEST(RejectionReason, IsNothingThatAClientMayInvent) {
  EXPECT_STREQ(RejectionReason(ResourceExhausted("got \"(--my-flag)\"")), "other");
  EXPECT_STREQ(RejectionReason(ResourceExhausted("got (--max-queuex)")), "other");
  EXPECT_STREQ(RejectionReason(ResourceExhausted("got (--max-queue")), "other");
}

TEST(RejectionReason, OfOtherCodes) {
  EXPECT_STREQ(RejectionReason({}), "");
  EXPECT_STREQ(RejectionReason(InvalidArgument("wrong (--max-queue)")), "");
  EXPECT_STREQ(RejectionReason({StatusCode::kUnauthenticated, ""}), "token");
  EXPECT_STREQ(RejectionReason({StatusCode::kPermissionDenied, ""}), "permission");
  EXPECT_STREQ(RejectionReason({StatusCode::kDeadlineExceeded, "too late"}), "deadline");
  EXPECT_STREQ(RejectionReason({StatusCode::kDeadlineExceeded, "not read (--write-idle-seconds)"}),
               "write-idle-seconds");
  EXPECT_STREQ(RejectionReason(Unavailable("the server is shutting down")), "unavailable");
}

}  // namespace
}  // namespace spikeserve::rpc
