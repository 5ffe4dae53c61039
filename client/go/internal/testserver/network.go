package testserver

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"

	"google.golang.org/protobuf/proto"

	pb "spikeserve.example/go/spikeservev1"
)

// Network is a definition with one input "input" of this width, a layer "neurons" of spiking neurons and as many
// outputs, which follow the input: the weights of both products are on the diagonal. Probe "output".
func Network(width int) *pb.NetworkDefinition {
	return &pb.NetworkDefinition{
		FormatVersion: 1,
		Operations: []*pb.Operation{
			{Name: "input", Kind: &pb.Operation_Input{Input: &pb.InputOperation{
				Shape: []int64{int64(width)}, Uint8Scale: proto.Float64(1.0 / 255),
			}}},
			{Name: "dense", Kind: &pb.Operation_Affine{Affine: &pb.AffineOperation{Weight: "in"}}},
			{Name: "neurons", Kind: &pb.Operation_Neuron{Neuron: neurons()}},
			{Name: "output", Kind: &pb.Operation_Affine{Affine: &pb.AffineOperation{Weight: "out"}}},
		},
		Connections: []*pb.Connection{
			{Source: "input", Target: "dense"}, {Source: "dense", Target: "neurons"}, {Source: "neurons", Target: "output"},
		},
		Probes: []*pb.Probe{
			{Name: "output", Target: "output", Quantity: pb.ProbeQuantity_PROBE_QUANTITY_OUTPUT},
		},
		Tensors:  []*pb.Tensor{diagonal("in", width, 100), diagonal("out", width, 0.01)},
		Defaults: &pb.RunDefaults{Dt: 0.001, Steps: 20, ClassLabels: labels(width)},
	}
}

func neurons() *pb.NeuronOperation {
	return &pb.NeuronOperation{
		Model: &pb.NeuronOperation_IntegrateAndFire{IntegrateAndFire: &pb.IntegrateAndFire{Amplitude: 1}},
		InitialVoltage: &pb.InitialVoltage{
			Kind: &pb.InitialVoltage_Uniform_{Uniform: &pb.InitialVoltage_Uniform{Seed: 1}},
		},
	}
}

func diagonal(id string, width int, value float32) *pb.Tensor {
	data := make([]byte, 4*width*width)
	for i := range width {
		binary.LittleEndian.PutUint32(data[4*(i*width+i):], math.Float32bits(value))
	}
	return &pb.Tensor{
		Id: id, Shape: []int64{int64(width), int64(width)}, DataType: pb.DataType_DATA_TYPE_FLOAT32, Data: data,
	}
}

func labels(width int) []string {
	names := make([]string, width)
	for i := range names {
		names[i] = fmt.Sprintf("class %d", i)
	}
	return names
}

// TwoInputs is a definition whose output is the sum of two inputs "left" and "right" of this width.
func TwoInputs(width int) *pb.NetworkDefinition {
	definition := Network(width)
	input := definition.GetOperations()[0].GetInput()
	definition.Operations = append(definition.Operations[1:],
		&pb.Operation{Name: "left", Kind: &pb.Operation_Input{Input: input}},
		&pb.Operation{Name: "right", Kind: &pb.Operation_Input{Input: input}},
		&pb.Operation{Name: "sum", Kind: &pb.Operation_WeightedSum{
			WeightedSum: &pb.WeightedSumOperation{Coefficients: []float64{1, 1}},
		}},
	)
	definition.Connections = append(definition.Connections[1:],
		&pb.Connection{Source: "left", Target: "sum"}, &pb.Connection{Source: "right", Target: "sum"},
		&pb.Connection{Source: "sum", Target: "dense"},
	)
	return definition
}

// Spk is the .spk file of a definition.
func Spk(definition *pb.NetworkDefinition) []byte {
	payload, err := proto.MarshalOptions{Deterministic: true}.Marshal(definition)
	if err != nil {
		panic(err) // a definition of the tests is always one
	}
	file := []byte("SPKNET\r\n")
	file = binary.LittleEndian.AppendUint32(file, 1)
	file = binary.LittleEndian.AppendUint32(file, 0)
	file = binary.LittleEndian.AppendUint64(file, uint64(len(payload)))
	digest := sha256.Sum256(payload)
	return append(append(file, digest[:]...), payload...)
}
