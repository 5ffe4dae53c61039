package spikeserve

import (
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
)

// listScheme is that of targets that are a list of addresses, within this package.
const listScheme = "spikeserve-list"

// addresses is a target as grpc-go takes it, with what that needs: HOST:PORT,HOST:PORT becomes a list.
func addresses(target string) (string, []grpc.DialOption) {
	if !strings.Contains(target, ",") || strings.Contains(target, "://") {
		return target, nil
	}
	var state resolver.State
	for _, address := range strings.Split(target, ",") {
		state.Addresses = append(state.Addresses, resolver.Address{Addr: strings.TrimSpace(address)})
	}
	list := manual.NewBuilderWithScheme(listScheme)
	list.InitialState(state)
	return listScheme + ":///" + state.Addresses[0].Addr, []grpc.DialOption{grpc.WithResolvers(list)}
}
