package images

import (
	"fmt"

	spikeserve "spikeserve.example/go"
)

// Tensor is count samples from the first on (round and round where there are fewer), as the only input of a
// network takes them: bytes where it takes bytes, else floats from 0 to 1.
func (b Batch) Tensor(info spikeserve.NetworkInfo, first, count int) (spikeserve.Tensor, error) {
	if len(info.Inputs) != 1 {
		return spikeserve.Tensor{}, fmt.Errorf("network %s has %d inputs, wanted one", info.Name, len(info.Inputs))
	}
	input := info.Inputs[0]
	wanted := Batch{Shape: input.Shape}
	if b.SampleBytes() != wanted.SampleBytes() {
		return spikeserve.Tensor{}, fmt.Errorf("the samples have shape %v, network %s takes %v", b.Shape, info.Name, input.Shape)
	}
	shape := append([]int{count}, input.Shape...)
	data := b.part(first, count)
	if input.Takes(spikeserve.TypeUint8) {
		return spikeserve.Uint8(data, shape...), nil
	}
	values := make([]float32, len(data))
	for i, value := range data {
		values[i] = float32(value) / 255
	}
	return spikeserve.Float32(values, shape...), nil
}

func (b Batch) part(first, count int) []byte {
	size := b.SampleBytes()
	data := make([]byte, 0, count*size)
	for i := first; i < first+count; i++ {
		at := i % b.Count()
		data = append(data, b.Data[at*size:(at+1)*size]...)
	}
	return data
}
