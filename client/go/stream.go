package spikeserve

import (
	"context"
	"errors"
	"io"

	pb "spikeserve.example/go/spikeservev1"
)

// Event is an update of a stream, or its end: one of the two is not nil.
type Event struct {
	Progress *Progress
	Result   *Result // last, always
}

// Progress is the answer over the first StepsDone steps of a run.
type Progress struct {
	Answer
	StepsDone int
}

// Events are the events of a stream, an iter.Seq2[Event, error]: with Go 1.23 or newer range over it, with an
// older one call it with a function that gets each event and returns whether to go on. An error comes last.
// Leaving the loop cancels the run. Every iteration is a run of its own.
type Events func(yield func(Event, error) bool)

// Stream runs a batch and gives a Progress after every reportEvery steps (>= 1), then the Result, the same that
// Simulate gives. A slow reader may miss some updates, never the result; one that keeps up misses none. Arguments
// and errors as of Simulate.
func (c *Client) Stream(ctx context.Context, network string, in Input, reportEvery int, options ...RunOption) Events {
	return func(yield func(Event, error) bool) {
		message, err := request(network, in, options)
		if err != nil {
			yield(Event{}, err)
			return
		}
		ctx, cancel := context.WithCancel(about(ctx, network))
		defer cancel()
		call, err := c.simulations.SimulateStream(
			ctx, &pb.SimulateStreamRequest{Request: message, ReportEvery: int64(reportEvery)},
		)
		if err != nil {
			yield(Event{}, failure(err, c.target))
			return
		}
		c.receive(call, yield)
	}
}

func (c *Client) receive(call pb.SimulationService_SimulateStreamClient, yield func(Event, error) bool) {
	for {
		response, err := call.Recv()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			yield(Event{}, failure(err, c.target))
			return
		}
		event, err := event(response)
		if !yield(event, err) || err != nil {
			return
		}
	}
}

func event(response *pb.SimulateStreamResponse) (Event, error) {
	switch kind := response.GetEvent().(type) {
	case *pb.SimulateStreamResponse_Progress:
		found, err := answer(kind.Progress.GetProbes(), kind.Progress.GetClassification())
		if err != nil {
			return Event{}, err
		}
		return Event{Progress: &Progress{Answer: found, StepsDone: int(kind.Progress.GetStepsDone())}}, nil
	case *pb.SimulateStreamResponse_Result:
		found, err := result(kind.Result)
		return Event{Result: found}, err
	default:
		return Event{}, nonsense("it has an event of a kind that this package does not know")
	}
}
