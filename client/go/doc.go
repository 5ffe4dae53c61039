// Package spikeserve is the client of a spikeserve server, which simulates spiking neural networks.
//
//	client, err := spikeserve.Dial(ctx, "127.0.0.1:8001")
//	if err != nil {
//		return err
//	}
//	defer client.Close()
//	result, err := client.Simulate(ctx, "fashion", spikeserve.Uint8(images, 64, 28, 28, 1), spikeserve.WithSteps(16))
//	if err != nil {
//		return err
//	}
//	fmt.Println(result.Classes)
//
// A [Client] loads networks from .spk files ([Client.LoadFile]), shows and unloads them, runs batches
// ([Client.Simulate]), runs them with answers on the way ([Client.Stream]), and keeps the state of a batch on
// the server between calls ([Client.Session]). Networks are converted from trained models by the Python
// package of the same project.
//
// Words: a sample is one item of a batch, a step is one time step of dt seconds, a probe is a tap on the
// network whose values become the answer. Shapes of arrays have the batch first, shapes of networks leave it
// out; values are row-major.
//
// Every call takes a context and ends when it does. Without a deadline a call waits as long as the server
// takes. Errors are of type *[Error]; errors.Is tells their kinds apart ([ErrNotFound] and so on, also
// context.DeadlineExceeded and context.Canceled), and status.Code of google.golang.org/grpc/status gives their
// gRPC code.
package spikeserve

//go:generate ../../tools/go.sh generate
