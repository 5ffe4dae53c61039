package spikeserve_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/stats"

	spikeserve "spikeserve.example/go"
	"spikeserve.example/go/internal/testserver"
)

// slow is a network with a batch that a server with one thread needs seconds for, if it runs endless().
func slow(t *testing.T, client *spikeserve.Client) (string, spikeserve.Tensor) {
	t.Helper()
	const neurons = 2000
	values := bytes.Repeat([]byte{100}, slowBatch*neurons)
	return load(t, client, testserver.Network(neurons)), spikeserve.Uint8(values, slowBatch, neurons)
}

const slowBatch = 200

func endless() []spikeserve.RunOption {
	return []spikeserve.RunOption{spikeserve.WithSteps(endlessSteps), spikeserve.WithEncodings(noise)}
}

const endlessSteps = 10_000

// noise makes all steps differ, so that none can be left out.
var noise = spikeserve.Poisson(0)

// leaks fails where goroutines are left over when the test ends; to be called first.
func leaks(t *testing.T) {
	ignored := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, ignored) })
}

func TestADeadlineEndsARun(t *testing.T) {
	leaks(t)
	client := connect(t)
	network, in := slow(t, client)
	ctx, cancel := context.WithTimeout(limited(t), shortly)
	defer cancel()
	_, err := client.Simulate(ctx, network, in, endless()...)
	refused(t, err, codes.DeadlineExceeded)
	client.Stream(ctx, network, in, 1, endless()...)(func(_ spikeserve.Event, err error) bool {
		refused(t, err, codes.DeadlineExceeded)
		return true
	})
	_, err = client.Session(ctx, network, 1)
	refused(t, err, codes.DeadlineExceeded)
	_, err = client.List(ctx)
	refused(t, err, codes.DeadlineExceeded)
}

func TestACancelledContextEndsARun(t *testing.T) {
	leaks(t)
	client := connect(t)
	network, in := slow(t, client)
	ctx, cancel := context.WithCancel(limited(t))
	events := 0
	client.Stream(ctx, network, in, 1, endless()...)(func(_ spikeserve.Event, err error) bool {
		events++
		if err != nil {
			refused(t, err, codes.Canceled)
		}
		cancel()
		return events < 1000
	})
	if events < 2 || events == 1000 {
		t.Errorf("%d events, wanted some and then an error", events)
	}
}

func TestLeavingAStreamCancelsItsRun(t *testing.T) {
	leaks(t)
	client := connect(t)
	network, in := slow(t, client)
	for range 5 {
		client.Stream(limited(t), network, in, 1, endless()...)(func(_ spikeserve.Event, err error) bool {
			check(t, err)
			return false
		})
	}
	// All workers are free again, long before those runs would have ended.
	_, err := client.Simulate(limited(t), network, in, spikeserve.WithSteps(1))
	check(t, err)
}

func TestAnAdvanceThatIsCancelledEndsItsSession(t *testing.T) {
	leaks(t)
	client := connect(t)
	network, in := slow(t, client)
	session, err := client.Session(limited(t), network, slowBatch)
	check(t, err)
	ctx, cancel := context.WithTimeout(limited(t), shortly)
	defer cancel()
	_, err = session.Advance(ctx, endlessSteps, in, noise)
	refused(t, err, codes.DeadlineExceeded)
	_, err = session.Advance(limited(t), 1, in)
	refused(t, err, codes.DeadlineExceeded)
	check(t, session.Close())

	session, err = client.Session(limited(t), network, slowBatch)
	check(t, err)
	done := make(chan error)
	go func() {
		_, err := session.Advance(limited(t), endlessSteps, in, noise)
		done <- err
	}()
	time.Sleep(shortly) // so that the advance is under way; if not, it finds the session closed
	check(t, session.Close())
	if err := <-done; !errors.Is(err, context.Canceled) && !errors.Is(err, spikeserve.ErrFailedPrecondition) {
		t.Errorf("got %v, wanted that the session was closed", err)
	}
}

func TestSessionsThatAreNotClosedEndWithTheirContext(t *testing.T) {
	leaks(t)
	client := connect(t)
	network := load(t, client, testserver.Network(width))
	for range 40 { // more than the server has room for at a time
		ctx, cancel := context.WithCancel(limited(t))
		session, err := client.Session(ctx, network, 1)
		for errors.Is(err, spikeserve.ErrResourceExhausted) { // the end of an older one is still under way
			session, err = client.Session(ctx, network, 1)
		}
		check(t, err)
		_, err = session.Advance(ctx, 1, samples(1))
		check(t, err)
		cancel()
	}
}

func TestAThousandCallsAtTheSameTime(t *testing.T) {
	leaks(t)
	client := connect(t)
	network := load(t, client, testserver.Network(width))
	wanted, err := client.Simulate(limited(t), network, samples(2))
	check(t, err)
	ctx := limited(t)
	answers := make([]error, 1000)
	var group sync.WaitGroup
	for i := range answers {
		group.Add(1)
		go func() {
			defer group.Done()
			got, err := client.Simulate(ctx, network, samples(2))
			if err == nil && string(got.Outputs().Bytes()) != string(wanted.Outputs().Bytes()) {
				err = fmt.Errorf("got %v, wanted %v", got.Outputs().Float32s(), wanted.Outputs().Float32s())
			}
			answers[i] = err
		}()
	}
	group.Wait()
	for _, err := range answers {
		check(t, err)
	}
}

func TestAServerThatCrashesAndComesBackIsFoundAgain(t *testing.T) {
	leaks(t)
	repository := t.TempDir()
	first := start(t, "--network-repository", repository)
	client := dial(t, first.Address)
	ctx := limited(t)
	network := networkName(t)
	_, err := client.Load(ctx, network, spkReader(testserver.Network(width)))
	check(t, err)
	stream := client.Stream(ctx, network, samples(1), 1)
	first.Kill()
	_, err = client.Simulate(ctx, network, samples(1))
	refused(t, err, codes.Unavailable, first.Address)
	stream(func(_ spikeserve.Event, err error) bool {
		refused(t, err, codes.Unavailable)
		return true
	})
	waited := make(chan error, 1)
	go func() { waited <- client.WaitReady(ctx, network) }()
	second := start(t, "--network-repository", repository, "--listen", first.Address)
	check(t, <-waited)
	eventually(t, func() error {
		_, err := client.Simulate(ctx, network, samples(1))
		return err
	})
	check(t, second.Stop())
}

// eventually waits until something works that is unavailable at first.
func eventually(t *testing.T, works func() error) {
	t.Helper()
	end := time.Now().Add(patience)
	err := works()
	for errors.Is(err, spikeserve.ErrUnavailable) && time.Now().Before(end) {
		time.Sleep(10 * time.Millisecond)
		err = works()
	}
	check(t, err)
}

func TestACallWaitsForAServerThatComesBackSoon(t *testing.T) {
	leaks(t)
	repository := t.TempDir()
	first := start(t, "--network-repository", repository)
	client := dial(t, first.Address, spikeserve.WithGRPC(grpc.WithDefaultCallOptions(grpc.WaitForReady(true))))
	network := networkName(t)
	_, err := client.Load(limited(t), network, spkReader(testserver.Network(width)))
	check(t, err)
	first.Kill()
	done := make(chan error, 1)
	go func() {
		_, err := client.Simulate(limited(t), network, samples(1))
		done <- err
	}()
	start(t, "--network-repository", repository, "--listen", first.Address)
	check(t, <-done)
}

func TestAServerWithClientsDrainsAtOnce(t *testing.T) {
	leaks(t)
	server := start(t, "--drain-seconds", "60")
	client := dial(t, server.Address)
	_, err := client.List(limited(t))
	check(t, err)
	begin := time.Now()
	check(t, server.Stop()) // the health checks of the client do not hold it
	if took := time.Since(begin); took > 30*time.Second {
		t.Errorf("the server took %v to end", took)
	}
	_, err = client.List(limited(t))
	refused(t, err, codes.Unavailable)
}

func TestEveryCallAboutANetworkNamesItForProxies(t *testing.T) {
	var mu sync.Mutex
	seen := map[string][]string{}
	note := func(ctx context.Context, method string) {
		sent, _ := metadata.FromOutgoingContext(ctx)
		mu.Lock()
		defer mu.Unlock()
		seen[method[len("/spikeserve.v1."):]] = sent.Get("spikeserve-network")
	}
	needServer(t)
	client := dial(t, shared, spikeserve.WithGRPC(
		grpc.WithUnaryInterceptor(func(ctx context.Context, method string, in, out any, conn *grpc.ClientConn, call grpc.UnaryInvoker, options ...grpc.CallOption) error {
			if strings.HasPrefix(method, "/spikeserve.v1.") {
				note(ctx, method)
			}
			return call(ctx, method, in, out, conn, options...)
		}),
		grpc.WithStreamInterceptor(func(ctx context.Context, desc *grpc.StreamDesc, conn *grpc.ClientConn, method string, call grpc.Streamer, options ...grpc.CallOption) (grpc.ClientStream, error) {
			note(ctx, method)
			return call(ctx, desc, conn, method, options...)
		}),
	))
	ctx := limited(t)
	network := networkName(t)
	_, err := client.Load(ctx, network, spkReader(testserver.Network(width)))
	check(t, err)
	_, err = client.Get(ctx, network, 0)
	check(t, err)
	_, err = client.Simulate(ctx, network, samples(1))
	check(t, err)
	client.Stream(ctx, network, samples(1), 1)(func(_ spikeserve.Event, err error) bool { return err == nil })
	session, err := client.Session(ctx, network, 1)
	check(t, err)
	check(t, session.Close())
	_, err = client.Unload(ctx, network, 0)
	check(t, err)
	equal(t, "calls", len(seen), 6)
	for method, names := range seen {
		equal(t, method, fmt.Sprint(names), "["+network+"]")
	}
	_, err = client.Get(ctx, "ünknown", 0)
	refused(t, err, codes.InvalidArgument, "name")
}

// connections counts those that were made.
type connections struct{ made atomic.Int64 }

func (c *connections) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context   { return ctx }
func (c *connections) HandleRPC(context.Context, stats.RPCStats)                         {}
func (c *connections) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (c *connections) HandleConn(_ context.Context, event stats.ConnStats) {
	if _, begins := event.(*stats.ConnBegin); begins {
		c.made.Add(1)
	}
}

func TestTheServerAcceptsTheMostFrequentKeepalive(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes as long as a server needs to complain about pings: three of them")
	}
	needServer(t)
	t.Parallel()
	counted := &connections{}
	client := dial(t, shared, spikeserve.WithKeepalive(10*time.Second), spikeserve.WithGRPC(grpc.WithStatsHandler(counted)))
	_, err := client.List(limited(t))
	check(t, err)
	before := counted.made.Load()
	time.Sleep(35 * time.Second)
	_, err = client.List(limited(t))
	check(t, err)
	equal(t, "connections", counted.made.Load(), before)
}
