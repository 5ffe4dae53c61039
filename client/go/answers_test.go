package spikeserve

import (
	"errors"
	"math"
	"reflect"
	"testing"

	"google.golang.org/protobuf/proto"

	pb "spikeserve.example/go/spikeservev1"
)

func TestTensorsHoldTheirValues(t *testing.T) {
	singles := []float32{1.5, -2, float32(math.Inf(1)), 0}
	doubles := []float64{1.5, -2, math.Inf(1), 0}
	one, two, three := Float32(singles, 2, 2), Float64(doubles, 4), Uint8([]byte{1, 255}, 1, 2)
	for _, tensor := range []Tensor{one, two} {
		if !reflect.DeepEqual(tensor.Float32s(), singles) || !reflect.DeepEqual(tensor.Float64s(), doubles) {
			t.Errorf("%v holds %v", tensor, tensor.Float64s())
		}
	}
	if got := three.Named("x"); got.Name() != "x" || !reflect.DeepEqual(got.Float32s(), []float32{1, 255}) {
		t.Errorf("%v named %q holds %v", got, got.Name(), got.Float32s())
	}
	if got := one.Sample(1); !reflect.DeepEqual(got.Float32s(), singles[2:]) || got.String() != "float32[2]" {
		t.Errorf("sample 1 is %v with %v", got, got.Float32s())
	}
}

func TestTheValuesOfACallerAreCopied(t *testing.T) {
	bytes := []byte{1, 2}
	tensor := Uint8(bytes, 2)
	bytes[0] = 9
	if tensor.Bytes()[0] != 1 {
		t.Error("the tensor changed with the slice that it was made of")
	}
}

func TestRequestsAreTheSameBytesButForTheirOrder(t *testing.T) {
	message, err := request("net", Tensors{Float32([]float32{1, 2}, 1, 2).Named("a"), Uint8(nil, 0).Named("b")},
		[]RunOption{WithSteps(3), WithSeed(0), WithTopK(2), WithEncodings(Burst(BurstShape{MaxSpikes: 2}))})
	if err != nil {
		t.Fatal(err)
	}
	for _, wanted := range []*pb.SimulateRequest{message, {}, {Inputs: []*pb.Array{{}}}} {
		before := proto.Clone(wanted)
		parts, err := codec{}.Marshal(wanted)
		if err != nil {
			t.Fatal(err)
		}
		got := &pb.SimulateRequest{}
		if err := (codec{}).Unmarshal(parts, got); err != nil {
			t.Fatal(err)
		}
		if !proto.Equal(got, wanted) || !proto.Equal(before, wanted) {
			t.Errorf("got %v, wanted %v, which was %v", got, wanted, before)
		}
	}
	if _, err := (codec{}).Marshal(1); err == nil {
		t.Error("a number is written as a message")
	}
	if err := (codec{}).Unmarshal(nil, 1); err == nil {
		t.Error("a message is read into a number")
	}
}

func TestSparseCountsAreWrittenOut(t *testing.T) {
	for _, item := range []struct {
		counts *pb.SparseCounts
		wanted []float32
	}{
		{&pb.SparseCounts{Shape: []int64{1, 5}, Gaps: []uint32{1, 0, 1}}, []float32{0, 1, 1, 0, 1}},
		{&pb.SparseCounts{Shape: []int64{1, 5}, Gaps: []uint32{0, 3}, Counts: []uint32{2, 3}}, []float32{2, 0, 0, 0, 3}},
		{&pb.SparseCounts{Shape: []int64{2, 1}}, []float32{0, 0}},
	} {
		got, err := recorded(&pb.ProbeRecord{Name: "r", Counts: item.counts})
		if err != nil || !reflect.DeepEqual(got.Float32s(), item.wanted) || got.Name() != "r" {
			t.Errorf("got %v, %v, wanted %v", got.Float32s(), err, item.wanted)
		}
	}
}

func TestAnswersThatMakeNoSenseAreInternalErrors(t *testing.T) {
	good := func() *pb.Array {
		return &pb.Array{DataType: pb.DataType_DATA_TYPE_FLOAT32, Shape: []int64{1, 2}, Data: make([]byte, 8)}
	}
	bad := []*pb.Array{
		{},
		{DataType: pb.DataType_DATA_TYPE_FLOAT32, Shape: []int64{1, 2}, Data: make([]byte, 7)},
		{DataType: pb.DataType_DATA_TYPE_FLOAT64, Shape: []int64{1, 2}, Data: make([]byte, 8)},
		{DataType: pb.DataType_DATA_TYPE_FLOAT32, Shape: []int64{-1, -2}, Data: make([]byte, 8)},
		{DataType: pb.DataType_DATA_TYPE_FLOAT32, Shape: []int64{math.MaxInt64, 2}, Data: make([]byte, 8)},
	}
	responses := []*pb.SimulateResponse{{}}
	for _, array := range bad {
		responses = append(responses,
			&pb.SimulateResponse{Probes: []*pb.ProbeResult{{Outputs: array}}},
			&pb.SimulateResponse{Probes: []*pb.ProbeResult{{Outputs: good(), Trajectory: array}}},
			&pb.SimulateResponse{Probes: []*pb.ProbeResult{{Outputs: good()}}, Classification: &pb.Classification{Scores: array}},
			&pb.SimulateResponse{Probes: []*pb.ProbeResult{{Outputs: good()}}, Records: []*pb.ProbeRecord{{Values: array}}},
		)
	}
	for _, counts := range []*pb.SparseCounts{
		{Shape: []int64{-1}},
		{Shape: []int64{2}, Gaps: []uint32{2}},
		{Shape: []int64{2}, Gaps: []uint32{math.MaxUint32, math.MaxUint32}},
		{Shape: []int64{2}, Gaps: []uint32{0}, Counts: []uint32{1, 1}},
	} {
		responses = append(responses, &pb.SimulateResponse{
			Probes: []*pb.ProbeResult{{Outputs: good()}}, Records: []*pb.ProbeRecord{{Counts: counts}},
		})
	}
	for _, response := range responses {
		if got, err := result(response); !errors.Is(err, ErrInternal) {
			t.Errorf("%v became %v, %v", response, got, err)
		}
	}
	if _, err := event(&pb.SimulateStreamResponse{}); !errors.Is(err, ErrInternal) {
		t.Errorf("an empty event is %v", err)
	}
}

func FuzzAnswers(f *testing.F) {
	seed, err := proto.Marshal(&pb.SimulateResponse{Probes: []*pb.ProbeResult{{Name: "p", Outputs: &pb.Array{
		DataType: pb.DataType_DATA_TYPE_FLOAT32, Shape: []int64{1, 1}, Data: make([]byte, 4),
	}}}, Records: []*pb.ProbeRecord{{Counts: &pb.SparseCounts{Shape: []int64{4}, Gaps: []uint32{1}}}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Fuzz(func(t *testing.T, data []byte) {
		message := &pb.SimulateResponse{}
		if proto.Unmarshal(data, message) != nil {
			return
		}
		if found, err := result(message); err == nil {
			_ = found.Outputs().Float64s()
		}
	})
}
