#include "tests/conformance/golden_case.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>

#include "tests/conformance/golden_neurons.h"
#include "tests/support/definitions.h"

namespace spikeserve::testing {
namespace {

using nlohmann::json;

using Arrays = std::map<std::string, NumpyArray>;

// Where an operation reads.
struct Source {
  std::string name;
  engine::Synapse synapse;
};

// Builds the definition of one case. One thread, one use.
class CaseBuilder {
 public:
  CaseBuilder(const json& text, Arrays arrays, GoldenCase& out)
      : text_(text), arrays_(std::move(arrays)), out_(out), definition_(out.definition) {}

  void Build() {
    definition_.format_version = 1;
    for (const json& layer : text_.at("layers")) {
      AddLayer(layer);
    }
    for (const json& probe : text_.at("probes")) {
      AddProbe(probe);
    }
    out_.input = arrays_.at("input");
  }

 private:
  void AddLayer(const json& layer) {
    const std::string name = layer.at("name");
    const std::int64_t size = layer.at("size");
    if (layer.at("kind") == "input") {
      definition_.operations.push_back({name, engine::InputOperation{{size}, {}, {}}});
      return;
    }
    const Source sum = AddSum(name);
    if (layer.at("kind") == "neurons") {
      engine::NeuronOperation neurons = GoldenNeurons(layer);
      for (engine::Parameter* parameter : {&neurons.gain, &neurons.bias}) {
        if (const auto* id = std::get_if<std::string>(parameter)) {
          AddTensor(*id, {size});
        }
      }
      const engine::InitialVoltage voltage = neurons.initial_voltage.value_or(engine::ZeroVoltage{});
      if (const auto* array = std::get_if<engine::TensorVoltage>(&voltage)) {
        AddTensor(array->tensor, {size});
      }
      definition_.operations.push_back({name, neurons});
    } else if (layer.at("bias").is_null()) {
      definition_.operations.push_back({name, engine::WeightedSumOperation{{1.0}}});
    } else {
      AddTensor(layer.at("bias"), {size});
      definition_.operations.push_back({name, engine::ScaleShiftOperation{"", layer.at("bias"), 0}});
    }
    Connect(sum, name);
  }

  // The operation that holds the sum of the edges into a layer; a single plain edge needs none of its own.
  Source AddSum(const std::string& layer) {
    std::vector<json> edges;
    for (const json& edge : text_.at("edges")) {
      if (edge.at("dst") == layer) {
        edges.push_back(edge);
      }
    }
    const json& first = edges.at(0);
    if (edges.size() == 1 && first.at("transform").at("kind") == "identity" &&
        !first.at("transform").contains("scale")) {
      return {first.at("src"), SynapseOf(first)};
    }
    const std::string sum = layer + ".sum";
    engine::WeightedSumOperation operation;
    std::vector<Source> sources;
    for (std::size_t i = 0; i < edges.size(); ++i) {
      const json& transform = edges[i].at("transform");
      const bool identity = transform.at("kind") == "identity";
      operation.coefficients.push_back(identity ? transform.value("scale", 1.0) : 1.0);
      if (identity) {
        sources.push_back({edges[i].at("src"), SynapseOf(edges[i])});
      } else {
        sources.push_back(AddEdge(edges[i], layer + ".edge" + std::to_string(i)));
      }
    }
    if (sources.size() == 1 && operation.coefficients[0] == 1) {
      return sources[0];
    }
    definition_.operations.push_back({sum, operation});
    for (const Source& source : sources) {
      Connect(source, sum);
    }
    return {sum, {}};
  }

  // Weights of an edge as operations; returns the last.
  Source AddEdge(const json& edge, const std::string& name) {
    const json& transform = edge.at("transform");
    const Source from{edge.at("src"), SynapseOf(edge)};
    const std::string weight = transform.at("weight");
    if (transform.at("kind") == "dense") {
      AddTensor(weight, arrays_.at("array:" + weight).shape);
      definition_.operations.push_back({name, engine::AffineOperation{weight, ""}});
      Connect(from, name);
      return {name, {}};
    }
    const engine::Shape shape = transform.at("input_shape");
    definition_.operations.push_back({name + ".image", engine::ReshapeOperation{shape}});
    Connect(from, name + ".image");
    const std::int64_t outputs = AddConvolution(transform, shape, name + ".conv");
    Connect({name + ".image", {}}, name + ".conv");
    definition_.operations.push_back({name, engine::ReshapeOperation{{outputs}}});
    Connect({name + ".conv", {}}, name);
    return {name, {}};
  }

  // Returns the elements of its output.
  std::int64_t AddConvolution(const json& transform, const engine::Shape& shape, const std::string& name) {
    const std::string weight = transform.at("weight");
    const NumpyArray& kernel = arrays_.at("array:" + weight);  // [kh, kw, in, out]
    const std::int64_t in = kernel.shape[2];
    const std::int64_t out = kernel.shape[3];
    const std::int64_t area = kernel.shape[0] * kernel.shape[1];
    std::vector<double> values(kernel.values.size());
    for (std::int64_t i = 0; i < static_cast<std::int64_t>(values.size()); ++i) {
      const std::int64_t target = (i % out * in + i / out % in) * area + i / out / in;
      values[static_cast<std::size_t>(target)] = kernel.values[static_cast<std::size_t>(i)];
    }
    definition_.tensors.push_back(Tensor64(weight, {out, in, kernel.shape[0], kernel.shape[1]}, values));
    engine::ConvOperation conv{weight, "", transform.at("strides"), {1, 1}, {}, {}, 1};
    std::int64_t outputs = out;
    for (std::size_t axis = 0; axis < 2; ++axis) {
      const std::int64_t stride = conv.stride[axis];
      const bool same = transform.at("padding") == "same";
      const std::int64_t extent =
          same ? (shape[axis] + stride - 1) / stride : (shape[axis] - kernel.shape[axis]) / stride + 1;
      const std::int64_t pad =
          std::max<std::int64_t>((extent - 1) * stride + kernel.shape[axis] - shape[axis], 0) *
          (same ? 1 : 0);
      conv.pad_before.push_back(pad / 2);
      conv.pad_after.push_back(pad - pad / 2);
      outputs *= extent;
    }
    definition_.operations.push_back({name, conv});
    return outputs;
  }

  void AddProbe(const json& text) {
    GoldenProbe probe;
    probe.name = text.at("name");
    probe.voltage = text.at("quantity") == "voltage";
    probe.expected = arrays_.at("expected:" + probe.name);
    const std::string target = text.at("target");
    const auto quantity = probe.voltage ? engine::ProbeQuantity::kVoltage : engine::ProbeQuantity::kOutput;
    definition_.probes.push_back({probe.name, target, quantity, SynapseOf(text)});
    const json* layer = &*std::find_if(text_.at("layers").begin(), text_.at("layers").end(),
                                       [&](const json& item) { return item.at("name") == target; });
    if (!probe.voltage && text.at("synapse").is_null() && layer->value("spiking", false)) {
      probe.counts_of = target;
      probe.spike_height = layer->at("neuron").value("amplitude", 1.0) / text_.at("dt").get<double>();
      definition_.probes.push_back({probe.name + ".counts", target, engine::ProbeQuantity::kSpikes, {}});
    }
    out_.probes.push_back(std::move(probe));
  }

  static engine::Synapse SynapseOf(const json& item) { return GoldenSynapse(item.at("synapse")); }

  void Connect(const Source& source, const std::string& target) {
    definition_.connections.push_back({source.name, target, source.synapse});
  }

  void AddTensor(const std::string& id, engine::Shape shape) {
    definition_.tensors.push_back(Tensor64(id, std::move(shape), arrays_.at("array:" + id).values));
  }

  const json& text_;
  const Arrays arrays_;
  GoldenCase& out_;
  engine::NetworkDefinition& definition_;
};

}  // namespace

std::vector<std::string> GoldenCaseNames(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".json") {
      names.push_back(entry.path().stem());
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

GoldenCase ReadGoldenCase(const std::filesystem::path& folder, const std::string& name) {
  std::ifstream file(folder / (name + ".json"));
  const json text = json::parse(file);
  Arrays arrays = ReadNpz(folder / (name + ".npz"));
  if (text.contains("weights")) {
    arrays.merge(ReadNpz(folder / text.at("weights").get<std::string>()));
  }
  GoldenCase out;
  out.name = name;
  out.means_only = text.at("rule") == "means";
  out.threshold_ties = text.value("threshold_ties", false);
  out.dt = text.at("dt");
  out.steps = text.at("steps");
  try {
    CaseBuilder(text, std::move(arrays), out).Build();
  } catch (const Missing& missing) {
    out.missing = missing.what();
  }
  return out;
}

}  // namespace spikeserve::testing
