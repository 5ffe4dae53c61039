package spikeserve_test

import (
	"bytes"
	"fmt"
	"math"
	"reflect"
	"testing"

	spikeserve "spikeserve.example/go"
	"spikeserve.example/go/internal/testserver"
)

// simulate runs the samples with these options on a network of its own.
func simulate(t *testing.T, count int, options ...spikeserve.RunOption) *spikeserve.Result {
	t.Helper()
	client := connect(t)
	result, err := client.Simulate(limited(t), load(t, client, testserver.Network(width)), samples(count), options...)
	check(t, err)
	return result
}

func TestSettingsAreInForce(t *testing.T) {
	result := simulate(t, 2,
		spikeserve.WithSteps(12), spikeserve.WithDT(0.002), spikeserve.WithSeed(9),
		spikeserve.WithReadout(spikeserve.Readout{Kind: spikeserve.ReadoutMean, SkipSteps: 2}),
		spikeserve.WithInitialVoltage(spikeserve.InitialVoltage{Uniform: true, Seed: 3}),
		spikeserve.WithEncodings(spikeserve.Poisson(250).For("input")),
	)
	settings := result.Settings
	equal(t, "steps", settings.Steps, 12)
	equal(t, "dt", settings.DT, 0.002)
	equal(t, "seed", settings.Seed, 9)
	equal(t, "readout", settings.Readout.String(), "mean after 2 steps")
	equal(t, "voltage", *settings.InitialVoltage, spikeserve.InitialVoltage{Uniform: true, Seed: 3})
	equal(t, "encodings", len(settings.Encodings), 1)
	equal(t, "encoded input", settings.Encodings[0].Input(), "input")
	equal(t, "backend", settings.Backend, "cpu")
	equal(t, "early exit", settings.EarlyExit, nil)
	if result.Timing.Total <= 0 || result.Timing.Compute > result.Timing.Total || result.Timing.BatchSize < 2 {
		t.Errorf("timing %+v", result.Timing)
	}
}

func TestInitialVoltages(t *testing.T) {
	for _, voltage := range []spikeserve.InitialVoltage{{}, {Value: 0.25}, {Uniform: true, Seed: 7}} {
		result := simulate(t, 1, spikeserve.WithInitialVoltage(voltage))
		equal(t, "voltage", *result.Settings.InitialVoltage, voltage)
	}
	equal(t, "voltage", simulate(t, 1).Settings.InitialVoltage, nil)
}

func TestReadouts(t *testing.T) {
	for _, kind := range []spikeserve.ReadoutKind{spikeserve.ReadoutMean, spikeserve.ReadoutLast, spikeserve.ReadoutCorrectedMean} {
		result := simulate(t, 1, spikeserve.WithReadout(spikeserve.Readout{Kind: kind}))
		equal(t, "readout", result.Settings.Readout.Kind, kind)
	}
}

func TestEncodings(t *testing.T) {
	for _, encoding := range []spikeserve.Encoding{
		spikeserve.Poisson(100), spikeserve.Bernoulli(100), spikeserve.Regular(100), spikeserve.Latency(10),
		spikeserve.Burst(spikeserve.BurstShape{WindowSteps: 10, MaxSpikes: 3, MinGap: 1, MaxGap: 2}),
	} {
		result := simulate(t, 1, spikeserve.WithEncodings(encoding))
		equal(t, "encoding", result.Settings.Encodings[0].For("").String(), encoding.String())
	}
}

func TestClassesAreRanked(t *testing.T) {
	result := simulate(t, 3, spikeserve.WithTopK(2), spikeserve.WithSoftmax())
	outputs := result.Outputs()
	for i, class := range result.Classes {
		values := outputs.Sample(i).Float64s()
		best := result.TopK[i]
		equal(t, "best", best[0].Class, class)
		equal(t, "its value", best[0].Value, values[class])
		equal(t, "margin", math.Abs(result.Margins[i]-(best[0].Value-best[1].Value)) < 1e-9, true)
		sum := 0.0
		for _, score := range result.Scores.Sample(i).Float64s() {
			sum += score
		}
		equal(t, "scores sum up", math.Abs(sum-1) < 1e-5, true)
	}
	plain := simulate(t, 1)
	equal(t, "neither", plain.TopK == nil && plain.Scores == nil && plain.Statistics == nil && plain.StepsUsed == nil, true)
}

func TestTrajectoriesAndStatistics(t *testing.T) {
	result := simulate(t, 2, spikeserve.WithTrajectories(), spikeserve.WithStatistics(), spikeserve.WithProbes("output"))
	probe, found := result.Probe("output")
	equal(t, "found", found, true)
	equal(t, "trajectory", probe.Trajectory.String(), "float32[2 20 4]")
	_, found = result.Probe("other")
	equal(t, "another", found, false)
	layer := result.Statistics[0]
	equal(t, "layer", layer.Layer, "neurons")
	equal(t, "neurons", layer.Neurons, width)
	equal(t, "rate", math.Abs(layer.MeanRateHz-float64(layer.Spikes)/(2*width*0.02)) < 1e-6, true)
	equal(t, "operations", layer.SynapticOperations, width*layer.Spikes)
}

func TestSamplesExitEarly(t *testing.T) {
	exit := spikeserve.EarlyExit{Margin: 0.2, MinSteps: 5, CheckEvery: 5}
	result := simulate(t, 3, spikeserve.WithSteps(100), spikeserve.WithEarlyExit(exit))
	equal(t, "in force", *result.Settings.EarlyExit, exit)
	equal(t, "samples", len(result.StepsUsed), 3)
	for _, steps := range result.StepsUsed {
		equal(t, fmt.Sprint(steps, " steps are looked at"), steps%5 == 0 && steps >= 5 && steps <= 100, true)
	}
}

func TestRecordsAreWrittenOut(t *testing.T) {
	tau := 0.01
	result := simulate(t, 2, spikeserve.WithStatistics(), spikeserve.WithSteps(200),
		spikeserve.WithRecords(
			spikeserve.Record{Target: "neurons", Quantity: spikeserve.QuantitySpikes},
			spikeserve.Record{Target: "neurons", Quantity: spikeserve.QuantitySpikes, Reduction: spikeserve.ReductionSum, Name: "sum"},
			spikeserve.Record{Target: "neurons", Quantity: spikeserve.QuantityVoltage, FirstStep: 11, LastStep: 20, Every: 5, Name: "few"},
			spikeserve.Record{Target: "neurons", FilterTau: &tau, Reduction: spikeserve.ReductionLast, Name: "filtered"},
			spikeserve.Record{Target: "neurons", Quantity: spikeserve.QuantityCurrent, Reduction: spikeserve.ReductionMax, Name: "max"},
			spikeserve.Record{Target: "neurons", Quantity: spikeserve.QuantityCurrent, Reduction: spikeserve.ReductionMean, Name: "mean"},
		))
	spikes, _ := result.Records.Get("neurons.spikes")
	equal(t, "spikes", spikes.String(), "float32[2 200 4]")
	sum, _ := result.Records.Get("sum")
	totals, all := make([]float64, 2*width), 0.0
	for i, count := range spikes.Float64s() {
		totals[i/(200*width)*width+i%width] += count
		all += count
	}
	equal(t, "sums", reflect.DeepEqual(sum.Float64s(), totals), true)
	equal(t, "spikes in all", int64(all), result.Statistics[0].Spikes)
	for name, shape := range map[string]string{
		"few": "float32[2 2 4]", "filtered": "float32[2 4]", "max": "float32[2 4]", "mean": "float32[2 4]",
	} {
		record, found := result.Records.Get(name)
		equal(t, name, found, true)
		equal(t, name, record.String(), shape)
	}
	_, found := result.Records.Get("other")
	equal(t, "another", found, false)
}

func TestABatchInPartsDrawsAsInOne(t *testing.T) {
	client, ctx := connect(t), limited(t)
	network := load(t, client, testserver.Network(width))
	options := []spikeserve.RunOption{spikeserve.WithSeed(5), spikeserve.WithEncodings(spikeserve.Poisson(0))}
	whole, err := client.Simulate(ctx, network, samples(4), options...)
	check(t, err)
	second := spikeserve.Float32(samples(4).Float32s()[2*width:], 2, width)
	part, err := client.Simulate(ctx, network, second, append(options, spikeserve.WithFirstSample(2))...)
	check(t, err)
	half := whole.Outputs().Bytes()[2*width*4:]
	equal(t, "second half", bytes.Equal(part.Outputs().Bytes(), half), true)
}

func TestASessionRecordsTheStepsOfItsMessage(t *testing.T) {
	client, ctx := connect(t), limited(t)
	session, err := client.Session(ctx, load(t, client, testserver.Network(width)), 2, spikeserve.WithTrajectories(),
		spikeserve.WithRecords(spikeserve.Record{Target: "neurons", Quantity: spikeserve.QuantitySpikes}))
	check(t, err)
	defer session.Close()
	for _, steps := range []int{3, 7} {
		progress, err := session.Advance(ctx, steps, samples(2))
		check(t, err)
		spikes, _ := progress.Records.Get("neurons.spikes")
		equal(t, "record", fmt.Sprint(spikes.Shape()), fmt.Sprint([]int{2, steps, width}))
		equal(t, "trajectory", fmt.Sprint(progress.Probes[0].Trajectory.Shape()), fmt.Sprint([]int{2, steps, width}))
	}
}
