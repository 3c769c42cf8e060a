package conformance

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/protobuf/proto"

	pb "footballprediction/api/gen/connectrpc/conformance/v1"
	"footballprediction/features"
	"footballprediction/inference"
	"footballprediction/serving"
)

// serve is the server under test: it reads what is asked of it, says where its port ("http" or
// "grpc") is, and serves until ctx is done.
func serve(ctx context.Context, port string, in io.Reader, out io.Writer) error {
	asked := new(pb.ServerCompatRequest)
	if err := readMessage(in, asked); err != nil {
		return fmt.Errorf("read what is asked: %w", err)
	}
	if asked.GetUseTls() {
		return errors.New("TLS is asked for, the server has none")
	}
	server, err := newServer(int(asked.GetMessageReceiveLimit()))
	if err != nil {
		return err
	}
	var listeners [3]net.Listener
	for i := range listeners {
		if listeners[i], err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return err
		}
	}
	on := serving.Listeners{HTTP: listeners[0], GRPC: listeners[1], Operator: listeners[2]}
	address := on.HTTP.Addr().(*net.TCPAddr)
	if port == "grpc" {
		address = on.GRPC.Addr().(*net.TCPAddr)
	}
	if err := writeMessage(out, &pb.ServerCompatResponse{Host: address.IP.String(), Port: uint32(address.Port)}); err != nil {
		return fmt.Errorf("say where: %w", err)
	}
	return server.Run(ctx, on)
}

// newServer returns the product's server, measured and traced, with the suite's service. It has no
// models and no matches. The suite counts the details of errors and expects none where none was asked
// for; those that the product adds have tests of their own.
func newServer(maxMessageBytes int) (*serving.Server, error) {
	telemetry, err := serving.NewTelemetry(sdkmetric.NewMeterProvider(), sdktrace.NewTracerProvider())
	if err != nil {
		return nil, err
	}
	models := inference.NewRegistry(noModels{}, nil, inference.Options{})
	service, err := serving.NewService(features.CurrentSchema(), models, nil, nil, serving.ServiceOptions{Telemetry: telemetry})
	if err != nil {
		return nil, err
	}
	return serving.NewServer(service, slog.New(slog.DiscardHandler), serving.ServerOptions{
		MaxMessageBytes: maxMessageBytes, BareErrors: true, Procedures: procedures(),
	}), nil
}

type noModels struct{}

func (noModels) List(context.Context) ([]inference.Aspired, error) { return nil, nil }

func (noModels) Fetch(context.Context, string, string) (string, error) {
	return "", errors.New("there are no models")
}

// readMessage and writeMessage put a message's length before it, in four bytes.
func readMessage(in io.Reader, message proto.Message) error {
	var size [4]byte
	if _, err := io.ReadFull(in, size[:]); err != nil {
		return err
	}
	data := make([]byte, binary.BigEndian.Uint32(size[:]))
	if _, err := io.ReadFull(in, data); err != nil {
		return err
	}
	return proto.Unmarshal(data, message)
}

func writeMessage(out io.Writer, message proto.Message) error {
	data, err := proto.Marshal(message)
	if err != nil {
		return err
	}
	_, err = out.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(data))), data...))
	return err
}
