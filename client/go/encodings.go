package spikeserve

import (
	pb "spikeserve.example/go/spikeservev1"
)

// Encoding is how an input that is constant over a run becomes spikes. A spike is worth 1/(spikes per step at
// x = 1), so that the mean of an encoded input is its value x, except for Latency. Made by Poisson, Bernoulli,
// Regular, Latency or Burst.
type Encoding struct{ message *pb.Encoding }

// Poisson draws spikes, |x|*maxRateHz*dt expected per step (at most 16). maxRateHz is the rate at x = 1; 0
// means 1/dt.
func Poisson(maxRateHz float64) Encoding {
	return Encoding{&pb.Encoding{Kind: &pb.Encoding_Poisson_{Poisson: &pb.Encoding_Poisson{MaxRateHz: maxRateHz}}}}
}

// Bernoulli draws one spike or none per step, with probability |x|*maxRateHz*dt (at most 1); 0 means 1/dt.
func Bernoulli(maxRateHz float64) Encoding {
	kind := &pb.Encoding_Bernoulli_{Bernoulli: &pb.Encoding_Bernoulli{MaxRateHz: maxRateHz}}
	return Encoding{&pb.Encoding{Kind: kind}}
}

// Regular sends evenly spaced spikes at the rate |x|*maxRateHz; 0 means 1/dt.
func Regular(maxRateHz float64) Encoding {
	return Encoding{&pb.Encoding{Kind: &pb.Encoding_Regular_{Regular: &pb.Encoding_Regular{MaxRateHz: maxRateHz}}}}
}

// Latency sends one spike per window, the earlier the larger x in [0, 1], none for 0. windowSteps 0 means all
// steps of the run.
func Latency(windowSteps int) Encoding {
	kind := &pb.Encoding_Latency_{Latency: &pb.Encoding_Latency{WindowSteps: int64(windowSteps)}}
	return Encoding{&pb.Encoding{Kind: kind}}
}

// BurstShape is the form of the bursts of Burst. 0 stands for the defaults.
type BurstShape struct {
	WindowSteps int // all steps of the run
	MaxSpikes   int // 5
	MinGap      int // steps between spikes for x = 1; 1
	MaxGap      int // steps between spikes for x near 0; window / MaxSpikes
}

// Burst sends ceil(MaxSpikes*x) spikes at the begin of every window, x in [0, 1], the closer the larger x.
func Burst(shape BurstShape) Encoding {
	return Encoding{&pb.Encoding{Kind: &pb.Encoding_Burst_{Burst: &pb.Encoding_Burst{
		WindowSteps: int64(shape.WindowSteps), MaxSpikes: int64(shape.MaxSpikes),
		MinGap: int64(shape.MinGap), MaxGap: int64(shape.MaxGap),
	}}}}
}

// For is the same encoding for the input of this name. A network with one input needs no name.
func (e Encoding) For(input string) Encoding {
	return Encoding{&pb.Encoding{Input: input, Kind: e.message.GetKind()}}
}

// Input is the name of the input.
func (e Encoding) Input() string { return e.message.GetInput() }

// String is the encoding with its parameters, in the text format of protocol buffers.
func (e Encoding) String() string { return e.message.String() }

func encodingMessages(encodings []Encoding) []*pb.Encoding {
	messages := make([]*pb.Encoding, len(encodings))
	for i, encoding := range encodings {
		messages[i] = encoding.message
	}
	return messages
}
