package serving

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"strconv"
	"strings"

	"connectrpc.com/connect"
	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	protocodec "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// MaxMessageBytes is the largest request message, decompressed, unless ServerOptions say otherwise.
const MaxMessageBytes = 4 << 20

// messageLimit is the largest request message of a server, in bytes, decompressed.
type messageLimit int

// transport is where the transports themselves stop reading a message. Up to it a message is read,
// and then refused.
func (l messageLimit) transport() int { return 4 * int(l) }

func (l messageLimit) exceeded(size int64) *Error { return TooLarge("message", int64(l), size) }

// TooLarge is the error for a message, by its name, of more bytes than the limit. A size that is one more
// than the limit is where reading ended, not the message.
func TooLarge(what string, limit, size int64) *Error {
	got := "more"
	if size > limit+1 {
		got = strconv.FormatInt(size, 10)
	}
	return errorf(MessageTooLarge, "%s: expected at most %d bytes, got %s", what, limit, got)
}

// inbound is a request message on its way in. Both transports would turn what is wrong with a
// message into a bare text, so the codecs write it here and the policy answers it like any error.
type inbound struct {
	message proto.Message
	err     *Error
}

// decode fills the message from size bytes by parse, or notes why it cannot.
func (in *inbound) decode(size int, limit messageLimit, parse func(proto.Message) error) {
	if size > int(limit) {
		in.err = limit.exceeded(int64(size))
		return
	}
	err := parse(in.message)
	if known, ok := errors.AsType[*Error](err); ok {
		in.err = known
	} else if err != nil {
		in.err = errorf(FieldInvalid, "message: expected a %s, got what cannot be read as one: %s",
			in.message.ProtoReflect().Descriptor().FullName(), plain(err))
	}
}

// plain returns what a protobuf package says, with the ordinary spaces that it sometimes avoids.
func plain(err error) string { return strings.ReplaceAll(err.Error(), "\u00a0", " ") }

// binaryCodec is grpc-go's codec for protobuf, and fills inbound messages.
type binaryCodec struct {
	encoding.CodecV2
	limit     messageLimit
	telemetry *Telemetry
}

func newBinaryCodec(limit messageLimit, t *Telemetry) encoding.CodecV2 {
	return binaryCodec{encoding.GetCodecV2(protocodec.Name), limit, t}
}

// Marshal implements encoding.CodecV2.
func (c binaryCodec) Marshal(v any) (mem.BufferSlice, error) {
	watch := c.telemetry.stopwatch(context.Background())
	data, err := c.CodecV2.Marshal(v)
	watch.lap(stageEncode)
	return data, err
}

// Unmarshal implements encoding.CodecV2.
func (c binaryCodec) Unmarshal(data mem.BufferSlice, v any) error {
	in, ok := v.(*inbound)
	if !ok {
		return c.CodecV2.Unmarshal(data, v)
	}
	if isBrokenGzip(data) {
		in.err = errNotGzip(gzip.ErrHeader)
		return nil
	}
	in.decode(data.Len(), c.limit, func(m proto.Message) error { return c.CodecV2.Unmarshal(data, m) })
	return nil
}

// connectCodec is a codec of Connect that fills inbound messages.
type connectCodec struct {
	name      string
	limit     messageLimit
	marshal   func([]byte, proto.Message) ([]byte, error)
	unmarshal func([]byte, proto.Message) error
}

// connectCodecs are the codecs of the contract: binary, and JSON under the two names of its content
// type. Unknown JSON fields are ignored.
func connectCodecs(limit messageLimit) []connect.HandlerOption {
	binary := connectCodec{name: "proto", limit: limit, marshal: proto.MarshalOptions{}.MarshalAppend, unmarshal: proto.Unmarshal}
	json := connectCodec{name: "json", limit: limit, marshal: protojson.MarshalOptions{}.MarshalAppend, unmarshal: unmarshalJSON}
	charset := json
	charset.name = "json; charset=utf-8"
	return []connect.HandlerOption{connect.WithCodec(binary), connect.WithCodec(json), connect.WithCodec(charset)}
}

// Name implements connect.Codec.
func (c connectCodec) Name() string { return c.name }

// Marshal implements connect.Codec.
func (c connectCodec) Marshal(v any) ([]byte, error) { return c.MarshalAppend(nil, v) }

// MarshalAppend saves a copy.
func (c connectCodec) MarshalAppend(dst []byte, v any) ([]byte, error) {
	return c.marshal(dst, v.(proto.Message))
}

// Unmarshal implements connect.Codec.
func (c connectCodec) Unmarshal(data []byte, v any) error {
	in, ok := v.(*inbound)
	if !ok {
		return c.unmarshal(data, v.(proto.Message))
	}
	in.decode(len(data), c.limit, func(m proto.Message) error { return c.unmarshal(data, m) })
	return nil
}

// boundedGzip decompresses no more than one byte beyond the limit, which decode then refuses: a small
// message cannot grow to gigabytes. An error is an *Error.
type boundedGzip struct {
	gzip.Reader
	limit  messageLimit
	source io.Reader // not begun yet
	left   int64
}

// Reset begins with another source, at the first Read.
func (g *boundedGzip) Reset(r io.Reader) {
	g.source, g.left = r, int64(g.limit)+1
}

// Read implements io.Reader.
func (g *boundedGzip) Read(p []byte) (int, error) {
	if g.source != nil {
		err := g.Reader.Reset(g.source)
		if g.source = nil; err != nil {
			return 0, errNotGzip(err)
		}
	}
	if g.left <= 0 {
		return 0, io.EOF
	}
	n, err := g.Reader.Read(p[:min(int64(len(p)), g.left)])
	g.left -= int64(n)
	if err != nil && !errors.Is(err, io.EOF) { // a source that ends early is no io.EOF
		err = errNotGzip(err)
	}
	return n, err
}

func errNotGzip(cause error) *Error {
	return errorf(FieldInvalid, "message: expected gzip, got what cannot be read as it: %w", cause)
}

// connectGzip is boundedGzip for Connect, which passes errors of its own kind on as they are.
type connectGzip struct {
	*boundedGzip
	policy *policy
}

// Reset implements connect.Decompressor.
func (g connectGzip) Reset(r io.Reader) error {
	g.boundedGzip.Reset(r)
	return nil
}

// Read implements connect.Decompressor.
func (g connectGzip) Read(p []byte) (int, error) {
	n, err := g.boundedGzip.Read(p)
	if broken, ok := errors.AsType[*Error](err); ok {
		err = g.policy.outgoing(broken).connect()
	}
	return n, err
}

// Close implements connect.Decompressor.
func (connectGzip) Close() error { return nil }

func newGzip() connect.Compressor { return gzip.NewWriter(io.Discard) }

// grpcGzip decompresses for grpc-go what clients have compressed, as boundedGzip does.
type grpcGzip struct{ limit messageLimit }

// Type implements grpc.Decompressor.
func (grpcGzip) Type() string { return "gzip" }

// Do implements grpc.Decompressor. It fails by returning brokenGzip: of an error grpc-go would tell
// the caller by itself, without details.
func (g grpcGzip) Do(r io.Reader) ([]byte, error) {
	bounded := boundedGzip{limit: g.limit}
	bounded.Reset(r)
	data, err := io.ReadAll(&bounded)
	if err != nil {
		return brokenGzip, nil //nolint:nilerr // said by brokenGzip
	}
	return data, nil
}

// brokenGzip is what a message that is no gzip decompresses to. It is known by where it lies in
// memory, which no message shares.
var brokenGzip = make([]byte, 1)

func isBrokenGzip(data mem.BufferSlice) bool {
	if len(data) != 1 || data[0].Len() != len(brokenGzip) {
		return false
	}
	return &data[0].ReadOnlyData()[0] == &brokenGzip[0]
}

// receiveOnly receives the one message that a stream of grpc-go's should bring, or notes what is wrong.
func (in *inbound) receiveOnly(stream grpc.ServerStream) {
	err := stream.RecvMsg(in)
	switch {
	case errors.Is(err, io.EOF):
		in.err = errorf(MessageCount, "messages: expected one, got none")
		return
	case err == nil && in.err != nil:
		return
	case err == nil:
		if err = stream.RecvMsg(in); errors.Is(err, io.EOF) {
			return
		}
	}
	if err != nil {
		in.err = explain(err) // which grpc-go has told the caller
		return
	}
	in.err = errorf(MessageCount, "messages: expected one, got several")
}
