package spikeserve

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"google.golang.org/grpc/codes"

	pb "spikeserve.example/go/spikeservev1"
)

// closeTimeout is how long Close waits for the server to take note.
const closeTimeout = 5 * time.Second

// Session is the state of a batch on the server, advanced piece by piece: a run in pieces equals the run in one,
// byte for byte. Made by Client.Session. Its calls are answered one after the other; after an error it is over.
// Close it: the server has room for a limited number of sessions.
type Session struct {
	// Settings are what is in force.
	Settings Settings

	client *Client
	call   pb.SimulationService_SessionClient
	cancel context.CancelFunc
	turn   sync.Mutex // held while a message is under way
	over   error      // why no more messages go out
}

// SessionProgress is the answer to an Advance. Readouts, classes and statistics run over all steps since the
// begin or the sample's reset; trajectories and records hold the steps of the Advance.
type SessionProgress struct {
	Answer
	StepsDone   int   // of the session
	SampleSteps []int // of each sample, since the begin or its reset
	Statistics  []LayerStatistics
	Records     Records
	Compute     time.Duration // in the engine
}

// Session opens a session for a batch of samples (>= 1). The context is that of the whole session. Options as of
// Simulate but WithSteps, WithEncodings and WithEarlyExit; records without first and last step.
func (c *Client) Session(ctx context.Context, network string, batch int, options ...RunOption) (*Session, error) {
	settings := &pb.SimulateRequest{Network: network}
	for _, option := range options {
		option.applyRun(settings)
	}
	whole, cancel := context.WithCancel(about(ctx, network))
	call, err := c.simulations.Session(whole)
	if err != nil {
		cancel()
		return nil, failure(err, c.target)
	}
	session := &Session{client: c, call: call, cancel: cancel}
	opening := &pb.SessionOpen{Settings: settings, Batch: int64(batch)}
	response, err := session.ask(ctx, &pb.SessionRequest{Message: &pb.SessionRequest_Open{Open: opening}})
	if err == nil && response.GetOpened() == nil {
		err = session.end(nonsense("it is %T, wanted that the session is open", response.GetMessage()))
	}
	if err != nil {
		return nil, err
	}
	session.Settings = settingsOf(response)
	return session, nil
}

// Advance runs the next steps (>= 1). in is [batch, shape...], held for these steps, or [batch, steps,
// shape...]. A context that ends before the answer is there ends the session.
func (s *Session) Advance(ctx context.Context, steps int, in Input, encodings ...Encoding) (*SessionProgress, error) {
	inputs, err := arrays(in)
	if err != nil {
		return nil, err
	}
	advance := &pb.SessionAdvance{Steps: int64(steps), Inputs: inputs, Encodings: encodingMessages(encodings)}
	response, err := s.ask(ctx, &pb.SessionRequest{Message: &pb.SessionRequest_Advance{Advance: advance}})
	if err != nil {
		return nil, err
	}
	progress := response.GetProgress()
	if progress == nil {
		return nil, s.end(nonsense("it is %T, wanted the progress of the session", response.GetMessage()))
	}
	return sessionProgress(progress)
}

// Reset puts these samples of the batch (none: all) back to step 0: voltages, filters, readout.
func (s *Session) Reset(ctx context.Context, samples ...int) error {
	reset := &pb.SessionReset{}
	for _, sample := range samples {
		reset.Samples = append(reset.Samples, int64(sample))
	}
	response, err := s.ask(ctx, &pb.SessionRequest{Message: &pb.SessionRequest_Reset_{Reset_: reset}})
	if err == nil && response.GetReset_() == nil {
		err = s.end(nonsense("it is %T, wanted that samples were reset", response.GetMessage()))
	}
	return err
}

// Close ends the session and frees its state on the server. An Advance under way is cancelled. No effect after
// the first time, or after an error.
func (s *Session) Close() error {
	if !s.turn.TryLock() {
		s.cancel()
		s.turn.Lock()
	}
	defer s.turn.Unlock()
	if s.over != nil {
		return nil
	}
	s.over = &Error{Message: "the session is closed", Code: codes.FailedPrecondition}
	defer s.cancel()
	defer time.AfterFunc(closeTimeout, s.cancel).Stop()
	if err := s.call.CloseSend(); err != nil {
		return failure(err, s.client.target)
	}
	if _, err := s.call.Recv(); !errors.Is(err, io.EOF) {
		return failure(err, s.client.target)
	}
	return nil
}

// ask sends a message and waits for its answer.
func (s *Session) ask(ctx context.Context, request *pb.SessionRequest) (*pb.SessionResponse, error) {
	s.turn.Lock()
	defer s.turn.Unlock()
	if s.over != nil {
		return nil, s.over
	}
	defer context.AfterFunc(ctx, s.cancel)()
	err := serverEnded(s.call.Send(request))
	var response *pb.SessionResponse
	if err == nil {
		response, err = s.call.Recv()
	}
	if errors.Is(err, io.EOF) {
		err = nonsense("the session ended without one")
	}
	if err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		s.over = failure(err, s.client.target)
		s.cancel()
		return nil, s.over
	}
	return response, nil
}

// end makes the session be over because of an error, which it returns.
func (s *Session) end(err error) error {
	s.turn.Lock()
	defer s.turn.Unlock()
	s.over = err
	s.cancel()
	return err
}

func settingsOf(response *pb.SessionResponse) Settings {
	return settings(response.GetOpened().GetSettings())
}

func sessionProgress(message *pb.SessionProgress) (*SessionProgress, error) {
	found, err := answer(message.GetProbes(), message.GetClassification())
	if err != nil {
		return nil, err
	}
	records, err := recordsOf(message.GetRecords())
	if err != nil {
		return nil, err
	}
	return &SessionProgress{
		Answer:      found,
		StepsDone:   int(message.GetStepsDone()),
		SampleSteps: ints(message.GetSampleSteps()),
		Statistics:  statistics(message.GetStatistics()),
		Records:     records,
		Compute:     seconds(message.GetComputeS()),
	}, nil
}
