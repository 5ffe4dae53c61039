package main

import (
	"context"
	"fmt"

	spikeserve "spikeserve.example/go"
)

// withoutHealth is the package's own policy, but that servers are not asked whether they are ready.
const withoutHealth = `{
	"loadBalancingConfig": [{"round_robin": {}}],
	"methodConfig": [{
		"name": [
			{"service": "spikeserve.v1.SimulationService", "method": "Simulate"},
			{"service": "spikeserve.v1.SimulationService", "method": "SimulateStream"},
			{"service": "spikeserve.v1.SimulationService", "method": "Session"},
			{"service": "spikeserve.v1.NetworkService", "method": "GetNetwork"}
		],
		"retryPolicy": {
			"maxAttempts": 4, "initialBackoff": "0.1s", "maxBackoff": "2s", "backoffMultiplier": 3,
			"retryableStatusCodes": ["UNAVAILABLE"]
		}
	}]
}`

const (
	sessionMessages = 20 // advances of a session
	streamReports   = 4  // updates of a stream
	defaultSteps    = 16 // where a call needs to know them
)

// caller makes one call of the kind that was asked for.
func caller(
	s settings, input spikeserve.Tensor, options []spikeserve.RunOption,
) (func(context.Context, *spikeserve.Client) error, error) {
	steps := s.steps
	if steps == 0 {
		steps = defaultSteps
	}
	switch s.kind {
	case "simulate":
		return func(ctx context.Context, client *spikeserve.Client) error {
			_, err := client.Simulate(ctx, s.network, input, options...)
			return err
		}, nil
	case "stream":
		return func(ctx context.Context, client *spikeserve.Client) error {
			return stream(ctx, client, s.network, input, max(1, steps/streamReports), options)
		}, nil
	case "session":
		return func(ctx context.Context, client *spikeserve.Client) error {
			return session(ctx, client, s, input, steps)
		}, nil
	default:
		return nil, fmt.Errorf("-kind is %q, wanted simulate, stream or session", s.kind)
	}
}

func stream(
	ctx context.Context, client *spikeserve.Client, network string, input spikeserve.Tensor, every int,
	options []spikeserve.RunOption,
) error {
	var failed error
	client.Stream(ctx, network, input, every, options...)(func(_ spikeserve.Event, err error) bool {
		failed = err
		return err == nil
	})
	return failed
}

// session advances one batch in pieces, and fails where a step is lost or runs twice.
func session(ctx context.Context, client *spikeserve.Client, s settings, input spikeserve.Tensor, steps int) error {
	var options []spikeserve.RunOption
	if s.replay {
		options = append(options, spikeserve.WithReplay(0))
	}
	opened, err := client.Session(ctx, s.network, s.batch, options...)
	if err != nil {
		return err
	}
	defer func() { _ = opened.Close() }()
	for piece := 1; piece <= sessionMessages; piece++ {
		progress, err := opened.Advance(ctx, steps, input)
		if err != nil {
			return err
		}
		if progress.StepsDone != piece*steps {
			return fmt.Errorf("the session has done %d steps, wanted %d", progress.StepsDone, piece*steps)
		}
		if !wait(ctx, s.pause) {
			return nil
		}
	}
	return opened.Close()
}
