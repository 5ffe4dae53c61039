// Package activation computes the functions that networks leave to their clients.
package activation

import (
	"fmt"
	"math"
	"strings"

	pb "spikeserve.example/go/spikeservev1"
)

const (
	seluAlpha = 1.6732632423543772
	seluScale = 1.0507009873554805
)

// Text is the function with its numbers, e.g. "sigmoid" or "relu(alpha=0.2,max_value=6)"; "" for none.
func Text(message *pb.OutputActivation) string {
	if message.GetFunction() == pb.OutputFunction_OUTPUT_FUNCTION_UNSPECIFIED {
		return ""
	}
	var numbers []string
	add := func(name string, value float64, is bool) {
		if is {
			numbers = append(numbers, fmt.Sprintf("%s=%g", name, value))
		}
	}
	add("alpha", message.GetAlpha(), message.GetAlpha() != 0)
	add("threshold", message.GetThreshold(), message.GetThreshold() != 0)
	add("max_value", message.GetMaxValue(), message.MaxValue != nil)
	name := strings.ToLower(strings.TrimPrefix(message.GetFunction().String(), "OUTPUT_FUNCTION_"))
	if len(numbers) == 0 {
		return name
	}
	return name + "(" + strings.Join(numbers, ",") + ")"
}

// Apply replaces values [..., last] by the activation of them; false where it is none that this package knows.
func Apply(message *pb.OutputActivation, values []float64, last int) bool {
	switch message.GetFunction() {
	case pb.OutputFunction_OUTPUT_FUNCTION_SOFTMAX, pb.OutputFunction_OUTPUT_FUNCTION_LOG_SOFTMAX:
		for ; len(values) > 0 && last > 0; values = values[last:] {
			logSoftmax(values[:last])
			if message.GetFunction() == pb.OutputFunction_OUTPUT_FUNCTION_SOFTMAX {
				for i := range values[:last] {
					values[i] = math.Exp(values[i])
				}
			}
		}
		return true
	}
	of := formula(message)
	if of == nil {
		return false
	}
	for i, value := range values {
		values[i] = of(value)
	}
	return true
}

func logSoftmax(values []float64) {
	largest := math.Inf(-1)
	for _, value := range values {
		largest = max(largest, value)
	}
	sum := 0.0
	for i := range values {
		values[i] -= largest
		sum += math.Exp(values[i])
	}
	for i := range values {
		values[i] -= math.Log(sum)
	}
}

// formula is the function of one value; nil where there is none.
func formula(message *pb.OutputActivation) func(float64) float64 {
	alpha := message.GetAlpha()
	switch message.GetFunction() {
	case pb.OutputFunction_OUTPUT_FUNCTION_SIGMOID:
		return sigmoid
	case pb.OutputFunction_OUTPUT_FUNCTION_LOG_SIGMOID:
		return func(x float64) float64 { return -softplus(-x) }
	case pb.OutputFunction_OUTPUT_FUNCTION_HARD_SIGMOID:
		return func(x float64) float64 { return hardSigmoid(x, alpha) }
	case pb.OutputFunction_OUTPUT_FUNCTION_TANH:
		return math.Tanh
	case pb.OutputFunction_OUTPUT_FUNCTION_HARD_TANH:
		return func(x float64) float64 { return min(max(x, -1), 1) }
	case pb.OutputFunction_OUTPUT_FUNCTION_SOFTPLUS:
		return softplus
	case pb.OutputFunction_OUTPUT_FUNCTION_SOFTSIGN:
		return func(x float64) float64 { return x / (1 + math.Abs(x)) }
	case pb.OutputFunction_OUTPUT_FUNCTION_EXPONENTIAL:
		return math.Exp
	case pb.OutputFunction_OUTPUT_FUNCTION_RELU:
		return func(x float64) float64 { return relu(x, message) }
	case pb.OutputFunction_OUTPUT_FUNCTION_ELU:
		return func(x float64) float64 { return elu(x, alpha, 1) }
	case pb.OutputFunction_OUTPUT_FUNCTION_SELU:
		return func(x float64) float64 { return seluScale * elu(x, seluAlpha, 1) }
	case pb.OutputFunction_OUTPUT_FUNCTION_CELU:
		return func(x float64) float64 { return elu(x, alpha, alpha) }
	case pb.OutputFunction_OUTPUT_FUNCTION_GELU:
		return func(x float64) float64 { return x * (1 + math.Erf(x/math.Sqrt2)) / 2 }
	case pb.OutputFunction_OUTPUT_FUNCTION_SILU:
		return func(x float64) float64 { return x * sigmoid(x) }
	case pb.OutputFunction_OUTPUT_FUNCTION_HARD_SILU:
		return func(x float64) float64 { return x * hardSigmoid(x, 1.0/6) }
	case pb.OutputFunction_OUTPUT_FUNCTION_MISH:
		return func(x float64) float64 { return x * math.Tanh(softplus(x)) }
	}
	return nil
}

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// softplus is log(1 + exp(x)), by a form that does not overflow.
func softplus(x float64) float64 { return max(x, 0) + math.Log1p(math.Exp(-math.Abs(x))) }

func hardSigmoid(x, slope float64) float64 { return min(max(slope*x+0.5, 0), 1) }

func relu(x float64, by *pb.OutputActivation) float64 {
	if x < by.GetThreshold() {
		x = by.GetAlpha() * (x - by.GetThreshold())
	}
	if by.MaxValue != nil {
		return min(x, by.GetMaxValue())
	}
	return x
}

func elu(x, alpha, scale float64) float64 {
	if x > 0 || alpha == 0 {
		return max(x, 0)
	}
	return alpha * math.Expm1(x/scale)
}
