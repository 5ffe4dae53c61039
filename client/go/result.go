package spikeserve

import (
	"context"
	"time"

	"spikeserve.example/go/internal/activation"
	pb "spikeserve.example/go/spikeservev1"
)

// ProbeValues is what one probe answered.
type ProbeValues struct {
	Name string
	// Outputs are what the model gives, [batch, shape...]: Logits with the Activation that the network leaves to
	// its clients. float32, or float64 in mode reference.
	Outputs    Tensor
	Logits     Tensor  // [batch, shape...]: the readout; the same as Outputs where there is no Activation
	Activation string  // such as "sigmoid" or "relu(max_value=6)"; "" where there is none
	Trajectory *Tensor // [batch, steps, shape...] with WithTrajectories, without the Activation
}

// Ranked is a class and its logit.
type Ranked struct {
	Class int
	Value float64
}

// Answer is what the results of all kinds of runs have.
type Answer struct {
	// Probes are those asked for, in the order of the network.
	Probes []ProbeValues
	// Classes has the class of each sample: the argmax of the logits of the first output probe (ties: the lower
	// index). Empty where no output probe was answered.
	Classes []int
	// Margins has the best minus the second-best logit of each sample, +Inf with one output.
	Margins []float64
	// TopK has the k best classes of each sample, best first, with WithTopK.
	TopK [][]Ranked
	// Scores is softmax(logits) of the class probe, [batch, outputs], with WithSoftmax.
	Scores *Tensor
}

// Outputs of the first probe, [batch, shape...]: what the model gives.
func (a *Answer) Outputs() Tensor { return a.Probes[0].Outputs }

// Logits of the first probe, [batch, shape...]: its outputs before the activation that is left to clients.
func (a *Answer) Logits() Tensor { return a.Probes[0].Logits }

// Probe is what the probe of this name answered; false where it was not asked for.
func (a *Answer) Probe(name string) (ProbeValues, bool) {
	for _, probe := range a.Probes {
		if probe.Name == name {
			return probe, true
		}
	}
	return ProbeValues{}, false
}

// LayerStatistics is the activity of one spiking layer over all samples and steps.
type LayerStatistics struct {
	Layer              string
	Neurons            int64
	Spikes             int64 // in all
	MeanRateHz         float64
	MaxRateHz          float64 // of the busiest neuron of any sample
	SilentFraction     float64 // neurons of a sample that never spiked, 0..1
	SynapticOperations int64   // sum over the spikes of the weights they reached
	// Net: of neurons with memory, without WithGrossStatistics; only spikes that were not taken back count.
	Net bool
}

// Timing is where the time went, by the server's clock.
type Timing struct {
	Queue     time.Duration // accepted until a worker took it
	Compute   time.Duration // in the engine
	Total     time.Duration // received until answered
	BatchSize int           // samples of the run that it was part of; 0: Cached
	Cached    bool          // the answer was kept from an equal request
	Coalesced bool          // the run was begun for an equal request
}

// Settings are what was in force for a run.
type Settings struct {
	Network        string
	Version        int64
	DT             float64 // s
	Steps          int     // at most, with early exit
	Seed           uint64  // 0 unless the call set one
	Mode           Mode
	Backend        string // "cpu" or "cuda"
	Readout        Readout
	InitialVoltage *InitialVoltage // nil: each layer's own
	Encodings      []Encoding      // with their defaults filled in
	EarlyExit      *EarlyExit      // with its defaults filled in; nil where there was none
}

// Result is the answer to a batch.
type Result struct {
	Answer
	// Statistics of each spiking layer, with WithStatistics.
	Statistics []LayerStatistics
	Timing     Timing
	Settings   Settings
	// StepsUsed of each sample, with WithEarlyExit.
	StepsUsed []int
	// Records by WithRecords, in their order.
	Records Records
	// Warnings say, for people, what is probably wrong with the inputs or the network, and what to do.
	Warnings []string
}

// Simulate runs a batch. in is [batch, shape...], or [batch, steps, shape...] for values that vary in time: a
// Tensor, or Tensors by input name where the network has several inputs. The batch must fit into one message of
// the server (--max-samples, --max-message-mb), its answer too (--max-response-mb).
//
// ErrInvalidArgument names the field, got and allowed; ErrNotFound; ErrResourceExhausted for limits, memory and
// a full queue; ErrOutOfRange; ErrUnavailable after it has been tried four times. A context that ends stops the
// run.
func (c *Client) Simulate(ctx context.Context, network string, in Input, options ...RunOption) (*Result, error) {
	message, err := request(network, in, options)
	if err != nil {
		return nil, err
	}
	response, err := c.simulations.Simulate(about(ctx, network), message)
	if err != nil {
		return nil, failure(err, c.target)
	}
	return result(response)
}

func result(message *pb.SimulateResponse) (*Result, error) {
	found, err := answer(message.GetProbes(), message.GetClassification())
	if err != nil {
		return nil, err
	}
	records, err := recordsOf(message.GetRecords())
	if err != nil {
		return nil, err
	}
	return &Result{
		Answer:     found,
		Statistics: statistics(message.GetStatistics()),
		Timing: Timing{
			Queue:     seconds(message.GetTiming().GetQueueS()),
			Compute:   seconds(message.GetTiming().GetComputeS()),
			Total:     seconds(message.GetTiming().GetTotalS()),
			BatchSize: int(message.GetTiming().GetBatchSize()),
			Cached:    message.GetTiming().GetCached(),
			Coalesced: message.GetTiming().GetCoalesced(),
		},
		Settings:  settings(message.GetSettings()),
		StepsUsed: ints(message.GetStepsUsed()),
		Records:   records,
		Warnings:  message.GetWarnings(),
	}, nil
}

func answer(probes []*pb.ProbeResult, classification *pb.Classification) (Answer, error) {
	found := Answer{
		Classes: ints(classification.GetClasses()),
		Margins: classification.GetMargins(),
	}
	if len(probes) == 0 {
		return found, nonsense("it has no probe")
	}
	for _, probe := range probes {
		values := ProbeValues{Name: probe.GetName(), Activation: activation.Text(probe.GetActivation())}
		var err error
		if values.Logits, err = tensor(probe.GetOutputs()); err != nil {
			return found, err
		}
		if values.Outputs, err = activated(values.Logits, probe.GetActivation()); err != nil {
			return found, err
		}
		if values.Trajectory, err = optionalTensor(probe.GetTrajectory()); err != nil {
			return found, err
		}
		found.Probes = append(found.Probes, values)
	}
	for _, best := range classification.GetTopK() {
		ranking := make([]Ranked, min(len(best.GetClasses()), len(best.GetValues())))
		for i := range ranking {
			ranking[i] = Ranked{int(best.GetClasses()[i]), best.GetValues()[i]}
		}
		found.TopK = append(found.TopK, ranking)
	}
	var err error
	found.Scores, err = optionalTensor(classification.GetScores())
	return found, err
}

// activated is the activation of a readout; an error where this client does not know it.
func activated(readout Tensor, by *pb.OutputActivation) (Tensor, error) {
	if by.GetFunction() == pb.OutputFunction_OUTPUT_FUNCTION_UNSPECIFIED {
		return readout, nil
	}
	values := readout.Float64s()
	last := 1
	if len(readout.shape) > 0 {
		last = readout.shape[len(readout.shape)-1]
	}
	if !activation.Apply(by, values, last) {
		return Tensor{}, nonsense("the outputs of %q are left with the activation %s, which this version does not know",
			readout.name, activation.Text(by))
	}
	if readout.dataType == TypeFloat64 {
		return Float64(values, readout.shape...).Named(readout.name), nil
	}
	rounded := make([]float32, len(values))
	for i, value := range values {
		rounded[i] = float32(value)
	}
	return Float32(rounded, readout.shape...).Named(readout.name), nil
}

func optionalTensor(message *pb.Array) (*Tensor, error) {
	if message == nil {
		return nil, nil
	}
	values, err := tensor(message)
	return &values, err
}

func statistics(messages []*pb.LayerStatistics) []LayerStatistics {
	var layers []LayerStatistics
	for _, message := range messages {
		layers = append(layers, LayerStatistics{
			Layer:              message.GetLayer(),
			Neurons:            message.GetNeurons(),
			Spikes:             message.GetSpikes(),
			MeanRateHz:         message.GetMeanRateHz(),
			MaxRateHz:          message.GetMaxRateHz(),
			SilentFraction:     message.GetSilentFraction(),
			SynapticOperations: message.GetSynapticOperations(),
			Net:                message.GetNet(),
		})
	}
	return layers
}

func settings(message *pb.EffectiveSettings) Settings {
	found := Settings{
		Network: message.GetNetwork(),
		Version: message.GetVersion(),
		DT:      message.GetDt(),
		Steps:   int(message.GetSteps()),
		Seed:    message.GetSeed(),
		Mode:    mode(message.GetMode()),
		Backend: message.GetBackend(),
		Readout: readout(message.GetReadout()),
	}
	switch kind := message.GetInitialVoltage().GetKind().(type) {
	case *pb.InitialVoltage_Uniform_:
		found.InitialVoltage = &InitialVoltage{Uniform: true, Seed: kind.Uniform.GetSeed()}
	case *pb.InitialVoltage_Constant:
		found.InitialVoltage = &InitialVoltage{Value: kind.Constant}
	case *pb.InitialVoltage_Zero_:
		found.InitialVoltage = &InitialVoltage{}
	}
	for _, encoding := range message.GetEncodings() {
		found.Encodings = append(found.Encodings, Encoding{encoding})
	}
	if exit := message.GetEarlyExit(); exit != nil {
		found.EarlyExit = &EarlyExit{exit.GetMargin(), int(exit.GetMinSteps()), int(exit.GetCheckEvery())}
	}
	return found
}

func seconds(value float64) time.Duration { return time.Duration(value * float64(time.Second)) }
