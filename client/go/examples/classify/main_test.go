package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	spikeserve "spikeserve.example/go"
	"spikeserve.example/go/internal/testserver"
)

// two images of 2 x 2, the brightest pixels of which are the first and the last.
var twoImages = []byte{0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 2, 250, 9, 9, 0, 9, 60, 60, 250}

func TestImagesAreClassified(t *testing.T) {
	if testserver.Binary() == "" {
		t.Skip(testserver.Missing)
	}
	server, err := testserver.Start()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Kill()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	client, err := spikeserve.Dial(ctx, server.Address)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := client.Load(ctx, "images", bytes.NewReader(testserver.Spk(testserver.Network(4)))); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "two.idx")
	if err := os.WriteFile(path, twoImages, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, watched := range []bool{false, true} {
		var out strings.Builder
		s := settings{address: server.Address, network: "images", steps: 200, limit: 10, top: 2, watch: watched}
		if err := run(ctx, s, []string{path}, &out); err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{path + "[0]: class 0 ", path + "[1]: class 3 ", "2 images, 200 steps"} {
			if !strings.Contains(out.String(), text) {
				t.Errorf("got %q, wanted %q in it", out.String(), text)
			}
		}
	}
	if err := run(ctx, settings{address: server.Address, network: "none", limit: 1}, []string{path}, &strings.Builder{}); err == nil {
		t.Error("a network that is not there classified images")
	}
}
