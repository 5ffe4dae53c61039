// Package images reads samples for the examples: IDX files (also .gz), the format of MNIST, and PNG files.
package images

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	_ "image/png" // the decoder of image.Decode
	"io"
	"os"
)

// maxBytes of one file once it is unpacked, whatever its header claims.
const maxBytes = 1 << 31

// Batch is a number of samples of one shape.
type Batch struct {
	Shape []int  // of a sample
	Data  []byte // one byte per value, sample after sample
}

// Count is the number of samples.
func (b Batch) Count() int { return len(b.Data) / b.SampleBytes() }

// SampleBytes is the size of one sample.
func (b Batch) SampleBytes() int {
	size := 1
	for _, n := range b.Shape {
		size *= n
	}
	return size
}

// Read reads an IDX file of unsigned bytes, which may be packed by gzip, or a PNG file: one sample [height,
// width] of grey values.
func Read(path string) (Batch, error) {
	content, err := readAll(path)
	if err != nil {
		return Batch{}, err
	}
	batch, err := parse(content)
	if err != nil {
		return Batch{}, fmt.Errorf("%s: %w", path, err)
	}
	return batch, nil
}

func parse(content []byte) (Batch, error) {
	if bytes.HasPrefix(content, []byte("\x89PNG")) {
		return parsePNG(content)
	}
	return parseIDX(content)
}

func readAll(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	buffered := bufio.NewReader(file)
	var source io.Reader = buffered
	if magic, _ := buffered.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		if source, err = gzip.NewReader(buffered); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	content, err := io.ReadAll(io.LimitReader(source, maxBytes))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return content, nil
}

// parseIDX: two zeros, the type (8: unsigned byte), the number of dimensions, each of them as four bytes, values.
func parseIDX(content []byte) (Batch, error) {
	if len(content) < 4 || content[0] != 0 || content[1] != 0 {
		return Batch{}, fmt.Errorf("neither an IDX nor a PNG file")
	}
	if content[2] != 8 {
		return Batch{}, fmt.Errorf("IDX of type %#02x, wanted unsigned bytes (0x08)", content[2])
	}
	dimensions := int(content[3])
	values := 4 + 4*dimensions
	if dimensions < 2 || len(content) < values {
		return Batch{}, fmt.Errorf("IDX with %d dimensions in %d bytes, wanted samples", dimensions, len(content))
	}
	shape, size := make([]int, dimensions), uint64(1)
	for i := range shape {
		n := binary.BigEndian.Uint32(content[4+4*i:])
		if size *= uint64(n); n == 0 || size > maxBytes {
			return Batch{}, fmt.Errorf("IDX dimension %d is %d", i, n)
		}
		shape[i] = int(n)
	}
	if uint64(len(content)-values) != size {
		return Batch{}, fmt.Errorf("IDX of shape %v has %d values", shape, len(content)-values)
	}
	return Batch{Shape: shape[1:], Data: content[values:]}, nil
}

func parsePNG(content []byte) (Batch, error) {
	picture, _, err := image.Decode(bytes.NewReader(content))
	if err != nil {
		return Batch{}, err
	}
	bounds := picture.Bounds()
	batch := Batch{Shape: []int{bounds.Dy(), bounds.Dx()}}
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			grey, _ := color.GrayModel.Convert(picture.At(x, y)).(color.Gray)
			batch.Data = append(batch.Data, grey.Y)
		}
	}
	return batch, nil
}
