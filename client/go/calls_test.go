package spikeserve_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	spikeserve "spikeserve.example/go"
	"spikeserve.example/go/internal/testserver"
)

func TestANetworkIsLoadedShownRunAndUnloaded(t *testing.T) {
	client, ctx := connect(t), limited(t)
	path := filepath.Join(t.TempDir(), "network.spk")
	check(t, os.WriteFile(path, testserver.Spk(testserver.Network(width)), 0o600))
	var done, total int64
	loaded, err := client.LoadFile(ctx, "life", path, spikeserve.WithProgress(func(d, n int64) { done, total = d, n }))
	check(t, err)
	equal(t, "version", loaded.Version, 1)
	equal(t, "progress", done, total)
	equal(t, "state", loaded.State, spikeserve.StateReady)

	info, err := client.Get(ctx, "life", 0)
	check(t, err)
	equal(t, "name", info.Name, "life")
	equal(t, "mode", info.Mode, spikeserve.ModeExact)
	equal(t, "backend", info.Backend, "cpu")
	equal(t, "neurons", info.Neurons, width)
	equal(t, "parameters", info.Parameters, 2*width*width)
	equal(t, "steps", info.Steps, 20)
	equal(t, "dt", info.DT, 0.001)
	equal(t, "readout", info.Readout.String(), "mean")
	equal(t, "labels", fmt.Sprint(info.ClassLabels), "[class 0 class 1 class 2 class 3]")
	equal(t, "inputs", fmt.Sprint(info.Inputs), "[{input [4] [float32 float64 uint8]}]")
	equal(t, "probes", fmt.Sprint(info.Probes), "[{output output output [4] }]")
	equal(t, "takes bytes", info.Inputs[0].Takes(spikeserve.TypeUint8), true)
	equal(t, "layers", len(info.Layers), 4)
	equal(t, "kind of neurons", info.Layers[2].Kind, "neuron.integrate_and_fire")
	equal(t, "digest", len(info.SHA256), 64)
	if info.LoadedAt.IsZero() || info.ResidentBytes <= 0 {
		t.Errorf("loaded at %v, %d bytes", info.LoadedAt, info.ResidentBytes)
	}

	infos, err := client.List(ctx)
	check(t, err)
	if !contains(infos, "life") {
		t.Errorf("%v has no network life", infos)
	}
	result, err := client.Simulate(ctx, "life", samples(3))
	check(t, err)
	equal(t, "shape", result.Outputs().String(), "float32[3 4]")
	versions, err := client.Unload(ctx, "life", 0)
	check(t, err)
	equal(t, "unloaded", fmt.Sprint(versions), "[1]")
	_, err = client.Get(ctx, "life", 0)
	equal(t, "is gone", errors.Is(err, spikeserve.ErrNotFound), true)
}

func contains(infos []spikeserve.NetworkInfo, name string) bool {
	for _, info := range infos {
		if info.Name == name {
			return true
		}
	}
	return false
}

func TestVersionsAreChosen(t *testing.T) {
	client, ctx := connect(t), limited(t)
	network := load(t, client, testserver.Network(width))
	spk := testserver.Spk(testserver.Network(width))
	info, err := client.Load(ctx, network, bytes.NewReader(spk), spikeserve.WithVersion(5), spikeserve.WithMode(spikeserve.ModeReference))
	check(t, err)
	equal(t, "version", info.Version, 5)
	equal(t, "mode", info.Mode, spikeserve.ModeReference)
	highest, err := client.Simulate(ctx, network, samples(1))
	check(t, err)
	equal(t, "highest", highest.Settings.Version, 5)
	equal(t, "type in mode reference", highest.Outputs().Type(), spikeserve.TypeFloat64)
	first, err := client.Simulate(ctx, network, samples(1), spikeserve.WithVersion(1))
	check(t, err)
	equal(t, "chosen", first.Settings.Version, 1)
	equal(t, "mode of the first", first.Settings.Mode, spikeserve.ModeExact)
	versions, err := client.Unload(ctx, network, 5)
	check(t, err)
	equal(t, "unloaded", fmt.Sprint(versions), "[5]")
}

func TestAliasesStandForVersions(t *testing.T) {
	client, ctx := connect(t), limited(t)
	network := load(t, client, testserver.Network(width))
	spk := testserver.Spk(testserver.Network(width))
	_, err := client.Load(ctx, network, bytes.NewReader(spk), spikeserve.WithVersion(2))
	check(t, err)
	version, err := client.SetAlias(ctx, network, "stable", 1)
	check(t, err)
	equal(t, "set", version, 1)
	result, err := client.Simulate(ctx, network+"@stable", samples(1))
	check(t, err)
	equal(t, "ran", result.Settings.Version, 1)
	equal(t, "under its name", result.Settings.Network, network)
	version, err = client.SetAlias(ctx, network, "stable", 0)
	check(t, err)
	equal(t, "moved", version, 2)
	info, err := client.Get(ctx, network+"@stable", 0)
	check(t, err)
	equal(t, "shown", fmt.Sprint(info.Version, info.Aliases), "2 [stable]")
	_, err = client.Unload(ctx, network, 2)
	equal(t, "stays", err != nil, true)
	version, err = client.DeleteAlias(ctx, network, "stable")
	check(t, err)
	equal(t, "deleted", version, 2)
	_, err = client.Get(ctx, network+"@stable", 0)
	equal(t, "is gone", errors.Is(err, spikeserve.ErrNotFound), true)
}

func TestALargeNetworkGoesInChunks(t *testing.T) {
	client := connect(t)
	var reports []int64
	load(t, client, testserver.Network(600), spikeserve.WithProgress(func(done, _ int64) { reports = append(reports, done) }))
	equal(t, "chunks of 2.9 MB", len(reports), 3)
}

func TestSeveralInputsAreNamed(t *testing.T) {
	client, ctx := connect(t), limited(t)
	network := load(t, client, testserver.TwoInputs(width))
	left, right := samples(2), samples(2)
	result, err := client.Simulate(ctx, network, spikeserve.Tensors{right.Named("right"), left.Named("left")})
	check(t, err)
	equal(t, "samples", len(result.Classes), 2)
	_, err = client.Simulate(ctx, network, left)
	equal(t, "one is missing", errors.Is(err, spikeserve.ErrInvalidArgument), true)
}

func TestTypesOfInputsGiveTheSame(t *testing.T) {
	client, ctx := connect(t), limited(t)
	network := load(t, client, testserver.Network(width))
	values := []byte{0, 51, 102, 255}
	singles, doubles := make([]float32, width), make([]float64, width)
	for i, value := range values {
		singles[i], doubles[i] = float32(value)/255, float64(float32(value)/255)
	}
	of32, err := client.Simulate(ctx, network, spikeserve.Float32(singles, 1, width))
	check(t, err)
	of64, err := client.Simulate(ctx, network, spikeserve.Float64(doubles, 1, width))
	check(t, err)
	of8, err := client.Simulate(ctx, network, spikeserve.Uint8(values, 1, width))
	check(t, err)
	equal(t, "float64", bytes.Equal(of32.Outputs().Bytes(), of64.Outputs().Bytes()), true)
	equal(t, "class of bytes", of8.Classes[0], 3)
	for i, value := range of8.Outputs().Float64s() {
		if difference := value - doubles[i]; difference > 0.51 || difference < -0.51 {
			t.Errorf("output %d is %v for an input of %v", i, value, doubles[i])
		}
	}
}

func TestASampleAloneEqualsItselfInABatch(t *testing.T) {
	client, ctx := connect(t), limited(t)
	network := load(t, client, testserver.Network(width))
	batch := samples(5)
	together, err := client.Simulate(ctx, network, batch)
	check(t, err)
	for i := range 5 {
		alone, err := client.Simulate(ctx, network, spikeserve.Float32(batch.Sample(i).Float32s(), 1, width))
		check(t, err)
		if !bytes.Equal(alone.Outputs().Bytes(), together.Outputs().Sample(i).Bytes()) {
			t.Errorf("sample %d: %v alone, %v in a batch", i, alone.Outputs().Float32s(), together.Outputs().Sample(i).Float32s())
		}
	}
}

func TestAStreamReportsOnTheWayAndThenTheResult(t *testing.T) {
	client, ctx := connect(t), limited(t)
	network := load(t, client, testserver.Network(width))
	whole, err := client.Simulate(ctx, network, samples(3), spikeserve.WithSteps(40))
	check(t, err)
	var result *spikeserve.Result
	client.Stream(ctx, network, samples(3), 10, spikeserve.WithSteps(40))(func(event spikeserve.Event, err error) bool {
		check(t, err)
		if event.Progress == nil {
			result = event.Result
			return true
		}
		shorter, err := client.Simulate(ctx, network, samples(3), spikeserve.WithSteps(event.Progress.StepsDone))
		check(t, err)
		equal(t, "progress", reflect.DeepEqual(event.Progress.Classes, shorter.Classes), true)
		equal(t, "shape", event.Progress.Outputs().String(), "float32[3 4]")
		return true
	})
	if result == nil {
		t.Fatal("no result came")
	}
	equal(t, "result", bytes.Equal(result.Outputs().Bytes(), whole.Outputs().Bytes()), true)
}

func TestAReaderThatKeepsUpMissesNoReport(t *testing.T) {
	client := connect(t)
	network := load(t, client, testserver.Network(width))
	for range 20 {
		var steps []int
		client.Stream(limited(t), network, samples(3), 4, spikeserve.WithSteps(16))(func(event spikeserve.Event, err error) bool {
			check(t, err)
			if event.Progress != nil {
				steps = append(steps, event.Progress.StepsDone)
			}
			return true
		})
		equal(t, "reports", fmt.Sprint(steps), "[4 8 12]")
	}
}

func TestASessionInPiecesEqualsARunInOne(t *testing.T) {
	client, ctx := connect(t), limited(t)
	network := load(t, client, testserver.Network(width))
	whole, err := client.Simulate(ctx, network, samples(3), spikeserve.WithSteps(30), spikeserve.WithStatistics())
	check(t, err)
	session, err := client.Session(ctx, network, 3, spikeserve.WithStatistics())
	check(t, err)
	equal(t, "settings", session.Settings.Network, network)
	var progress *spikeserve.SessionProgress
	for _, steps := range []int{5, 20, 5} {
		progress, err = session.Advance(ctx, steps, samples(3))
		check(t, err)
	}
	equal(t, "outputs", bytes.Equal(progress.Outputs().Bytes(), whole.Outputs().Bytes()), true)
	equal(t, "statistics", fmt.Sprint(progress.Statistics), fmt.Sprint(whole.Statistics))
	equal(t, "steps", progress.StepsDone, 30)
	check(t, session.Reset(ctx, 1))
	progress, err = session.Advance(ctx, 2, samples(3))
	check(t, err)
	equal(t, "steps of samples", fmt.Sprint(progress.SampleSteps), "[32 2 32]")
	check(t, session.Reset(ctx))
	progress, err = session.Advance(ctx, 3, samples(3), spikeserve.Poisson(0))
	check(t, err)
	equal(t, "steps of samples", fmt.Sprint(progress.SampleSteps), "[3 3 3]")
	check(t, session.Close())
	check(t, session.Close())
	_, err = session.Advance(ctx, 1, samples(3))
	equal(t, "after Close", errors.Is(err, spikeserve.ErrFailedPrecondition), true)
}

func TestHealthOfServerAndNetwork(t *testing.T) {
	client, ctx := connect(t), limited(t)
	network := load(t, client, testserver.Network(width))
	for _, name := range []string{"", network} {
		ready, err := client.Health(ctx, name)
		check(t, err)
		equal(t, "ready: "+name, ready, true)
		check(t, client.WaitReady(ctx, name))
	}
	ready, err := client.Health(ctx, "unknown")
	check(t, err)
	equal(t, "unknown", ready, false)
	short, cancel := context.WithTimeout(ctx, shortly)
	defer cancel()
	err = client.WaitReady(short, "unknown")
	equal(t, "deadline", errors.Is(err, context.DeadlineExceeded), true)
}

func TestAnAnswerFarBeyondTheDefaultOfGRPCArrives(t *testing.T) {
	client := connect(t)
	network := load(t, client, testserver.Network(width))
	result, err := client.Simulate(limited(t), network, samples(256), spikeserve.WithSteps(10_000), spikeserve.WithTrajectories())
	check(t, err)
	equal(t, "41 MB", result.Probes[0].Trajectory.String(), "float32[256 10000 4]")
}
