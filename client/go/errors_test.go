package spikeserve_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	spikeserve "spikeserve.example/go"
	"spikeserve.example/go/internal/testserver"
	pb "spikeserve.example/go/spikeservev1"
)

// kinds are the errors of all codes that a call can fail with.
var kinds = map[codes.Code]error{
	codes.InvalidArgument:    spikeserve.ErrInvalidArgument,
	codes.NotFound:           spikeserve.ErrNotFound,
	codes.AlreadyExists:      spikeserve.ErrAlreadyExists,
	codes.ResourceExhausted:  spikeserve.ErrResourceExhausted,
	codes.FailedPrecondition: spikeserve.ErrFailedPrecondition,
	codes.OutOfRange:         spikeserve.ErrOutOfRange,
	codes.Unavailable:        spikeserve.ErrUnavailable,
	codes.Unauthenticated:    spikeserve.ErrUnauthenticated,
	codes.PermissionDenied:   spikeserve.ErrPermissionDenied,
	codes.DataLoss:           spikeserve.ErrDataLoss,
	codes.Aborted:            spikeserve.ErrAborted,
	codes.Unimplemented:      spikeserve.ErrUnimplemented,
	codes.Internal:           spikeserve.ErrInternal,
	codes.DeadlineExceeded:   context.DeadlineExceeded,
	codes.Canceled:           context.Canceled,
}

// refused fails where an error has another code, kind or text.
func refused(t *testing.T, err error, code codes.Code, texts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, wanted %v", code)
	}
	equal(t, "status.Code of "+err.Error(), status.Code(err), code)
	for other, kind := range kinds {
		equal(t, fmt.Sprintf("errors.Is(%q, %v)", err, kind), errors.Is(err, kind), other == code)
	}
	var known *spikeserve.Error
	if !errors.As(err, &known) || known.Code != code {
		t.Errorf("%v is no *spikeserve.Error with its code", err)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("got %q, wanted %q in it", err, text)
		}
	}
}

// answering is a server that ends every call with one status.
type answering struct {
	pb.UnimplementedNetworkServiceServer
	code codes.Code
}

func (a answering) GetNetwork(context.Context, *pb.GetNetworkRequest) (*pb.GetNetworkResponse, error) {
	return nil, status.Error(a.code, "as told")
}

func TestEveryCodeHasItsKind(t *testing.T) {
	for code := range kinds {
		t.Run(code.String(), func(t *testing.T) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			check(t, err)
			server := grpc.NewServer()
			pb.RegisterNetworkServiceServer(server, answering{code: code})
			go func() { _ = server.Serve(listener) }()
			defer server.Stop()
			client := dial(t, listener.Addr().String(), spikeserve.WithServiceConfig(`{}`))
			_, err = client.Get(limited(t), "any", 0)
			refused(t, err, code, "as told")
		})
	}
}

func TestTheServersRefusalsSayWhat(t *testing.T) {
	client, ctx := connect(t), limited(t)
	network := load(t, client, testserver.Network(width))
	run := func(in spikeserve.Input, options ...spikeserve.RunOption) error {
		_, err := client.Simulate(ctx, network, in, options...)
		return err
	}
	reload := func(options ...spikeserve.LoadOption) error {
		_, err := client.Load(ctx, network, bytes.NewReader(testserver.Spk(testserver.Network(width))), options...)
		return err
	}
	_, unknown := client.Simulate(ctx, "unknown", samples(1))
	_, unload := client.Unload(ctx, "unknown", 0)
	_, version := client.Get(ctx, network, 7)
	_, name := client.Load(ctx, "a name", bytes.NewReader(testserver.Spk(testserver.Network(width))))
	broken := testserver.Network(width)
	broken.Connections[0].Target = "nowhere"
	_, definition := client.Load(ctx, "broken", bytes.NewReader(testserver.Spk(broken)))
	for _, item := range []struct {
		what  string
		err   error
		code  codes.Code
		texts []string
	}{
		{"shape", run(spikeserve.Float32(make([]float32, 10), 2, 5)), codes.InvalidArgument, []string{"5", "4"}},
		{"value", run(spikeserve.Float32([]float32{0, 0, float32(math.NaN()), 0}, 1, 4)), codes.InvalidArgument, []string{"finite"}},
		{"input", run(samples(1).Named("other")), codes.InvalidArgument, []string{"other"}},
		{"steps", run(samples(1), spikeserve.WithSteps(-1)), codes.InvalidArgument, []string{"steps", "-1"}},
		{"dt", run(samples(1), spikeserve.WithDT(-1)), codes.InvalidArgument, []string{"dt"}},
		{"readout", run(samples(1), spikeserve.WithReadout(spikeserve.Readout{Kind: "best"})), codes.InvalidArgument, []string{"readout"}},
		{"quantity", run(samples(1), spikeserve.WithRecords(spikeserve.Record{Target: "neurons", Quantity: "mood"})), codes.InvalidArgument, []string{"quantity"}},
		{"reduction", run(samples(1), spikeserve.WithRecords(spikeserve.Record{Target: "neurons", Reduction: "odd"})), codes.InvalidArgument, []string{"reduction"}},
		{"probe", run(samples(1), spikeserve.WithProbes("none")), codes.InvalidArgument, []string{"none"}},
		{"mode", reload(spikeserve.WithMode("quick")), codes.InvalidArgument, []string{"mode"}},
		{"name", name, codes.InvalidArgument, []string{"a name"}},
		{"definition", definition, codes.InvalidArgument, []string{"nowhere"}},
		{"network", unknown, codes.NotFound, []string{"unknown"}},
		{"unload", unload, codes.NotFound, []string{"unknown"}},
		{"version", version, codes.NotFound, []string{network, "7"}},
		{"twice", reload(spikeserve.WithVersion(1)), codes.AlreadyExists, []string{network, "1"}},
		{"samples", run(samples(257)), codes.ResourceExhausted, []string{"257", "256"}},
		{"message", run(spikeserve.Float32(make([]float32, 1<<20), 1<<18, width)), codes.ResourceExhausted, []string{"larger than max"}},
	} {
		t.Run(item.what, func(t *testing.T) { refused(t, item.err, item.code, item.texts...) })
	}
}

func TestAnOutputThatIsNotFiniteIsOutOfRange(t *testing.T) {
	client := connect(t)
	definition := testserver.Network(width)
	definition.Tensors[1].Data = bytes.Repeat([]byte{0xff, 0xff, 0x7f, 0x7f}, width*width) // the largest float32
	network := load(t, client, definition)
	_, err := client.Simulate(limited(t), network, spikeserve.Float32([]float32{1e6, 1e6, 1e6, 1e6}, 1, width))
	refused(t, err, codes.OutOfRange)
}

func TestAMessageBeyondTheClientsLimitIsRefused(t *testing.T) {
	needServer(t)
	network := load(t, connect(t), testserver.Network(width))
	small := dial(t, shared, spikeserve.WithMaxMessageBytes(1000))
	_, err := small.Simulate(limited(t), network, samples(200))
	refused(t, err, codes.ResourceExhausted, "1000")
	_, err = small.Simulate(limited(t), network, samples(10), spikeserve.WithTrajectories())
	refused(t, err, codes.ResourceExhausted, "1000")
}

func TestWhatIsWrongWithArgumentsIsSaidBeforeAnythingIsSent(t *testing.T) {
	client, err := spikeserve.Dial(limited(t), "127.0.0.1:1", spikeserve.WithLazyConnection())
	check(t, err)
	defer client.Close()
	ctx := limited(t)
	for _, item := range []struct {
		what string
		in   spikeserve.Input
		text string
	}{
		{"nothing", nil, "no inputs"},
		{"no tensors", spikeserve.Tensors{}, "no inputs"},
		{"no tensor", spikeserve.Tensor{}, "Float32, Float64 or Uint8"},
		{"too few values", spikeserve.Float32(make([]float32, 7), 2, 4), "7 values"},
		{"negative", spikeserve.Float64(make([]float64, 4), -1, -4), "[-1 -4]"},
		{"overflow", spikeserve.Uint8(make([]byte, 4), math.MaxInt, 4), "4 values"},
	} {
		t.Run(item.what, func(t *testing.T) {
			_, err := client.Simulate(ctx, "any", item.in)
			refused(t, err, codes.InvalidArgument, item.text)
			client.Stream(ctx, "any", item.in, 1)(func(_ spikeserve.Event, err error) bool {
				refused(t, err, codes.InvalidArgument, item.text)
				return true
			})
		})
	}
	_, err = client.LoadFile(ctx, "any", "not/there.spk")
	refused(t, err, codes.InvalidArgument, "not/there.spk")
	equal(t, "the reason is kept", errors.Is(err, fs.ErrNotExist), true)
}

func TestOptionsThatCannotBe(t *testing.T) {
	for _, item := range []struct {
		what   string
		target string
		option spikeserve.DialOption
		text   string
	}{
		{"target", "", spikeserve.WithTLS(), "target is empty"},
		{"scheme", "%zz:", spikeserve.WithTLS(), "%zz"},
		{"token", "any:1", spikeserve.WithToken("two words"), "token"},
		{"empty token", "any:1", spikeserve.WithToken(""), "token is empty"},
		{"root file", "any:1", spikeserve.WithRootCertFile("not/there.pem"), "not/there.pem"},
		{"root content", "any:1", spikeserve.WithRootCertFile("go.mod"), "go.mod has no certificate"},
		{"client file", "any:1", spikeserve.WithClientCertFiles("not/there.pem", "go.mod"), "not/there.pem"},
		{"TLS", "any:1", spikeserve.WithTLSConfig(nil), "nil"},
		{"bytes", "any:1", spikeserve.WithMaxMessageBytes(0), "0 bytes"},
		{"keepalive", "any:1", spikeserve.WithKeepalive(time.Second), "1s"},
		{"service config", "any:1", spikeserve.WithServiceConfig("{"), "service config"},
	} {
		t.Run(item.what, func(t *testing.T) {
			_, err := spikeserve.Dial(limited(t), item.target, item.option, spikeserve.WithLazyConnection())
			refused(t, err, codes.InvalidArgument, item.text)
		})
	}
}

func TestAnErrorOfASessionEndsIt(t *testing.T) {
	client, ctx := connect(t), limited(t)
	network := load(t, client, testserver.Network(width))
	_, err := client.Session(ctx, network, 0)
	refused(t, err, codes.InvalidArgument, "batch")
	_, err = client.Session(ctx, network, 1, spikeserve.WithSteps(3))
	refused(t, err, codes.InvalidArgument, "steps")
	session, err := client.Session(ctx, network, 2)
	check(t, err)
	_, err = session.Advance(ctx, 1, spikeserve.Tensor{})
	refused(t, err, codes.InvalidArgument)
	_, err = session.Advance(ctx, 1, samples(3))
	refused(t, err, codes.InvalidArgument, "3", "2")
	_, err = session.Advance(ctx, 1, samples(2))
	refused(t, err, codes.InvalidArgument, "3", "2")
	check(t, session.Close())
}
