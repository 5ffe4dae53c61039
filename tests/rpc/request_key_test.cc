#include "server/rpc/decode/request_key.h"

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>

#include "tests/support/entries.h"

namespace spikeserve::rpc {
namespace {

using ::spikeserve::testing::FakeScript;
using ::spikeserve::testing::MakeEntry;

class RequestKeyTest : public ::testing::Test {
 protected:
  // Several pieces of what is hashed at a time.
  static v1::SimulateRequest Large() {
    v1::SimulateRequest request;
    request.set_network("net");
    request.set_version(1);
    request.add_inputs()->set_data(std::string(100'000, 'x'));
    return request;
  }

  const std::shared_ptr<FakeScript> script_ = std::make_shared<FakeScript>();
  const std::unique_ptr<serving::NetworkEntry> network_ = MakeEntry(script_);
};

TEST_F(RequestKeyTest, EqualRequestsHaveTheSame) {
  EXPECT_EQ(RequestKey(Large(), *network_, "a"), RequestKey(Large(), *network_, "a"));
  EXPECT_EQ(RequestKey(Large(), *network_, "a").size(), 32U);
}

TEST_F(RequestKeyTest, EveryByteOfAnInputCounts) {
  std::set<std::string> keys;
  for (const std::size_t at : {0U, 16'383U, 16'384U, 50'000U, 99'999U}) {
    v1::SimulateRequest request = Large();
    (*request.mutable_inputs(0)->mutable_data())[at] = 'y';
    keys.insert(RequestKey(request, *network_, "a"));
  }
  keys.insert(RequestKey(Large(), *network_, "a"));
  EXPECT_EQ(keys.size(), 6U);
}

TEST_F(RequestKeyTest, EverySettingTenantAndInstanceCounts) {
  std::set<std::string> keys{RequestKey(Large(), *network_, "a"), RequestKey(Large(), *network_, "b"),
                             RequestKey(Large(), *MakeEntry(script_), "a")};
  v1::SimulateRequest request = Large();
  request.set_seed(0);  // is not the same as none
  keys.insert(RequestKey(request, *network_, "a"));
  request.set_seed(1);
  keys.insert(RequestKey(request, *network_, "a"));
  request = Large();
  request.set_first_sample(1);
  keys.insert(RequestKey(request, *network_, "a"));
  request = Large();
  request.mutable_early_exit()->set_margin(0.5);
  keys.insert(RequestKey(request, *network_, "a"));
  EXPECT_EQ(keys.size(), 7U);
}

}  // namespace
}  // namespace spikeserve::rpc
