package images

import (
	"bytes"
	"compress/gzip"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	spikeserve "spikeserve.example/go"
)

// idx is two images of 1 x 3.
var idx = []byte{0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6}

func write(t *testing.T, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func zipped(t *testing.T, content []byte) []byte {
	t.Helper()
	var packed bytes.Buffer
	writer := gzip.NewWriter(&packed)
	if _, err := writer.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

func picture(t *testing.T) []byte {
	t.Helper()
	grey := image.NewGray(image.Rect(0, 0, 3, 2))
	for i := range grey.Pix {
		grey.SetGray(i%3, i/3, color.Gray{Y: uint8(10 * i)})
	}
	var content bytes.Buffer
	if err := png.Encode(&content, grey); err != nil {
		t.Fatal(err)
	}
	return content.Bytes()
}

func TestFilesAreRead(t *testing.T) {
	wanted := Batch{Shape: []int{1, 3}, Data: []byte{1, 2, 3, 4, 5, 6}}
	for _, content := range [][]byte{idx, zipped(t, idx)} {
		got, err := Read(write(t, content))
		if err != nil || !reflect.DeepEqual(got, wanted) || got.Count() != 2 {
			t.Errorf("got %v, %v", got, err)
		}
	}
	got, err := Read(write(t, picture(t)))
	if wanted := (Batch{Shape: []int{2, 3}, Data: []byte{0, 10, 20, 30, 40, 50}}); err != nil || !reflect.DeepEqual(got, wanted) {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestFilesThatHoldNoSamples(t *testing.T) {
	huge := bytes.Clone(idx)
	copy(huge[4:], []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	floats := bytes.Clone(idx)
	floats[2] = 0x0d
	for text, content := range map[string][]byte{
		"neither an IDX nor a PNG": []byte("hello"),
		"type 0x0d":                floats,
		"5 values":                 idx[:len(idx)-1],
		"dimensions":               {0, 0, 8, 1, 0, 0, 0, 1, 7},
		"dimension 0":              huge,
		"unexpected":               picture(t)[:30],
		"EOF":                      zipped(t, idx)[:12],
	} {
		if got, err := Read(write(t, content)); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("got %v, %v, wanted an error with %q", got, err, text)
		}
	}
	if _, err := Read("not/there"); err == nil {
		t.Error("a file that is not there was read")
	}
}

func TestSamplesAreWhatTheNetworkTakes(t *testing.T) {
	info := spikeserve.NetworkInfo{Name: "n", Inputs: []spikeserve.InputInfo{{
		Name: "in", Shape: []int{3, 1}, Types: []spikeserve.DataType{spikeserve.TypeFloat32},
	}}}
	batch := Batch{Shape: []int{1, 3}, Data: []byte{0, 51, 255}}
	floats, err := batch.Tensor(info, 0, 2)
	if err != nil || !reflect.DeepEqual(floats.Float32s(), []float32{0, 0.2, 1, 0, 0.2, 1}) {
		t.Errorf("got %v, %v", floats.Float32s(), err)
	}
	info.Inputs[0].Types = append(info.Inputs[0].Types, spikeserve.TypeUint8)
	whole, err := batch.Tensor(info, 0, 1)
	if err != nil || whole.String() != "uint8[1 3 1]" {
		t.Errorf("got %v, %v", whole, err)
	}
	info.Inputs[0].Shape = []int{2}
	if _, err := batch.Tensor(info, 0, 1); err == nil || !strings.Contains(err.Error(), "[1 3]") {
		t.Errorf("got %v, wanted that the shapes differ", err)
	}
	info.Inputs = nil
	if _, err := batch.Tensor(info, 0, 1); err == nil || !strings.Contains(err.Error(), "0 inputs") {
		t.Errorf("got %v, wanted that there is no input", err)
	}
}
