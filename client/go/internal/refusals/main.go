// Refusals sends requests that a server refuses and prints what the client says of each, for a test that compares
// all ways to a server.
//
//	refusals ADDRESS [ROOT_CERT] reads a JSON list of requests and prints [[CODE, MESSAGE], ...].
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	spikeserve "spikeserve.example/go"
)

const timeout = time.Minute

// request is one that the server should refuse. Data are the bytes of a tensor of bytes, Values those of any other.
type request struct {
	Network string
	Version int64
	Input   string
	Shape   []int
	Values  []float32
	Data    []byte
	Steps   int
	Token   string
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "refusals:", err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	if len(arguments) < 1 || len(arguments) > 2 {
		return errors.New("wanted ADDRESS and at most one root certificate")
	}
	var requests []request
	if err := json.NewDecoder(os.Stdin).Decode(&requests); err != nil {
		return err
	}
	answers := make([][2]string, 0, len(requests))
	for _, asked := range requests {
		err := send(arguments, asked)
		answers = append(answers, [2]string{name(status.Code(err)), fmt.Sprint(err)})
	}
	return json.NewEncoder(os.Stdout).Encode(answers)
}

// send connects, as the token belongs to the connection, and runs one request.
func send(arguments []string, asked request) error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	var options []spikeserve.DialOption
	if asked.Token != "" {
		options = append(options, spikeserve.WithToken(asked.Token))
	}
	if len(arguments) > 1 {
		options = append(options, spikeserve.WithRootCertFile(arguments[1]))
	}
	client, err := spikeserve.Dial(ctx, arguments[0], options...)
	if err != nil {
		return err
	}
	defer client.Close()
	in := spikeserve.Float32(asked.Values, asked.Shape...)
	if asked.Data != nil {
		in = spikeserve.Uint8(asked.Data, asked.Shape...)
	}
	_, err = client.Simulate(ctx, asked.Network, in.Named(asked.Input),
		spikeserve.WithVersion(asked.Version), spikeserve.WithSteps(asked.Steps))
	return err
}

// name is that of a code as the protocol writes it.
func name(code codes.Code) string {
	names := map[codes.Code]string{
		codes.OK: "OK", codes.InvalidArgument: "INVALID_ARGUMENT", codes.NotFound: "NOT_FOUND",
		codes.ResourceExhausted: "RESOURCE_EXHAUSTED", codes.Unauthenticated: "UNAUTHENTICATED",
		codes.Unavailable: "UNAVAILABLE",
	}
	if known, ok := names[code]; ok {
		return known
	}
	return code.String()
}
