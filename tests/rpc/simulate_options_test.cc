// Encodings, early exit, request probes and the corrected mean through the wire: answers and every refusal.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <functional>

#include "server/engine/make_backend.h"
#include "tests/rpc/server_test.h"

namespace spikeserve::testing {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Le;

std::vector<float> Floats(const v1::Array& array) {
  std::vector<float> values(array.data().size() / sizeof(float));
  std::memcpy(values.data(), array.data().data(), array.data().size());
  return values;
}

class SimulateOptionsTest : public ServerTest {
 protected:
  std::unique_ptr<engine::Backend> MakeDevice() override {
    return std::move(engine::MakeBackend({.kind = "cpu", .threads = 1})).value();
  }
  void StartWithNetwork() {
    Start();
    engine::NetworkDefinition network = SmallMlp();
    std::get<engine::NeuronOperation>(network.operations[2].kind).gain = 40.0;
    network.operations[0].kind = engine::InputOperation{{2}, 1.0 / 255, 0.0};
    network.tensors[2] = Tensor("w1", {3, 3}, {1, 0, 0, 0, 1, 0, 0, 0, 1});
    ASSERT_TRUE(Load("net", network).ok());
  }
  void ExpectRefused(const std::function<void(v1::SimulateRequest&)>& change, const std::string& text,
                     grpc::StatusCode code = grpc::StatusCode::INVALID_ARGUMENT) {
    v1::SimulateRequest request = Request("net", {1, 0.5F});
    change(request);
    const grpc::Status status = Simulate(request);
    EXPECT_EQ(status.error_code(), code) << text;
    EXPECT_THAT(status.error_message(), HasSubstr(text));
  }
};

TEST_F(SimulateOptionsTest, EncodedSamplesAreTheSameInAnyRequest) {
  StartWithNetwork();
  const auto encoded = [](const std::vector<float>& values, std::int64_t first_sample) {
    v1::SimulateRequest request = Request("net", values);
    request.add_encodings()->mutable_poisson();
    request.set_seed(3);
    request.set_steps(50);
    request.set_first_sample(first_sample);
    v1::RequestProbe& voltage = *request.add_request_probes();
    voltage.set_target("spikes");
    voltage.set_quantity(v1::PROBE_QUANTITY_VOLTAGE);
    voltage.set_reduction(v1::REDUCTION_LAST);
    return request;
  };
  v1::SimulateResponse all;
  ASSERT_TRUE(Simulate(encoded({1, 0.5F, 0.25F}, 0), &all).ok());
  EXPECT_EQ(all.settings().encodings(0).input(), "input");
  EXPECT_EQ(all.settings().encodings(0).poisson().max_rate_hz(), 1000);
  const std::string& bytes = all.records(0).values().data();
  const std::string last = bytes.substr(bytes.size() / 3 * 2);
  v1::SimulateResponse alone;
  ASSERT_TRUE(Simulate(encoded({0.25F}, 2), &alone).ok());
  EXPECT_EQ(alone.records(0).values().data(), last);
  ASSERT_TRUE(Simulate(encoded({0.25F}, 0), &alone).ok());
  EXPECT_NE(alone.records(0).values().data(), last);
}

TEST_F(SimulateOptionsTest, EncodingDefaultsDependOnTheRun) {
  StartWithNetwork();
  v1::SimulateRequest request = Request("net", {1});
  request.set_steps(40);
  request.add_encodings()->mutable_burst();
  v1::SimulateResponse response;
  ASSERT_TRUE(Simulate(request, &response).ok());
  const v1::Encoding::Burst& burst = response.settings().encodings(0).burst();
  EXPECT_EQ(burst.window_steps(), 40);
  EXPECT_EQ(burst.max_spikes(), 5);
  EXPECT_EQ(burst.min_gap(), 1);
  EXPECT_EQ(burst.max_gap(), 8);
}

TEST_F(SimulateOptionsTest, RefusesEncodingsThatDoNotFit) {
  StartWithNetwork();
  ExpectRefused([](auto& r) { r.add_encodings(); },
                "encodings[0].kind: is of no kind that this server knows");
  ExpectRefused(
      [](auto& r) {
        r.add_encodings()->mutable_poisson();
        r.mutable_encodings(0)->set_input("other");
      },
      "encodings[0].input: got \"other\", allowed: \"input\"");
  ExpectRefused(
      [](auto& r) {
        r.add_encodings()->mutable_poisson();
        r.add_encodings()->mutable_regular();
      },
      "encodings[1].input: has an encoding already");
  ExpectRefused([](auto& r) { r.add_encodings()->mutable_regular()->set_max_rate_hz(-5); },
                "encodings[0].regular.max_rate_hz: got -5 Hz");
  ExpectRefused([](auto& r) { r.add_encodings()->mutable_latency()->set_window_steps(-1); },
                "encodings[0].latency.window_steps: got -1");
  ExpectRefused([](auto& r) { r.add_encodings()->mutable_bernoulli()->set_max_rate_hz(2000); },
                "encodings[0].bernoulli: got 1 at index 0 of sample 0, allowed -0.5..0.5");
  ExpectRefused(
      [](auto& r) {
        const float values[] = {1, 0, -0.5F, 0};
        r.mutable_inputs(0)->set_data(values, sizeof values);
        r.add_encodings()->mutable_burst();
      },
      "encodings[0].burst: got -0.5 at index 0 of sample 1, allowed 0..1");
  ExpectRefused(
      [](auto& r) {
        v1::Array& input = *r.mutable_inputs(0);
        input.clear_shape();
        for (const std::int64_t dimension : {1, 10, 2}) {
          input.add_shape(dimension);
        }
        input.set_data(std::string(10 * 2 * sizeof(float), '\0'));
        r.add_encodings()->mutable_poisson();
      },
      "encodings[0].input: has one value per step");
  ExpectRefused([](auto& r) { r.set_first_sample(-1); }, "first_sample: got -1");
}

TEST_F(SimulateOptionsTest, EarlyExitReportsTheStepsUsed) {
  StartWithNetwork();
  v1::SimulateRequest request = Request("net", {3, 0});
  request.set_steps(200);
  request.set_statistics(true);
  request.mutable_early_exit()->set_margin(20);
  v1::SimulateResponse response;
  ASSERT_TRUE(Simulate(request, &response).ok());
  ASSERT_EQ(response.steps_used_size(), 2);
  EXPECT_THAT(response.steps_used(), Each(Le(200)));
  EXPECT_LT(response.steps_used(0), 200);
  EXPECT_GE(response.classification().margins(0), 20);
  EXPECT_EQ(response.settings().early_exit().min_steps(), 1);
  EXPECT_EQ(response.settings().early_exit().check_every(), 1);
  const double seconds = 0.001 * static_cast<double>(response.steps_used(0) + response.steps_used(1));
  const v1::LayerStatistics& layer = response.statistics(0);
  EXPECT_NEAR(layer.mean_rate_hz(), static_cast<double>(layer.spikes()) / (3 * seconds), 1e-9);
}

TEST_F(SimulateOptionsTest, RefusesEarlyExitsThatDoNotFit) {
  StartWithNetwork();
  ExpectRefused([](auto& r) { r.mutable_early_exit()->set_margin(-1); }, "early_exit.margin: got -1");
  ExpectRefused([](auto& r) { r.mutable_early_exit()->set_min_steps(11); },
                "early_exit.min_steps: got 11, allowed 1..10");
  ExpectRefused([](auto& r) { r.mutable_early_exit()->set_check_every(-2); },
                "early_exit.check_every: got -2, allowed 1..10");
  ExpectRefused(
      [](auto& r) {
        r.mutable_early_exit();
        r.mutable_readout()->set_kind(v1::READOUT_KIND_LAST);
      },
      "early_exit: got readout READOUT_KIND_LAST");
  ExpectRefused(
      [](auto& r) {
        r.mutable_early_exit();
        r.set_trajectories(true);
      },
      "early_exit: not with trajectories");
}

TEST_F(SimulateOptionsTest, RefusesAnEarlyExitOfOneOutput) {
  Start();
  ASSERT_TRUE(Load("net", SmallMlp()).ok());
  ExpectRefused([](auto& r) { r.mutable_early_exit()->set_margin(1); },
                "early_exit: its margin is that between two outputs, the network has one");
}

TEST_F(SimulateOptionsTest, RequestProbesRecordDenseAndSparse) {
  StartWithNetwork();
  v1::SimulateRequest request = Request("net", {1, 0.5F});
  request.set_steps(40);
  v1::RequestProbe& spikes = *request.add_request_probes();
  spikes.set_target("spikes");
  spikes.set_quantity(v1::PROBE_QUANTITY_SPIKES);
  spikes.set_reduction(v1::REDUCTION_NONE);
  v1::RequestProbe& sum = *request.add_request_probes();
  sum = spikes;
  sum.set_name("total");
  sum.set_reduction(v1::REDUCTION_SUM);
  v1::RequestProbe& voltage = *request.add_request_probes();
  voltage = spikes;
  voltage.set_name("v");
  voltage.set_quantity(v1::PROBE_QUANTITY_VOLTAGE);
  voltage.set_first_step(3);
  voltage.set_every(10);
  v1::SimulateResponse response;
  const grpc::Status status = Simulate(request, &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  ASSERT_EQ(response.records_size(), 3);
  EXPECT_EQ(response.records(0).name(), "spikes.spikes");
  ASSERT_TRUE(response.records(0).has_counts());  // a few spikes in 240 elements
  const v1::SparseCounts& counts = response.records(0).counts();
  EXPECT_THAT(counts.shape(), ElementsAre(2, 40, 3));
  std::vector<float> totals(6);
  std::size_t at = 0;
  for (int i = 0; i < counts.gaps_size(); ++i, ++at) {
    at += counts.gaps(i);
    totals[at / 120 * 3 + at % 3] += counts.counts_size() > 0 ? static_cast<float>(counts.counts(i)) : 1;
  }
  const v1::ProbeRecord& total = response.records(1);
  if (total.has_values()) {
    EXPECT_EQ(totals, Floats(total.values()));
  } else {
    EXPECT_THAT(total.counts().shape(), ElementsAre(2, 3));
  }
  EXPECT_GT(totals[0], 0);
  EXPECT_THAT(response.records(2).values().shape(), ElementsAre(2, 4, 3));
}

TEST_F(SimulateOptionsTest, RefusesRequestProbesThatDoNotFit) {
  config_.limits.max_response_bytes = 4000;
  StartWithNetwork();
  const auto probe = [](v1::SimulateRequest& r) -> v1::RequestProbe& {
    v1::RequestProbe& added = *r.add_request_probes();
    added.set_target("spikes");
    added.set_quantity(v1::PROBE_QUANTITY_SPIKES);
    added.set_reduction(v1::REDUCTION_NONE);
    return added;
  };
  ExpectRefused([&](auto& r) { probe(r).set_target("nope"); },
                "request_probes[0].target: got \"nope\", allowed: \"spikes\", \"output\"");
  ExpectRefused([&](auto& r) { probe(r).set_target("dense"); }, "neither a Neuron nor read by a probe");
  ExpectRefused([&](auto& r) { probe(r).set_target("output"); },
                "request_probes[0].quantity: got PROBE_QUANTITY_SPIKES (2), allowed for \"output\": OUTPUT");
  ExpectRefused([&](auto& r) { probe(r).clear_quantity(); }, "OUTPUT, CURRENT, SPIKES, VOLTAGE");
  ExpectRefused([&](auto& r) { probe(r).clear_reduction(); }, "request_probes[0].reduction: got 0");
  ExpectRefused([&](auto& r) { probe(r).set_first_step(11); }, "first_step: got 11, allowed 1..10");
  ExpectRefused([&](auto& r) { probe(r).set_last_step(11); }, "last_step: got 11, allowed 1..10");
  ExpectRefused([&](auto& r) { probe(r).set_every(-1); }, "every: got -1");
  ExpectRefused([&](auto& r) { probe(r).set_filter_tau(-1); }, "filter_tau: got -1 s");
  ExpectRefused([&](auto& r) { probe(r), probe(r); }, "\"spikes.spikes\" is given twice");
  ExpectRefused([&](auto& r) { probe(r).set_name("a b"); }, "request_probes[0].name: got \"a b\", allowed");
  ExpectRefused([&](auto& r) { probe(r).set_name(std::string(141, 'x')); }, "request_probes[0].name");
  ExpectRefused(
      [&](auto& r) {
        r.set_steps(1000);
        probe(r);
      },
      "request_probes", grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST_F(SimulateOptionsTest, CorrectedMeanIsEchoed) {
  StartWithNetwork();
  v1::SimulateRequest request = Request("net", {1});
  request.mutable_readout()->set_kind(v1::READOUT_KIND_CORRECTED_MEAN);
  v1::SimulateResponse response;
  ASSERT_TRUE(Simulate(request, &response).ok());
  EXPECT_EQ(response.settings().readout().kind(), v1::READOUT_KIND_CORRECTED_MEAN);
}

}  // namespace
}  // namespace spikeserve::testing
