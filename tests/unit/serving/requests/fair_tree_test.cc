#include "server/serving/requests/fair_tree.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

namespace spikeserve::serving {
namespace {

struct Name {
  std::string text;
};
using Tree = FairTree<Name>;

class FairTreeTest : public ::testing::Test {
 protected:
  Tree::Node& Leaf(const std::string& top, double weight, const std::string& below = "x") {
    Tree::Node& leaf = tree_.At({{top, weight}, {below, 1}});
    leaf.leaf().text = top + below;
    return leaf;
  }
  // Serves so many units of this length, and counts them by leaf.
  std::map<std::string, int> Serve(int units, double seconds = 1) {
    std::map<std::string, int> served;
    for (int i = 0; i < units; ++i) {
      Tree::Node* leaf = tree_.Next([](Name&) { return true; });
      tree_.Charge(*leaf, seconds);
      ++served[leaf->leaf().text];
    }
    return served;
  }

  Tree tree_;
};

TEST_F(FairTreeTest, SharesByWeight) {
  tree_.Add(Leaf("a", 3), 1000, 1000);
  tree_.Add(Leaf("b", 1), 1000, 1000);
  auto served = Serve(400);
  EXPECT_NEAR(served["ax"], 300, 2);
  EXPECT_NEAR(served["bx"], 100, 2);
}

TEST_F(FairTreeTest, LeavesOfOneParentShareWhatItHas) {
  tree_.Add(Leaf("a", 1), 1000, 1000);
  for (const char* below : {"1", "2", "3"}) {
    tree_.Add(Leaf("b", 1, below), 1000, 1000);
  }
  auto served = Serve(600);
  EXPECT_NEAR(served["ax"], 300, 3);
  EXPECT_NEAR(served["b1"], 100, 3);
}

TEST_F(FairTreeTest, WhoWantedNothingSavedNothingUp) {
  tree_.Add(Leaf("a", 1), 1000, 1000);
  Serve(100);
  tree_.Add(Leaf("b", 1), 1000, 1000);
  auto served = Serve(100);
  EXPECT_NEAR(served["bx"], 50, 2);
}

TEST_F(FairTreeTest, ACorrectionCounts) {
  tree_.Add(Leaf("a", 1), 1000, 1000);
  tree_.Add(Leaf("b", 1), 1000, 1000);
  for (int i = 0; i < 40; ++i) {  // what a gets takes three times what was expected
    Tree::Node* leaf = tree_.Next([](Name&) { return true; });
    tree_.Charge(*leaf, 1);
    tree_.Charge(*leaf, leaf->leaf().text == "ax" ? 2 : 0);
  }
  auto served = Serve(4);
  EXPECT_EQ(served["ax"] + served["bx"], 4);
  int a = 0;
  for (int i = 0; i < 40; ++i) {
    Tree::Node* leaf = tree_.Next([](Name&) { return true; });
    const bool is_a = leaf->leaf().text == "ax";
    tree_.Charge(*leaf, is_a ? 3 : 1);
    a += is_a ? 1 : 0;
  }
  EXPECT_NEAR(a, 10, 2);
}

TEST_F(FairTreeTest, EstimatesThatWereTooHighDoNotKeepNewcomersWaiting) {
  tree_.Add(Leaf("long", 1), 1000, 1000);
  for (int i = 0; i < 100; ++i) {
    Tree::Node* leaf = tree_.Next([](Name&) { return true; });
    tree_.Charge(*leaf, 5);
    tree_.Charge(*leaf, -4);
  }
  tree_.Add(Leaf("new", 1), 1, 1);
  auto served = Serve(3);
  EXPECT_GE(served["newx"], 1);
}

TEST_F(FairTreeTest, NewcomersInAnyNumberDoNotHoldUpWhoIsThere) {
  tree_.Add(Leaf("there", 1), 1000, 1000);
  Serve(1);
  int served = 0;
  for (int i = 0; i < 200; ++i) {
    const std::string name = "new" + std::to_string(i);
    tree_.Add(Leaf(name, 1), 1, 1);
    Tree::Node* leaf = tree_.Next([](Name&) { return true; });
    tree_.Charge(*leaf, 1);
    if (leaf->leaf().text == "therex") {
      ++served;
    } else {
      tree_.Remove(*leaf, 1, 1);
    }
  }
  EXPECT_GT(served, 10);
}

TEST_F(FairTreeTest, PassesOverWhatIsNotReady) {
  tree_.Add(Leaf("a", 1), 1, 1);
  tree_.Add(Leaf("b", 1), 1, 1);
  const Tree::Node* leaf = tree_.Next([](Name& name) { return name.text == "bx"; });
  ASSERT_NE(leaf, nullptr);
  EXPECT_EQ(tree_.Next([](Name&) { return false; }), nullptr);
}

TEST_F(FairTreeTest, ForgetsWhoWantsNothing) {
  Tree::Node& a = Leaf("a", 1);
  tree_.Add(a, 5, 7);
  EXPECT_EQ(tree_.samples(), 7);
  EXPECT_EQ(tree_.work_s(), 5);
  tree_.Remove(a, 5, 7);
  EXPECT_TRUE(tree_.empty());
  EXPECT_EQ(tree_.samples(), 0);
  EXPECT_EQ(tree_.work_s(), 0);
}

TEST_F(FairTreeTest, ExpectsOfOthersTheirShareAlone) {
  tree_.Add(Leaf("flood", 1), 1000, 1000);
  tree_.Add(Leaf("few", 1), 2, 1);
  // Ten seconds of its own, as much of the flood, and the two of the other.
  EXPECT_NEAR(tree_.Expected(Leaf("own", 1), 10), 22, 1e-9);
  EXPECT_NEAR(tree_.Expected(Leaf("own", 2), 10), 17, 1e-9);
}

TEST_F(FairTreeTest, ANewcomerComesAfterThoseWhoHaveHadLess) {
  Tree::Node& own = Leaf("own", 1);
  tree_.Add(own, 1000, 1000);
  tree_.Add(Leaf("flood", 1), 1000, 1000);
  tree_.Add(Leaf("few", 1), 2, 1);
  EXPECT_DOUBLE_EQ(tree_.Before(own, 5), 0);  // they have all had the same, it may be the first
  tree_.Charge(own, 5);
  EXPECT_DOUBLE_EQ(tree_.Before(own, 5), 7);  // a turn of the flood, and all of the few
  tree_.Charge(Leaf("flood", 1), 10);
  EXPECT_DOUBLE_EQ(tree_.Before(own, 5), 2);
  EXPECT_DOUBLE_EQ(tree_.Before(Leaf("new", 1), 5), 2);
}

TEST_F(FairTreeTest, TheFullestIsTheOneWithMostByWeight) {
  Tree::Node& a = Leaf("a", 4);
  tree_.Add(a, 1, 100);
  Tree::Node& b = Leaf("b", 1);
  tree_.Add(b, 1, 30);
  EXPECT_EQ(&tree_.Fullest(Leaf("c", 1), 10), &b);
  EXPECT_EQ(&tree_.Fullest(Leaf("c", 1), 31), &Leaf("c", 1));
  EXPECT_EQ(&tree_.Fullest(a, 30), &a);
}

}  // namespace
}  // namespace spikeserve::serving
