package spikeserve

import (
	"context"
	"errors"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

// healthInterval is the time between two looks at a server that is not ready.
const healthInterval = 100 * time.Millisecond

// Health reports whether a server (network is empty), or a network on it, is ready. It asks on a connection of
// its own, as the client's sends nothing to servers that are not ready. ErrUnavailable where no server answers;
// a network that the server does not know is not ready.
func (c *Client) Health(ctx context.Context, network string) (bool, error) {
	connection, err := grpc.NewClient(c.named, c.probe...)
	if err != nil {
		return false, failure(err, c.target)
	}
	defer connection.Close()
	return c.check(ctx, connection, network)
}

// WaitReady returns once a server (network is empty), or a network on it, is ready, also where the server has
// not been started yet. It fails where the context ends first, or where the server does not tell.
func (c *Client) WaitReady(ctx context.Context, network string) error {
	connection, err := grpc.NewClient(c.named, c.probe...)
	if err != nil {
		return failure(err, c.target)
	}
	defer connection.Close()
	for {
		ready, err := c.check(ctx, connection, network)
		if ready || (err != nil && !errors.Is(err, ErrUnavailable)) {
			return err
		}
		select {
		case <-ctx.Done():
			return c.notReady(ctx.Err(), network, err)
		case <-time.After(healthInterval):
		}
	}
}

func (c *Client) check(ctx context.Context, connection *grpc.ClientConn, network string) (bool, error) {
	answer, err := healthpb.NewHealthClient(connection).Check(ctx, &healthpb.HealthCheckRequest{Service: network})
	if status.Code(err) == codes.NotFound {
		return false, nil
	}
	return answer.GetStatus() == healthpb.HealthCheckResponse_SERVING, failure(err, c.target)
}

// notReady says what was waited for and what was seen last.
func (c *Client) notReady(ended error, network string, last error) error {
	what := "the server"
	if network != "" {
		what = "network " + network
	}
	message := what + " is not ready: " + ended.Error()
	if last != nil {
		message += "; last: " + last.Error()
	}
	return &Error{Message: message, Code: status.FromContextError(ended).Code(), Target: c.target}
}
