#include "server/engine/network/shape_rules.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <numeric>

#include "kernels/math/memory_row.h"
#include "server/engine/network/network.h"

namespace spikeserve::engine {
namespace {

using Ints = std::vector<std::int64_t>;

// Rules for one operation kind each. A rule reports through Fail and returns nothing.
class Rules {
 public:
  explicit Rules(const ShapeContext& context) : context_(context) {}

  std::optional<Shape> operator()(const std::monostate&) { return Fail("has no kind set"); }

  std::optional<Shape> operator()(const InputOperation& input) {
    if (!context_.inputs.empty()) {
      return Fail("is an Input and takes no connections, got ", context_.inputs.size());
    }
    if (input.shape.empty() || input.shape.size() > 4) {
      return Fail("shape has rank ", input.shape.size(), ", allowed 1..4");
    }
    const bool scale_ok =
        !input.uint8_scale || (std::isfinite(*input.uint8_scale) && *input.uint8_scale != 0);
    const bool offset_ok = !input.uint8_offset || (std::isfinite(*input.uint8_offset) && input.uint8_scale);
    if (!scale_ok || !offset_ok) {
      return Fail("uint8_scale must be finite and not 0, uint8_offset finite and only beside it");
    }
    return input.shape;
  }

  std::optional<Shape> operator()(const AffineOperation& affine) {
    const TensorDefinition* weight = Weight(affine.weight, "weight");
    if (!OneInput() || weight == nullptr) {
      return std::nullopt;
    }
    Shape shape = In();
    if (weight->shape.size() != 2 || weight->shape[1] != shape.back()) {
      return Fail("weight is ", ToString(weight->shape), ", wanted [out, ", shape.back(), "]");
    }
    shape.back() = weight->shape[0];
    return Bias(affine.bias, shape.back()) ? std::optional(shape) : std::nullopt;
  }

  std::optional<Shape> operator()(const ConvOperation& conv) {
    const TensorDefinition* weight = Weight(conv.weight, "weight");
    if (!OneInput() || weight == nullptr) {
      return std::nullopt;
    }
    const std::size_t rank = In().size() - 1;
    if (rank < 1 || rank > 2 || weight->shape.size() != rank + 2) {
      return Fail("input is ", ToString(In()), " and weight ", ToString(weight->shape),
                  ", wanted [spatial.., in] with 1 or 2 spatial axes and [out, in/groups, kernel..]");
    }
    const std::int64_t out = weight->shape[0];
    const std::int64_t in = In().back();
    if (conv.groups < 1 || in % conv.groups != 0 || out % conv.groups != 0 ||
        weight->shape[1] != in / conv.groups) {
      return Fail("groups is ", conv.groups, " with ", in, " input and ", out, " output channels and weight ",
                  ToString(weight->shape),
                  "; groups must divide both and the weight's second axis be in/groups");
    }
    const Ints kernel(weight->shape.begin() + 2, weight->shape.end());
    std::optional<Shape> shape = Slide({kernel, conv.stride, conv.dilation, conv.pad_before, conv.pad_after});
    if (!shape || !Bias(conv.bias, out)) {
      return std::nullopt;
    }
    shape->push_back(out);
    return shape;
  }

  std::optional<Shape> operator()(const PoolOperation& pool) {
    if (!OneInput()) {
      return std::nullopt;
    }
    if (pool.kind == PoolKind::kUnspecified) {
      return Fail("pool kind is not set or unknown, allowed AVERAGE and MAX");
    }
    const std::size_t rank = In().size() - 1;
    if (rank < 1 || rank > 2) {
      return Fail("input is ", ToString(In()), ", wanted 1 or 2 spatial axes and channels");
    }
    std::optional<Shape> shape =
        Slide({pool.window, pool.stride, Ints(rank, 1), pool.pad_before, pool.pad_after});
    if (shape) {
      shape->push_back(In().back());
    }
    return shape;
  }

  std::optional<Shape> operator()(const ScaleShiftOperation& op) {
    if (!OneInput()) {
      return std::nullopt;
    }
    if (op.scale.empty() && op.shift.empty()) {
      return Fail("has neither scale nor shift");
    }
    const std::optional<std::int64_t> axis = Axis(op.axis);
    if (!axis || !Broadcasts(op.scale, *axis, "scale") || !Broadcasts(op.shift, *axis, "shift")) {
      return std::nullopt;
    }
    return In();
  }

  std::optional<Shape> operator()(const WeightedSumOperation& sum) {
    if (context_.inputs.empty() || sum.coefficients.size() != context_.inputs.size()) {
      return Fail("has ", context_.inputs.size(), " connections and ", sum.coefficients.size(),
                  " coefficients, wanted as many and at least 1");
    }
    for (const double coefficient : sum.coefficients) {
      if (!std::isfinite(coefficient)) {
        return Fail("has a coefficient that is not finite");
      }
    }
    for (const Shape& shape : context_.inputs) {
      if (shape != In()) {
        return Fail("adds ", ToString(In()), " and ", ToString(shape), ", wanted equal shapes");
      }
    }
    return In();
  }

  std::optional<Shape> operator()(const ConcatOperation& concat) {
    if (context_.inputs.empty()) {
      return Fail("has no connections");
    }
    const std::optional<std::int64_t> axis = Axis(concat.axis);
    if (!axis) {
      return std::nullopt;
    }
    const auto at = static_cast<std::size_t>(*axis);
    Shape joined = In();
    joined[at] = 0;
    for (Shape shape : context_.inputs) {
      const bool same_rank = shape.size() == joined.size();
      const std::int64_t along = same_rank ? std::exchange(shape[at], joined[at]) : 0;
      if (!same_rank || shape != joined) {
        return Fail("joins shapes that differ beside axis ", concat.axis);
      }
      joined[at] += along;
    }
    return joined;
  }

  std::optional<Shape> operator()(const ReshapeOperation& reshape) {
    if (!OneInput()) {
      return std::nullopt;
    }
    if (reshape.shape.empty() || ElementCount(reshape.shape) != ElementCount(In())) {
      return Fail("reshapes ", ToString(In()), " to ", ToString(reshape.shape), ", wanted as many elements");
    }
    return reshape.shape;
  }

  std::optional<Shape> operator()(const PermuteOperation& permute) {
    if (!OneInput()) {
      return std::nullopt;
    }
    Ints sorted = permute.permutation;
    std::sort(sorted.begin(), sorted.end());
    Ints wanted(In().size());
    std::iota(wanted.begin(), wanted.end(), 0);
    if (sorted != wanted) {
      return Fail("permutation is not one of 0..", In().size() - 1);
    }
    Shape shape;
    for (const std::int64_t axis : permute.permutation) {
      shape.push_back(In()[static_cast<std::size_t>(axis)]);
    }
    return shape;
  }

  std::optional<Shape> operator()(const PadOperation& pad) {
    if (!OneInput()) {
      return std::nullopt;
    }
    Shape shape = In();
    if (pad.before.size() != shape.size() || pad.after.size() != shape.size()) {
      return Fail("pads ", pad.before.size(), " and ", pad.after.size(), " axes, wanted ", shape.size());
    }
    for (std::size_t i = 0; i < shape.size(); ++i) {
      const std::int64_t old = shape[i];
      if (pad.before[i] <= -old || pad.after[i] <= -old || pad.before[i] > kMaxPad ||
          pad.after[i] > kMaxPad || (shape[i] += pad.before[i] + pad.after[i]) < 1) {
        return Fail("pads axis ", i, " of ", old, " by ", pad.before[i], " and ", pad.after[i],
                    ", which leaves nothing or is out of range");
      }
    }
    return shape;
  }

  std::optional<Shape> operator()(const NeuronOperation& neuron) {
    if (!OneInput()) {
      return std::nullopt;
    }
    const auto* of_mean = std::get_if<MemoryFunction>(&neuron.model);
    if (of_mean != nullptr && math::IsOfRow(of_mean->function) && In().back() > math::kMostOfRow) {
      return Fail("its function takes rows of ", In().back(), " neurons, allowed are ", math::kMostOfRow);
    }
    bool valid = CheckParameter(neuron.gain, "gain");  // all, so that all violations are told
    valid = CheckParameter(neuron.bias, "bias") && valid;
    valid = CheckParameter(neuron.output_scale, "output_scale") && valid;
    valid = CheckVoltage(neuron) && valid;
    return valid ? std::optional(In()) : std::nullopt;
  }

  std::optional<Shape> operator()(const ProductOperation& product) {
    if (context_.inputs.size() != 2) {
      return Fail("has ", context_.inputs.size(), " connections, wanted 2");
    }
    const Shape &first = context_.inputs[0], &second = context_.inputs[1];
    Shape shape = first;
    bool fits = first.size() == second.size();
    for (std::size_t i = 0; fits && i < first.size(); ++i) {
      fits = first[i] == second[i] || first[i] == 1 || second[i] == 1;
      shape[i] = std::max(first[i], second[i]);
    }
    if (!fits) {
      return Fail("multiplies ", ToString(first), " and ", ToString(second),
                  ", wanted as many axes, each equal or 1");
    }
    if (!std::isfinite(product.amplitude) || product.amplitude == 0) {
      return Fail("amplitude is ", product.amplitude, ", wanted finite and not 0");
    }
    const auto* scale = std::get_if<double>(&product.output_scale);
    if (scale != nullptr && !std::isfinite(*scale)) {
      return Fail("output_scale is ", *scale, ", wanted a finite number");
    }
    const auto* id = std::get_if<std::string>(&product.output_scale);
    const bool valid = id == nullptr || PerUnit(*id, "output_scale", shape, Shape{shape.back()});
    return valid ? std::optional(shape) : std::nullopt;
  }

  std::optional<Shape> operator()(const ActivationOperation& activation) {
    if (!OneInput()) {
      return std::nullopt;
    }
    if (std::holds_alternative<std::monostate>(activation.kind)) {
      return Fail("has no activation kind set");
    }
    const LeakyRelu* leaky = std::get_if<LeakyRelu>(&activation.kind);
    if (leaky != nullptr && !std::isfinite(leaky->negative_slope)) {
      return Fail("negative_slope is not finite");
    }
    return In();
  }

 private:
  static constexpr std::int64_t kMaxPad = 65536;

  struct Window {
    Ints size, stride, dilation, before, after;
  };

  template <typename... Parts>
  std::nullopt_t Fail(const Parts&... parts) {
    context_.violations.Add("operation '", context_.name, "': ", parts...);
    return std::nullopt;
  }

  const Shape& In() const { return context_.inputs.front(); }

  bool OneInput() {
    if (context_.inputs.size() != 1) {
      Fail("has ", context_.inputs.size(), " connections, wanted 1");
    }
    return context_.inputs.size() == 1;
  }

  const TensorDefinition* Weight(const std::string& id, const char* field) {
    return context_.tensors.Require(id, Join("operation '", context_.name, "': ", field));
  }

  bool Bias(const std::string& id, std::int64_t length) {
    if (id.empty()) {
      return true;
    }
    const TensorDefinition* bias = Weight(id, "bias");
    if (bias != nullptr && bias->shape != Shape{length}) {
      Fail("bias is ", ToString(bias->shape), ", wanted ", length);
      return false;
    }
    return bias != nullptr;
  }

  // Output extents of a window that slides over the spatial axes of the input.
  std::optional<Shape> Slide(const Window& window) {
    const std::size_t rank = In().size() - 1;
    for (const Ints* field :
         {&window.size, &window.stride, &window.dilation, &window.before, &window.after}) {
      if (field->size() != rank) {
        return Fail("has a window, stride, dilation or padding for ", field->size(), " axes, wanted ", rank);
      }
    }
    Shape shape;
    for (std::size_t i = 0; i < rank; ++i) {
      const auto in_range = [](std::int64_t value) { return value >= 1 && value <= kMaxPad; };
      if (!in_range(window.size[i]) || !in_range(window.stride[i]) || !in_range(window.dilation[i])) {
        return Fail("window, stride and dilation of axis ", i, " must be 1..", kMaxPad);
      }
      const std::int64_t extent = (window.size[i] - 1) * window.dilation[i] + 1;
      if (window.before[i] < 0 || window.after[i] < 0 || window.before[i] >= extent ||
          window.after[i] >= extent) {
        return Fail("padding of axis ", i, " is ", window.before[i], " and ", window.after[i], ", wanted 0..",
                    extent - 1);
      }
      const std::int64_t room = In()[i] + window.before[i] + window.after[i] - extent;
      if (room < 0) {
        return Fail("window of extent ", extent, " does not fit axis ", i, " of ", In()[i]);
      }
      shape.push_back(room / window.stride[i] + 1);
    }
    return shape;
  }

  std::optional<std::int64_t> Axis(std::int64_t axis) {
    const auto rank = static_cast<std::int64_t>(In().size());
    if (axis < -rank || axis >= rank) {
      return Fail("axis is ", axis, ", wanted ", -rank, "..", rank - 1);
    }
    return axis < 0 ? axis + rank : axis;
  }

  bool Broadcasts(const std::string& id, std::int64_t axis, const char* field) {
    if (id.empty()) {
      return true;
    }
    const TensorDefinition* tensor = Weight(id, field);
    if (tensor == nullptr) {
      return false;
    }
    const bool fits = tensor->shape == Shape{1} || tensor->shape == In() ||
                      tensor->shape == Shape{In()[static_cast<std::size_t>(axis)]};
    if (!fits) {
      Fail(field, " is ", ToString(tensor->shape), ", wanted 1, the length of the axis, or ", ToString(In()));
    }
    return fits;
  }

  bool CheckParameter(const Parameter& parameter, const char* field) {
    const std::string* id = std::get_if<std::string>(&parameter);
    return id == nullptr || PerNeuron(*id, field, Shape{In().back()});
  }

  // A tensor of one value per neuron, or of the alternative shape.
  bool PerNeuron(const std::string& id, const char* field, const Shape& alternative) {
    return PerUnit(id, field, In(), alternative);
  }

  bool PerUnit(const std::string& id, const char* field, const Shape& shape, const Shape& alternative) {
    const TensorDefinition* tensor = Weight(id, field);
    if (tensor == nullptr) {
      return false;
    }
    const std::int64_t count = ElementCount(shape);
    if (tensor->shape != shape && tensor->shape != Shape{count} && tensor->shape != alternative) {
      Fail(field, " is ", ToString(tensor->shape), ", wanted ", ToString(shape), " or ",
           ToString(alternative));
      return false;
    }
    return true;
  }

  bool CheckVoltage(const NeuronOperation& neuron) {
    const auto* tensor =
        neuron.initial_voltage ? std::get_if<TensorVoltage>(&*neuron.initial_voltage) : nullptr;
    return tensor == nullptr || PerNeuron(tensor->tensor, "initial_voltage", In());
  }

  const ShapeContext& context_;
};

}  // namespace

std::optional<Shape> InferShape(const OperationKind& kind, const ShapeContext& context) {
  return std::visit(Rules(context), kind);
}

}  // namespace spikeserve::engine
