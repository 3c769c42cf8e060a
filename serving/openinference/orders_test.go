package openinference

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	pb "footballprediction/api/gen/inference"
	"footballprediction/inference"
	"footballprediction/serving"
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

// The parameters that say how a request is run, over every transport and REST. A priority that the model
// does not have leaves it to the model, as with Triton, and a timeout of 0 is none.
func TestOrders(t *testing.T) {
	s := newSite(t, tinyModels(t), newOpener(t, 1))
	whole := func(v int64) *pb.InferParameter {
		return &pb.InferParameter{ParameterChoice: &pb.InferParameter_Int64Param{Int64Param: v}}
	}
	unsigned := func(v uint64) *pb.InferParameter {
		return &pb.InferParameter{ParameterChoice: &pb.InferParameter_Uint64Param{Uint64Param: v}}
	}
	fraction := func(v float64) *pb.InferParameter {
		return &pb.InferParameter{ParameterChoice: &pb.InferParameter_DoubleParam{DoubleParam: v}}
	}
	word := func(v string) *pb.InferParameter {
		return &pb.InferParameter{ParameterChoice: &pb.InferParameter_StringParam{StringParam: v}}
	}
	flag := &pb.InferParameter{ParameterChoice: &pb.InferParameter_BoolParam{BoolParam: true}}
	const longest = math.MaxInt64 / 1000
	for _, test := range []struct {
		name, json string
		parameter  *pb.InferParameter
		want       string // empty: it is answered
	}{
		{"priority", "0", whole(0), ""},
		{"priority", "1", whole(1), ""},
		{"priority", "2", unsigned(2), ""},
		{"priority", "4294967296", whole(1 << 32), ""},
		{"priority", "18446744073709551615", unsigned(math.MaxUint64), ""},
		{"priority", "-1", whole(-1), "expected 0 at least, got -1"},
		{"priority", "1.5", fraction(1.5), "expected a whole number, got 1.5"},
		{"priority", "18446744073709551616", fraction(1 << 64), "expected a whole number, got 1.8446744073709552e+19"},
		{"priority", "true", flag, "expected a whole number, got true"},
		{"priority", `"1"`, word("1"), `expected a whole number, got "1"`},
		{"timeout", "0", whole(0), ""},
		{"timeout", "10000000", unsigned(10_000_000), ""},
		{"timeout", fmt.Sprint(longest), whole(longest), ""},
		{"timeout", fmt.Sprint(longest + 1), whole(longest + 1), "expected 9223372036854775 at most, got 9223372036854776"},
		{"timeout", "18446744073709551615", unsigned(math.MaxUint64), "expected 9223372036854775 at most, got 18446744073709551615"},
		{"timeout", "-9223372036854775808", whole(math.MinInt64), "expected 0 at least, got -9223372036854775808"},
		{"timeout", "1e999", fraction(math.Inf(1)), "expected a whole number, got +Inf"},
		{"timeout", "false", flag, "expected a whole number, got "},
		{"timeout", `"soon"`, word("soon"), `expected a whole number, got "soon"`},
		{"timeout", "", new(pb.InferParameter), "expected a whole number, got nothing"},
	} {
		for _, c := range inferrers(s) {
			_, st := c.call(t.Context(), parameter(test.name, test.parameter))
			if test.want == "" {
				if st != nil {
					t.Errorf("%s: %s %s: got %v", c.name, test.name, test.json, st)
				}
				continue
			}
			wrong{codes.InvalidArgument, serving.FieldInvalid, "parameters." + test.name, "parameter " + test.name + ": " + test.want}.check(t, c.name, st)
		}
		if test.json == "" {
			continue
		}
		body := fmt.Sprintf(`{"parameters":{%q:%s},"inputs":[{"name":"x","datatype":"FP32","shape":[1,1],"data":[2]}]}`, test.name, test.json)
		status, _, answer := s.fetch(t, "POST", "/v2/models/halves/infer", nil, []byte(body))
		var got struct{ Error string }
		if err := json.Unmarshal(answer, &got); err != nil || (status == 200) != (test.want == "") || status != 200 && status != 400 || !strings.Contains(got.Error, test.want) {
			t.Errorf("REST: %s %s: got %d %s", test.name, test.json, status, answer)
		}
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
