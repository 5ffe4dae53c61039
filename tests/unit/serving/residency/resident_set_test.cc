#include "server/serving/residency/resident_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace spikeserve::serving {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> Names(const std::vector<Resident>& residents) {
  std::vector<std::string> names;
  for (const Resident& resident : residents) {
    names.push_back(resident.name);
  }
  return names;
}

Resident Idle(const std::string& name, std::int64_t bytes, std::uint64_t last_use) {
  return {name, 1, bytes, last_use, false, false};
}
Resident InUse(const std::string& name, std::int64_t bytes) { return {name, 1, bytes, 0, true, false}; }
Resident Kept(const std::string& name, std::int64_t bytes) { return {name, 1, bytes, 0, false, true}; }

TEST(ChooseVictims, TakesTheLeastRecentlyUsedAndNoMoreThanItTakes) {
  const std::vector<Resident> residents = {Idle("new", 10, 9), Idle("old", 10, 1), Idle("middle", 10, 5)};
  EXPECT_THAT(Names(ChooseVictims(residents, 1)), ElementsAre("old"));
  EXPECT_THAT(Names(ChooseVictims(residents, 10)), ElementsAre("old"));
  EXPECT_THAT(Names(ChooseVictims(residents, 11)), ElementsAre("old", "middle"));
  EXPECT_THAT(Names(ChooseVictims(residents, 30)), ElementsAre("old", "middle", "new"));
}

TEST(ChooseVictims, TakesNoneWhereAllAreNotEnoughOrNothingIsMissing) {
  EXPECT_THAT(ChooseVictims({Idle("one", 10, 1), Idle("two", 10, 2)}, 21), IsEmpty());
  EXPECT_THAT(ChooseVictims({Idle("one", 10, 1)}, 0), IsEmpty());
  EXPECT_THAT(ChooseVictims({Idle("one", 10, 1)}, -5), IsEmpty());
}

TEST(ChooseVictims, LeavesWhatIsInUseOrPinned) {
  const std::vector<Resident> residents = {InUse("busy", 10), Kept("pinned", 10), Idle("idle", 10, 7)};
  EXPECT_THAT(Names(ChooseVictims(residents, 10)), ElementsAre("idle"));
  EXPECT_THAT(ChooseVictims(residents, 11), IsEmpty());
}

TEST(ResidentBytes, AreSummedByWhatMayBecomeOfThem) {
  const ResidentBytes sum = Sum({InUse("a", 1), Kept("b", 20), Idle("c", 300, 1), Idle("d", 4000, 2)});
  EXPECT_EQ(sum.in_use, 1);
  EXPECT_EQ(sum.kept, 20);
  EXPECT_EQ(sum.idle, 4300);
}

TEST(ParsePin, TakesANameWithOrWithoutAVersion) {
  EXPECT_EQ(ParsePin("fashion").value().name, "fashion");
  EXPECT_EQ(ParsePin("fashion").value().version, 0);
  EXPECT_EQ(ParsePin("fashion:12").value().version, 12);
  for (const char* wrong :
       {"", ":1", "fashion:", "fashion:0", "fashion:01", "fashion:x", "a/b", "fashion:1:2"}) {
    EXPECT_EQ(ParsePin(wrong).status().code(), StatusCode::kInvalidArgument) << wrong;
  }
  EXPECT_THAT(ParsePin("fashion:x").status().message(),
              HasSubstr("got \"fashion:x\", wanted NAME or NAME:VERSION"));
}

}  // namespace
}  // namespace spikeserve::serving
