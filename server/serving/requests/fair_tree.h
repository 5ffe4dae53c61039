#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace spikeserve::serving {

// Shares service among leaves of a tree, at each node in proportion to the weights of those children that
// want some: hierarchical fair queueing by start times, with the virtual clock of WF2Q+ (Bennett and Zhang
// 1997), which goes on with the service, so that newcomers in any number do not hold up who is there. Costs
// are estimated when service begins and corrected when it has ended. A child that wants nothing saves nothing
// up. One thread at a time.
template <typename Leaf>
class FairTree {
 public:
  // A step from the root towards a leaf.
  struct Step {
    std::string key;
    double weight = 1;
  };

  static constexpr std::size_t kFewChildren = 64;

  class Node {
   public:
    // Of a leaf alone.
    Leaf& leaf() { return leaf_; }

   private:
    friend class FairTree;
    Node* parent_ = nullptr;
    double weight_ = 1;
    double start_ = 0;           // virtual time of its next service, at its parent
    double now_ = 0;             // virtual time of its children
    std::int64_t wanting_ = 0;   // of a leaf: jobs; else children that want service
    double wanting_weight_ = 0;  // of these children
    std::size_t prune_at_ = kFewChildren;
    double work_s_ = 0;         // that is left, estimated
    std::int64_t samples_ = 0;  // of it
    std::map<std::string, std::unique_ptr<Node>> children_;
    Leaf leaf_;
  };

  // The leaf at the end of `path`, made where there is none. It stays as long as it has jobs.
  Node& At(const std::vector<Step>& path);

  // A job of the leaf wants service of about `work_s` seconds for `samples` samples; or less or more than it
  // did.
  void Add(Node& leaf, double work_s, std::int64_t samples);
  void Change(Node& leaf, double work_s, std::int64_t samples);
  // The job wants nothing more; of its work this was left. Nobody may use the leaf afterwards.
  void Remove(Node& leaf, double work_s, std::int64_t samples);

  // The leaf whose turn it is among those that `ready` accepts; null where there is none.
  Node* Next(const std::function<bool(Leaf&)>& ready);
  // Service of `seconds` for the leaf begins, or is corrected by so much.
  void Charge(Node& leaf, double seconds);

  // Seconds until a newcomer's `work_s` at the leaf would be done by one server, if nobody else came: of each
  // sibling on the way up as much as its share in that time.
  double Expected(const Node& leaf, double work_s) const;
  // Seconds of those whose turn comes before a newcomer's at the leaf, where a turn takes `turn_s` at most.
  double Before(const Node& leaf, double turn_s) const;
  // The leaf with the most samples by weight, node by node; `leaf` is looked at as if it had `more` of them.
  Node& Fullest(Node& leaf, std::int64_t more);

  double work_s() const { return root_.work_s_; }
  std::int64_t samples() const { return root_.samples_; }
  bool empty() const { return root_.wanting_ == 0; }
  // Calls `visit` with each leaf that has jobs, until it answers false.
  void ForEach(const std::function<bool(Node&)>& visit) { ForEach(root_, visit); }

 private:
  using Children = std::vector<Node*>;

  static Children Wanting(Node& node);
  // Virtual time of its next service, if it wanted some now.
  static double StartOf(const Node& node);
  Node* Next(Node& node, const std::function<bool(Leaf&)>& ready);
  bool ForEach(Node& node, const std::function<bool(Node&)>& visit);
  // Forgets children that want nothing and are owed nothing.
  static void Prune(Node& node);

  Node root_;
};

}  // namespace spikeserve::serving

#include "server/serving/requests/fair_tree_impl.h"
