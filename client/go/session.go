package spikeserve

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "spikeserve.example/go/spikeservev1"
)

// closeTimeout is how long Close waits for the server to take note.
const closeTimeout = 5 * time.Second

// Session is the state of a batch on the server, advanced piece by piece: a run in pieces equals the run in one,
// byte for byte. Neurons with memory, those of the converter's default preset, answer for the mean of the input
// since the begin: Reset samples whose input changes. Made by Client.Session. Its calls are answered one after the
// other; after an error it is over.
// Close it: the server has room for a limited number of sessions.
//
// A server that goes away says so before (Goaway). With WithReplay the session then goes on at another one with
// the same bytes; without, it ends with ErrUnavailable.
type Session struct {
	// Settings are what is in force.
	Settings Settings

	client  *Client
	opening *pb.SessionRequest
	whole   context.Context // of the session, on whatever server
	end     context.CancelFunc
	turn    sync.Mutex // held while a message is under way
	over    error      // why no more messages go out
	history history

	// On the server of this time.
	call        pb.SimulationService_SessionClient
	stepsBefore int64 // of the whole session, before this server
	goaway      atomic.Pointer[SessionGoaway]
}

// SessionGoaway says that the server of a session is about to go away. It answers until then.
type SessionGoaway struct {
	StepsDone int           // of the session, when this was said
	Left      time.Duration // from then on
}

// Goaway is what the server has said of its end, as of the last answer; nil where it has said nothing.
func (s *Session) Goaway() *SessionGoaway { return s.goaway.Load() }

// SessionProgress is the answer to an Advance. Readouts, classes and statistics run over all steps since the
// begin or the sample's reset; trajectories and records hold the steps of the Advance.
type SessionProgress struct {
	Answer
	StepsDone   int   // of the session
	SampleSteps []int // of each sample, since the begin or its reset
	Statistics  []LayerStatistics
	Records     Records
	Compute     time.Duration // in the engine
	Warnings    []string      // what is probably wrong with the inputs of the Advance, and what to do
}

// Session opens a session for a batch of samples (>= 1). The context is that of the whole session. Options as of
// Simulate but WithSteps, WithEncodings and WithEarlyExit; records without first and last step.
func (c *Client) Session(ctx context.Context, network string, batch int, options ...RunOption) (*Session, error) {
	session := &Session{client: c}
	settings := &pb.SimulateRequest{Network: network}
	for _, option := range options {
		if kept, is := option.(replay); is {
			session.history.maxBytes = int(kept)
			continue
		}
		option.applyRun(settings)
	}
	opening := &pb.SessionOpen{Settings: settings, Batch: int64(batch), Goaway: true}
	session.opening = &pb.SessionRequest{Message: &pb.SessionRequest_Open{Open: opening}}
	session.whole, session.end = context.WithCancel(about(ctx, network))
	response, err := session.first()
	if err != nil {
		session.end()
		return nil, err
	}
	session.Settings = settingsOf(response)
	// Another server may have a newer one, and an alias may move.
	settings.Network = response.GetOpened().GetSettings().GetNetwork()
	settings.Version = response.GetOpened().GetSettings().GetVersion()
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
	return sessionProgress(response.GetProgress())
}

// Reset puts these samples of the batch (none: all) back to step 0: voltages, filters, readout.
func (s *Session) Reset(ctx context.Context, samples ...int) error {
	reset := &pb.SessionReset{}
	for _, sample := range samples {
		reset.Samples = append(reset.Samples, int64(sample))
	}
	_, err := s.ask(ctx, &pb.SessionRequest{Message: &pb.SessionRequest_Reset_{Reset_: reset}})
	return err
}

// Close ends the session and frees its state on the server. An Advance under way is cancelled. No effect after
// the first time, or after an error.
func (s *Session) Close() error {
	if !s.turn.TryLock() {
		s.end()
		s.turn.Lock()
	}
	defer s.turn.Unlock()
	if s.over != nil {
		return nil
	}
	s.over = &Error{Message: "the session is closed", Code: codes.FailedPrecondition}
	defer s.end()
	defer time.AfterFunc(closeTimeout, s.end).Stop()
	if err := s.call.CloseSend(); err != nil {
		return failure(err, s.client.target)
	}
	for {
		if _, err := s.call.Recv(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return s.closing(err)
		}
	}
}

// closing is the error of a Close that the server did not confirm. Of a session that may move it is none where the
// server is gone: nothing of the session is left there, and its answers were all read.
func (s *Session) closing(err error) error {
	found := s.failure(err)
	if s.history.maxBytes > 0 && (s.whole.Err() != nil || errors.Is(found, ErrUnavailable)) {
		return nil
	}
	return found
}

// first opens the session at any server. One that may move tries others too where a server goes away meanwhile: it
// may have begun to answer, after which gRPC by itself tries no other one.
func (s *Session) first() (*pb.SessionResponse, error) {
	response, err := s.open()
	pause := firstMovePause
	for tries := 0; tries < mostMoves && s.history.maxBytes > 0 && errors.Is(err, ErrUnavailable); tries++ {
		if !sleep(s.whole, pause) {
			return nil, err
		}
		pause *= 2
		response, err = s.open()
	}
	return response, err
}

// open begins a session on a server of the channel's choice.
func (s *Session) open() (*pb.SessionResponse, error) {
	call, err := s.client.simulations.Session(s.whole)
	if err != nil {
		return nil, failure(err, s.client.target)
	}
	s.call = call
	s.stepsBefore = 0
	s.goaway.Store(nil)
	return s.exchange(s.opening)
}

// ask sends a message and waits for its answer, of another server where this one has gone away.
func (s *Session) ask(ctx context.Context, request *pb.SessionRequest) (*pb.SessionResponse, error) {
	s.turn.Lock()
	defer s.turn.Unlock()
	if s.over != nil {
		return nil, s.over
	}
	defer context.AfterFunc(ctx, s.end)()
	response, err := s.exchange(request)
	for moves := 0; errors.Is(err, ErrUnavailable) && ctx.Err() == nil; moves++ {
		if ended := s.history.whyEnded(err, moves); ended != nil {
			err = ended
			break
		}
		if err = s.move(); err != nil {
			break
		}
		response, err = s.exchange(request)
	}
	if err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		s.over = failure(err, s.client.target)
		s.end()
		return nil, s.over
	}
	s.history.add(request, response)
	return response, nil
}

// exchange sends a message on the server of this time and waits for its answer.
func (s *Session) exchange(request *pb.SessionRequest) (*pb.SessionResponse, error) {
	err := serverEnded(s.call.Send(request))
	var response *pb.SessionResponse
	for err == nil {
		response, err = s.call.Recv()
		if goaway := response.GetGoaway(); goaway != nil {
			s.goaway.Store(&SessionGoaway{
				StepsDone: int(goaway.GetStepsDone() + s.stepsBefore), Left: seconds(goaway.GetSecondsLeft()),
			})
			continue
		}
		break
	}
	if errors.Is(err, io.EOF) {
		err = nonsense("the session ended without one")
	}
	if err != nil {
		return nil, s.failure(err)
	}
	if !answers(request, response) {
		return nil, nonsense("it is %T to %T", response.GetMessage(), request.GetMessage())
	}
	if progress := response.GetProgress(); progress != nil {
		progress.StepsDone += s.stepsBefore
	}
	return response, nil
}

// failure is the error of a call that is over. It is ErrUnavailable where something on the way has ended it, such as
// a balancer whose server died: what balancers send then reads as one of several codes. What a server has ended has
// a request id in its trailers.
func (s *Session) failure(err error) error {
	found, isStatus := status.FromError(err)
	var known *Error
	reset := strings.Contains(found.Message(), "RST_STREAM")
	answered := len(s.call.Trailer().Get("x-request-id")) > 0 && !reset
	if !isStatus || errors.As(err, &known) || s.whole.Err() != nil || answered {
		return failure(err, s.client.target)
	}
	switch found.Code() {
	case codes.Canceled, codes.Unknown, codes.Internal:
		return &Error{
			Message: "the connection was cut before the server's status came: " + found.Message(),
			Code:    codes.Unavailable, Target: s.client.target,
		}
	default:
		return failure(err, s.client.target)
	}
}

// answers reports whether a message is of the kind that answers another.
func answers(request *pb.SessionRequest, response *pb.SessionResponse) bool {
	switch request.GetMessage().(type) {
	case *pb.SessionRequest_Open:
		return response.GetOpened() != nil
	case *pb.SessionRequest_Advance:
		return response.GetProgress() != nil
	default:
		return response.GetReset_() != nil
	}
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
		Warnings:    message.GetWarnings(),
	}, nil
}
