package spikeserve

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"

	pb "spikeserve.example/go/spikeservev1"
)

// DataType is the element type of a Tensor.
type DataType string

// The element types. A network says which of them its inputs take ([InputInfo]).
const (
	// TypeFloat32 is the usual one.
	TypeFloat32 DataType = "float32"
	// TypeFloat64 is for mode reference; the other modes round inputs to float32.
	TypeFloat64 DataType = "float64"
	// TypeUint8 is for inputs that declare a scale for bytes.
	TypeUint8 DataType = "uint8"
)

func (t DataType) bytes() int {
	switch t {
	case TypeFloat32:
		return 4
	case TypeFloat64:
		return 8
	default:
		return 1
	}
}

var dataTypes = map[DataType]pb.DataType{
	TypeFloat32: pb.DataType_DATA_TYPE_FLOAT32,
	TypeFloat64: pb.DataType_DATA_TYPE_FLOAT64,
	TypeUint8:   pb.DataType_DATA_TYPE_UINT8,
}

// Input is what a network is fed: a Tensor, or Tensors where it has several inputs.
type Input interface {
	tensors() []Tensor
}

// Tensor is an array of numbers, row-major: samples for a network, or what a probe answered. As an input it is
// [batch, shape...], or [batch, steps, shape...] for values that vary in time.
type Tensor struct {
	name     string
	dataType DataType
	shape    []int
	data     []byte // little-endian
}

// Tensors are the inputs of a network that has several, each [Tensor.Named] for its input.
type Tensors []Tensor

func (t Tensor) tensors() []Tensor   { return []Tensor{t} }
func (ts Tensors) tensors() []Tensor { return ts }

// Float32 is a Tensor of these values, which are copied. The shape has the batch first.
func Float32(values []float32, shape ...int) Tensor {
	data := make([]byte, 4*len(values))
	for i, value := range values {
		binary.LittleEndian.PutUint32(data[4*i:], math.Float32bits(value))
	}
	return Tensor{dataType: TypeFloat32, shape: shape, data: data}
}

// Float64 is a Tensor of these values, which are copied. The shape has the batch first.
func Float64(values []float64, shape ...int) Tensor {
	data := make([]byte, 8*len(values))
	for i, value := range values {
		binary.LittleEndian.PutUint64(data[8*i:], math.Float64bits(value))
	}
	return Tensor{dataType: TypeFloat64, shape: shape, data: data}
}

// Uint8 is a Tensor of these bytes, which are copied. The shape has the batch first. Only inputs that declare a
// scale for bytes take them.
func Uint8(values []byte, shape ...int) Tensor {
	return Tensor{dataType: TypeUint8, shape: shape, data: bytes.Clone(values)}
}

// Named is the same Tensor for the input of this name. A network with one input needs no name.
func (t Tensor) Named(name string) Tensor {
	t.name = name
	return t
}

// Name of the input or the probe.
func (t Tensor) Name() string { return t.name }

// Type of the elements.
func (t Tensor) Type() DataType { return t.dataType }

// Shape with the batch first. Not to be changed.
func (t Tensor) Shape() []int { return t.shape }

// Len is the number of elements.
func (t Tensor) Len() int { return len(t.data) / t.dataType.bytes() }

// Bytes are the elements in little-endian order. Not to be changed.
func (t Tensor) Bytes() []byte { return t.data }

// Float32s are the elements as float32; float64 is rounded. A new slice with every call.
func (t Tensor) Float32s() []float32 { return convert[float32](t) }

// Float64s are the elements as float64. A new slice with every call.
func (t Tensor) Float64s() []float64 { return convert[float64](t) }

// Sample is what belongs to one item of the batch, without its axis. It panics where i is not below Shape()[0],
// as the index of a slice does.
func (t Tensor) Sample(i int) Tensor {
	size := len(t.data) / t.shape[0]
	return Tensor{name: t.name, dataType: t.dataType, shape: t.shape[1:], data: t.data[i*size : (i+1)*size : (i+1)*size]}
}

// String says type and shape, such as "float32[64 10]".
func (t Tensor) String() string { return fmt.Sprintf("%s%v", t.dataType, t.shape) }

func convert[T float32 | float64](t Tensor) []T {
	values := make([]T, t.Len())
	for i := range values {
		switch t.dataType {
		case TypeFloat32:
			values[i] = T(math.Float32frombits(binary.LittleEndian.Uint32(t.data[4*i:])))
		case TypeFloat64:
			values[i] = T(math.Float64frombits(binary.LittleEndian.Uint64(t.data[8*i:])))
		default:
			values[i] = T(t.data[i])
		}
	}
	return values
}

// elements is the product of a shape; false where a dimension is negative or the product too large.
func elements(shape []int) (int, bool) {
	count := 1
	for _, size := range shape {
		if size < 0 || (size > 0 && count > math.MaxInt/8/size) {
			return 0, false
		}
		count *= size
	}
	return count, true
}

// arrays are the inputs as messages, checked as far as that needs no network.
func arrays(in Input) ([]*pb.Array, error) {
	var tensors []Tensor
	if in != nil {
		tensors = in.tensors()
	}
	if len(tensors) == 0 {
		return nil, invalid("there are no inputs, wanted a tensor for each input of the network")
	}
	messages := make([]*pb.Array, 0, len(tensors))
	for _, tensor := range tensors {
		count, ok := elements(tensor.shape)
		if _, known := dataTypes[tensor.dataType]; !known {
			return nil, invalid("input %q is no tensor: make it by Float32, Float64 or Uint8", tensor.name)
		}
		if !ok {
			return nil, invalid("input %q: data: got %d values, wanted a number that shape %v, below 0 or too large, cannot name",
				tensor.name, tensor.Len(), tensor.shape)
		}
		if count != tensor.Len() {
			return nil, invalid("input %q: data: got %d values, wanted %d for shape %v",
				tensor.name, tensor.Len(), count, tensor.shape)
		}
		shape := make([]int64, len(tensor.shape))
		for i, size := range tensor.shape {
			shape[i] = int64(size)
		}
		messages = append(messages, &pb.Array{
			Name: tensor.name, DataType: dataTypes[tensor.dataType], Shape: shape, Data: tensor.data,
		})
	}
	return messages, nil
}

// tensor is the array of an answer.
func tensor(message *pb.Array) (Tensor, error) {
	t := Tensor{name: message.GetName(), data: message.GetData()}
	for dataType, code := range dataTypes {
		if code == message.GetDataType() {
			t.dataType = dataType
		}
	}
	if t.dataType == "" {
		return Tensor{}, nonsense("array %q has the unknown data type %v", t.name, message.GetDataType())
	}
	t.shape = ints(message.GetShape())
	count, ok := elements(t.shape)
	if !ok || count*t.dataType.bytes() != len(t.data) {
		return Tensor{}, nonsense("array %q of shape %v has %d bytes", t.name, t.shape, len(t.data))
	}
	return t, nil
}

func ints(values []int64) []int {
	if values == nil {
		return nil
	}
	converted := make([]int, len(values))
	for i, value := range values {
		converted[i] = int(value)
	}
	return converted
}
