// Native loads a network, classifies 64 images and follows a run, by the Go client.
//
//	go run ./native ADDRESS NETWORK FILE.spk IMAGES-idx3-ubyte.gz
package main

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"strings"
	"time"

	spikeserve "spikeserve.example/go"
)

func main() {
	address, network, file, images := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	client, err := spikeserve.Dial(ctx, address)
	check(err)
	defer client.Close()
	loaded, err := client.LoadFile(ctx, network, file)
	check(err)
	fmt.Printf("loaded: %s version %d\n", loaded.Name, loaded.Version)

	pixels := spikeserve.Uint8(read(images, 64*28*28), 64, 28, 28)
	result, err := client.Simulate(ctx, network, pixels, spikeserve.WithSteps(16))
	check(err)
	show("classes", result.Classes)
	client.Stream(ctx, network, pixels, 4, spikeserve.WithSteps(16))(func(event spikeserve.Event, err error) bool {
		check(err)
		if event.Progress != nil {
			show(fmt.Sprint("step ", event.Progress.StepsDone), event.Progress.Classes)
		} else {
			show("result", event.Result.Classes)
		}
		return true // false ends the run; with Go 1.23 and newer, range over the stream
	})
}

// read returns the pixels behind the header of an IDX file.
func read(path string, size int) []byte {
	file, err := os.Open(path)
	check(err)
	defer file.Close()
	idx, err := gzip.NewReader(file)
	check(err)
	content := make([]byte, 16+size)
	_, err = io.ReadFull(idx, content)
	check(err)
	return content[16:]
}

func show(what string, classes []int) {
	fmt.Printf("%s: %s\n", what, strings.Trim(fmt.Sprint(classes), "[]"))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
