package spikeserve

import (
	"fmt"

	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	pb "spikeserve.example/go/spikeservev1"
)

// codec writes the messages of protocol buffers as grpc-go's own codec does, but hands the values of a request's
// tensors over as they are. grpc-go's codec copies them into a pooled buffer, of 1 MiB for more than 32 KiB, and
// clears all of it first: more work than all the rest of a call.
type codec struct{}

var _ encoding.CodecV2 = codec{}

// Name is that of grpc-go's codec, as what goes over the wire is the same.
func (codec) Name() string { return "proto" }

func (codec) Marshal(value any) (mem.BufferSlice, error) {
	switch message := value.(type) {
	case *pb.SimulateRequest:
		return appendRequest(nil, message)
	case proto.Message:
		data, err := proto.Marshal(message)
		return mem.BufferSlice{mem.SliceBuffer(data)}, err
	default:
		return nil, fmt.Errorf("%T is no message of protocol buffers", value)
	}
}

func (codec) Unmarshal(data mem.BufferSlice, value any) error {
	message, ok := value.(proto.Message)
	if !ok {
		return fmt.Errorf("%T is no message of protocol buffers", value)
	}
	if len(data) == 1 {
		return proto.Unmarshal(data[0].ReadOnlyData(), message)
	}
	return proto.Unmarshal(data.Materialize(), message)
}

// appendRequest adds the parts of a request: all its small fields, then the arrays.
func appendRequest(parts mem.BufferSlice, message *pb.SimulateRequest) (mem.BufferSlice, error) {
	inputs := message.Inputs
	message.Inputs = nil
	small, err := proto.Marshal(message)
	message.Inputs = inputs
	if err != nil {
		return nil, err
	}
	for _, input := range inputs {
		values := input.Data
		input.Data = nil
		head, err := proto.Marshal(input)
		input.Data = values
		if err != nil {
			return nil, err
		}
		head = protowire.AppendTag(head, arrayDataField, protowire.BytesType)
		head = protowire.AppendVarint(head, uint64(len(values)))
		small = protowire.AppendTag(small, requestInputsField, protowire.BytesType)
		small = protowire.AppendVarint(small, uint64(len(head)+len(values)))
		small = append(small, head...)
		parts = append(parts, mem.SliceBuffer(small), mem.SliceBuffer(values))
		small = nil
	}
	if len(small) > 0 {
		parts = append(parts, mem.SliceBuffer(small))
	}
	return parts, nil
}

// The numbers of the fields that are written by hand.
const (
	requestInputsField = 3
	arrayDataField     = 4
)
