// Classify sends the images of IDX or PNG files to a network and prints their classes, with the evidence for
// them. See -help.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	spikeserve "spikeserve.example/go"
	"spikeserve.example/go/examples/internal/images"
)

type settings struct {
	address, token, rootCert, network string
	steps, limit, top                 int
	watch                             bool
}

func main() {
	var s settings
	flag.StringVar(&s.address, "address", "127.0.0.1:8001", "server: HOST:PORT or unix:PATH")
	flag.StringVar(&s.token, "token", os.Getenv("SPIKESERVE_TOKEN"), "bearer token")
	flag.StringVar(&s.rootCert, "root-cert", "", "PEM file of root certificates; encrypts")
	flag.StringVar(&s.network, "network", "", "name of a loaded network that takes images")
	flag.IntVar(&s.steps, "steps", 0, "time steps; 0: the network's own")
	flag.IntVar(&s.limit, "limit", 10, "images of each file at most")
	flag.IntVar(&s.top, "top", 3, "classes to print for each image")
	flag.BoolVar(&s.watch, "watch", false, "also print how the classes form over the steps")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: classify -network NAME [flags] FILE...")
		flag.PrintDefaults()
	}
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, s, flag.Args(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "classify:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, s settings, files []string, out io.Writer) error {
	if s.network == "" || len(files) == 0 || s.limit < 1 {
		return errors.New("wanted a -network, files, and a -limit above 0; -help shows all flags")
	}
	client, err := dial(ctx, s)
	if err != nil {
		return err
	}
	defer client.Close()
	info, err := client.Get(ctx, s.network, 0)
	if err != nil {
		return err
	}
	for _, file := range files {
		batch, err := images.Read(file)
		if err != nil {
			return err
		}
		if err := classify(ctx, client, info, s, file, batch, out); err != nil {
			return err
		}
	}
	return nil
}

func dial(ctx context.Context, s settings) (*spikeserve.Client, error) {
	var options []spikeserve.DialOption
	if s.token != "" {
		options = append(options, spikeserve.WithToken(s.token))
	}
	if s.rootCert != "" {
		options = append(options, spikeserve.WithRootCertFile(s.rootCert))
	}
	return spikeserve.Dial(ctx, s.address, options...)
}

// classify runs the images of one file and prints a line for each.
func classify(ctx context.Context, client *spikeserve.Client, info spikeserve.NetworkInfo, s settings, file string,
	batch images.Batch, out io.Writer,
) error {
	count := min(batch.Count(), s.limit)
	in, err := batch.Tensor(info, 0, count)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	options := []spikeserve.RunOption{spikeserve.WithTopK(s.top), spikeserve.WithStatistics()}
	if s.steps > 0 {
		options = append(options, spikeserve.WithSteps(s.steps))
	}
	var result *spikeserve.Result
	if s.watch {
		result, err = watch(ctx, client, info, in, options, out)
	} else {
		result, err = client.Simulate(ctx, info.Name, in, options...)
	}
	if err != nil {
		return err
	}
	for i, ranking := range result.TopK {
		fmt.Fprintf(out, "%s[%d]: %s, margin %.3g\n", file, i, evidence(info, ranking), result.Margins[i])
	}
	fmt.Fprintf(out, "%s: %s\n", file, summary(result))
	return nil
}

// watch prints the classes of all images after every eighth of the run.
func watch(ctx context.Context, client *spikeserve.Client, info spikeserve.NetworkInfo, in spikeserve.Input,
	options []spikeserve.RunOption, out io.Writer,
) (result *spikeserve.Result, err error) {
	client.Stream(ctx, info.Name, in, max(1, info.Steps/8), options...)(func(event spikeserve.Event, failed error) bool {
		if err = failed; err == nil && event.Progress != nil {
			fmt.Fprintf(out, "after %d steps: %v\n", event.Progress.StepsDone, event.Progress.Classes)
		}
		result = event.Result
		return true
	})
	return result, err
}

// evidence is such as "Sneaker 0.91, Sandal 0.05": classes with their outputs, best first.
func evidence(info spikeserve.NetworkInfo, ranking []spikeserve.Ranked) string {
	parts := make([]string, len(ranking))
	for i, one := range ranking {
		name := fmt.Sprint("class ", one.Class)
		if one.Class < len(info.ClassLabels) {
			name = info.ClassLabels[one.Class]
		}
		parts[i] = fmt.Sprintf("%s %.3g", name, one.Value)
	}
	return strings.Join(parts, ", ")
}

func summary(result *spikeserve.Result) string {
	var spikes, operations int64
	for _, layer := range result.Statistics {
		spikes += layer.Spikes
		operations += layer.SynapticOperations
	}
	return fmt.Sprintf("%d images, %d steps, %d spikes, %d synaptic operations, %.1f ms",
		len(result.Classes), result.Settings.Steps, spikes, operations, 1e3*result.Timing.Total.Seconds())
}
