#include "tests/bench/float_forward.h"

#include <omp.h>

#include <algorithm>
#include <cstring>
#include <dnnl.hpp>
#include <unordered_map>
#include <utility>

#include "server/engine/network/index.h"

namespace spikeserve::bench {
namespace {

using dnnl::memory;
using engine::Index;
using Tag = memory::format_tag;

memory::desc Desc(const memory::dims& dims, Tag tag) { return {dims, memory::data_type::f32, tag}; }

// A spiking layer answers J > 0 with the rate J of spikes of `amplitude`: max(gain*S + offset, 0)*amplitude.
struct Folded {
  std::vector<float> weight, bias;
};
Folded FoldNeurons(const ChainLayer& layer) {
  Folded folded{layer.weight, layer.bias};
  if (!layer.spiking) {
    return folded;
  }
  for (std::int64_t out = 0; out < layer.out_channels; ++out) {
    const double scale = layer.gain[Index(out)] * layer.amplitude;
    for (std::int64_t k = 0; k < layer.fan_in(); ++k) {
      float& weight = folded.weight[Index(out * layer.fan_in() + k)];
      weight = static_cast<float>(weight * scale);
    }
    folded.bias[Index(out)] =
        static_cast<float>(layer.bias[Index(out)] * scale + layer.offset[Index(out)] * layer.amplitude);
  }
  return folded;
}

}  // namespace

class FloatForward::Program {
 public:
  Program(const Chain& chain, std::int64_t batch, std::int64_t threads)
      : batch_(batch),
        threads_(static_cast<int>(threads)),
        engine_(dnnl::engine::kind::cpu, 0),
        stream_(engine_) {
    omp_set_num_threads(threads_);
    const ChainLayer& first = chain.layers.front();
    const Tag tag = first.kind == ChainLayer::Kind::kDense ? Tag::nc : Tag::nhwc;
    input_ = memory(Desc(InDims(first), tag), engine_, nullptr);
    memory values = input_;
    for (const ChainLayer& layer : chain.layers) {
      values = Add(layer, values);
    }
    const memory::desc plain = Desc({batch, chain.out_size()}, Tag::nc);
    output_ = Reordered(values, plain);
    stream_.wait();
  }

  std::span<const float> Run(std::span<const float> inputs) {
    omp_set_num_threads(threads_);
    input_.set_data_handle(const_cast<float*>(inputs.data()));
    for (auto& [primitive, arguments] : steps_) {
      primitive.execute(stream_, arguments);
    }
    stream_.wait();
    return {static_cast<const float*>(output_.get_data_handle()), Index(Elements(output_))};
  }

 private:
  std::int64_t Elements(const memory& values) const {
    return static_cast<std::int64_t>(values.get_desc().get_size() / sizeof(float));
  }
  memory::dims InDims(const ChainLayer& layer) const {
    if (layer.kind == ChainLayer::Kind::kDense) {
      return {batch_, layer.in_size()};
    }
    return {batch_, layer.in_channels, layer.in_height, layer.in_width};
  }
  memory::dims OutDims(const ChainLayer& layer) const {
    return {batch_, layer.out_channels, layer.out_height, layer.out_width};
  }

  // The values in another layout, brought there anew in every run.
  memory Reordered(const memory& values, const memory::desc& wanted) {
    if (values.get_desc() == wanted) {
      return values;
    }
    memory result(wanted, engine_);
    steps_.push_back({dnnl::reorder(values, result), {{DNNL_ARG_FROM, values}, {DNNL_ARG_TO, result}}});
    return result;
  }
  // Constants in the layout that a primitive wants, brought there once.
  memory Constant(const std::vector<float>& values, const memory::desc& have, const memory::desc& wanted) {
    memory plain(have, engine_);
    std::memcpy(plain.get_data_handle(), values.data(), values.size() * sizeof(float));
    memory result(wanted, engine_);
    dnnl::reorder(plain, result).execute(stream_, plain, result);
    stream_.wait();
    return result;
  }

  static dnnl::primitive_attr Relu(const ChainLayer& layer) {
    dnnl::primitive_attr attributes;
    if (layer.spiking) {
      dnnl::post_ops operations;
      operations.append_eltwise(1.0F, dnnl::algorithm::eltwise_relu, 0.0F, 0.0F);
      attributes.set_post_ops(operations);
    }
    return attributes;
  }

  memory Add(const ChainLayer& layer, const memory& values) {
    switch (layer.kind) {
      case ChainLayer::Kind::kDense: return AddDense(layer, values);
      case ChainLayer::Kind::kConv: return AddConv(layer, values);
      case ChainLayer::Kind::kPool: return AddPool(layer, values);
    }
    return values;
  }

  memory AddDense(const ChainLayer& layer, const memory& values) {
    const memory::dims source = values.get_desc().dims();  // of an image, where one comes before
    memory::dims weight = source;
    weight[0] = layer.out_channels;
    const dnnl::inner_product_forward::desc wanted(dnnl::prop_kind::forward_inference, Desc(source, Tag::any),
                                                   Desc(weight, Tag::any), Desc({layer.out_channels}, Tag::x),
                                                   Desc({batch_, layer.out_channels}, Tag::nc));
    const dnnl::inner_product_forward::primitive_desc chosen(wanted, Relu(layer), engine_);
    return Product<dnnl::inner_product_forward>(chosen, layer, values,
                                                Desc(weight, source.size() == 4 ? Tag::ohwi : Tag::oi));
  }

  memory AddConv(const ChainLayer& layer, const memory& values) {
    const memory::dims weight{layer.out_channels, layer.in_channels, layer.kernel_height, layer.kernel_width};
    const dnnl::convolution_forward::desc wanted(
        dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_auto, Desc(InDims(layer), Tag::any),
        Desc(weight, Tag::any), Desc({layer.out_channels}, Tag::x), Desc(OutDims(layer), Tag::any),
        {layer.stride_y, layer.stride_x}, {layer.pad_top, layer.pad_left},
        {layer.pad_bottom, layer.pad_right});
    const dnnl::convolution_forward::primitive_desc chosen(wanted, Relu(layer), engine_);
    return Product<dnnl::convolution_forward>(chosen, layer, values, Desc(weight, Tag::ohwi));
  }

  template <typename Primitive>
  memory Product(const typename Primitive::primitive_desc& chosen, const ChainLayer& layer,
                 const memory& values, const memory::desc& weight_as_stored) {
    const Folded folded = FoldNeurons(layer);
    const memory source = Reordered(values, chosen.src_desc());
    const memory weight = Constant(folded.weight, weight_as_stored, chosen.weights_desc());
    const memory bias = Constant(folded.bias, Desc({layer.out_channels}, Tag::x), chosen.bias_desc());
    memory result(chosen.dst_desc(), engine_);
    steps_.push_back({Primitive(chosen),
                      {{DNNL_ARG_SRC, source},
                       {DNNL_ARG_WEIGHTS, weight},
                       {DNNL_ARG_BIAS, bias},
                       {DNNL_ARG_DST, result}}});
    return result;
  }

  memory AddPool(const ChainLayer& layer, const memory& values) {
    const dnnl::pooling_forward::desc wanted(dnnl::prop_kind::forward_inference,
                                             dnnl::algorithm::pooling_avg_exclude_padding, values.get_desc(),
                                             Desc(OutDims(layer), Tag::any), {layer.stride_y, layer.stride_x},
                                             {layer.kernel_height, layer.kernel_width}, {0, 0}, {0, 0});
    const dnnl::pooling_forward::primitive_desc chosen(wanted, engine_);
    memory result(chosen.dst_desc(), engine_);
    steps_.push_back({dnnl::pooling_forward(chosen), {{DNNL_ARG_SRC, values}, {DNNL_ARG_DST, result}}});
    return result;
  }

  std::int64_t batch_;
  int threads_;
  dnnl::engine engine_;
  dnnl::stream stream_;
  memory input_, output_;
  std::vector<std::pair<dnnl::primitive, std::unordered_map<int, memory>>> steps_;
};

FloatForward::FloatForward(const Chain& chain, std::int64_t batch, std::int64_t threads)
    : program_(std::make_unique<Program>(chain, batch, threads)) {}
FloatForward::~FloatForward() = default;
std::span<const float> FloatForward::Run(std::span<const float> inputs) { return program_->Run(inputs); }

}  // namespace spikeserve::bench
