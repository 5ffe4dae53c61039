package spikeserve

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	pb "spikeserve.example/go/spikeservev1"
)

// DefaultReplayBytes is how much a session keeps with WithReplay(0).
const DefaultReplayBytes = 64 << 20

const (
	// How long a session looks for another server, and the pauses between two tries.
	movePatience     = 30 * time.Second
	firstMovePause   = 50 * time.Millisecond
	longestMovePause = time.Second
	// For one message, which may be what ends the servers.
	mostMoves = 3
)

type replay int

func (replay) applyRun(*pb.SimulateRequest) {}

// WithReplay lets a session go on when its server goes away. It keeps its messages since the begin or the last
// reset of all samples, up to maxBytes (0: DefaultReplayBytes), and sends them to another server, which brings its
// state to the same bytes; that server must have the same network under the same version. A session with more
// messages than that ends with ErrUnavailable. For sessions alone.
func WithReplay(maxBytes int) RunOption {
	if maxBytes <= 0 {
		maxBytes = DefaultReplayBytes
	}
	return replay(maxBytes)
}

// history is the messages of a session since the begin or the last reset of all samples, as far as they fit. Sent
// again to a new session, they bring it into the same state: runs are deterministic.
type history struct {
	maxBytes    int // 0: nothing is kept
	bytes       int
	messages    []*pb.SessionRequest
	stepsBefore int64 // of the session, up to the begin of what is kept
	steps       int64 // of the session
	last        *pb.SessionResponse
}

// add takes a message that was answered; the answer counts the steps of the whole session.
func (h *history) add(request *pb.SessionRequest, response *pb.SessionResponse) {
	if progress := response.GetProgress(); progress != nil {
		h.steps = progress.GetStepsDone()
		h.last = response
	}
	if reset := request.GetReset_(); reset != nil && len(reset.GetSamples()) == 0 {
		h.messages, h.bytes, h.last, h.stepsBefore = nil, 0, nil, h.steps
		return
	}
	h.bytes += proto.Size(request)
	if h.bytes <= h.maxBytes {
		h.messages = append(h.messages, request)
	} else {
		h.messages, h.last = nil, nil
	}
}

// whyEnded is the error of a session that cannot go on elsewhere, after so many moves for one message; else nil.
func (h *history) whyEnded(err error, moves int) error {
	var failed *Error
	errors.As(err, &failed)
	ended := fmt.Sprintf("%s; the session ended after %d steps", failed.Message, h.steps)
	switch {
	case moves >= mostMoves:
		ended += fmt.Sprintf(": %d servers in a row went away with this message, which may be why", moves+1)
	case h.maxBytes == 0:
		ended += ": open a new one, or let it move by itself WithReplay"
	case h.bytes > h.maxBytes:
		ended += fmt.Sprintf(" and cannot move: its messages since the last reset of all samples have %d bytes, "+
			"kept are at most %d (WithReplay)", h.bytes, h.maxBytes)
	default:
		return nil
	}
	return &Error{Message: ended, Code: codes.Unavailable, Target: failed.Target}
}

// check fails where another server answers the last kept advance with other bytes.
func (h *history) check(replayed *pb.SessionResponse) error {
	if h.last == nil || replayed == nil {
		return nil
	}
	before, err := digest(h.last)
	if err != nil {
		return err
	}
	now, err := digest(replayed)
	if err != nil {
		return err
	}
	if !bytes.Equal(before, now) {
		return nonsense("another server answers the messages of this session with other numbers; " +
			"is the same network loaded there under the same version?")
	}
	return nil
}

// digest is of all that the messages determine: not of the time that it took.
func digest(response *pb.SessionResponse) ([]byte, error) {
	plain := proto.Clone(response).(*pb.SessionResponse)
	if progress := plain.GetProgress(); progress != nil {
		progress.ComputeS = 0
	}
	all, err := proto.MarshalOptions{Deterministic: true}.Marshal(plain)
	sum := sha256.Sum256(all)
	return sum[:], err
}

// move opens the session on another server and brings it to where it was. That server may not be there for a
// while, or be full of sessions that have moved as well.
func (s *Session) move() error {
	end := time.Now().Add(movePatience)
	var err error
	for pause := firstMovePause; time.Now().Before(end); pause = min(2*pause, longestMovePause) {
		if !sleep(s.whole, time.Duration((0.5+rand.Float64())*float64(pause))) {
			return s.whole.Err()
		}
		err = s.again()
		if !errors.Is(err, ErrUnavailable) && !errors.Is(err, ErrResourceExhausted) {
			return err
		}
	}
	var failed *Error
	errors.As(err, &failed)
	return &Error{
		Message: fmt.Sprintf("the session found no other server within %v: %s", movePatience, failed.Message),
		Code:    failed.Code, Target: failed.Target,
	}
}

// again opens the session anew and sends what was kept.
func (s *Session) again() error {
	if _, err := s.open(); err != nil {
		return err
	}
	s.stepsBefore = s.history.stepsBefore
	var last *pb.SessionResponse
	for _, request := range s.history.messages {
		response, err := s.exchange(request)
		if err != nil {
			return err
		}
		if response.GetProgress() != nil {
			last = response
		}
	}
	return s.history.check(last)
}

// sleep reports whether the time passed before the context ended.
func sleep(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
