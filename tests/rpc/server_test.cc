#include "tests/rpc/server_test.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <stdexcept>

#include "server/serving/sha256.h"
#include "tests/support/encode_network.h"
#include "tests/support/eventually.h"

namespace spikeserve::testing {

ServerTest::ServerTest() {
  config_.listen = "unix:" + (folder_.path() / "socket").string();
  config_.http_listen = "none";
  config_.metrics_listen = "none";
  config_.network_repository = folder_.path() / "networks";
  config_.memory_budget_bytes = 100'000'000;
  config_.workers = 1;
}

ServerTest::~ServerTest() { Stop(); }

void ServerTest::Start() {
  lines_ = std::make_shared<spdlog::sinks::ringbuffer_sink_mt>(1000);
  log_.emplace(rpc::LogFormat::kJson, lines_);
  auto server = app::Application::Start(config_, MakeDevice(), *log_);
  if (!server.ok()) {
    throw std::runtime_error(server.status().message());
  }
  server_ = std::move(server).value();
  channel_ = grpc::CreateChannel(server_->address(), grpc::InsecureChannelCredentials());
  networks_ = v1::NetworkService::NewStub(channel_);
  simulations_ = v1::SimulationService::NewStub(channel_);
}

void ServerTest::Stop() { server_.reset(); }

v1::LoadNetworkHeader ServerTest::Header(const std::string& name, const std::string& bytes) {
  v1::LoadNetworkHeader header;
  header.set_name(name);
  header.set_total_bytes(static_cast<std::int64_t>(bytes.size()));
  header.set_sha256(serving::Sha256(bytes));
  return header;
}

grpc::Status ServerTest::Upload(const std::optional<v1::LoadNetworkHeader>& header, const std::string& bytes,
                                v1::LoadNetworkResponse* response, std::size_t chunk_bytes) {
  grpc::ClientContext call;
  v1::LoadNetworkResponse ignored;
  const auto writer = networks_->LoadNetwork(&call, response != nullptr ? response : &ignored);
  v1::LoadNetworkRequest message;
  bool open = true;
  if (header) {
    *message.mutable_header() = *header;
    open = writer->Write(message);
  }
  for (std::size_t at = 0; open && at < bytes.size(); at += chunk_bytes) {
    message.set_chunk(bytes.substr(at, chunk_bytes));
    open = writer->Write(message);
  }
  writer->WritesDone();
  return writer->Finish();
}

grpc::Status ServerTest::Load(const std::string& name, const engine::NetworkDefinition& definition,
                              v1::LoadNetworkResponse* response) {
  const std::string bytes = EncodeNetwork(definition).SerializeAsString();
  return Upload(Header(name, bytes), bytes, response);
}

grpc::Status ServerTest::Unload(const std::string& name, std::int64_t version) {
  grpc::ClientContext call;
  v1::UnloadNetworkRequest request;
  request.set_name(name);
  request.set_version(version);
  v1::UnloadNetworkResponse response;
  return networks_->UnloadNetwork(&call, request, &response);
}

v1::SimulateRequest ServerTest::Request(const std::string& network, const std::vector<float>& first_values) {
  v1::SimulateRequest request;
  request.set_network(network);
  request.set_steps(10);
  v1::Array& input = *request.add_inputs();
  input.set_name("input");
  input.set_data_type(v1::DATA_TYPE_FLOAT32);
  input.add_shape(static_cast<std::int64_t>(first_values.size()));
  input.add_shape(2);
  std::vector<float> values;
  for (const float value : first_values) {
    values.insert(values.end(), {value, 0.0F});
  }
  input.set_data(values.data(), values.size() * sizeof(float));
  return request;
}

grpc::Status ServerTest::Simulate(const v1::SimulateRequest& request, v1::SimulateResponse* response) {
  grpc::ClientContext call;
  v1::SimulateResponse ignored;
  return simulations_->Simulate(&call, request, response != nullptr ? response : &ignored);
}

::testing::AssertionResult ServerTest::Idle(std::int64_t bytes) {
  const bool idle = Eventually([&] {
    return server_->budget().used_bytes() == bytes && server_->batcher().queued_samples() == 0 &&
           script_->simulations == 0;
  });
  if (idle) {
    return ::testing::AssertionSuccess();
  }
  return ::testing::AssertionFailure()
         << "used " << server_->budget().used_bytes() << " bytes, wanted " << bytes << "; queued "
         << server_->batcher().queued_samples() << "; simulations " << script_->simulations;
}

std::string ServerTest::Log() const {
  std::string text;
  for (const std::string& line : lines_->last_formatted()) {
    text += line;
  }
  return text;
}

}  // namespace spikeserve::testing
