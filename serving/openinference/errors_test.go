package openinference

import (
	"math"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	pb "footballprediction/api/gen/inference"
	"footballprediction/features"
	"footballprediction/serving"
)

// rows asks half_plus_two for two rows.
func rows() *pb.ModelInferRequest {
	return &pb.ModelInferRequest{ModelName: "halves", Inputs: inputs{input("x", []int64{2, 1}, float32(2), 4)}}
}

func several() *pb.ModelInferRequest {
	return &pb.ModelInferRequest{ModelName: "several_inputs", Inputs: severalInputs()}
}

// match asks the match model for two rows of which one feature is v.
func match(v float64) *pb.ModelInferRequest {
	width := len(features.CurrentSchema().Features)
	values := make([]float32, 2*width)
	values[width+1] = float32(v)
	return &pb.ModelInferRequest{ModelName: "match-outcome", Inputs: inputs{input("features", []int64{2, int64(width)}, values...)}}
}

// texts asks a model for one string, encoded as it is given.
func texts(model string, encoded []byte) *pb.ModelInferRequest {
	return &pb.ModelInferRequest{
		ModelName: model, Inputs: inputs{{Name: "text", Datatype: "BYTES", Shape: []int64{1, 1}}}, RawInputContents: [][]byte{encoded},
	}
}

// parameter asks half_plus_two with a parameter.
func parameter(name string, value *pb.InferParameter) *pb.ModelInferRequest {
	return with(rows(), func(r *pb.ModelInferRequest) { r.Parameters = map[string]*pb.InferParameter{name: value} })
}

func with(request *pb.ModelInferRequest, change func(*pb.ModelInferRequest)) *pb.ModelInferRequest {
	change(request)
	return request
}

// inferErrors are wrong requests. Each names what is wrong, what was expected and what was got.
var inferErrors = []struct {
	name    string
	request *pb.ModelInferRequest
	want    wrong
}{
	{"unknown model", with(rows(), func(r *pb.ModelInferRequest) { r.ModelName = "oracle" }),
		wrong{codes.NotFound, serving.ModelUnknown, "model_name", `"oracle"; expected `}},
	{"no model", &pb.ModelInferRequest{}, wrong{codes.NotFound, serving.ModelUnknown, "model_name", `""; expected`}},
	{"unknown version", with(rows(), func(r *pb.ModelInferRequest) { r.ModelVersion = "3" }),
		wrong{codes.NotFound, serving.ModelVersionUnknown, "model_version", `"halves" version "3"; expected 1, 2, next, champion`}},
	{"unknown alias", with(rows(), func(r *pb.ModelInferRequest) { r.ModelVersion = "challenger" }),
		wrong{codes.NotFound, serving.ModelVersionUnknown, "model_version", `"challenger"`}},
	{"model not ready", with(rows(), func(r *pb.ModelInferRequest) { r.ModelName = "broken" }),
		wrong{codes.Unavailable, serving.ModelNotReady, "", `"broken" version 1 has failed`}},

	{"wrong name", with(rows(), func(r *pb.ModelInferRequest) { r.Inputs[0].Name = "z" }),
		wrong{codes.InvalidArgument, serving.TensorUnknown, "inputs[0].name", `input "z": tensor unknown: expected x FP32 [-1,1]`}},
	{"no name", with(rows(), func(r *pb.ModelInferRequest) { r.Inputs[0].Name = "" }),
		wrong{codes.InvalidArgument, serving.TensorUnknown, "inputs[0].name", `input "": tensor unknown`}},
	{"no inputs", &pb.ModelInferRequest{ModelName: "halves"},
		wrong{codes.InvalidArgument, serving.TensorUnknown, "inputs", `input "x": tensor unknown: it is missing; expected x FP32 [-1,1]`}},
	{"an input missing", with(several(), func(r *pb.ModelInferRequest) { r.Inputs = r.Inputs[1:] }),
		wrong{codes.InvalidArgument, serving.TensorUnknown, "inputs", `input "flag": tensor unknown: it is missing`}},
	{"an input twice", with(rows(), func(r *pb.ModelInferRequest) { r.Inputs = append(r.Inputs, r.Inputs[0]) }),
		wrong{codes.InvalidArgument, serving.TensorUnknown, "inputs[1].name", `input "x": tensor unknown: it is given twice`}},
	{"a thousand inputs", with(rows(), func(r *pb.ModelInferRequest) { r.Inputs = slices.Repeat(r.Inputs, 1000) }),
		wrong{codes.InvalidArgument, serving.TensorUnknown, "inputs[1].name", `input "x": tensor unknown: it is given twice`}},
	{"a name like a book", with(rows(), func(r *pb.ModelInferRequest) { r.Inputs[0].Name = strings.Repeat("x", 1<<20) }),
		wrong{codes.InvalidArgument, serving.TensorUnknown, "inputs[0].name", `xxx…": tensor unknown`}},

	{"another datatype", with(rows(), func(r *pb.ModelInferRequest) { r.Inputs[0] = input("x", []int64{2, 1}, 2., 4) }),
		wrong{codes.InvalidArgument, serving.TensorDataType, "inputs[0].datatype", `input "x": tensor datatype: expected FP32, got FP64`}},
	{"a datatype that no model has", with(rows(), func(r *pb.ModelInferRequest) { r.Inputs[0].Datatype = "FP8" }),
		wrong{codes.InvalidArgument, serving.TensorDataType, "inputs[0].datatype", `input "x": tensor datatype: expected FP32, got "FP8"`}},
	{"no datatype", with(rows(), func(r *pb.ModelInferRequest) { r.Inputs[0].Datatype = "" }),
		wrong{codes.InvalidArgument, serving.TensorDataType, "inputs[0].datatype", `expected FP32, got ""`}},
	{"a datatype like a book", with(rows(), func(r *pb.ModelInferRequest) { r.Inputs[0].Datatype = strings.Repeat("x", 1<<20) }),
		wrong{codes.InvalidArgument, serving.TensorDataType, "inputs[0].datatype", `xxx…"`}},
	{"the field of another datatype", with(rows(), func(r *pb.ModelInferRequest) {
		r.Inputs[0].Contents = &pb.InferTensorContents{Fp64Contents: []float64{2, 4}}
	}), wrong{codes.InvalidArgument, serving.TensorDataType, "inputs[0].contents", `input "x": tensor datatype: expected fp32_contents for FP32, got fp64_contents`}},
	{"two fields", with(rows(), func(r *pb.ModelInferRequest) { r.Inputs[0].Contents.BytesContents = [][]byte{{1}} }),
		wrong{codes.InvalidArgument, serving.TensorDataType, "inputs[0].contents", `expected fp32_contents for FP32, got bytes_contents`}},

	{"another rank", with(rows(), func(r *pb.ModelInferRequest) { r.Inputs[0].Shape = []int64{2} }),
		wrong{codes.InvalidArgument, serving.TensorShape, "inputs[0].shape", `input "x": tensor shape: expected 2 dimensions [-1,1], got 1 [2]`}},
	{"no shape", with(rows(), func(r *pb.ModelInferRequest) { r.Inputs[0].Shape = nil }),
		wrong{codes.InvalidArgument, serving.TensorShape, "inputs[0].shape", `expected 2 dimensions [-1,1], got 0 []`}},
	{"a hundred thousand dimensions", with(rows(), func(r *pb.ModelInferRequest) { r.Inputs[0].Shape = slices.Repeat([]int64{1}, 1e5) }),
		wrong{codes.InvalidArgument, serving.TensorShape, "inputs[0].shape", `got 100000 [1,1,1,`}},
	{"another dimension", with(rows(), func(r *pb.ModelInferRequest) { r.Inputs[0].Shape = []int64{1, 2} }),
		wrong{codes.InvalidArgument, serving.TensorShape, "inputs[0].shape", `input "x": tensor shape: expected [-1,1], got [1,2]`}},
	{"no rows", with(rows(), func(r *pb.ModelInferRequest) { r.Inputs[0].Shape = []int64{0, 1} }),
		wrong{codes.InvalidArgument, serving.TensorShape, "inputs[0].shape", `dimension 0 of [0,1] is 0, expected at least 1`}},
	{"a negative dimension", with(rows(), func(r *pb.ModelInferRequest) { r.Inputs[0].Shape = []int64{-1, 1} }),
		wrong{codes.InvalidArgument, serving.TensorShape, "inputs[0].shape", `dimension 0 of [-1,1] is -1, expected at least 1`}},
	{"a shape that overflows", with(rows(), func(r *pb.ModelInferRequest) { r.Inputs[0].Shape = []int64{math.MaxInt64, 1} }),
		wrong{codes.InvalidArgument, serving.TensorShape, "inputs[0].shape", `[9223372036854775807,1] overflows`}},
	{"rows that disagree", with(several(), func(r *pb.ModelInferRequest) { r.Inputs[0] = input("flag", []int64{1}, true) }),
		wrong{codes.InvalidArgument, serving.TensorShape, "inputs[0].shape", `input "flag": tensor shape: expected 2 rows, as input "single" has, got 1`}},

	{"a claim of 2 GiB", with(rows(), func(r *pb.ModelInferRequest) { r.Inputs[0].Shape = []int64{1 << 29, 1} }),
		wrong{codes.InvalidArgument, serving.TensorSize, "inputs[0].contents", `input "x": tensor size: expected 2147483648 bytes for FP32 [536870912,1], got 8`}},
	{"a claim of 2 GiB, raw", with(raw(rows()), func(r *pb.ModelInferRequest) { r.Inputs[0].Shape = []int64{1 << 29, 1} }),
		wrong{codes.InvalidArgument, serving.TensorSize, "raw_input_contents[0]", `expected 2147483648 bytes for FP32 [536870912,1], got 8`}},
	{"too few elements", with(rows(), func(r *pb.ModelInferRequest) { r.Inputs[0].Shape = []int64{3, 1} }),
		wrong{codes.InvalidArgument, serving.TensorSize, "inputs[0].contents", `expected 12 bytes for FP32 [3,1], got 8`}},
	{"too many elements", with(rows(), func(r *pb.ModelInferRequest) { r.Inputs[0].Shape = []int64{1, 1} }),
		wrong{codes.InvalidArgument, serving.TensorSize, "inputs[0].contents", `expected 4 bytes for FP32 [1,1], got 8`}},
	{"no contents", with(rows(), func(r *pb.ModelInferRequest) { r.Inputs[0].Contents = nil }),
		wrong{codes.InvalidArgument, serving.TensorSize, "inputs[0].contents", `expected 8 bytes for FP32 [2,1], got 0`}},
	{"too few bytes", with(raw(rows()), func(r *pb.ModelInferRequest) { r.RawInputContents[0] = make([]byte, 7) }),
		wrong{codes.InvalidArgument, serving.TensorSize, "raw_input_contents[0]", `input "x": tensor size: expected 8 bytes for FP32 [2,1], got 7`}},
	{"too many bytes", with(raw(rows()), func(r *pb.ModelInferRequest) { r.RawInputContents[0] = make([]byte, 1<<20) }),
		wrong{codes.InvalidArgument, serving.TensorSize, "raw_input_contents[0]", `expected 8 bytes for FP32 [2,1], got 1048576`}},
	{"too many raw entries", with(raw(rows()), func(r *pb.ModelInferRequest) { r.RawInputContents = append(r.RawInputContents, nil) }),
		wrong{codes.InvalidArgument, serving.TensorSize, "raw_input_contents", `expected one entry for each of 1 inputs, got 2`}},
	{"too few raw entries", with(raw(several()), func(r *pb.ModelInferRequest) { r.RawInputContents = r.RawInputContents[:4] }),
		wrong{codes.InvalidArgument, serving.TensorSize, "raw_input_contents", `expected one entry for each of 5 inputs, got 4`}},
	{"raw without inputs", &pb.ModelInferRequest{ModelName: "halves", RawInputContents: [][]byte{{1}}},
		wrong{codes.InvalidArgument, serving.TensorSize, "raw_input_contents", `expected one entry for each of 0 inputs, got 1`}},
	{"raw and contents", with(rows(), func(r *pb.ModelInferRequest) { r.RawInputContents = raw(r).RawInputContents }),
		wrong{codes.InvalidArgument, serving.FieldInvalid, "raw_input_contents", `expected none where inputs have contents, got both: input "x" has fp32_contents`}},

	{"a BOOL of 2", with(raw(several()), func(r *pb.ModelInferRequest) { r.RawInputContents[0] = []byte{1, 2} }),
		wrong{codes.InvalidArgument, serving.TensorValue, "raw_input_contents[0]", `input "flag": tensor value: expected 0 or 1 for a BOOL, got 2 at byte 1`}},
	{"a feature that is NaN", match(math.NaN()),
		wrong{codes.InvalidArgument, serving.TensorValue, "inputs[0].contents", `input "features": tensor value: expected finite features, got NaN at row 1 for ` + features.CurrentSchema().Features[1].Name}},
	{"a feature that is infinite", raw(match(math.Inf(-1))),
		wrong{codes.InvalidArgument, serving.TensorValue, "raw_input_contents[0]", `expected finite features, got -Inf at row 1`}},

	{"a string longer than what follows", texts("strings", []byte{0, 0, 0, 64, 'a'}),
		wrong{codes.InvalidArgument, serving.TensorSize, "raw_input_contents[0]", `element 0: expected 1073741824 bytes, as its length says, got 1`}},
	{"a length cut off", texts("strings", []byte{1, 0}),
		wrong{codes.InvalidArgument, serving.TensorSize, "raw_input_contents[0]", `expected 1 elements for BYTES [1,1], got 0 in 2 bytes`}},
	{"a string too many", texts("strings", []byte{0, 0, 0, 0, 0, 0, 0, 0}),
		wrong{codes.InvalidArgument, serving.TensorSize, "raw_input_contents[0]", `expected 4 bytes for the 1 elements of BYTES [1,1], got 8`}},
	{"a zero byte in a string", texts("strings", []byte{2, 0, 0, 0, 'a', 0}),
		wrong{codes.InvalidArgument, serving.TensorValue, "raw_input_contents[0]", `element 0: expected no zero byte in a BYTES, got one at byte 1`}},
	{"an INT8 of 128", &pb.ModelInferRequest{ModelName: "same", Inputs: inputs{{
		Name: "INT8", Datatype: "INT8", Shape: []int64{1, 2}, Contents: &pb.InferTensorContents{IntContents: []int32{0, 128}},
	}}}, wrong{codes.InvalidArgument, serving.TensorValue, "inputs[0].contents", `input "INT8": tensor value: INT8 element 1: expected -128 to 127, got 128`}},
	{"FP16 as FP32", &pb.ModelInferRequest{ModelName: "same", Inputs: inputs{{
		Name: "FLOAT16", Datatype: "FP16", Shape: []int64{1, 2}, Contents: &pb.InferTensorContents{Fp32Contents: []float32{0, 1}},
	}}}, wrong{codes.InvalidArgument, serving.TensorDataType, "inputs[0].contents", `expected raw_input_contents for FP16, got fp32_contents`}},

	{"a sequence", parameter("sequence_id", &pb.InferParameter{ParameterChoice: &pb.InferParameter_Int64Param{Int64Param: 7}}),
		wrong{codes.Unimplemented, serving.NotBuilt, "parameters.sequence_id", "models keep nothing from one request to the next"}},
	{"a timeout in words", parameter("timeout", &pb.InferParameter{ParameterChoice: &pb.InferParameter_StringParam{StringParam: "soon"}}),
		wrong{codes.InvalidArgument, serving.FieldInvalid, "parameters.timeout", "parameter timeout: expected a whole number"}},
	{"a negative priority", parameter("priority", &pb.InferParameter{ParameterChoice: &pb.InferParameter_Int64Param{Int64Param: -1}}),
		wrong{codes.InvalidArgument, serving.FieldInvalid, "parameters.priority", "parameter priority: expected 0 at least, got -1"}},
	{"a reserved parameter", parameter("triton_secret", &pb.InferParameter{}),
		wrong{codes.InvalidArgument, serving.FieldInvalid, "parameters.triton_secret", "reserved"}},

	{"an unknown output", with(rows(), func(r *pb.ModelInferRequest) { r.Outputs = wanted("y", "q") }),
		wrong{codes.InvalidArgument, serving.TensorUnknown, "outputs[1].name", `output "q": tensor unknown: expected y FP32 [-1,1]`}},
	{"an output twice", with(rows(), func(r *pb.ModelInferRequest) { r.Outputs = wanted("y", "y") }),
		wrong{codes.InvalidArgument, serving.TensorUnknown, "outputs[1].name", `output "y": tensor unknown: it is given twice`}},
	{"a hundred thousand outputs", with(rows(), func(r *pb.ModelInferRequest) { r.Outputs = slices.Repeat(wanted("y"), 1e5) }),
		wrong{codes.InvalidArgument, serving.TensorUnknown, "outputs[1].name", `it is given twice`}},

	{"shared memory in", with(rows(), func(r *pb.ModelInferRequest) {
		r.Inputs[0].Contents, r.Inputs[0].Parameters = nil, map[string]*pb.InferParameter{"shared_memory_region": {}}
	}), wrong{codes.Unimplemented, serving.NotBuilt, "inputs[0].parameters", "shared_memory_region"}},
	{"shared memory out", with(rows(), func(r *pb.ModelInferRequest) {
		r.Outputs = wanted("y")
		r.Outputs[0].Parameters = map[string]*pb.InferParameter{"shared_memory_region": {}}
	}), wrong{codes.Unimplemented, serving.NotBuilt, "outputs[0].parameters", "shared_memory_region"}},
	{"classification", with(rows(), func(r *pb.ModelInferRequest) {
		r.Outputs = wanted("y")
		r.Outputs[0].Parameters = map[string]*pb.InferParameter{"classification": {ParameterChoice: &pb.InferParameter_Int64Param{Int64Param: 3}}}
	}), wrong{codes.Unimplemented, serving.NotBuilt, "outputs[0].parameters", "classification"}},

	{"what the model fails on", &pb.ModelInferRequest{ModelName: "lookup", Inputs: inputs{input("index", []int64{1}, int64(9))}},
		wrong{codes.Internal, serving.ModelFailed, "", "model lookup version 1 failed"}},
	{"a message over the limit", with(raw(rows()), func(r *pb.ModelInferRequest) { r.RawInputContents[0] = make([]byte, serving.MaxMessageBytes) }),
		wrong{codes.ResourceExhausted, serving.MessageTooLarge, "", "message: expected at most 4194304 bytes, got 41943"}},
}

func TestModelInferErrors(t *testing.T) {
	s := newSite(t, tinyModels(t, "several_inputs", "lookup", "strings", "same"), newOpener(t, 0))
	good := raw(rows())
	for _, c := range inferrers(s) {
		for _, test := range inferErrors {
			if c.name == "json" && proto.Size(test.request) > 1<<20 {
				continue // as JSON, these are over the limit
			}
			t.Run(c.name+"/"+test.name, func(t *testing.T) {
				_, st := c.call(t.Context(), test.request)
				test.want.check(t, c.name, st)
				if strings.Contains(st.GetMessage(), "Gather") {
					t.Errorf("tells too much: %s", st.GetMessage())
				}
			})
		}
		if _, st := c.call(t.Context(), good); st != nil {
			t.Errorf("%s: afterwards: %v", c.name, st)
		}
	}
}
