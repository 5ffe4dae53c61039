package spikeserve

import (
	"fmt"
	"strings"

	pb "spikeserve.example/go/spikeservev1"
)

// RunOption is an option of Simulate, Stream and Session. What is not set is the network's own. The server checks
// ranges.
type RunOption interface{ applyRun(*pb.SimulateRequest) }

type runOption func(*pb.SimulateRequest)

func (o runOption) applyRun(r *pb.SimulateRequest) { o(r) }

// WithSteps sets how many time steps to run, >= 1. Not for sessions.
func WithSteps(steps int) RunOption {
	return runOption(func(r *pb.SimulateRequest) { r.Steps = ptr(int64(steps)) })
}

// WithDT sets the length of a step in seconds, > 0.
func WithDT(seconds float64) RunOption {
	return runOption(func(r *pb.SimulateRequest) { r.Dt = &seconds })
}

// WithSeed sets the seed of every random choice of the run: of uniform initial voltages (instead of their own),
// random encodings and random neurons (where it is 0 otherwise).
func WithSeed(seed uint64) RunOption {
	return runOption(func(r *pb.SimulateRequest) { r.Seed = &seed })
}

// ReadoutKind is how the steps of a probe become one answer per sample.
type ReadoutKind string

// The kinds of readout.
const (
	ReadoutMean          ReadoutKind = "mean"           // over the steps after those that are skipped
	ReadoutLast          ReadoutKind = "last"           // the value at the last step
	ReadoutCorrectedMean ReadoutKind = "corrected_mean" // the mean without the start-up of the synapses
)

// Readout is how to read a probe, and from which step on.
type Readout struct {
	Kind      ReadoutKind
	SkipSteps int // left out of the mean, below the number of steps
}

func readout(message *pb.Readout) Readout {
	if message.GetKind() == pb.ReadoutKind_READOUT_KIND_UNSPECIFIED {
		return Readout{ReadoutMean, int(message.GetSkipSteps())}
	}
	return Readout{ReadoutKind(word(message.GetKind().String(), "READOUT_KIND_")), int(message.GetSkipSteps())}
}

// WithReadout sets how the steps become one answer. Sessions take ReadoutMean and ReadoutLast.
func WithReadout(chosen Readout) RunOption {
	return runOption(func(r *pb.SimulateRequest) {
		r.Readout = &pb.Readout{
			Kind:      pb.ReadoutKind(number(pb.ReadoutKind_value, "READOUT_KIND_", string(chosen.Kind))),
			SkipSteps: int64(chosen.SkipSteps),
		}
	})
}

// InitialVoltage is the membrane voltage of all neurons at the start of a sample.
type InitialVoltage struct {
	Uniform bool    // random in [0, 1) by Seed, else Value
	Seed    uint64  // for Uniform
	Value   float64 // of all neurons
}

// WithInitialVoltage sets where all neurons start.
func WithInitialVoltage(voltage InitialVoltage) RunOption {
	message := &pb.InitialVoltage{}
	switch {
	case voltage.Uniform:
		message.Kind = &pb.InitialVoltage_Uniform_{Uniform: &pb.InitialVoltage_Uniform{Seed: voltage.Seed}}
	case voltage.Value == 0:
		message.Kind = &pb.InitialVoltage_Zero_{Zero: &pb.InitialVoltage_Zero{}}
	default:
		message.Kind = &pb.InitialVoltage_Constant{Constant: voltage.Value}
	}
	return runOption(func(r *pb.SimulateRequest) { r.InitialVoltage = message })
}

// WithProbes chooses which probes of the network to answer; without it all that read outputs.
func WithProbes(names ...string) RunOption {
	return runOption(func(r *pb.SimulateRequest) { r.Probes = append(r.Probes, names...) })
}

// WithTrajectories also answers every step of the probes.
func WithTrajectories() RunOption {
	return runOption(func(r *pb.SimulateRequest) { r.Trajectories = true })
}

// WithStatistics also answers the activity of each spiking layer.
func WithStatistics() RunOption {
	return runOption(func(r *pb.SimulateRequest) { r.Statistics = true })
}

// WithGrossStatistics also answers the activity of each spiking layer, of neurons with memory with all spikes
// that were taken back or took others back: every step is taken.
func WithGrossStatistics() RunOption {
	return runOption(func(r *pb.SimulateRequest) { r.Statistics, r.GrossStatistics = true, true })
}

// WithSoftmax also answers softmax(logits) of the class probe, as Scores.
func WithSoftmax() RunOption {
	return runOption(func(r *pb.SimulateRequest) { r.Softmax = true })
}

// WithTopK also answers the k best classes of each sample.
func WithTopK(k int) RunOption {
	return runOption(func(r *pb.SimulateRequest) { r.TopK = int64(k) })
}

// WithEncodings says how inputs that are constant over the run become spikes; inputs without one are currents.
// Not for the opening of sessions, whose Advance takes them.
func WithEncodings(encodings ...Encoding) RunOption {
	return runOption(func(r *pb.SimulateRequest) { r.Encodings = append(r.Encodings, encodingMessages(encodings)...) })
}

// WithFirstSample gives the first sample of the batch this number, >= 0: random encodings and neurons draw by
// sample number, so that a batch that is sent in several calls gives the same as in one.
func WithFirstSample(number int) RunOption {
	return runOption(func(r *pb.SimulateRequest) { r.FirstSample = int64(number) })
}

// EarlyExit ends a sample's run as soon as its class is clear: at step MinSteps and every CheckEvery steps after
// it, where the largest output lies Margin or more above the second largest.
type EarlyExit struct {
	Margin     float64 // in the unit of the outputs, >= 0
	MinSteps   int     // above the skipped steps; 0: the first that counts
	CheckEvery int     // 0: 1
}

// WithEarlyExit ends samples early; StepsUsed says when. Only with a mean readout, without trajectories and
// records; not for sessions.
func WithEarlyExit(exit EarlyExit) RunOption {
	return runOption(func(r *pb.SimulateRequest) {
		r.EarlyExit = &pb.EarlyExit{
			Margin: exit.Margin, MinSteps: int64(exit.MinSteps), CheckEvery: int64(exit.CheckEvery),
		}
	})
}

// Reduction is what becomes of the steps that a Record keeps.
type Reduction string

// The reductions.
const (
	ReductionNone Reduction = "none" // all steps are answered
	ReductionMean Reduction = "mean"
	ReductionSum  Reduction = "sum"
	ReductionLast Reduction = "last"
	ReductionMax  Reduction = "max" // the largest value of each element
)

// Record is a probe that a run brings along.
type Record struct {
	Name      string    // of the answer, unique; empty: TARGET.QUANTITY
	Target    string    // a neuron layer, or an operation that a probe of the network reads ([NetworkInfo.Layers])
	Quantity  Quantity  // empty: QuantityOutput
	FilterTau *float64  // s, >= 0: a low-pass over what is recorded, with its step of delay; nil: none
	FirstStep int       // from 1; 0: 1
	LastStep  int       // up to the steps of the run; 0: the last
	Every     int       // keep the first step and every so many after it; 0: 1
	Reduction Reduction // empty: ReductionNone
}

// WithRecords records layers; the answer is in Records. At most 64 in a run.
func WithRecords(records ...Record) RunOption {
	return runOption(func(r *pb.SimulateRequest) {
		for _, record := range records {
			r.RequestProbes = append(r.RequestProbes, record.message())
		}
	})
}

func (r Record) message() *pb.RequestProbe {
	if r.Quantity == "" {
		r.Quantity = QuantityOutput
	}
	if r.Reduction == "" {
		r.Reduction = ReductionNone
	}
	return &pb.RequestProbe{
		Name:      r.Name,
		Target:    r.Target,
		Quantity:  pb.ProbeQuantity(number(pb.ProbeQuantity_value, "PROBE_QUANTITY_", string(r.Quantity))),
		FilterTau: r.FilterTau,
		FirstStep: int64(r.FirstStep),
		LastStep:  int64(r.LastStep),
		Every:     int64(r.Every),
		Reduction: pb.Reduction(number(pb.Reduction_value, "REDUCTION_", string(r.Reduction))),
	}
}

// number is the enumerator of a word; -1, which the server refuses, for one that is unknown.
func number(numbers map[string]int32, prefix, name string) int32 {
	if value, known := numbers[prefix+strings.ToUpper(name)]; known && value != 0 {
		return value
	}
	return -1
}

func ptr[T any](value T) *T { return &value }

// request is the message of a run.
func request(network string, in Input, options []RunOption) (*pb.SimulateRequest, error) {
	inputs, err := arrays(in)
	if err != nil {
		return nil, err
	}
	message := &pb.SimulateRequest{Network: network, Inputs: inputs}
	for _, option := range options {
		if _, is := option.(replay); is {
			return nil, invalid("WithReplay is an option of sessions; a run that fails is tried again by itself")
		}
		option.applyRun(message)
	}
	return message, nil
}

// String is such as "mean" or "mean after 10 steps".
func (r Readout) String() string {
	if r.SkipSteps == 0 {
		return string(r.Kind)
	}
	return fmt.Sprintf("%s after %d steps", r.Kind, r.SkipSteps)
}
