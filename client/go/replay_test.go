package spikeserve_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	spikeserve "spikeserve.example/go"
	"spikeserve.example/go/internal/testserver"
	pb "spikeserve.example/go/spikeservev1"
)

// pair is two servers with the same network; a session is on either of them.
type pair struct {
	servers      [2]*testserver.Server
	repositories [2]string
}

func startPair(t *testing.T) *pair {
	t.Helper()
	p := &pair{}
	for i := range p.servers {
		p.repositories[i] = t.TempDir()
		p.servers[i] = start(t, "--network-repository", p.repositories[i])
		_, err := dial(t, p.servers[i].Address).Load(limited(t), "net", spkReader(testserver.Network(width)))
		check(t, err)
	}
	return p
}

func (p *pair) target() string { return p.servers[0].Address + "," + p.servers[1].Address }

// restart ends both, one after the other: wherever a session was, it is not there any more.
func (p *pair) restart(t *testing.T) {
	t.Helper()
	for i, server := range p.servers {
		check(t, server.Stop())
		p.servers[i] = start(t, "--network-repository", p.repositories[i], "--listen", server.Address)
	}
}

// talk is a session of all kinds of messages, with something in between; what it answers.
func talk(t *testing.T, session *spikeserve.Session, between func()) string {
	t.Helper()
	ctx := limited(t)
	var outputs []string
	advance := func(steps, wanted int, encodings ...spikeserve.Encoding) {
		progress, err := session.Advance(ctx, steps, samples(3), encodings...)
		check(t, err)
		equal(t, "steps", progress.StepsDone, wanted)
		outputs = append(outputs, string(progress.Outputs().Bytes()))
	}
	advance(5, 5)
	between()
	advance(7, 12, spikeserve.Poisson(200))
	check(t, session.Reset(ctx, 1))
	advance(3, 15)
	check(t, session.Reset(ctx))
	advance(4, 19, spikeserve.Poisson(200))
	between()
	advance(6, 25)
	return strings.Join(outputs, "/")
}

func TestASessionGoesOnAtAnotherServerWithTheSameBytes(t *testing.T) {
	leaks(t)
	servers := startPair(t)
	client := dial(t, servers.target())
	session, err := client.Session(limited(t), "net", 3, spikeserve.WithSeed(5))
	check(t, err)
	wanted := talk(t, session, func() {})
	check(t, session.Close())
	session, err = client.Session(limited(t), "net", 3, spikeserve.WithSeed(5), spikeserve.WithReplay(0))
	check(t, err)
	equal(t, "bytes", talk(t, session, func() { servers.restart(t) }) == wanted, true)
	check(t, session.Close())
}

func TestASessionThatCannotMoveSaysWhy(t *testing.T) {
	leaks(t)
	servers := startPair(t)
	client := dial(t, servers.target())
	ctx := limited(t)
	open := func(options ...spikeserve.RunOption) *spikeserve.Session {
		session, err := client.Session(ctx, "net", 3, options...)
		check(t, err)
		_, err = session.Advance(ctx, 5, samples(3))
		check(t, err)
		return session
	}
	plain, little := open(), open(spikeserve.WithReplay(10))
	servers.restart(t)
	_, err := plain.Advance(ctx, 5, samples(3))
	refused(t, err, codes.Unavailable, "the session ended after 5 steps", "WithReplay")
	_, err = little.Advance(ctx, 5, samples(3))
	refused(t, err, codes.Unavailable, "cannot move", "at most 10")
	_, err = client.Simulate(ctx, "net", samples(3), spikeserve.WithReplay(0))
	equal(t, "a run", errors.Is(err, spikeserve.ErrInvalidArgument), true)
}

func TestAMoveEndsWithItsContext(t *testing.T) {
	leaks(t)
	servers := startPair(t)
	session, err := dial(t, servers.target()).Session(limited(t), "net", 3, spikeserve.WithReplay(0))
	check(t, err)
	for _, server := range servers.servers {
		server.Kill()
	}
	ctx, cancel := context.WithTimeout(limited(t), shortly)
	defer cancel()
	begin := time.Now()
	_, err = session.Advance(ctx, 5, samples(3))
	refused(t, err, codes.DeadlineExceeded)
	if took := time.Since(begin); took > 20*time.Second {
		t.Errorf("it took %v", took)
	}
	check(t, session.Close())
}

func TestASessionIsToldThatItsServerGoesAway(t *testing.T) {
	leaks(t)
	server := start(t, "--lame-duck-seconds", "600")
	client := dial(t, server.Address)
	ctx := limited(t)
	_, err := client.Load(ctx, "net", spkReader(testserver.Network(width)))
	check(t, err)
	session, err := client.Session(ctx, "net", 3)
	check(t, err)
	_, err = session.Advance(ctx, 5, samples(3))
	check(t, err)
	equal(t, "goaway", session.Goaway() == nil, true)
	check(t, server.Terminate())
	for done := 5; session.Goaway() == nil; done++ {
		progress, err := session.Advance(ctx, 1, samples(3))
		check(t, err) // it is served on
		equal(t, "steps", progress.StepsDone, done+1)
	}
	if goaway := session.Goaway(); goaway.StepsDone < 5 || goaway.Left < time.Minute || goaway.Left > 10*time.Minute {
		t.Errorf("%+v", goaway)
	}
	check(t, session.Close())
}

// broken is a server whose sessions end after the first answer, with a status and trailers as given.
type broken struct {
	pb.UnimplementedSimulationServiceServer
	code     codes.Code
	trailers metadata.MD
	opened   atomic.Int64
}

func (b *broken) Session(stream pb.SimulationService_SessionServer) error {
	b.opened.Add(1)
	if _, err := stream.Recv(); err != nil {
		return err
	}
	opened := &pb.SessionResponse{Message: &pb.SessionResponse_Opened{Opened: &pb.SessionOpened{}}}
	if err := stream.Send(opened); err != nil {
		return err
	}
	if _, err := stream.Recv(); err != nil {
		return err
	}
	stream.SetTrailer(b.trailers)
	return status.Error(b.code, "what a balancer makes of it")
}

// A balancer ends the streams of a server that has died as it likes; what a server says has a request id.
func TestASessionThatIsCutOffIsNotTakenForTheServersWord(t *testing.T) {
	leaks(t)
	answered := metadata.Pairs("x-request-id", "17")
	for _, test := range []struct {
		code, wanted codes.Code
		trailers     metadata.MD
		moves        bool
	}{
		{codes.Internal, codes.Unavailable, nil, true},
		{codes.Canceled, codes.Unavailable, nil, true},
		{codes.Unknown, codes.Unavailable, nil, true},
		{codes.Internal, codes.Internal, answered, false},
		{codes.ResourceExhausted, codes.ResourceExhausted, nil, false},
	} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		check(t, err)
		b := &broken{code: test.code, trailers: test.trailers}
		server := grpc.NewServer()
		pb.RegisterSimulationServiceServer(server, b)
		go func() { _ = server.Serve(listener) }()
		session, err := dial(t, listener.Addr().String()).Session(limited(t), "net", 1, spikeserve.WithReplay(0))
		check(t, err)
		_, err = session.Advance(limited(t), 5, samples(1))
		equal(t, "the code", status.Code(err), test.wanted)
		equal(t, "moves", b.opened.Load() > 1, test.moves)
		server.Stop()
	}
}
