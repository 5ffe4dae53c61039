// Loadgen keeps a number of callers busy, each with one call after the other, and prints the rate and the
// latencies that they saw. See -help.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand"
	"os"
	"os/signal"
	"runtime/debug"
	"time"

	spikeserve "spikeserve.example/go"
	"spikeserve.example/go/examples/internal/images"
)

type settings struct {
	address, token, network, images string
	kind                            string
	callers, batch, steps           int
	connections                     int
	warmUp, duration                time.Duration
	pause                           time.Duration
	health, replay                  bool
	json                            bool
}

func main() {
	var s settings
	flag.StringVar(&s.address, "address", "127.0.0.1:8001", "server: HOST:PORT or unix:PATH; several HOST:PORT with commas")
	flag.StringVar(&s.token, "token", os.Getenv("SPIKESERVE_TOKEN"), "bearer token")
	flag.StringVar(&s.network, "network", "", "name of a loaded network with one input")
	flag.StringVar(&s.images, "images", "", "IDX or PNG file with samples; empty: random ones")
	flag.StringVar(&s.kind, "kind", "simulate", "kind of call: simulate, stream, or session (20 messages)")
	flag.BoolVar(&s.health, "health", true, "ask servers whether they are ready")
	flag.BoolVar(&s.replay, "replay", false, "let sessions go on at another server")
	flag.IntVar(&s.callers, "callers", 16, "calls at the same time")
	flag.IntVar(&s.connections, "connections", 1, "connections that the callers share")
	flag.IntVar(&s.batch, "batch", 64, "samples of a call")
	flag.IntVar(&s.steps, "steps", 0, "time steps of a call; 0: the network's own")
	flag.DurationVar(&s.warmUp, "warm-up", 500*time.Millisecond, "time before anything is counted")
	flag.DurationVar(&s.duration, "duration", 5*time.Second, "time in which calls are counted; an interrupt ends it")
	flag.DurationVar(&s.pause, "pause", 0, "time that a caller waits after a call")
	flag.BoolVar(&s.json, "json", false, "print one JSON object")
	flag.Parse()
	if os.Getenv("GOGC") == "" {
		// A heap of a few MB that is collected whenever it has doubled takes time from a server beside it.
		debug.SetGCPercent(400)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, s); err != nil {
		fmt.Fprintln(os.Stderr, "loadgen:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, s settings) error {
	if s.network == "" || s.callers < 1 || s.batch < 1 || s.connections < 1 || s.duration <= 0 {
		return errors.New("wanted a -network, and -callers, -batch, -connections and -duration above 0")
	}
	clients, err := dial(ctx, s)
	if err != nil {
		return err
	}
	for _, client := range clients {
		defer client.Close()
	}
	info, err := clients[0].Get(ctx, s.network, 0)
	if err != nil {
		return err
	}
	input, err := samples(info, s)
	if err != nil {
		return err
	}
	var options []spikeserve.RunOption
	if s.steps > 0 {
		options = append(options, spikeserve.WithSteps(s.steps))
	}
	call, err := caller(s, input, options)
	if err != nil {
		return err
	}
	report := measure(ctx, s, func(ctx context.Context, caller int) error {
		return call(ctx, clients[caller%len(clients)])
	})
	return report.print(s)
}

func dial(ctx context.Context, s settings) ([]*spikeserve.Client, error) {
	var options []spikeserve.DialOption
	if s.token != "" {
		options = append(options, spikeserve.WithToken(s.token))
	}
	if !s.health {
		options = append(options, spikeserve.WithServiceConfig(withoutHealth))
	}
	var clients []*spikeserve.Client
	for range s.connections {
		client, err := spikeserve.Dial(ctx, s.address, options...)
		if err != nil {
			return nil, err
		}
		clients = append(clients, client)
	}
	return clients, nil
}

// samples is a batch for the only input of the network, from the file or random.
func samples(info spikeserve.NetworkInfo, s settings) (spikeserve.Tensor, error) {
	if s.images != "" {
		batch, err := images.Read(s.images)
		if err != nil {
			return spikeserve.Tensor{}, err
		}
		return batch.Tensor(info, 0, s.batch)
	}
	if len(info.Inputs) != 1 {
		return spikeserve.Tensor{}, fmt.Errorf("network %s has %d inputs, wanted one", s.network, len(info.Inputs))
	}
	batch := images.Batch{Shape: info.Inputs[0].Shape}
	batch.Data = make([]byte, s.batch*batch.SampleBytes())
	rand.New(rand.NewSource(1)).Read(batch.Data)
	return batch.Tensor(info, 0, s.batch)
}

func (r report) print(s settings) error {
	if s.json {
		return json.NewEncoder(os.Stdout).Encode(r)
	}
	fmt.Printf("%.1f calls/s, %.0f samples/s, %d calls by %d callers in %.1f s\n",
		r.CallsPerSecond, r.SamplesPerSecond, r.Calls, s.callers, r.Seconds)
	fmt.Printf("latency ms: p50 %.2f  p90 %.2f  p99 %.2f  p99.9 %.2f  max %.2f\n",
		r.P50, r.P90, r.P99, r.P999, r.Max)
	for kind, count := range r.Failures {
		fmt.Printf("failed: %d x %s, such as: %s\n", count, kind, r.Examples[kind])
	}
	return nil
}
