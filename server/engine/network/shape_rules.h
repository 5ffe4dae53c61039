#pragma once

#include <optional>
#include <string>
#include <vector>

#include "server/engine/network/network_definition.h"
#include "server/engine/network/violations.h"

namespace spikeserve::engine {

// Looks tensors up by id; returns null and reports where there is none.
class TensorTable {
 public:
  virtual ~TensorTable() = default;
  virtual const TensorDefinition* Require(const std::string& id, const std::string& where) const = 0;
};

// What the rule of one operation needs to know.
struct ShapeContext {
  const std::string& name;
  const std::vector<Shape>& inputs;
  const TensorTable& tensors;
  Violations& violations;
};

// Output shape of an operation, or nothing after reporting every violation found.
std::optional<Shape> InferShape(const OperationKind& kind, const ShapeContext& context);

}  // namespace spikeserve::engine
