package spikeserve_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	spikeserve "spikeserve.example/go"
	"spikeserve.example/go/internal/testserver"
	pb "spikeserve.example/go/spikeservev1"
)

const (
	width    = 4 // of the networks of the tests
	patience = 2 * time.Minute
	shortly  = 200 * time.Millisecond
)

// shared is the server of all tests that do not need one of their own; empty where there is none.
var shared string

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	if testserver.Binary() == "" {
		fmt.Println("examples skipped: " + testserver.Missing)
		if err := flag.Set("test.skip", "^Example"); err != nil {
			panic(err)
		}
		return m.Run()
	}
	server, err := testserver.Start("--max-samples", "256", "--max-message-mb", "2")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	shared = server.Address
	code := m.Run()
	if err := server.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, "the server:", err)
		code = 1
	}
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	return code
}

// start runs a server for one test.
func start(t *testing.T, flags ...string) *testserver.Server {
	t.Helper()
	needServer(t)
	server, err := testserver.Start(flags...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Kill)
	return server
}

func needServer(t *testing.T) {
	t.Helper()
	if testserver.Binary() == "" {
		t.Skip(testserver.Missing)
	}
}

// limited is a context that ends where a test hangs.
func limited(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func dial(t *testing.T, address string, options ...spikeserve.DialOption) *spikeserve.Client {
	t.Helper()
	client, err := spikeserve.Dial(limited(t), address, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { check(t, client.Close()) })
	return client
}

// connect is a client of the shared server.
func connect(t *testing.T) *spikeserve.Client {
	t.Helper()
	needServer(t)
	return dial(t, shared)
}

// load loads a network under the name of the test, until the test ends.
func load(t *testing.T, client *spikeserve.Client, definition *pb.NetworkDefinition, options ...spikeserve.LoadOption) string {
	t.Helper()
	name := networkName(t)
	info, err := client.Load(limited(t), name, spkReader(definition), options...)
	check(t, err)
	t.Cleanup(func() {
		_, err := client.Unload(context.Background(), name, info.Version)
		check(t, err)
	})
	return name
}

func networkName(t *testing.T) string {
	return string(bytes.ReplaceAll([]byte(t.Name()), []byte("/"), []byte("-")))
}

// samples are count samples with different classes.
func samples(count int) spikeserve.Tensor {
	values := make([]float32, count*width)
	for i := range values {
		values[i] = float32((i*7)%11) / 11
	}
	return spikeserve.Float32(values, count, width)
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func equal[T comparable](t *testing.T, what string, got, wanted T) {
	t.Helper()
	if got != wanted {
		t.Errorf("%s: got %v, wanted %v", what, got, wanted)
	}
}

func spkReader(definition *pb.NetworkDefinition) io.Reader {
	return bytes.NewReader(testserver.Spk(definition))
}
