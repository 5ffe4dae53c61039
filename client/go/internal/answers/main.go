// Answers runs a fixed list of cases on a server and prints the bytes of all answers, for a test that compares
// them with those of the Python client.
//
//	answers ADDRESS NETWORK TYPE FILE SHAPE... prints {case: {name: base64}}.
package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"time"

	spikeserve "spikeserve.example/go"
)

const (
	timeout = 2 * time.Minute
	steps   = 24
)

// answers are the bytes of one case by what they are.
type answers map[string][]byte

func cases() map[string][]spikeserve.RunOption {
	tau := 0.005
	return map[string][]spikeserve.RunOption{
		"plain": {},
		"settings": {
			spikeserve.WithDT(0.002), spikeserve.WithSeed(5),
			spikeserve.WithInitialVoltage(spikeserve.InitialVoltage{Uniform: true, Seed: 5}),
			spikeserve.WithReadout(spikeserve.Readout{Kind: spikeserve.ReadoutMean, SkipSteps: 3}),
		},
		"constant":  {spikeserve.WithInitialVoltage(spikeserve.InitialVoltage{Value: 0.25})},
		"last":      {spikeserve.WithReadout(spikeserve.Readout{Kind: spikeserve.ReadoutLast})},
		"corrected": {spikeserve.WithReadout(spikeserve.Readout{Kind: spikeserve.ReadoutCorrectedMean})},
		"more": {
			spikeserve.WithTrajectories(), spikeserve.WithSoftmax(), spikeserve.WithTopK(3), spikeserve.WithStatistics(),
		},
		"poisson":    {spikeserve.WithSeed(3), spikeserve.WithEncodings(spikeserve.Poisson(200))},
		"burst":      {spikeserve.WithEncodings(spikeserve.Burst(spikeserve.BurstShape{WindowSteps: 8, MaxSpikes: 3}))},
		"early exit": {spikeserve.WithEarlyExit(spikeserve.EarlyExit{Margin: 0.5, MinSteps: 4, CheckEvery: 2})},
		"records": {spikeserve.WithRecords(
			spikeserve.Record{Target: "dense/neuron", Quantity: spikeserve.QuantitySpikes, Name: "spikes"},
			spikeserve.Record{Target: "dense/neuron", Quantity: spikeserve.QuantityVoltage, Reduction: spikeserve.ReductionMax, Name: "voltage"},
			spikeserve.Record{Target: "dense/neuron", FilterTau: &tau, Every: 4, Name: "filtered"},
		)},
		"reference": {spikeserve.WithVersion(2)},
	}
}

// common are the options of all cases, which come before their own.
func common() []spikeserve.RunOption {
	return []spikeserve.RunOption{spikeserve.WithVersion(1), spikeserve.WithSteps(steps)}
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "answers:", err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	if len(arguments) < 5 {
		return errors.New("wanted ADDRESS NETWORK TYPE FILE and the dimensions")
	}
	in, err := read(arguments[2], arguments[3], arguments[4:])
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	client, err := spikeserve.Dial(ctx, arguments[0])
	if err != nil {
		return err
	}
	defer client.Close()
	found := map[string]answers{}
	for name, options := range cases() {
		result, err := client.Simulate(ctx, arguments[1], in, append(common(), options...)...)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		found[name] = ofResult(result)
	}
	if found["stream"], err = stream(ctx, client, arguments[1], in); err != nil {
		return fmt.Errorf("stream: %w", err)
	}
	if found["session"], err = session(ctx, client, arguments[1], in); err != nil {
		return fmt.Errorf("session: %w", err)
	}
	return json.NewEncoder(os.Stdout).Encode(found)
}

func read(dataType, path string, dimensions []string) (spikeserve.Tensor, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return spikeserve.Tensor{}, err
	}
	shape := make([]int, len(dimensions))
	for i, dimension := range dimensions {
		if shape[i], err = strconv.Atoi(dimension); err != nil {
			return spikeserve.Tensor{}, err
		}
	}
	if dataType == "uint8" {
		return spikeserve.Uint8(content, shape...), nil
	}
	values := make([]float32, len(content)/4)
	for i := range values {
		values[i] = math.Float32frombits(binary.LittleEndian.Uint32(content[4*i:]))
	}
	return spikeserve.Float32(values, shape...), nil
}

func stream(ctx context.Context, client *spikeserve.Client, network string, in spikeserve.Tensor) (answers, error) {
	var result *spikeserve.Result
	var failed error
	client.Stream(ctx, network, in, 5, common()...)(func(event spikeserve.Event, err error) bool {
		result, failed = event.Result, err
		return true
	})
	if failed != nil {
		return nil, failed
	}
	return ofResult(result), nil
}

func session(ctx context.Context, client *spikeserve.Client, network string, in spikeserve.Tensor) (answers, error) {
	open, err := client.Session(ctx, network, in.Shape()[0], spikeserve.WithVersion(1), spikeserve.WithStatistics())
	if err != nil {
		return nil, err
	}
	defer open.Close()
	var progress *spikeserve.SessionProgress
	for _, part := range []int{steps / 3, steps - steps/3} {
		if progress, err = open.Advance(ctx, part, in); err != nil {
			return nil, err
		}
	}
	found := ofAnswer(progress.Answer)
	addStatistics(found, progress.Statistics)
	return found, open.Close()
}

func ofResult(result *spikeserve.Result) answers {
	found := ofAnswer(result.Answer)
	addStatistics(found, result.Statistics)
	for _, record := range result.Records {
		found["record "+record.Name] = record.Values.Bytes()
	}
	if result.StepsUsed != nil {
		found["steps used"] = numbers(wide(result.StepsUsed))
	}
	return found
}

func ofAnswer(answer spikeserve.Answer) answers {
	found := answers{"classes": numbers(wide(answer.Classes)), "margins": numbers(answer.Margins)}
	for _, probe := range answer.Probes {
		found["outputs "+probe.Name] = probe.Outputs.Bytes()
		found["logits "+probe.Name] = probe.Logits.Bytes()
		if probe.Trajectory != nil {
			found["trajectory "+probe.Name] = probe.Trajectory.Bytes()
		}
	}
	if answer.Scores != nil {
		found["scores"] = answer.Scores.Bytes()
	}
	for _, ranking := range answer.TopK {
		for _, one := range ranking {
			found["best classes"] = append(found["best classes"], numbers(int64(one.Class))...)
			found["best values"] = append(found["best values"], numbers(one.Value)...)
		}
	}
	return found
}

func addStatistics(found answers, layers []spikeserve.LayerStatistics) {
	for _, layer := range layers {
		found["statistics "+layer.Layer] = bytes.Join([][]byte{
			numbers([]int64{layer.Neurons, layer.Spikes, layer.SynapticOperations}),
			numbers([]float64{layer.MeanRateHz, layer.MaxRateHz, layer.SilentFraction}),
		}, nil)
	}
}

func wide(values []int) []int64 {
	converted := make([]int64, len(values))
	for i, value := range values {
		converted[i] = int64(value)
	}
	return converted
}

// numbers are values of a fixed size in little-endian order.
func numbers(values any) []byte {
	var buffer bytes.Buffer
	if err := binary.Write(&buffer, binary.LittleEndian, values); err != nil {
		panic(err) // only for values that have no fixed size
	}
	return buffer.Bytes()
}
