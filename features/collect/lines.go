package collect

import (
	"bytes"
	"errors"
	"io"
)

// longestLine bounds the memory that a line may take, in bytes: the longest of the known files has
// 1,100.
const longestLine = 256 << 10

var errLineTooLong = errors.New("line too long")

// lines reads lines that end in LF, CRLF or CR, which one file may mix. A line end always ends the
// row, within quotes too: no field of the known files has one, and a quote that is never closed
// costs its own row, not the file.
type lines struct {
	in       io.Reader
	buffer   []byte
	from, to int   // what is read and not yet returned
	number   int   // of the line last returned, from 1
	err      error // from in
	afterCR  bool  // an LF that comes next belongs to the line before
}

// newLines uses buffer, which bounds the length of a line.
func newLines(in io.Reader, buffer []byte) lines { return lines{in: in, buffer: buffer} }

// next returns the next line, valid until the call after. Of a line longer than the buffer it
// returns errLineTooLong and goes on behind it.
func (l *lines) next() ([]byte, error) {
	for {
		if l.afterCR && l.from < l.to {
			if l.buffer[l.from] == '\n' {
				l.from++
			}
			l.afterCR = false
		}
		rest := l.buffer[l.from:l.to]
		if end := lineEnd(rest); end >= 0 {
			l.skip(end)
			return rest[:end], nil
		}
		switch {
		case l.err != nil && len(rest) == 0:
			return nil, l.err
		case errors.Is(l.err, io.EOF):
			l.from = l.to
			l.number++
			return rest, nil
		case l.err != nil:
			return nil, l.err
		case len(rest) == len(l.buffer):
			return nil, l.discard()
		}
		l.fill()
	}
}

func (l *lines) skip(end int) {
	l.afterCR = l.buffer[l.from+end] == '\r'
	l.from += end + 1
	l.number++
}

// fill moves the rest to the front and reads behind it.
func (l *lines) fill() {
	l.to = copy(l.buffer, l.buffer[l.from:l.to])
	l.from = 0
	var n int
	n, l.err = l.in.Read(l.buffer[l.to:])
	l.to += n
}

// discard drops the line that fills the buffer.
func (l *lines) discard() error {
	for l.err == nil {
		l.from, l.to = 0, 0
		l.fill()
		if end := lineEnd(l.buffer[:l.to]); end >= 0 {
			l.skip(end)
			return errLineTooLong
		}
	}
	l.from = l.to
	l.number++
	return errLineTooLong
}

func lineEnd(b []byte) int {
	end := bytes.IndexByte(b, '\n')
	if end < 0 {
		return bytes.IndexByte(b, '\r')
	}
	if cr := bytes.IndexByte(b[:end], '\r'); cr >= 0 {
		return cr
	}
	return end
}
