package spikeserve

import (
	"context"
	"errors"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	_ "google.golang.org/grpc/health" // what the service config's health checks are done by
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
	"google.golang.org/grpc/status"

	pb "spikeserve.example/go/spikeservev1"
)

// networkHeader carries the name of the network of a call, so that proxies can route by it.
const networkHeader = "spikeserve-network"

// serviceConfig spreads calls over the ready servers of an address and repeats what changes nothing, a stream until
// its first event, a session until it is open. Loading and unloading are never repeated; nor is a refusal because of load; nothing is sent twice to be faster (hedging).
const serviceConfig = `{
	"loadBalancingConfig": [{"round_robin": {}}],
	"healthCheckConfig": {"serviceName": ""},
	"methodConfig": [{
		"name": [
			{"service": "spikeserve.v1.NetworkService", "method": "GetNetwork"},
			{"service": "spikeserve.v1.NetworkService", "method": "ListNetworks"},
			{"service": "spikeserve.v1.SimulationService", "method": "Simulate"},
			{"service": "spikeserve.v1.SimulationService", "method": "SimulateStream"},
			{"service": "spikeserve.v1.SimulationService", "method": "Session"}
		],
		"retryPolicy": {
			"maxAttempts": 4,
			"initialBackoff": "0.1s",
			"maxBackoff": "2s",
			"backoffMultiplier": 3,
			"retryableStatusCodes": ["UNAVAILABLE"]
		}
	}]
}`

// listScheme is that of targets that are a list of addresses, within this package.
const listScheme = "spikeserve-list"

// Client talks to a server, or to several behind one address. Made by Dial; safe for use by several goroutines.
type Client struct {
	target      string
	named       string            // the target as grpc-go takes it
	probe       []grpc.DialOption // of connections that ask for health
	connection  *grpc.ClientConn
	networks    pb.NetworkServiceClient
	simulations pb.SimulationServiceClient
}

// Dial connects to a server and returns once it has answered; it need not be ready yet ([Client.WaitReady]).
// With [WithLazyConnection] it returns at once.
//
// target is HOST:PORT, unix:PATH, several HOST:PORT with commas between them, or any other that grpc-go knows,
// such as dns:///HOST:PORT for all addresses of a name. The connection is not encrypted unless an option of TLS says so. Calls go round robin to those
// servers that say that they are ready.
//
// ErrUnavailable where no server answers, with the reason (nothing listens, the certificate is not accepted);
// ErrInvalidArgument for options that cannot be.
func Dial(ctx context.Context, target string, options ...DialOption) (*Client, error) {
	chosen := dialing{
		maxMessageBytes: DefaultMaxMessageBytes, keepalive: DefaultKeepalive, serviceConfig: serviceConfig,
	}
	if target == "" {
		return nil, invalid("the target is empty, wanted HOST:PORT or unix:PATH")
	}
	for _, option := range options {
		if err := option(&chosen); err != nil {
			return nil, err
		}
	}
	named, several := addresses(target)
	chosen.grpc = append(several, chosen.grpc...)
	client := &Client{target: target, named: named, probe: append(chosen.connection(), chosen.grpc...)}
	with := append(chosen.connection(), grpc.WithDefaultServiceConfig(chosen.serviceConfig))
	connection, err := grpc.NewClient(named, append(with, chosen.grpc...)...)
	if err != nil {
		return nil, unreadable("target "+target, err)
	}
	client.connection = connection
	client.networks = pb.NewNetworkServiceClient(connection)
	client.simulations = pb.NewSimulationServiceClient(connection)
	if chosen.lazy {
		return client, nil
	}
	connection.Connect()
	if err := client.reach(ctx); err != nil {
		client.Close()
		return nil, err
	}
	return client, nil
}

// addresses is a target as grpc-go takes it, with what that needs: HOST:PORT,HOST:PORT becomes a list.
func addresses(target string) (string, []grpc.DialOption) {
	if !strings.Contains(target, ",") || strings.Contains(target, "://") {
		return target, nil
	}
	var state resolver.State
	for _, address := range strings.Split(target, ",") {
		address = strings.TrimSpace(address)
		// Each server is checked by its own name, not by that of the first.
		state.Addresses = append(state.Addresses, resolver.Address{Addr: address, ServerName: address})
	}
	list := manual.NewBuilderWithScheme(listScheme)
	list.InitialState(state)
	return listScheme + ":///" + state.Addresses[0].Addr, []grpc.DialOption{grpc.WithResolvers(list)}
}

// reach fails where no server answers; what it answers does not matter.
func (c *Client) reach(ctx context.Context) error {
	_, err := c.Health(ctx, "")
	if ctx.Err() != nil || errors.Is(err, ErrUnavailable) {
		return err
	}
	return nil
}

// Close ends the connection; calls in progress fail with context.Canceled. No effect after the first time.
func (c *Client) Close() error {
	if err := c.connection.Close(); err != nil && status.Code(err) != codes.Canceled {
		return failure(err, c.target)
	}
	return nil
}

// about is the context of a call that is about a network.
func about(ctx context.Context, network string) context.Context {
	for _, c := range []byte(network) {
		if c <= ' ' || c > '~' {
			return ctx // not the name of a network: the server says so
		}
	}
	return metadata.AppendToOutgoingContext(ctx, networkHeader, network)
}

// bearer is a token that goes along with every call.
type bearer string

func (b bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(b)}, nil
}

// RequireTransportSecurity is false: a token is also used on loopback and behind a proxy that encrypts.
func (b bearer) RequireTransportSecurity() bool { return false }
