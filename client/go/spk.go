package spikeserve

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash"
	"io"
	"math"
)

// What is wrong with a .spk file. The errors of a load are these and ErrInvalidArgument at the same time.
var (
	// ErrNotNetworkFile: it is no .spk file at all.
	ErrNotNetworkFile = errors.New("not a network file")
	// ErrNetworkFileVersion: it was written by a version of spikeserve that this one does not know.
	ErrNetworkFileVersion = errors.New("unknown version of the network file")
	// ErrDamagedNetworkFile: it is truncated, has trailing bytes or fails its checksum.
	ErrDamagedNetworkFile = errors.New("damaged network file")
)

const (
	spkMagic       = "SPKNET\r\n"
	spkVersion     = 1
	spkHeaderBytes = 56
	spkLargestMode = 3
)

// spkPayload is the payload of a .spk file: a serialized NetworkDefinition, checked while it is read.
type spkPayload struct {
	length int64
	digest [sha256.Size]byte // as the header has it

	source io.Reader
	left   int64
	sum    hash.Hash
}

// openSpk reads the header of a .spk file: magic, version, mode, length, SHA-256.
func openSpk(source io.Reader) (*spkPayload, error) {
	header := make([]byte, spkHeaderBytes)
	count, err := io.ReadFull(source, header)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, unreadable("network file", err)
	}
	if !bytes.HasPrefix(header[:count], []byte(spkMagic)) {
		return nil, badFile(ErrNotNetworkFile, "it does not begin with the magic bytes of a .spk file")
	}
	if count < spkHeaderBytes {
		return nil, badFile(ErrDamagedNetworkFile, "its header is truncated: %d bytes, wanted %d", count, spkHeaderBytes)
	}
	version := binary.LittleEndian.Uint32(header[8:])
	mode := binary.LittleEndian.Uint32(header[12:])
	length := binary.LittleEndian.Uint64(header[16:])
	switch {
	case version != spkVersion:
		return nil, badFile(ErrNetworkFileVersion, "file version %d, this package reads %d", version, spkVersion)
	case mode > spkLargestMode:
		return nil, badFile(ErrDamagedNetworkFile, "mode %d in the header, wanted 0..%d", mode, spkLargestMode)
	case length > math.MaxInt32:
		return nil, badFile(ErrDamagedNetworkFile, "the header declares %d bytes, the limit is %d", length, math.MaxInt32)
	}
	payload := &spkPayload{length: int64(length), source: source, left: int64(length), sum: sha256.New()}
	copy(payload.digest[:], header[24:])
	return payload, nil
}

// Read is the next bytes of the payload. The last ones, and io.EOF for an empty payload, come only once length
// and checksum are right.
func (p *spkPayload) Read(buffer []byte) (int, error) {
	if p.left == 0 {
		return 0, io.EOF
	}
	if int64(len(buffer)) > p.left {
		buffer = buffer[:p.left]
	}
	count, err := io.ReadFull(p.source, buffer)
	switch {
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return 0, badFile(ErrDamagedNetworkFile, "the header declares %d bytes, the file holds %d",
			p.length, p.length-p.left+int64(count))
	case err != nil:
		return 0, unreadable("network file", err)
	}
	p.sum.Write(buffer)
	p.left -= int64(count)
	if p.left == 0 {
		if err := p.checkEnd(); err != nil {
			return 0, err
		}
	}
	return count, nil
}

func (p *spkPayload) checkEnd() error {
	switch count, err := io.ReadFull(p.source, make([]byte, 1)); {
	case count > 0:
		return badFile(ErrDamagedNetworkFile, "the header declares %d bytes, the file holds more", p.length)
	case !errors.Is(err, io.EOF):
		return unreadable("network file", err)
	}
	if !bytes.Equal(p.sum.Sum(nil), p.digest[:]) {
		return badFile(ErrDamagedNetworkFile, "the SHA-256 checksum does not match")
	}
	return nil
}

func badFile(kind error, format string, arguments ...any) error {
	refused := invalid("network file: "+format, arguments...)
	refused.cause = kind
	return refused
}
