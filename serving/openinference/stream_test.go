package openinference

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "footballprediction/api/gen/inference"
)

// A stream is a client's end of ModelStreamInfer.
type stream interface {
	Send(*pb.ModelInferRequest) error
	CloseSend() error
	Recv() (*pb.ModelStreamInferResponse, error)
}

type connectStream struct {
	*connect.BidiStreamForClient[pb.ModelInferRequest, pb.ModelStreamInferResponse]
}

func (c connectStream) CloseSend() error                            { return c.CloseRequest() }
func (c connectStream) Recv() (*pb.ModelStreamInferResponse, error) { return c.Receive() }

// streams opens a stream over every transport that has both directions at once.
func streams(t *testing.T, s *site) map[string]stream {
	t.Helper()
	native, err := pb.NewGRPCInferenceServiceClient(s.native).ModelStreamInfer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]stream{"native": native}
	for name, options := range map[string][]connect.ClientOption{
		"connect": nil, "json": {connect.WithProtoJSON()}, "grpc": {connect.WithGRPC()}, "grpcweb": {connect.WithGRPCWeb()},
	} {
		client := connect.NewClient[pb.ModelInferRequest, pb.ModelStreamInferResponse](
			s.http2, "http://"+s.http+pb.GRPCInferenceService_ModelStreamInfer_FullMethodName, options...)
		all[name] = connectStream{client.CallBidiStream(t.Context())}
	}
	return all
}

// finish sends nothing more and expects nothing more.
func finish(t *testing.T, name string, c stream) {
	t.Helper()
	if err := c.CloseSend(); err != nil {
		t.Errorf("%s: close: %v", name, err)
	}
	if got, err := c.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("%s: got %v, %v, want the end", name, got, err)
	}
}

// Requests are answered in their order, whatever model they are for; a wrong one is answered with what is
// wrong with it, and those after it as if it had not been.
func TestModelStreamInfer(t *testing.T) {
	s := newSite(t, tinyModels(t, "several_inputs", "lookup"), newOpener(t, 0))
	bad := with(rows(), func(r *pb.ModelInferRequest) { r.Id, r.ModelName = "bad", "oracle" })
	failing := &pb.ModelInferRequest{Id: "fails", ModelName: "lookup", Inputs: inputs{input("index", []int64{1}, int64(9))}}
	for name, c := range streams(t, s) {
		const rounds = 20
		sent := make(chan error, 1)
		go func() {
			var err error
			for i := range rounds {
				good := with(rows(), func(r *pb.ModelInferRequest) { r.Id = fmt.Sprint(i) })
				err = errors.Join(err, c.Send(good), c.Send(bad), c.Send(raw(several())), c.Send(failing))
			}
			sent <- err
		}()
		for i := range rounds {
			for _, want := range []struct{ id, model, problem string }{
				{fmt.Sprint(i), "halves", ""}, {"bad", "", `model unknown: "oracle"`}, {"", "several_inputs", ""}, {"fails", "", "model lookup version 1 failed"},
			} {
				got, err := c.Recv()
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				response := got.GetInferResponse()
				if response.GetId() != want.id || response.GetModelName() != want.model || (got.GetErrorMessage() != "") != (want.problem != "") ||
					!strings.Contains(got.GetErrorMessage(), want.problem) {
					t.Fatalf("%s: got %v, want %+v", name, got, want)
				}
				if final := response.GetParameters()["triton_final_response"].GetBoolParam(); final != (want.problem == "") {
					t.Errorf("%s: final: %t", name, final)
				}
				if want.model == "halves" && !slices.Equal(response.GetOutputs()[0].GetContents().GetFp32Contents(), []float32{3, 4}) {
					t.Errorf("%s: got %v", name, response)
				}
			}
		}
		if err := <-sent; err != nil {
			t.Errorf("%s: send: %v", name, err)
		}
		finish(t, name, c)
	}
}

// A stream that stays open does not keep the server: it ends once all that was received is answered.
func TestStreamsEndWhenTheServerDrains(t *testing.T) {
	g := &gate{make(chan struct{}), make(chan struct{})}
	s := newSite(t, gateModel(t), g)
	all := streams(t, s)
	probe := &pb.ModelInferRequest{ModelName: "gate", Inputs: inputs{input("x", []int64{1}, true)}}
	for name, c := range all {
		if err := c.Send(probe); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got, err := c.Recv(); err != nil || got.GetErrorMessage() != "" {
			t.Fatalf("%s: got %v, %v", name, got, err)
		}
	}
	busy := all["native"]
	if err := busy.Send(&pb.ModelInferRequest{ModelName: "gate", Inputs: inputs{input("x", []int64{gateRows}, make([]bool, gateRows)...)}}); err != nil {
		t.Fatal(err)
	}
	<-g.enter
	s.drain()
	for name, c := range all {
		if name == "native" {
			g.leave <- struct{}{}
			if got, err := c.Recv(); err != nil || len(got.GetInferResponse().GetOutputs()) != 1 {
				t.Errorf("%s: got %v, %v", name, got, err)
			}
		}
		_, err := c.Recv()
		st := statusOf(err)
		if name == "native" {
			st = status.Convert(err).Proto()
		}
		if codes.Code(st.GetCode()) != codes.Unavailable {
			t.Errorf("%s: got %v, want UNAVAILABLE", name, err)
		}
		if name != "native" {
			if err := c.CloseSend(); err != nil {
				t.Errorf("%s: close: %v", name, err)
			}
		}
	}
}
