package openinference

import (
	"encoding/json"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	pb "footballprediction/api/gen/inference"
	"footballprediction/inference"
)

// A request waits no longer than it says, over gRPC and REST, whatever its caller would wait.
func TestTimeout(t *testing.T) {
	g := &gate{make(chan struct{}), make(chan struct{})}
	s := newSite(t, gateModel(t), g)
	all := inferrers(s)
	answered := make(chan codes.Code, 1)
	go func() {
		_, st := all[0].call(t.Context(), &pb.ModelInferRequest{
			ModelName: "gate", Inputs: inputs{input("x", []int64{gateRows}, make([]bool, gateRows)...)},
		})
		answered <- codes.Code(st.GetCode())
	}()
	select {
	case <-g.enter:
	case code := <-answered:
		t.Fatalf("got %s", code)
	}
	probe := &pb.ModelInferRequest{
		ModelName: "gate", Inputs: inputs{input("x", []int64{1}, true)},
		Parameters: map[string]*pb.InferParameter{"timeout": {ParameterChoice: &pb.InferParameter_Int64Param{Int64Param: 20_000}}},
	}
	for _, c := range all {
		if _, st := c.call(t.Context(), probe); codes.Code(st.GetCode()) != codes.DeadlineExceeded {
			t.Errorf("%s: got %v", c.name, st)
		}
	}
	body := `{"parameters":{"timeout":20000},"inputs":[{"name":"x","datatype":"BOOL","shape":[1],"data":[true]}]}`
	if status, _, answer := s.fetch(t, "POST", "/v2/models/gate/infer", nil, []byte(body)); status != 504 || !json.Valid(answer) {
		t.Errorf("REST: got %d %s", status, answer)
	}
	g.leave <- struct{}{}
	if code := <-answered; code != codes.OK {
		t.Errorf("the first: got %s", code)
	}
}

// Contents of every type are read as tensors have them, and written so again.
func TestContents(t *testing.T) {
	for dataType, contents := range map[inference.DataType]*pb.InferTensorContents{
		inference.Bool:   {BoolContents: []bool{true, false}},
		inference.Int8:   {IntContents: []int32{-128, 127}},
		inference.Int16:  {IntContents: []int32{-32768, 32767}},
		inference.Int32:  {IntContents: []int32{-1 << 31, 1<<31 - 1}},
		inference.Int64:  {Int64Contents: []int64{-1 << 63, 1<<63 - 1}},
		inference.Uint8:  {UintContents: []uint32{0, 255}},
		inference.Uint16: {UintContents: []uint32{0, 65535}},
		inference.Uint32: {UintContents: []uint32{0, 1<<32 - 1}},
		inference.Uint64: {Uint64Contents: []uint64{0, 1<<64 - 1}},
		inference.FP32:   {Fp32Contents: []float32{-.5, 1e38}},
		inference.FP64:   {Fp64Contents: []float64{-.5, 1e308}},
		inference.Bytes:  {BytesContents: [][]byte{{}, []byte("two"), {0xff}}},
	} {
		data := rawOf(contents, dataType)
		if size := 2 * dataType.Size(); dataType != inference.Bytes && len(data) != size {
			t.Errorf("%s: %d bytes, want %d", dataType, len(data), size)
		}
		if got := newContents(&inference.Tensor{Type: dataType, Data: data}); !proto.Equal(got, contents) {
			t.Errorf("%s: got %v, want %v", dataType, got, contents)
		}
	}
	for dataType, wrong := range map[inference.DataType]*pb.InferTensorContents{
		inference.Int8:   {IntContents: []int32{-129}},
		inference.Int16:  {IntContents: []int32{32768}},
		inference.Uint8:  {UintContents: []uint32{256}},
		inference.Uint16: {UintContents: []uint32{65536}},
	} {
		if data, err := readContents(wrong, dataType); err == nil {
			t.Errorf("%s: got %v, want an error", dataType, data)
		}
	}
}
