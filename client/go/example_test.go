package spikeserve_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	spikeserve "spikeserve.example/go"
	"spikeserve.example/go/internal/testserver"
)

// spkFile is a network with four inputs and four classes: the outputs follow the inputs.
func spkFile() *bytes.Reader { return bytes.NewReader(testserver.Spk(testserver.Network(4))) }

// connected is what the examples begin with: a client, and a network of four inputs and four classes.
func connected(network string) (context.Context, *spikeserve.Client, func()) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	client, err := spikeserve.Dial(ctx, shared)
	if err != nil {
		panic(err)
	}
	if _, err := client.Load(ctx, network, spkFile()); err != nil {
		panic(err)
	}
	return ctx, client, func() {
		client.Unload(ctx, network, 0)
		client.Close()
		cancel()
	}
}

func ExampleDial() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	client, err := spikeserve.Dial(ctx, shared) // such as "127.0.0.1:8001"
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	fmt.Println(client.Health(ctx, ""))
	// Output: true <nil>
}

func ExampleClient_Load() {
	ctx, client, done := connected("example-load")
	defer done()
	info, err := client.Load(ctx, "example-load", spkFile(), spikeserve.WithVersion(7))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(info.Name, info.Version, info.State, info.Inputs[0].Shape, info.Inputs[0].Types)
	// Output: example-load 7 ready [4] [float32 float64 uint8]
}

func ExampleClient_Simulate() {
	ctx, client, done := connected("example-simulate")
	defer done()
	samples := spikeserve.Float32([]float32{
		0.1, 0.9, 0.2, 0.3, // the first sample
		0.8, 0.1, 0.4, 0.0, // the second one
	}, 2, 4)
	result, err := client.Simulate(ctx, "example-simulate", samples, spikeserve.WithSteps(200), spikeserve.WithTopK(2))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(result.Outputs(), result.Classes)
	for _, ranking := range result.TopK {
		fmt.Println(ranking[0].Class, "before", ranking[1].Class)
	}
	// Output:
	// float32[2 4] [1 0]
	// 1 before 3
	// 0 before 2
}

func ExampleClient_Stream() {
	ctx, client, done := connected("example-stream")
	defer done()
	samples := spikeserve.Uint8([]byte{0, 20, 255, 90}, 1, 4)
	// With Go 1.23 or newer range over the events, as the example of Events does.
	client.Stream(ctx, "example-stream", samples, 20, spikeserve.WithSteps(100))(func(event spikeserve.Event, err error) bool {
		switch {
		case err != nil:
			fmt.Println(err)
		case event.Result != nil:
			fmt.Println("result:", event.Result.Classes)
		}
		return true // false ends the run
	})
	// Output: result: [2]
}

func ExampleClient_Session() {
	ctx, client, done := connected("example-session")
	defer done()
	session, err := client.Session(ctx, "example-session", 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer session.Close()
	for _, input := range [][]float32{{1, 0, 0, 0}, {0, 0, 0, 1}, {0, 0, 0, 1}} {
		progress, err := session.Advance(ctx, 20, spikeserve.Float32(input, 1, 4))
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(progress.StepsDone, "steps, class", progress.Classes[0])
	}
	// Output:
	// 20 steps, class 0
	// 40 steps, class 0
	// 60 steps, class 3
}

func ExampleError() {
	ctx, client, done := connected("example-error")
	defer done()
	_, err := client.Simulate(ctx, "no-such-network", spikeserve.Float32(make([]float32, 4), 1, 4))
	fmt.Println(err)
	fmt.Println(errors.Is(err, spikeserve.ErrNotFound), status.Code(err) == codes.NotFound)
	// Output:
	// spikeserve: NotFound: network "no-such-network" is not loaded
	// true true
}

func ExampleWithRecords() {
	ctx, client, done := connected("example-records")
	defer done()
	record := spikeserve.Record{Target: "neurons", Quantity: spikeserve.QuantitySpikes, Reduction: spikeserve.ReductionSum}
	samples := spikeserve.Float32([]float32{1, 0.5, 0, 0}, 1, 4)
	result, err := client.Simulate(ctx, "example-records", samples, spikeserve.WithSteps(100), spikeserve.WithRecords(record))
	if err != nil {
		fmt.Println(err)
		return
	}
	spikes, _ := result.Records.Get("neurons.spikes")
	fmt.Println(spikes, spikes.Float32s())
	// Output: float32[1 4] [10 5 0 0]
}
