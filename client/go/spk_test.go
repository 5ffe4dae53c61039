package spikeserve_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"

	"google.golang.org/grpc/codes"

	"spikeserve.example/go/internal/testserver"

	spikeserve "spikeserve.example/go"
)

// changed is a .spk file with other bytes at a place.
func changed(at int, with ...byte) []byte {
	file := testserver.Spk(testserver.Network(width))
	copy(file[at:], with)
	return file
}

func TestFilesThatAreNoGood(t *testing.T) {
	client := connect(t)
	whole := testserver.Spk(testserver.Network(width))
	for _, item := range []struct {
		what string
		file []byte
		kind error
		text string
	}{
		{"empty", nil, spikeserve.ErrNotNetworkFile, "magic"},
		{"magic", changed(0, 'X'), spikeserve.ErrNotNetworkFile, "magic"},
		{"header", whole[:40], spikeserve.ErrDamagedNetworkFile, "header is truncated"},
		{"version", changed(8, 9), spikeserve.ErrNetworkFileVersion, "version 9"},
		{"mode", changed(12, 9), spikeserve.ErrDamagedNetworkFile, "mode 9"},
		{"length", changed(16, binary.LittleEndian.AppendUint64(nil, 1<<40)...), spikeserve.ErrDamagedNetworkFile, "1099511627776"},
		{"truncated", whole[:len(whole)-1], spikeserve.ErrDamagedNetworkFile, "declares"},
		{"trailing", append(whole, 0), spikeserve.ErrDamagedNetworkFile, "more"},
		{"digest", changed(24, 1, 2, 3), spikeserve.ErrDamagedNetworkFile, "SHA-256"},
		{"payload", changed(len(whole)-1, 0xff), spikeserve.ErrDamagedNetworkFile, "SHA-256"},
	} {
		t.Run(item.what, func(t *testing.T) {
			_, err := client.Load(limited(t), "damaged", bytes.NewReader(item.file))
			refused(t, err, codes.InvalidArgument, item.text)
			equal(t, "kind of "+err.Error(), errors.Is(err, item.kind), true)
			for err = nil; err == nil; { // the server still has to see that the upload is over
				_, err = client.Get(limited(t), "damaged", 0)
			}
			refused(t, err, codes.NotFound)
		})
	}
}

func TestAReaderThatFailsFailsTheLoad(t *testing.T) {
	client := connect(t)
	whole := testserver.Spk(testserver.Network(width))
	broken := errors.New("the disk is gone")
	for _, read := range []int{0, 100} {
		source := io.MultiReader(bytes.NewReader(whole[:read]), failing{broken})
		_, err := client.Load(limited(t), "broken", source)
		refused(t, err, codes.InvalidArgument, "the disk is gone")
		equal(t, "the reason is kept", errors.Is(err, broken), true)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
