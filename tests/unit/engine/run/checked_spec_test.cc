#include "server/engine/run/checked_spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

#include "tests/support/definitions.h"

namespace spikeserve::engine {
namespace {

using ::testing::HasSubstr;

class CheckedSpecTest : public ::testing::Test {
 protected:
  CheckedSpecTest() : network_(Network::Create(testing::SmallMlp(), {}).value()) {
    spec_.inputs = {{DataType::kFloat32, false}};
    spec_.probes = {0};
  }

  Result<CheckedSpec> Check() const { return CheckedSpec::Create(network_, spec_); }

  const Network network_;
  SimulationSpec spec_;
};

TEST_F(CheckedSpecTest, HoldsWhatItWasMadeOf) {
  const CheckedSpec checked = Check().value();
  EXPECT_EQ(*checked, spec_);
  EXPECT_TRUE(checked.IsOf(network_));
  EXPECT_FALSE(checked.IsOf(Network::Create(testing::SmallMlp(), {}).value()));
  const CheckedSpec copy = checked;
  EXPECT_EQ(&*copy, &*checked) << "a copy shares the specification";
  EXPECT_TRUE(copy == Check().value()) << "equal ones need not be shared";
}

TEST_F(CheckedSpecTest, NamesTheFirstOfSeveralFaults) {
  spec_.settings.steps = 0;
  spec_.inputs.clear();
  spec_.probes = {7};
  EXPECT_THAT(Check().status().message(), HasSubstr("steps: got 0"));
  spec_.settings.steps = 5;
  EXPECT_THAT(Check().status().message(), HasSubstr("inputs: wanted one for each of the 1 Input operations"));
  spec_.inputs.resize(1);
  EXPECT_THAT(Check().status().message(), HasSubstr("probe index: got 7, the network has"));
  EXPECT_EQ(Check().status().code(), StatusCode::kInvalidArgument);
}

TEST_F(CheckedSpecTest, TakesOtherInputsAlone) {
  const CheckedSpec checked = Check().value();
  EXPECT_EQ(&*checked.WithInputs(spec_.inputs).value(), &*checked) << "nothing changed: nothing is copied";
  const CheckedSpec per_step = checked.WithInputs({{DataType::kFloat64, true}}).value();
  EXPECT_EQ(per_step->inputs[0].type, DataType::kFloat64);
  EXPECT_EQ(per_step->probes, checked->probes);
  EXPECT_TRUE(per_step.IsOf(network_));
  EXPECT_THAT(checked.WithInputs({}).status().message(), HasSubstr("inputs: wanted one for each of the 1"));
  EXPECT_EQ(checked.WithInputs({{DataType::kFloat32, false, Encoding{}}}).status().code(),
            StatusCode::kInvalidArgument);
}

TEST_F(CheckedSpecTest, LooksForEveryInputOfASample) {
  const CheckedSpec checked = Check().value();
  const float value = 0;
  const std::vector<SampleInputs> whole{{{reinterpret_cast<const std::byte*>(&value)}}};
  EXPECT_TRUE(CheckSamples(checked, whole).ok());
  const std::vector<SampleInputs> empty(1);
  EXPECT_EQ(CheckSamples(checked, empty).code(), StatusCode::kInvalidArgument);
}

TEST_F(CheckedSpecTest, IsFedOnlyAsASession) {
  const std::vector<SampleInputs> nothing{{InputAddresses(1)}};
  EXPECT_EQ(FedSpec(Check().value(), spec_.inputs, nothing, 1).status().code(),
            StatusCode::kFailedPrecondition);
  spec_.session = true;
  const CheckedSpec session = Check().value();
  EXPECT_TRUE(FedSpec(session, {{DataType::kFloat64, true}}, nothing, 1).ok());
  EXPECT_THAT(FedSpec(session, spec_.inputs, nothing, 2).status().message(),
              HasSubstr("inputs: wanted 1 for each of the 2 samples of the session"));
  EXPECT_FALSE(FedSpec(session, {}, nothing, 1).ok());
}

}  // namespace
}  // namespace spikeserve::engine
