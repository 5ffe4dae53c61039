#pragma once

#include <grpcpp/channel.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/ringbuffer_sink.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/app/application.h"
#include "spikeserve/v1/network.grpc.pb.h"
#include "spikeserve/v1/simulation.grpc.pb.h"
#include "tests/support/definitions.h"
#include "tests/support/fake_backend.h"
#include "tests/support/temporary_folder.h"

namespace spikeserve::testing {

// A whole server in this process on a unix socket, with a fake device, and a client for it.
class ServerTest : public ::testing::Test {
 protected:
  ServerTest();
  ~ServerTest() override;

  // The device that Start serves with.
  virtual std::unique_ptr<engine::Backend> MakeDevice() { return std::make_unique<FakeBackend>(script_); }
  // Starts with config_; Stop first to start again on the same folder.
  void Start();
  void Stop();
  app::Application& server() { return *server_; }

  // A header that fits `bytes`.
  static v1::LoadNetworkHeader Header(const std::string& name, const std::string& bytes);
  // Sends the header, unless it is absent, then `bytes` in chunks.
  grpc::Status Upload(const std::optional<v1::LoadNetworkHeader>& header, const std::string& bytes,
                      v1::LoadNetworkResponse* response = nullptr, std::size_t chunk_bytes = 100);
  grpc::Status Load(const std::string& name, const engine::NetworkDefinition& definition = SmallMlp(),
                    v1::LoadNetworkResponse* response = nullptr);
  grpc::Status Unload(const std::string& name, std::int64_t version = 0);

  // Of SmallMlp: samples with these first values.
  static v1::SimulateRequest Request(const std::string& network, const std::vector<float>& first_values);
  grpc::Status Simulate(const v1::SimulateRequest& request, v1::SimulateResponse* response = nullptr);

  // Nothing of a call is left: no queue entry, no run, no more memory than `bytes`.
  ::testing::AssertionResult Idle(std::int64_t bytes);
  std::string Log() const;

  TemporaryFolder folder_;
  app::Config config_;
  std::shared_ptr<FakeScript> script_ = std::make_shared<FakeScript>();
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::NetworkService::Stub> networks_;
  std::unique_ptr<v1::SimulationService::Stub> simulations_;

 private:
  std::shared_ptr<spdlog::sinks::ringbuffer_sink_mt> lines_;
  std::optional<rpc::EventLog> log_;
  std::unique_ptr<app::Application> server_;
};

}  // namespace spikeserve::testing
