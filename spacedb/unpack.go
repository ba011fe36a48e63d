package spacedb

import (
	"fmt"

	"github.com/klauspost/compress/zstd"
)

const (
	maxChain   = 4 * packChain // more than any chain of ours
	packMemory = 4 * chunkSize // of a decoder: a frame holds a chunk at most
	dictionary = 1             // the id that frames give for their base
)

// chunk returns a stored chunk's content, unpacked, in memory of its own.
func (c *conn) chunk(id int64, depth int) (content []byte, packed bool, err error) {
	if depth > maxChain {
		return nil, false, damaged("chunk %d is packed too deep", id)
	}
	var base int64
	found, err := c.one(func(r row) error {
		base = r.int(0)
		content = append(content, r.bytes(1)...)
		return nil
	}, `SELECT base, data FROM chunk WHERE id = ?`, id)
	switch {
	case err != nil:
		return nil, false, err
	case !found:
		return nil, false, damaged("chunk %d is missing", id)
	case base == baseNone:
		return content, false, nil
	case base != baseAlone && base <= id:
		return nil, false, damaged("chunk %d is packed against chunk %d", id, base)
	}
	var from []byte
	if base > 0 {
		if from, _, err = c.chunk(base, depth+1); err != nil {
			return nil, false, err
		}
	}
	if content, err = decodeChunk(content, from); err != nil {
		return nil, false, damaged("chunk %d cannot be unpacked: %v", id, err)
	}
	return content, true, nil
}

func encodeChunk(content, base []byte) ([]byte, error) {
	options := []zstd.EOption{zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(2 * chunkSize), zstd.WithEncoderCRC(false)}
	if len(base) > 0 {
		options = append(options, zstd.WithEncoderDictRaw(dictionary, base))
	}
	enc, err := zstd.NewWriter(nil, options...)
	if err != nil {
		return nil, err
	}
	defer enc.Close()
	return enc.EncodeAll(content, nil), nil
}

func decodeChunk(packed, base []byte) ([]byte, error) {
	options := []zstd.DOption{zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(packMemory)}
	if len(base) > 0 {
		options = append(options, zstd.WithDecoderDictRaw(dictionary, base))
	}
	dec, err := zstd.NewReader(nil, options...)
	if err != nil {
		return nil, err
	}
	defer dec.Close()
	content, err := dec.DecodeAll(packed, nil)
	if err == nil && len(content) > chunkSize {
		err = fmt.Errorf("%d bytes", len(content))
	}
	return content, err
}
