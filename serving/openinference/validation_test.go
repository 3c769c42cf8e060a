package openinference

import (
	"encoding/json"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	pb "footballprediction/api/gen/inference"
	"footballprediction/inference"
)

// A form is one of the ways in which elements of tensors travel.
type form struct {
	name string
	// send sends a request whose inputs have contents, and returns what the answer's first output holds,
	// or what was wrong.
	send func(t *testing.T, request *pb.ModelInferRequest) ([]byte, codes.Code, string)
}

func forms(s *site) []form {
	client := pb.NewGRPCInferenceServiceClient(s.native)
	overGRPC := func(t *testing.T, request *pb.ModelInferRequest) ([]byte, codes.Code, string) {
		response, err := client.ModelInfer(t.Context(), request)
		if err != nil {
			return nil, status.Code(err), status.Convert(err).Message()
		}
		if got := response.GetRawOutputContents(); len(got) > 0 {
			return got[0], codes.OK, ""
		}
		_, data := encoded(response.GetOutputs()[0].GetContents())
		return data, codes.OK, ""
	}
	return []form{
		{"gRPC", overGRPC},
		{"gRPC raw", func(t *testing.T, request *pb.ModelInferRequest) ([]byte, codes.Code, string) {
			return overGRPC(t, allRaw(request))
		}},
		{"REST", func(t *testing.T, request *pb.ModelInferRequest) ([]byte, codes.Code, string) {
			return s.sendJSON(t, request)
		}},
		{"REST binary", func(t *testing.T, request *pb.ModelInferRequest) ([]byte, codes.Code, string) {
			path, header, body := restForm(t, allRaw(request))
			return s.answered(t, path, header, body)
		}},
	}
}

// encoded returns what contents hold, by the field that they hold it in.
func encoded(c *pb.InferTensorContents) (inference.DataType, []byte) {
	for _, t := range []inference.DataType{
		inference.Bool, inference.Int32, inference.Int64, inference.Uint32, inference.Uint64, inference.FP32, inference.FP64, inference.Bytes,
	} {
		if data, err := readContents(c, t); err == nil && len(data) > 0 {
			return t, data
		}
	}
	return inference.FP32, nil
}

// allRaw moves contents to raw_input_contents, whatever the datatypes say.
func allRaw(request *pb.ModelInferRequest) *pb.ModelInferRequest {
	request = proto.CloneOf(request)
	for _, in := range request.GetInputs() {
		_, data := encoded(in.GetContents())
		request.RawInputContents = append(request.RawInputContents, slices.Clone(data))
		in.Contents = nil
	}
	return request
}

// sendJSON sends a request whose elements are all in its JSON.
func (s *site) sendJSON(t *testing.T, request *pb.ModelInferRequest) ([]byte, codes.Code, string) {
	t.Helper()
	var tensors, wanted []map[string]any
	for _, in := range request.GetInputs() {
		dataType, data := encoded(in.GetContents())
		list, err := appendData(nil, dataType, data)
		if err != nil {
			list = strconvQuoted(data)
		}
		shape := in.GetShape()
		if shape == nil {
			shape = []int64{}
		}
		tensor := map[string]any{"name": in.GetName(), "datatype": in.GetDatatype(), "shape": shape, "data": json.RawMessage(list)}
		if in.GetParameters() != nil {
			tensor["parameters"] = map[string]any{sharedMemory: "region"}
		}
		tensors = append(tensors, tensor)
	}
	for _, out := range request.GetOutputs() {
		named := map[string]any{"name": out.GetName()}
		for name := range out.GetParameters() {
			named["parameters"] = map[string]any{name: 1}
		}
		wanted = append(wanted, named)
	}
	body, err := json.Marshal(map[string]any{"inputs": tensors, "outputs": wanted})
	if err != nil {
		// JSON of strings that are no UTF-8 is made by hand.
		body = fmt.Appendf(nil, `{"inputs":[{"name":"text","datatype":"BYTES","shape":[1,1],"data":%s}]}`, tensors[0]["data"])
	}
	return s.answered(t, "/v2/models/"+request.GetModelName()+"/infer", nil, body)
}

// strconvQuoted lists the elements of a BYTES tensor as JSON would have them if it held any bytes.
func strconvQuoted(data []byte) []byte {
	var list []byte
	for element, rest, ok := inference.NextBytes(data); ok; element, rest, ok = inference.NextBytes(rest) {
		list = append(append(append(list, '"'), element...), '"', ',')
	}
	return append(append([]byte{'['}, list[:len(list)-1]...), ']')
}

// answered sends a body, and returns what the answer's first output holds, or what was wrong by the code
// that gRPC has for it.
func (s *site) answered(t *testing.T, path string, header map[string]string, body []byte) ([]byte, codes.Code, string) {
	t.Helper()
	got, answerHeader, answer := s.fetch(t, "POST", path, header, body)
	if got != 200 {
		var refused struct{ Error string }
		if err := json.Unmarshal(answer, &refused); err != nil || refused.Error == "" {
			t.Fatalf("got %d %s", got, answer)
		}
		return nil, map[int]codes.Code{400: codes.InvalidArgument, 404: codes.NotFound, 500: codes.Internal, 501: codes.Unimplemented}[got], refused.Error
	}
	if length := answerHeader.Get(headerLength); length != "" {
		var n int
		if _, err := fmt.Sscan(length, &n); err != nil {
			t.Fatal(err)
		}
		return answer[n:], codes.OK, ""
	}
	var is struct {
		Outputs []struct {
			DataType string
			Shape    []int64
			Data     json.RawMessage
		}
	}
	if err := json.Unmarshal(answer, &is); err != nil {
		t.Fatalf("got %s", answer)
	}
	dataType, err := inference.ParseDataType(is.Outputs[0].DataType)
	if err != nil {
		t.Fatal(err)
	}
	data, err := parseData(is.Outputs[0].Data, dataType, is.Outputs[0].Shape)
	if err != nil {
		t.Fatalf("got %s: %v", answer, err)
	}
	return data, codes.OK, ""
}

// Every wrong tensor is refused in every form with the tensor, the kind of mistake, and what was expected;
// more rows than fit a batch are no mistake.
func TestInputValidation(t *testing.T) {
	s := newSite(t, tinyModels(t, "several_inputs", "row_sums", "product", "strings"), newOpener(t, 1))
	x := func(shape []int64, values ...float32) *pb.ModelInferRequest {
		return &pb.ModelInferRequest{ModelName: "halves", Inputs: inputs{input("x", shape, values...)}}
	}
	sums := func(shape []int64) *pb.ModelInferRequest {
		return &pb.ModelInferRequest{ModelName: "row_sums", Inputs: inputs{input("matrix", shape, int64(1))}}
	}
	memory := map[string]*pb.InferParameter{sharedMemory: {ParameterChoice: &pb.InferParameter_StringParam{StringParam: "region"}}}
	one := map[string]*pb.InferParameter{classification: {ParameterChoice: &pb.InferParameter_Int64Param{Int64Param: 1}}}
	for _, test := range []struct {
		name    string
		request *pb.ModelInferRequest
		code    codes.Code
		message string // part of it
	}{
		{"more rows than a batch", x([]int64{300, 1}, make([]float32, 300)...), codes.OK, ""},
		{"wrong name", with(x([]int64{1, 1}, 2), func(r *pb.ModelInferRequest) { r.Inputs[0].Name = "z" }), codes.InvalidArgument, `input "z": tensor unknown: expected x FP32 [-1,1]`},
		{"missing", with(several(), func(r *pb.ModelInferRequest) { r.Inputs = r.Inputs[:4] }), codes.InvalidArgument, `input "large": tensor unknown: it is missing; expected small INT32 [-1,2], large`},
		{"one too many", with(x([]int64{1, 1}, 2), func(r *pb.ModelInferRequest) { r.Inputs = append(r.Inputs, input("z", []int64{1, 1}, float32(2))) }), codes.InvalidArgument, `input "z": tensor unknown: expected x FP32 [-1,1]`},
		{"twice", with(x([]int64{1, 1}, 2), func(r *pb.ModelInferRequest) { r.Inputs = append(r.Inputs, r.Inputs[0]) }), codes.InvalidArgument, `input "x": tensor unknown: it is given twice`},
		{"another datatype", with(x(nil), func(r *pb.ModelInferRequest) { r.Inputs[0] = input("x", []int64{1, 1}, 2.) }), codes.InvalidArgument, `input "x": tensor datatype: expected FP32, got FP64`},
		{"a datatype that nobody has", with(x([]int64{1, 1}, 2), func(r *pb.ModelInferRequest) { r.Inputs[0].Datatype = "FLOAT" }), codes.InvalidArgument, `input "x": tensor datatype: expected FP32, got "FLOAT"`},
		{"too few dimensions", x([]int64{1}, 2), codes.InvalidArgument, `input "x": tensor shape: expected 2 dimensions [-1,1], got 1 [1]`},
		{"too many dimensions", x([]int64{1, 1, 1}, 2), codes.InvalidArgument, `input "x": tensor shape: expected 2 dimensions [-1,1], got 3 [1,1,1]`},
		{"no dimensions", x(nil, 2), codes.InvalidArgument, `input "x": tensor shape: expected 2 dimensions [-1,1], got 0 []`},
		{"another dimension", x([]int64{1, 2}, 2, 4), codes.InvalidArgument, `input "x": tensor shape: expected [-1,1], got [1,2]`},
		{"fixed dimensions", &pb.ModelInferRequest{ModelName: "product", Inputs: inputs{
			input("a", []int64{3, 2}, make([]float32, 6)...), input("b", []int64{3, 2}, make([]float32, 6)...),
		}}, codes.InvalidArgument, `input "a": tensor shape: expected [2,3], got [3,2]`},
		{"no rows", x([]int64{0, 1}), codes.InvalidArgument, `input "x": tensor shape: dimension 0 of [0,1] is 0, expected at least 1`},
		{"no columns", sums([]int64{1, 0}), codes.InvalidArgument, `input "matrix": tensor`},
		{"fewer elements", x([]int64{2, 1}, 2), codes.InvalidArgument, `input "x": tensor size: expected `},
		{"more elements", x([]int64{1, 1}, 2, 4), codes.InvalidArgument, `input "x": tensor size: expected `},
		{"no elements", x([]int64{1, 1}), codes.InvalidArgument, `input "x": tensor size: expected `},
		{"a negative dimension", x([]int64{-1, 1}, 2), codes.InvalidArgument, `input "x": tensor shape: dimension 0 of [-1,1] is -1, expected at least 1`},
		{"the least dimension", x([]int64{math.MinInt64, 1}, 2), codes.InvalidArgument, `is -9223372036854775808, expected at least 1`},
		{"two negative dimensions", sums([]int64{-1, -1}), codes.InvalidArgument, `input "matrix": tensor shape: dimension 0 of [-1,-1] is -1`},
		{"dimensions that wrap round to nothing", sums([]int64{1 << 32, 1 << 32}), codes.InvalidArgument, `input "matrix": tensor shape: [4294967296,4294967296] overflows`},
		{"bytes that wrap round to 8", sums([]int64{1<<61 + 1, 1}), codes.InvalidArgument, `input "matrix": tensor s`},
		{"rows that disagree", with(several(), func(r *pb.ModelInferRequest) { r.Inputs[1] = input("exact", []int64{3, 2}, make([]float64, 6)...) }), codes.InvalidArgument, `tensor shape: expected `},
		{"an unknown output", with(x([]int64{1, 1}, 2), func(r *pb.ModelInferRequest) { r.Outputs = wanted("z") }), codes.InvalidArgument, `output "z": tensor unknown: expected y FP32 [-1,1]`},
		{"an output twice", with(x([]int64{1, 1}, 2), func(r *pb.ModelInferRequest) { r.Outputs = wanted("y", "y") }), codes.InvalidArgument, `output "y": tensor unknown: it is given twice`},
		{"strings for numbers", with(x([]int64{1, 1}), func(r *pb.ModelInferRequest) {
			r.Inputs[0].Contents = &pb.InferTensorContents{BytesContents: [][]byte{[]byte("2")}}
		}), codes.InvalidArgument, `input "x": tensor `},
	} {
		for _, form := range forms(s) {
			_, code, message := form.send(t, test.request)
			if code != test.code || !strings.Contains(message, test.message) {
				t.Errorf("%s, %s: got %s %q, want %s %q", test.name, form.name, code, message, test.code, test.message)
			}
		}
	}
	// What the binary forms have no way to say.
	for _, test := range []struct {
		name    string
		request *pb.ModelInferRequest
		message string
	}{
		{"shared memory in", with(x([]int64{1, 1}, 2), func(r *pb.ModelInferRequest) { r.Inputs[0].Parameters = memory }), "parameter shared_memory_region is not built yet"},
		{"shared memory out", with(x([]int64{1, 1}, 2), func(r *pb.ModelInferRequest) {
			r.Outputs = wanted("y")
			r.Outputs[0].Parameters = memory
		}), "parameter shared_memory_region is not built yet"},
		{"classes", with(x([]int64{1, 1}, 2), func(r *pb.ModelInferRequest) {
			r.Outputs = wanted("y")
			r.Outputs[0].Parameters = one
		}), "parameter classification is not built yet"},
	} {
		for _, form := range []form{forms(s)[0], forms(s)[2]} {
			if _, code, message := form.send(t, test.request); code != codes.Unimplemented || !strings.Contains(message, test.message) {
				t.Errorf("%s, %s: got %s %q", test.name, form.name, code, message)
			}
		}
	}
}

// Strings of any bytes but zero come back as they went, in every form that holds them.
func TestStringsInEveryForm(t *testing.T) {
	s := newSite(t, tinyModels(t, "strings"), newOpener(t, 1))
	request := func(elements ...string) *pb.ModelInferRequest {
		in := &pb.ModelInferRequest_InferInputTensor{Name: "text", Datatype: "BYTES", Shape: []int64{int64(len(elements)), 1}, Contents: &pb.InferTensorContents{}}
		for _, e := range elements {
			in.Contents.BytesContents = append(in.Contents.BytesContents, []byte(e))
		}
		return &pb.ModelInferRequest{ModelName: "strings", Inputs: inputs{in}}
	}
	for _, test := range []struct {
		name     string
		elements []string
		refused  map[string]string // by forms, "" for all others
	}{
		{"empty", []string{""}, nil},
		{"empty among others", []string{"a", "", "b", ""}, nil},
		{"escapes", []string{"\"\\/\b\f\n\r\t\u2028<>&", "🙂é"}, nil},
		{"long", []string{strings.Repeat("x", 1<<20)}, nil},
		{"many", slices.Repeat([]string{"x"}, 5000), nil},
		{"a zero byte", []string{"a", "b\x00c"}, map[string]string{"": "element 1: expected no zero byte in a BYTES, got one at byte 1"}},
		{"a zero byte alone", []string{"\x00"}, map[string]string{"": "element 0: expected no zero byte in a BYTES, got one at byte 0"}},
		{"not UTF-8", []string{"a\xff\xc0"}, map[string]string{"REST": "body: expected JSON in UTF-8: give strings of other bytes as binary data"}},
	} {
		var want []byte
		for _, e := range test.elements {
			want = inference.AppendBytes(want, e)
		}
		for _, form := range forms(s) {
			got, code, message := form.send(t, request(test.elements...))
			refused, ok := test.refused[form.name]
			if !ok {
				refused = test.refused[""]
			}
			if refused != "" && (code != codes.InvalidArgument || !strings.Contains(message, refused)) || refused == "" && !slices.Equal(got, want) {
				t.Errorf("%s, %s: got %q, %s %s", test.name, form.name, clip(string(got)), code, message)
			}
		}
	}
	// Bytes in that JSON cannot hold are no answer in JSON.
	path, header, body := restForm(t, allRaw(request("a\xff")))
	body = []byte(strings.Replace(string(body), `"binary_data_output":true`, `"binary_data_output":false`, 1))
	header[headerLength] = fmt.Sprint(len(body) - len("\x02\x00\x00\x00a\xff"))
	if _, code, message := s.answered(t, path, header, body); code != codes.InvalidArgument || !strings.Contains(message, `output "same": element 0 is not UTF-8, which JSON does not hold: ask for it with parameter binary_data`) {
		t.Errorf("got %s %s", code, message)
	}
}

// What a caller says of lengths is believed of nobody: nothing is allocated for it.
func TestClaimsAllocateNothing(t *testing.T) {
	s := newSite(t, tinyModels(t, "strings", "row_sums"), newOpener(t, 1))
	client := pb.NewGRPCInferenceServiceClient(s.native)
	text := func(shape []int64, data []byte) *pb.ModelInferRequest {
		return with(texts("strings", data), func(r *pb.ModelInferRequest) { r.Inputs[0].Shape = shape })
	}
	type claim struct {
		name string
		ask  func() string
	}
	var claims []claim
	for name, request := range map[string]*pb.ModelInferRequest{
		"a string of 1 GiB":            text([]int64{1, 1}, []byte{0, 0, 0, 64, 'a'}),
		"a string of 4 GiB":            text([]int64{1, 1}, []byte{255, 255, 255, 255}),
		"a string of 4 GiB after one":  text([]int64{2, 1}, []byte{1, 0, 0, 0, 'a', 255, 255, 255, 255, 'b'}),
		"a trillion strings":           text([]int64{1 << 40, 1}, []byte{0, 0, 0, 0}),
		"a trillion strings of no use": text([]int64{1 << 40, 1}, nil),
		"a matrix of 8 EiB":            {ModelName: "row_sums", Inputs: inputs{{Name: "matrix", Datatype: "INT64", Shape: []int64{1 << 30, 1 << 29}}}, RawInputContents: [][]byte{{1}}},
	} {
		path, header, body := restForm(t, request)
		claims = append(claims, claim{name, func() string {
			_, err := client.ModelInfer(t.Context(), request)
			return status.Convert(err).Message()
		}}, claim{name + ", REST", func() string {
			_, _, message := s.answered(t, path, header, body)
			return message
		}})
	}
	for name, body := range map[string]string{
		"binary data of 4 GB":        `{"inputs":[{"name":"text","datatype":"BYTES","shape":[1,1],"parameters":{"binary_data_size":4000000000}}]}`,
		"binary data of 4 MB":        `{"inputs":[{"name":"text","datatype":"BYTES","shape":[1,1],"parameters":{"binary_data_size":4000000}}]}`,
		"a trillion strings in JSON": `{"inputs":[{"name":"text","datatype":"BYTES","shape":[1099511627776,1],"data":["a"]}]}`,
	} {
		claims = append(claims, claim{name, func() string {
			_, _, message := s.answered(t, "/v2/models/strings/infer", map[string]string{headerLength: fmt.Sprint(len(body))}, []byte(body))
			return message
		}})
	}
	for _, claim := range claims {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		message := claim.ask()
		runtime.ReadMemStats(&after)
		if !strings.Contains(message, "tensor s") && !strings.Contains(message, "binary_data_size") {
			t.Errorf("%s: got %q", claim.name, message)
		}
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 1<<20 {
			t.Errorf("%s: %d bytes were allocated", claim.name, grown)
		}
	}
}
