package spikeserve

import (
	"context"
	"errors"
	"io"
	"os"

	pb "spikeserve.example/go/spikeservev1"
)

// chunkBytes is the size of one message of an upload.
const chunkBytes = 1 << 20

// LoadOption is an option of Load: WithVersion, WithMode, WithProgress.
type LoadOption interface{ applyLoad(*upload) }

// VersionOption is an option of loads and runs.
type VersionOption interface {
	LoadOption
	RunOption
}

type upload struct {
	header   *pb.LoadNetworkHeader
	progress func(done, total int64)
}

type loadOption func(*upload)

func (o loadOption) applyLoad(u *upload) { o(u) }

type version int64

func (v version) applyLoad(u *upload)            { u.header.Version = int64(v) }
func (v version) applyRun(r *pb.SimulateRequest) { r.Version = int64(v) }

// WithVersion chooses the version, >= 1. Without it a load makes one above the highest, and a run takes the
// highest that is ready.
func WithVersion(number int64) VersionOption { return version(number) }

// WithMode chooses the arithmetic that a network is loaded for; the default is ModeExact.
func WithMode(mode Mode) LoadOption {
	return loadOption(func(u *upload) { u.header.Mode = pb.Mode(number(pb.Mode_value, "MODE_", string(mode))) })
}

// WithProgress calls a function after every chunk with the bytes handed over and the bytes in all, from the
// goroutine of the load.
func WithProgress(report func(done, total int64)) LoadOption {
	return loadOption(func(u *upload) { u.progress = report })
}

// LoadFile loads the network of a .spk file; see Load.
func (c *Client) LoadFile(ctx context.Context, name, path string, options ...LoadOption) (NetworkInfo, error) {
	file, err := os.Open(path)
	if err != nil {
		return NetworkInfo{}, unreadable("network file", err)
	}
	defer file.Close()
	return c.Load(ctx, name, file, options...)
}

// Load uploads a network in chunks and returns what the server says of it, once it is resident, stored and
// ready. source is a .spk file, as the Python package and the server's repository write them, from its first
// byte to its end.
//
// name is [A-Za-z0-9._-]{1,128}, not starting with a dot. ErrInvalidArgument lists every violation of the
// network; it is also ErrNotNetworkFile, ErrNetworkFileVersion or ErrDamagedNetworkFile where the file is no
// good. ErrAlreadyExists; ErrResourceExhausted for limits and memory. A load that fails leaves nothing behind,
// and is never repeated.
func (c *Client) Load(ctx context.Context, name string, source io.Reader, options ...LoadOption) (NetworkInfo, error) {
	payload, err := openSpk(source)
	if err != nil {
		return NetworkInfo{}, err
	}
	chosen := upload{
		header:   &pb.LoadNetworkHeader{Name: name, TotalBytes: payload.length, Sha256: payload.digest[:]},
		progress: func(int64, int64) {},
	}
	for _, option := range options {
		option.applyLoad(&chosen)
	}
	ctx, cancel := context.WithCancel(ctx) // ends the call where the file turns out to be no good
	defer cancel()
	call, err := c.networks.LoadNetwork(about(ctx, name))
	if err != nil {
		return NetworkInfo{}, failure(err, c.target)
	}
	if err := chosen.send(call, payload); err != nil {
		return NetworkInfo{}, failure(err, c.target)
	}
	answer, err := call.CloseAndRecv()
	if err != nil {
		return NetworkInfo{}, failure(err, c.target)
	}
	return networkInfo(answer.GetNetwork()), nil
}

// send hands over the header and all chunks. A server that has ended the call says why in its answer.
func (u *upload) send(call pb.NetworkService_LoadNetworkClient, payload io.Reader) error {
	done, total := int64(0), u.header.GetTotalBytes()
	message := &pb.LoadNetworkRequest{Part: &pb.LoadNetworkRequest_Header{Header: u.header}}
	if err := call.Send(message); err != nil {
		return serverEnded(err)
	}
	buffer := make([]byte, chunkBytes)
	for {
		count, err := payload.Read(buffer)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		message := &pb.LoadNetworkRequest{Part: &pb.LoadNetworkRequest_Chunk{Chunk: buffer[:count]}}
		if err := call.Send(message); err != nil {
			return serverEnded(err)
		}
		done += int64(count)
		u.progress(done, total)
	}
}

// serverEnded is nil where the call is over, because then its answer has the reason.
func serverEnded(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
