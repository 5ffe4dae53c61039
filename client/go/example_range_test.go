//go:build go1.23

package spikeserve_test

import (
	"fmt"

	spikeserve "spikeserve.example/go"
)

func ExampleEvents() {
	ctx, client, done := connected("example-events")
	defer done()
	samples := spikeserve.Uint8([]byte{0, 20, 255, 90}, 1, 4)
	for event, err := range client.Stream(ctx, "example-events", samples, 20, spikeserve.WithSteps(100)) {
		if err != nil {
			fmt.Println(err)
			return
		}
		if event.Result != nil {
			fmt.Println("result:", event.Result.Classes)
		}
	}
	// Output: result: [2]
}
