package spikeserve

import (
	"encoding/binary"
	"math"

	pb "spikeserve.example/go/spikeservev1"
)

// Recorded is what a Record recorded: [batch, kept steps, shape...], or [batch, shape...] where it is reduced.
type Recorded struct {
	Name   string
	Values Tensor // float32, or float64 in mode reference; spikes are counts
}

// Records are the answers to the Records of a run.
type Records []Recorded

// Get is the record of this name, or false.
func (r Records) Get(name string) (Tensor, bool) {
	for _, record := range r {
		if record.Name == name {
			return record.Values, true
		}
	}
	return Tensor{}, false
}

func recordsOf(messages []*pb.ProbeRecord) (Records, error) {
	var records Records
	for _, message := range messages {
		values, err := recorded(message)
		if err != nil {
			return nil, err
		}
		records = append(records, Recorded{message.GetName(), values})
	}
	return records, nil
}

func recorded(message *pb.ProbeRecord) (Tensor, error) {
	if counts := message.GetCounts(); counts != nil {
		return dense(message.GetName(), counts)
	}
	return tensor(message.GetValues())
}

// dense writes out counts of which only those that are not zero were sent.
func dense(name string, message *pb.SparseCounts) (Tensor, error) {
	shape := ints(message.GetShape())
	size, ok := elements(shape)
	if !ok {
		return Tensor{}, nonsense("record %q has the shape %v", name, shape)
	}
	gaps, counts := message.GetGaps(), message.GetCounts()
	if len(counts) != 0 && len(counts) != len(gaps) {
		return Tensor{}, nonsense("record %q has %d sparse counts at %d places", name, len(counts), len(gaps))
	}
	data := make([]byte, 4*size)
	at := -1
	for i, gap := range gaps {
		at += int(gap) + 1
		if at >= size {
			return Tensor{}, nonsense("record %q has a sparse count at place %d of %d", name, at, size)
		}
		value := float32(1)
		if len(counts) != 0 {
			value = float32(counts[i])
		}
		binary.LittleEndian.PutUint32(data[4*at:], math.Float32bits(value))
	}
	return Tensor{name: name, dataType: TypeFloat32, shape: shape, data: data}, nil
}
