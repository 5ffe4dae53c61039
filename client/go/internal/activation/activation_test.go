package activation

import (
	"math"
	"testing"

	pb "spikeserve.example/go/spikeservev1"
)

// Of -4, -0.25, 0.75 and 7, by Keras 3.15.1.
var keras = map[pb.OutputFunction][]float64{
	pb.OutputFunction_OUTPUT_FUNCTION_SIGMOID:      {0.01798621, 0.4378234, 0.6791787, 0.999089},
	pb.OutputFunction_OUTPUT_FUNCTION_LOG_SIGMOID:  {-4.01815, -0.8259394, -0.386871, -0.0009114665},
	pb.OutputFunction_OUTPUT_FUNCTION_HARD_SIGMOID: {0, 0.4583333, 0.625, 1},
	pb.OutputFunction_OUTPUT_FUNCTION_TANH:         {-0.9993293, -0.2449187, 0.635149, 0.9999983},
	pb.OutputFunction_OUTPUT_FUNCTION_HARD_TANH:    {-1, -0.25, 0.75, 1},
	pb.OutputFunction_OUTPUT_FUNCTION_SOFTPLUS:     {0.01814993, 0.5759394, 1.136871, 7.000911},
	pb.OutputFunction_OUTPUT_FUNCTION_SOFTSIGN:     {-0.8, -0.2, 0.4285714, 0.875},
	pb.OutputFunction_OUTPUT_FUNCTION_EXPONENTIAL:  {0.01831564, 0.7788007, 2.117, 1096.633},
	pb.OutputFunction_OUTPUT_FUNCTION_ELU:          {-0.9816843 / 6, -0.2211992 / 6, 0.75, 7}, // alpha 1/6
	pb.OutputFunction_OUTPUT_FUNCTION_SELU:         {-1.725899, -0.3888902, 0.7880257, 7.354907},
	pb.OutputFunction_OUTPUT_FUNCTION_GELU:         {-0.0001267195, -0.1003234, 0.5800295, 7},
	pb.OutputFunction_OUTPUT_FUNCTION_SILU:         {-0.07194484, -0.1094559, 0.509384, 6.993623},
	pb.OutputFunction_OUTPUT_FUNCTION_HARD_SILU:    {0, -0.1145833, 0.46875, 7},
	pb.OutputFunction_OUTPUT_FUNCTION_MISH:         {-0.07259174, -0.129927, 0.6100183, 6.999989},
	pb.OutputFunction_OUTPUT_FUNCTION_RELU:         {-4.0 / 6, -0.25 / 6, 0.75, 6}, // alpha 1/6, max_value 6
	pb.OutputFunction_OUTPUT_FUNCTION_CELU:         {math.Expm1(-24) / 6, math.Expm1(-1.5) / 6, 0.75, 7},
}

func TestFunctionsAreThoseOfKeras(t *testing.T) {
	for number := range pb.OutputFunction_name {
		function := pb.OutputFunction(number)
		values := []float64{-4, -0.25, 0.75, 7}
		bound := 6.0
		message := &pb.OutputActivation{Function: function, Alpha: 1.0 / 6, MaxValue: &bound}
		known := Apply(message, values, 4)
		wanted, listed := keras[function]
		if !listed {
			continue
		}
		if !known {
			t.Errorf("%v is not known", function)
		}
		for i, value := range values {
			if math.Abs(value-wanted[i]) > 1e-6*math.Max(1, math.Abs(wanted[i])) {
				t.Errorf("%v: got %v, wanted %v", function, values, wanted)
				break
			}
		}
	}
}

func TestASoftmaxIsOverTheLastAxis(t *testing.T) {
	values := []float64{0, 0, 1000, 1000 + math.Log(3)}
	Apply(&pb.OutputActivation{Function: pb.OutputFunction_OUTPUT_FUNCTION_SOFTMAX}, values, 2)
	for i, wanted := range []float64{0.5, 0.5, 0.25, 0.75} {
		if math.Abs(values[i]-wanted) > 1e-12 {
			t.Errorf("got %v", values)
		}
	}
	logs := []float64{0, math.Log(3)}
	Apply(&pb.OutputActivation{Function: pb.OutputFunction_OUTPUT_FUNCTION_LOG_SOFTMAX}, logs, 2)
	if math.Abs(logs[1]-math.Log(0.75)) > 1e-12 {
		t.Errorf("got %v", logs)
	}
}

func TestWhatIsNotKnownIsSaid(t *testing.T) {
	if Apply(&pb.OutputActivation{Function: 99}, []float64{1}, 1) {
		t.Error("function 99 is applied")
	}
	bound := 6.0
	for wanted, message := range map[string]*pb.OutputActivation{
		"":        nil,
		"sigmoid": {Function: pb.OutputFunction_OUTPUT_FUNCTION_SIGMOID},
		"relu(alpha=0.2,max_value=6)": {
			Function: pb.OutputFunction_OUTPUT_FUNCTION_RELU, Alpha: 0.2, MaxValue: &bound,
		},
		"99": {Function: 99},
	} {
		if got := Text(message); got != wanted {
			t.Errorf("got %q, wanted %q", got, wanted)
		}
	}
}
