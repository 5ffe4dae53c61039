package spikeserve_test

import (
	"context"
	"net"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
	"google.golang.org/grpc/status"

	spikeserve "spikeserve.example/go"
	"spikeserve.example/go/internal/testserver"
	pb "spikeserve.example/go/spikeservev1"
)

// counting is a server that refuses its first calls with a code and counts all.
type counting struct {
	pb.UnimplementedNetworkServiceServer
	code    codes.Code
	refuse  int64
	calls   atomic.Int64
	health  *health.Server
	address string
}

func (c *counting) answer() error {
	if c.calls.Add(1) <= c.refuse {
		return status.Error(c.code, "not now")
	}
	return nil
}

func (c *counting) GetNetwork(context.Context, *pb.GetNetworkRequest) (*pb.GetNetworkResponse, error) {
	return &pb.GetNetworkResponse{}, c.answer()
}

func (c *counting) UnloadNetwork(context.Context, *pb.UnloadNetworkRequest) (*pb.UnloadNetworkResponse, error) {
	return &pb.UnloadNetworkResponse{}, c.answer()
}

func (c *counting) LoadNetwork(pb.NetworkService_LoadNetworkServer) error { return c.answer() }

func count(t *testing.T, code codes.Code, refuse int64) *counting {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	c := &counting{code: code, refuse: refuse, health: health.NewServer(), address: listener.Addr().String()}
	server := grpc.NewServer()
	pb.RegisterNetworkServiceServer(server, c)
	healthpb.RegisterHealthServer(server, c.health)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return c
}

func TestOnlyUnavailableCallsThatChangeNothingAreTriedAgain(t *testing.T) {
	for _, item := range []struct {
		what   string
		code   codes.Code
		refuse int64
		call   func(context.Context, *spikeserve.Client) error
		calls  int64
		failed bool
	}{
		{"get", codes.Unavailable, 3, get, 4, false},
		{"get in vain", codes.Unavailable, 10, get, 4, true},
		{"get, exhausted", codes.ResourceExhausted, 1, get, 1, true},
		{"get, internal", codes.Internal, 1, get, 1, true},
		{"unload", codes.Unavailable, 1, func(ctx context.Context, client *spikeserve.Client) error {
			_, err := client.Unload(ctx, "any", 0)
			return err
		}, 1, true},
		{"load", codes.Unavailable, 1, func(ctx context.Context, client *spikeserve.Client) error {
			_, err := client.Load(ctx, "any", spkReader(testserver.Network(width)))
			return err
		}, 1, true},
	} {
		t.Run(item.what, func(t *testing.T) {
			server := count(t, item.code, item.refuse)
			err := item.call(limited(t), dial(t, server.address))
			equal(t, "calls", server.calls.Load(), item.calls)
			if !item.failed {
				check(t, err)
				return
			}
			refused(t, err, item.code, "not now")
		})
	}
}

func get(ctx context.Context, client *spikeserve.Client) error {
	_, err := client.Get(ctx, "any", 0)
	return err
}

func TestCallsGoRoundThoseServersThatAreReady(t *testing.T) {
	servers := []*counting{count(t, codes.OK, 0), count(t, codes.OK, 0), count(t, codes.OK, 0)}
	servers[1].health.SetServingStatus("", healthpb.HealthCheckResponse_NOT_SERVING)
	addresses := manual.NewBuilderWithScheme("several")
	var state resolver.State
	for _, server := range servers {
		state.Addresses = append(state.Addresses, resolver.Address{Addr: server.address})
	}
	addresses.InitialState(state)
	client := dial(t, "several:///all", spikeserve.WithGRPC(grpc.WithResolvers(addresses)))
	for servers[0].calls.Load() == 0 || servers[2].calls.Load() == 0 { // until both are connected
		check(t, get(limited(t), client))
	}
	before := [2]int64{servers[0].calls.Load(), servers[2].calls.Load()}
	for range 20 {
		check(t, get(limited(t), client))
	}
	equal(t, "first", servers[0].calls.Load()-before[0], 10)
	equal(t, "not ready", servers[1].calls.Load(), 0)
	equal(t, "third", servers[2].calls.Load()-before[1], 10)

	for _, server := range servers {
		server.health.SetServingStatus("", healthpb.HealthCheckResponse_NOT_SERVING)
	}
	for err := error(nil); err == nil; { // until the client has heard of it
		err = get(limited(t), client)
		if err != nil {
			refused(t, err, codes.Unavailable)
		}
	}
	ready, err := client.Health(limited(t), "")
	check(t, err)
	equal(t, "ready", ready, false)
	servers[0].health.SetServingStatus("", healthpb.HealthCheckResponse_SERVING)
	check(t, client.WaitReady(limited(t), ""))
	eventually(t, func() error { return get(limited(t), client) })
}
