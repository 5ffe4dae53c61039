// Loading and unloading by the Open Inference Protocol.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "inference/grpc_service.grpc.pb.h"
#include "server/serving/networks/network_file.h"
#include "server/serving/sha256.h"
#include "tests/rpc/infer_test.h"

namespace spikeserve::testing {
namespace {

using ::testing::HasSubstr;

class RepositoryTest : public InferTest {
 protected:
  void SetUp() override { Start(); }

  static std::string File(engine::Mode mode = engine::Mode::kExact) {
    const std::string payload = EncodeNetwork(ThreeClasses()).SerializeAsString();
    return serving::EncodeNetworkFileHeader(mode, static_cast<std::int64_t>(payload.size()),
                                            serving::Sha256(payload)) +
           payload;
  }
  static inference::RepositoryModelLoadRequest LoadRequest(const std::string& key, const std::string& bytes) {
    inference::RepositoryModelLoadRequest request;
    request.set_model_name("net");
    (*request.mutable_parameters())[key].set_bytes_param(bytes);
    return request;
  }
  grpc::Status LoadModel(const inference::RepositoryModelLoadRequest& request,
                         inference::RepositoryModelLoadResponse* response = nullptr) {
    grpc::ClientContext call;
    inference::RepositoryModelLoadResponse ignored;
    return stub_->RepositoryModelLoad(&call, request, response != nullptr ? response : &ignored);
  }
  void ExpectRefused(const inference::RepositoryModelLoadRequest& request, const std::string& text,
                     grpc::StatusCode code = grpc::StatusCode::INVALID_ARGUMENT) {
    const grpc::Status status = LoadModel(request);
    EXPECT_EQ(status.error_code(), code);
    EXPECT_THAT(status.error_message(), HasSubstr(text));
    EXPECT_TRUE(Idle(0));
  }
};

TEST_F(RepositoryTest, LoadsTheFileThatARequestBrings) {
  auto request = LoadRequest("file:3/network.spk", File(engine::Mode::kFast));
  (*request.mutable_parameters())["config"].set_string_param(R"({"name": "net", "backend": "spikeserve"})");
  inference::RepositoryModelLoadResponse loaded;
  const grpc::Status status = LoadModel(request, &loaded);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(loaded.model_name(), "net");
  EXPECT_TRUE(loaded.is_loaded());
  v1::GetNetworkRequest get;
  get.set_name("net");
  v1::GetNetworkResponse got;
  grpc::ClientContext call;
  ASSERT_TRUE(networks_->GetNetwork(&call, get, &got).ok());
  EXPECT_EQ(got.network().version(), 3);
  EXPECT_EQ(got.network().mode(), v1::MODE_FAST);
  EXPECT_TRUE(Infer(RawRequest({1})).ok());
  Stop();
  Start();  // it was stored
  EXPECT_TRUE(Infer(RawRequest({1})).ok());
  EXPECT_EQ(LoadModel(request).error_code(), grpc::StatusCode::ALREADY_EXISTS);
  EXPECT_TRUE(Idle(script_->network_bytes));
}

TEST_F(RepositoryTest, ALoadWithoutAFileAsksForWhatThereIs) {
  inference::RepositoryModelLoadRequest request;
  request.set_repository_name("net");  // as KServe's clients do
  const grpc::Status missing = LoadModel(request);
  EXPECT_EQ(missing.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_THAT(missing.error_message(), HasSubstr("send its .spk file as \"file:1/network.spk\""));
  ASSERT_TRUE(LoadModel(LoadRequest("file:1/x", File())).ok());
  EXPECT_TRUE(LoadModel(request).ok());
}

TEST_F(RepositoryTest, RefusesWhatIsNoNetworkFile) {
  std::string damaged = File();
  damaged.back() ^= 1;
  ExpectRefused(LoadRequest("file:1/network.spk", "short"), "wanted the bytes of a .spk file");
  ExpectRefused(LoadRequest("file:1/network.spk", damaged), "SHA-256 of the payload does not match");
  ExpectRefused(LoadRequest("file:network.spk", File()), "allowed \"file:VERSION/network.spk\"");
  ExpectRefused(LoadRequest("file:0/network.spk", File()), "allowed a decimal number from 1");
  ExpectRefused(LoadRequest("weights", File()), "parameters: got \"weights\"");
  auto two = LoadRequest("file:1/a", File());
  (*two.mutable_parameters())["file:2/a"].set_bytes_param(File());
  ExpectRefused(two, "got two files, allowed one");
  auto config = LoadRequest("file:1/a", File());
  (*config.mutable_parameters())["config"].set_string_param(R"({"max_batch_size": 8})");
  ExpectRefused(config, "parameters[\"config\"]: got \"max_batch_size\"");
  (*config.mutable_parameters())["config"].set_string_param("[1");
  ExpectRefused(config, "got no JSON object");
  // A parser may take long for what is nested deeply.
  (*config.mutable_parameters())["config"].set_string_param(R"({"a":)" + std::string(100'000, '[') +
                                                            std::string(100'000, ']') + "}");
  ExpectRefused(config, "got 200006 bytes, allowed 1024");
  auto name = LoadRequest("file:1/a", File());
  name.set_model_name("a/b");
  ExpectRefused(name, "model_name: got \"a/b\"");
  name.set_repository_name("here");
  ExpectRefused(name, "repository_name: got \"here\"");
}

TEST_F(RepositoryTest, UnloadsAndLists) {
  ASSERT_TRUE(LoadModel(LoadRequest("file:1/x", File())).ok());
  inference::RepositoryIndexResponse index;
  grpc::ClientContext list;
  ASSERT_TRUE(stub_->RepositoryIndex(&list, {}, &index).ok());
  ASSERT_EQ(index.models_size(), 1);
  EXPECT_EQ(index.models(0).name(), "net");
  EXPECT_EQ(index.models(0).version(), "1");
  EXPECT_EQ(index.models(0).state(), "READY");
  inference::RepositoryModelUnloadRequest request;
  request.set_model_name("net");
  (*request.mutable_parameters())["unload_dependents"].set_bool_param(false);
  inference::RepositoryModelUnloadResponse response;
  grpc::ClientContext unload;
  ASSERT_TRUE(stub_->RepositoryModelUnload(&unload, request, &response).ok());
  EXPECT_TRUE(response.is_unloaded());
  EXPECT_TRUE(Idle(0));
  grpc::ClientContext again;
  EXPECT_EQ(stub_->RepositoryModelUnload(&again, request, &response).error_code(),
            grpc::StatusCode::NOT_FOUND);
}

// What a file says of itself needs no unpacking by whoever uploads it.
TEST_F(RepositoryTest, OurOwnUploadTakesAWholeFileToo) {
  const std::string file = File(engine::Mode::kFast);
  v1::LoadNetworkResponse response;
  ASSERT_TRUE(Upload(Header("net", file), file, &response).ok());
  EXPECT_EQ(response.network().mode(), v1::MODE_FAST);
  v1::LoadNetworkHeader header = Header("other", file);
  header.set_mode(v1::MODE_EXACT);  // said by the request, so it holds
  ASSERT_TRUE(Upload(header, file, &response).ok());
  EXPECT_EQ(response.network().mode(), v1::MODE_EXACT);
  std::string damaged = file;
  damaged.back() ^= 1;
  const grpc::Status status = Upload(Header("third", damaged), damaged);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("SHA-256 of the payload does not match"));
}

}  // namespace
}  // namespace spikeserve::testing
