#pragma once

#include <cstring>
#include <string>
#include <vector>

#include "inference/grpc_service.grpc.pb.h"
#include "tests/rpc/server_test.h"
#include "tests/support/encode_network.h"

namespace spikeserve::testing {

// SmallMlp with three outputs, a probe of spikes, and an input that takes bytes.
inline engine::NetworkDefinition ThreeClasses() {
  engine::NetworkDefinition network = SmallMlp();
  network.operations[0].kind = engine::InputOperation{{2}, 1.0 / 255, 0.0};
  network.tensors[2] = Tensor("w1", {3, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9});
  network.probes = {{"spikes", "spikes", engine::ProbeQuantity::kSpikes, {}},
                    {"output", "output", engine::ProbeQuantity::kOutput, {}}};
  network.defaults = {0.001, 20, {engine::ReadoutKind::kMean, 0}};
  return network;
}

// A server with a client of the Open Inference Protocol.
class InferTest : public ServerTest {
 protected:
  void Start() {
    ServerTest::Start();
    stub_ = inference::GRPCInferenceService::NewStub(channel_);
  }
  // Loads ThreeClasses with the labels cat, dog and eel.
  grpc::Status LoadLabelled(const std::string& name) {
    v1::NetworkDefinition definition = EncodeNetwork(ThreeClasses());
    for (const char* label : {"cat", "dog", "eel"}) {
      definition.mutable_defaults()->add_class_labels(label);
    }
    const std::string bytes = definition.SerializeAsString();
    const grpc::Status status = Upload(Header(name, bytes), bytes);
    resident_ = server().budget().used_bytes();
    return status;
  }
  // Of "net": samples with these first values.
  static inference::ModelInferRequest RawRequest(const std::vector<float>& first_values) {
    inference::ModelInferRequest request;
    request.set_model_name("net");
    auto& input = *request.add_inputs();
    input.set_name("input");
    input.set_datatype("FP32");
    input.add_shape(static_cast<std::int64_t>(first_values.size()));
    input.add_shape(2);
    std::vector<float> values;
    for (const float value : first_values) {
      values.insert(values.end(), {value, 0.0F});
    }
    request.add_raw_input_contents(values.data(), values.size() * sizeof(float));
    return request;
  }
  grpc::Status Infer(const inference::ModelInferRequest& request,
                     inference::ModelInferResponse* response = nullptr) {
    grpc::ClientContext call;
    inference::ModelInferResponse ignored;
    return stub_->ModelInfer(&call, request, response != nullptr ? response : &ignored);
  }
  template <typename T>
  static std::vector<T> Values(const inference::ModelInferResponse& response, int output) {
    const std::string& bytes = response.raw_output_contents(output);
    std::vector<T> values(bytes.size() / sizeof(T));
    std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  }

  std::unique_ptr<inference::GRPCInferenceService::Stub> stub_;
  std::int64_t resident_ = 0;  // bytes of what LoadLabelled loaded
};

}  // namespace spikeserve::testing
