#pragma once

#include <algorithm>

#include "server/serving/requests/fair_tree.h"

namespace spikeserve::serving {

template <typename Leaf>
typename FairTree<Leaf>::Node& FairTree<Leaf>::At(const std::vector<Step>& path) {
  Node* node = &root_;
  for (const Step& step : path) {
    Prune(*node);
    std::unique_ptr<Node>& child = node->children_[step.key];
    if (child == nullptr) {
      child = std::make_unique<Node>();
      child->parent_ = node;
    }
    node->wanting_weight_ += child->wanting_ > 0 ? step.weight - child->weight_ : 0;
    child->weight_ = step.weight;
    node = child.get();
  }
  return *node;
}

template <typename Leaf>
void FairTree<Leaf>::Prune(Node& node) {
  if (node.children_.size() < node.prune_at_) {
    return;
  }
  std::erase_if(node.children_, [&](const auto& entry) {
    return entry.second->wanting_ == 0 && (node.wanting_ == 0 || entry.second->start_ <= node.now_);
  });
  node.prune_at_ = std::max(kFewChildren, 2 * node.children_.size());
}

template <typename Leaf>
void FairTree<Leaf>::Add(Node& leaf, double work_s, std::int64_t samples) {
  Change(leaf, work_s, samples);
  Node* node = &leaf;
  while (node->parent_ != nullptr && node->wanting_++ == 0) {
    node->start_ = StartOf(*node);
    node->parent_->wanting_weight_ += node->weight_;
    node = node->parent_;
  }
  if (node->parent_ == nullptr) {
    ++node->wanting_;
  }
}

// Of a child that wants nothing yet: before those that have had as much as it until now, of whom one may be
// in the middle of its turn, for all of which the clock has been put forward.
template <typename Leaf>
double FairTree<Leaf>::StartOf(const Node& node) {
  constexpr double kBefore = 2e-3;
  return std::max(node.start_, node.parent_->now_ - kBefore);
}

template <typename Leaf>
void FairTree<Leaf>::Change(Node& leaf, double work_s, std::int64_t samples) {
  for (Node* node = &leaf; node != nullptr; node = node->parent_) {
    node->work_s_ += work_s;
    node->samples_ += samples;
  }
}

template <typename Leaf>
void FairTree<Leaf>::Remove(Node& leaf, double work_s, std::int64_t samples) {
  Change(leaf, -work_s, -samples);
  Node* node = &leaf;
  while (node != nullptr && --node->wanting_ == 0) {
    node->work_s_ = 0;  // what rounding has left
    node->wanting_weight_ = 0;
    if (node->parent_ == nullptr) {  // nobody is owed anything
      node->children_.clear();
      node->now_ = 0;
      return;
    }
    node->parent_->wanting_weight_ -= node->weight_;
    node = node->parent_;
  }
}

template <typename Leaf>
typename FairTree<Leaf>::Children FairTree<Leaf>::Wanting(Node& node) {
  Children wanting;
  for (const auto& [key, child] : node.children_) {
    if (child->wanting_ > 0) {
      wanting.push_back(child.get());
    }
  }
  return wanting;
}

template <typename Leaf>
typename FairTree<Leaf>::Node* FairTree<Leaf>::Next(const std::function<bool(Leaf&)>& ready) {
  return Next(root_, ready);
}

template <typename Leaf>
typename FairTree<Leaf>::Node* FairTree<Leaf>::Next(Node& node, const std::function<bool(Leaf&)>& ready) {
  if (node.children_.empty()) {
    return node.parent_ != nullptr && ready(node.leaf_) ? &node : nullptr;
  }
  Children children = Wanting(node);
  std::stable_sort(children.begin(), children.end(),
                   [](const Node* a, const Node* b) { return a->start_ < b->start_; });
  for (Node* child : children) {
    if (Node* found = Next(*child, ready)) {
      return found;
    }
  }
  return nullptr;
}

template <typename Leaf>
void FairTree<Leaf>::Charge(Node& leaf, double seconds) {
  for (Node* node = &leaf; node->parent_ != nullptr; node = node->parent_) {
    Node& parent = *node->parent_;
    // Corrected as well: a clock that estimates had put forward would keep newcomers waiting.
    parent.now_ += seconds / std::max(parent.wanting_weight_, node->weight_);
    if (seconds > 0) {
      parent.now_ = std::max(parent.now_, node->start_);
    }
    node->start_ += seconds / node->weight_;
    if (node->wanting_ > 0 && parent.wanting_ == 1) {  // nobody has had less: a newcomer's turn is the next
      parent.now_ = std::min(parent.now_, node->start_);
    }
  }
}

template <typename Leaf>
double FairTree<Leaf>::Expected(const Node& leaf, double work_s) const {
  double expected = leaf.work_s_ + work_s;
  for (const Node* node = &leaf; node->parent_ != nullptr; node = node->parent_) {
    double others = 0;
    for (const auto& [key, sibling] : node->parent_->children_) {
      if (sibling.get() != node) {
        others += std::min(sibling->work_s_, expected * sibling->weight_ / node->weight_);
      }
    }
    expected += others;
  }
  return expected;
}

template <typename Leaf>
double FairTree<Leaf>::Before(const Node& leaf, double turn_s) const {
  double before = 0;
  for (const Node* node = &leaf; node->parent_ != nullptr; node = node->parent_) {
    const double start = node->wanting_ > 0 ? node->start_ : StartOf(*node);
    for (const auto& [key, sibling] : node->parent_->children_) {
      if (sibling.get() != node && sibling->wanting_ > 0 && sibling->start_ < start) {
        before += std::min(sibling->work_s_, turn_s);
      }
    }
  }
  return before;
}

template <typename Leaf>
typename FairTree<Leaf>::Node& FairTree<Leaf>::Fullest(Node& leaf, std::int64_t more) {
  std::vector<const Node*> way;  // from the leaf to below the root
  for (const Node* node = &leaf; node->parent_ != nullptr; node = node->parent_) {
    way.push_back(node);
  }
  Node* node = &root_;
  bool on_way = true;
  while (!node->children_.empty()) {
    Node* fullest = nullptr;
    double most = -1;
    for (const auto& [key, child] : node->children_) {
      const bool own = on_way && child.get() == way.back();
      const double has = static_cast<double>(child->samples_ + (own ? more : 0)) / child->weight_;
      if (has > most || (own && has == most)) {
        most = has;
        fullest = child.get();
      }
    }
    on_way = on_way && fullest == way.back();
    if (on_way) {
      way.pop_back();
    }
    node = fullest;
  }
  return *node;
}

template <typename Leaf>
bool FairTree<Leaf>::ForEach(Node& node, const std::function<bool(Node&)>& visit) {
  if (node.children_.empty()) {
    return node.parent_ == nullptr || node.wanting_ == 0 || visit(node);
  }
  const Children children = Wanting(node);
  return std::all_of(children.begin(), children.end(), [&](Node* child) { return ForEach(*child, visit); });
}

}  // namespace spikeserve::serving
