package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc/test/bufconn"
)

// pipeStreams is how many calls are under way at once in a pipe.
const pipeStreams = 32

// A pipe is one HTTP/2 connection to a gRPC server in this process, through memory: what calls cost
// then is what the server computes, and hardly anything of the client or of the kernel. All calls
// are the same.
type pipe struct {
	conn    net.Conn
	out     bytes.Buffer  // what is to be written
	framer  *http2.Framer // writes to out and reads from conn
	headers []byte        // of a call, as HPACK encodes them once the server knows them
	frame   []byte        // the message of a call
	answer  float64       // bytes that an answer has at least
	stream  uint32        // the last one
	arrived uint32        // bytes of answers, not yet acknowledged
}

// pipeBuffer holds what one side writes before the other reads: pipeStreams calls.
const pipeBuffer = 4 << 20

// dialPipe connects to the server that listens.
func dialPipe(ctx context.Context, listener *bufconn.Listener, procedure string, frame []byte, answer float64) (*pipe, error) {
	conn, err := listener.DialContext(ctx)
	if err != nil {
		return nil, err
	}
	p := &pipe{conn: conn, frame: frame, answer: answer, stream: ^uint32(0)}
	p.framer = http2.NewFramer(&p.out, conn)
	p.framer.SetReuseFrames()
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	encode := func() []byte {
		block.Reset()
		for _, field := range [][2]string{
			{":method", "POST"}, {":scheme", "http"}, {":path", "/" + procedure}, {":authority", "pipe"},
			{"content-type", "application/grpc"}, {"te", "trailers"},
		} {
			err = errors.Join(err, encoder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]}))
		}
		return bytes.Clone(block.Bytes())
	}
	p.headers = encode()
	p.out.WriteString(http2.ClientPreface)
	err = errors.Join(err,
		p.framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 30}),
		p.framer.WriteWindowUpdate(0, 1<<30), p.call(1))
	p.headers = encode() // from now on
	return p, err
}

// call makes calls, all at once, and waits for their answers.
func (p *pipe) call(calls int) error {
	if p.arrived > 0 {
		if err := p.framer.WriteWindowUpdate(0, p.arrived); err != nil {
			return err
		}
		p.arrived = 0
	}
	for range calls {
		p.stream += 2
		if err := errors.Join(
			p.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: p.stream, BlockFragment: p.headers, EndHeaders: true}),
			p.framer.WriteData(p.stream, true, p.frame),
		); err != nil {
			return err
		}
	}
	if _, err := p.conn.Write(p.out.Bytes()); err != nil {
		return err
	}
	p.out.Reset()
	for answered := 0; answered < calls; {
		frame, err := p.framer.ReadFrame()
		if err != nil {
			return err
		}
		switch frame := frame.(type) {
		case *http2.DataFrame:
			p.arrived += uint32(len(frame.Data()))
		case *http2.HeadersFrame:
			if frame.StreamEnded() {
				answered++
			}
		case *http2.SettingsFrame:
			if !frame.IsAck() {
				err = p.framer.WriteSettingsAck()
			}
		case *http2.PingFrame:
			if !frame.IsAck() {
				err = p.framer.WritePing(true, frame.Data)
			}
		case *http2.WindowUpdateFrame:
		default:
			err = fmt.Errorf("expected answers, got %v", frame)
		}
		if err != nil {
			return err
		}
	}
	if want := float64(calls) * p.answer; float64(p.arrived) < want {
		return fmt.Errorf("%d calls: expected answers of %.0f bytes or more, got %d: not all calls were answered", calls, want, p.arrived)
	}
	return nil
}
