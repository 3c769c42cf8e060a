package openinference

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	pb "footballprediction/api/gen/inference"
	"footballprediction/inference"
	"footballprediction/serving"
)

// fetch sends a request to the HTTP port and returns what came back.
func (s *site) fetch(t *testing.T, method, path string, header map[string]string, body []byte) (status int, got http.Header, answer []byte) {
	t.Helper()
	return s.fetchFrom(t, s.http, method, path, header, body)
}

// fetchFrom is fetch from any of the HTTP ports.
func (s *site) fetchFrom(t *testing.T, address, method, path string, header map[string]string, body []byte) (status int, got http.Header, answer []byte) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, "http://"+address+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range header {
		request.Header.Set(name, value)
	}
	response, err := s.http1.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if answer, err = io.ReadAll(response.Body); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, response.Header, answer
}

// Every path answers as Triton's and KServe's clients expect, and what is not there in the same form.
func TestREST(t *testing.T) {
	s := newSite(t, tinyModels(t, "several_inputs"), newOpener(t, 1))
	tensor := `{"name":"x","datatype":"FP32","shape":[-1,1]}`
	for _, test := range []struct {
		method, path, body string
		status             int
		want               string // part of it
	}{
		{"GET", "/v2/health/live", "", 200, `{"live":true}`},
		{"GET", "/v2/health/ready", "", 200, `{"ready":true}`},
		{"GET", "/v2", "", 200, `{"name":"footballprediction","version":"1.2.3","extensions":[`},
		{"GET", "/v2/models/halves", "", 200, `{"name":"halves","versions":["1","2"],"platform":"onnxruntime_onnx","inputs":[` + tensor + `],"outputs":[{"name":"y"`},
		{"GET", "/v2/models/halves/versions/next", "", 200, tensor},
		{"GET", "/v2/models/halves/ready", "", 200, `{"name":"halves","ready":true}`},
		{"GET", "/v2/models/halves/versions/2/ready", "", 200, `"ready":true`},
		{"GET", "/v2/models/halves/versions/3/ready", "", 404, `{"error":"model version unknown`},
		{"GET", "/v2/models/broken/ready", "", 503, `{"error":"model not ready`},
		{"GET", "/v2/models/oracle", "", 404, `{"error":"model unknown: \"oracle\"`},
		{"GET", "/v2/models/halves/config", "", 200, `"max_batch_size":128,"input":[{"name":"x","data_type":"TYPE_FP32","dims":[1]}]`},
		{"GET", "/v2/models/several_inputs/config", "", 200, `"max_batch_size":0,"input":[{"name":"small","data_type":"TYPE_INT32","dims":[-1,2]}`},
		{"GET", "/v2/models/halves/stats", "", 200, `{"model_stats":[{"name":"halves","version":"1",`},
		{"GET", "/v2/models/stats", "", 200, `"name":"match-outcome"`},
		{"POST", "/v2/repository/index", "", 200, `[{"name":"broken","version":"1","state":"UNAVAILABLE","reason":"`},
		{"POST", "/v2/repository/index", `{"ready":true}`, 200, `[{"name":"halves","version":"1","state":"READY","reason":""}`},
		{"GET", "/v2/repository/index", "", 200, `"state":"UNAVAILABLE"`},
		{"POST", "/v2/repository/index", `{"ready":true,"ready":false}`, 400, `{"error":"body: expected each key once, got \"ready\" twice`},
		{"POST", "/v2/repository/index", `{"ready":1}`, 400, `{"error":"body: field ready: expected true or false, got number`},
		{"POST", "/v2/repository/models/halves/load", "", 403, `needs role operator, got viewer"}`},
		{"POST", "/v2/repository/models/halves/unload", `{"parameters":{"actor":"anna"}}`, 403, `needs role operator, got viewer"}`},
		{"GET", "/v2/systemsharedmemory/status", "", 404, `{"error":"path`},
		{"GET", "/v2/", "", 404, `{"error":"path`},
		{"POST", "/v2", "", 405, `{"error":"method`},
		{"GET", "/v2/models/halves/infer", "", 405, `expected POST`},
	} {
		status, header, body := s.fetch(t, test.method, test.path, nil, []byte(test.body))
		if status != test.status || !strings.Contains(string(body), test.want) || header.Get("Content-Type") != "application/json" || !json.Valid(body) {
			t.Errorf("%s %s: got %d %s, want %d %s", test.method, test.path, status, body, test.status, test.want)
		}
	}
	if status, _, _ := newSite(t, gateModel(t), new(gate)).fetch(t, "GET", "/v2/health/ready", nil, nil); status != 503 {
		t.Errorf("without the match model: got %d", status)
	}
}

// The statistics are the same over REST and gRPC.
func TestRESTStatistics(t *testing.T) {
	s := newSite(t, tinyModels(t, "several_inputs"), newOpener(t, 1))
	for _, c := range inferrers(s) {
		if _, st := c.call(t.Context(), several()); st != nil {
			t.Fatal(st)
		}
	}
	want := statisticsOf(t, s, "several_inputs")
	_, _, body := s.fetch(t, "GET", "/v2/models/several_inputs/stats", nil, nil)
	got := new(pb.ModelStatisticsResponse)
	if err := protojson.Unmarshal(body, got); err != nil || !proto.Equal(got.GetModelStats()[0], want) {
		t.Errorf("got %s, %v, want %v", body, err, want)
	}
}

// restForm writes a gRPC request with raw contents in the REST form: all of its tensors binary.
func restForm(t *testing.T, request *pb.ModelInferRequest) (path string, header map[string]string, body []byte) {
	t.Helper()
	object := map[string]any{"id": request.GetId(), "parameters": map[string]any{"binary_data_output": true}}
	var tensors, wanted []any
	var binary []byte
	for i, in := range request.GetInputs() {
		raw := request.GetRawInputContents()[i]
		shape := in.GetShape()
		if shape == nil {
			shape = []int64{}
		}
		tensors = append(tensors, map[string]any{
			"name": in.GetName(), "datatype": in.GetDatatype(), "shape": shape, "parameters": map[string]any{"binary_data_size": len(raw)},
		})
		binary = append(binary, raw...)
	}
	for _, out := range request.GetOutputs() {
		wanted = append(wanted, map[string]any{"name": out.GetName()})
	}
	object["inputs"], object["outputs"] = tensors, wanted
	body, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	path = "/v2/models/" + request.GetModelName()
	if request.GetModelVersion() != "" {
		path += "/versions/" + request.GetModelVersion()
	}
	return path + "/infer", map[string]string{headerLength: fmt.Sprint(len(body))}, append(body, binary...)
}

// What gRPC refuses, REST with binary tensors refuses with the same words.
func TestRESTInferErrors(t *testing.T) {
	s := newSite(t, tinyModels(t, "several_inputs", "lookup", "strings", "same"), newOpener(t, 0))
	statuses := map[codes.Code]int{
		codes.InvalidArgument: 400, codes.NotFound: 404, codes.Unavailable: 503, codes.Unimplemented: 501, codes.Internal: 500,
	}
	asked := 0
	for _, test := range inferErrors {
		request := test.request
		if request.GetModelName() == "" || len(request.GetParameters()) > 0 || len(request.GetInputs()) == 0 || test.want.reason == serving.MessageTooLarge || test.want.reason == serving.NotBuilt {
			continue
		}
		if len(request.GetRawInputContents()) == 0 {
			fits := true
			for _, in := range request.GetInputs() {
				dataType, err := inference.ParseDataType(in.GetDatatype())
				if err == nil {
					_, err = readContents(in.GetContents(), dataType)
				}
				fits = fits && err == nil && in.GetContents() != nil && otherField(in.GetContents(), contentsFields[dataType]) == "" && proto.Size(in.GetContents()) > 0
			}
			if !fits {
				continue
			}
			request = raw(request)
		}
		if len(request.GetRawInputContents()) != len(request.GetInputs()) || test.want.field == "raw_input_contents" {
			continue
		}
		path, header, body := restForm(t, request)
		status, _, answer := s.fetch(t, "POST", path, header, body)
		var got struct{ Error string }
		if err := json.Unmarshal(answer, &got); err != nil || status != statuses[test.want.code] || !strings.Contains(got.Error, test.want.message) {
			t.Errorf("%s: got %d %s, want %s", test.name, status, answer, test.want.message)
		}
		asked++
	}
	if asked < 25 {
		t.Errorf("%d of %d requests have a REST form", asked, len(inferErrors))
	}
}

// A body that does not come in time is no wrong one, however it is compressed.
func TestBodiesThatDoNotCome(t *testing.T) {
	var compressed bytes.Buffer
	w := gzip.NewWriter(&compressed)
	if _, err := w.Write([]byte("{")); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, encoding, body string
		err                  error
		want                 codes.Code
	}{
		{"late", "", "{", os.ErrDeadlineExceeded, codes.DeadlineExceeded},
		{"late, compressed", "gzip", compressed.String(), os.ErrDeadlineExceeded, codes.DeadlineExceeded},
		{"late, nothing of it", "gzip", "", os.ErrDeadlineExceeded, codes.DeadlineExceeded},
		{"broken off", "", "{", io.ErrUnexpectedEOF, codes.InvalidArgument},
		{"broken off, compressed", "gzip", compressed.String(), io.ErrUnexpectedEOF, codes.InvalidArgument},
	} {
		body := io.MultiReader(strings.NewReader(test.body), iotest.ErrReader(fmt.Errorf("read: %w", test.err)))
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "/", body)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Encoding", test.encoding)
		if _, err := readBody(request); err == nil || serving.Explain(err).Code != test.want {
			t.Errorf("%s: got %v, want %s", test.name, err, test.want)
		}
	}
}

// The JSON of inference requests: tensors flat or nested, alone or beside binary ones, and what is wrong.
func TestRESTInferJSON(t *testing.T) {
	s := newSite(t, tinyModels(t, "several_inputs", "same", "strings", "lookup", "reciprocal"), newOpener(t, 0))
	x := func(rest string) string { return `{"inputs":[{"name":"x","datatype":"FP32",` + rest + `}]}` }
	text := func(data string) string {
		return `{"inputs":[{"name":"text","datatype":"BYTES","shape":[2,1],"data":` + data + `}]}`
	}
	same := func(dataType, shape, data string) string {
		return `{"inputs":[{"name":"INT8","datatype":"` + dataType + `","shape":` + shape + `,"data":` + data + `}]}`
	}
	y := `"outputs":[{"name":"y","datatype":"FP32","shape":[2,1],"data":[3,2.5]}]}`
	bomb := func(writer func(io.Writer) io.WriteCloser) string {
		var b bytes.Buffer
		w := writer(&b)
		if _, err := w.Write(bytes.Repeat([]byte(" "), 64<<20)); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	for _, test := range []struct {
		name, model, body string
		header            map[string]string
		status            int
		want              string // part of it
	}{
		{"flat", "halves", x(`"shape":[2,1],"data":[2,1]`), nil, 200, `{"model_name":"halves","model_version":"1",` + y},
		{"nested", "halves", x(`"shape":[2,1],"data":[ [2] , [1e0] ]`), nil, 200, y},
		{"data before its datatype", "halves", `{"id":"é","inputs":[{"data":[2,1],"shape":[2,1],"datatype":"FP32","name":"x"}]}`, nil, 200, `"id":"é",` + y},
		{"an unknown parameter and field", "halves", `{"colour":1,"parameters":{"colour":"blue","priority":2,"timeout":1000000},"inputs":[{"name":"x","datatype":"FP32","shape":[2,1],"data":[2,1]}]}`, nil, 200, y},
		{"strings", "strings", text(`["a\"\u00e9", 1 ]`), nil, 400, "element 1: expected a string"},
		{"strings, nested", "strings", text(`[["a\"\u00e9"],["🙂, ]"]]`), nil, 200, `"data":["a\"é","🙂, ]"]`},
		{"a string with a zero byte", "strings", text(`["a","\u0000"]`), nil, 400, "expected no zero byte"},
		{"half of a surrogate pair", "strings", text(`["a","\ud800"]`), nil, 400, "surrogate"},
		{"not UTF-8", "strings", text("[\"a\",\"\xff\"]"), nil, 400, "UTF-8"},
		{"a string for a number", "halves", x(`"shape":[1,1],"data":["2"]`), nil, 400, `tensor value: element 0: expected a number of 32 bits, got \"2\"`},
		{"null", "halves", x(`"shape":[1,1],"data":[null]`), nil, 400, `got null`},
		{"NaN", "halves", x(`"shape":[1,1],"data":[NaN]`), nil, 400, "JSON has no NaN and no Infinity"},
		{"-Infinity", "halves", x(`"shape":[1,1],"data":[-Infinity]`), nil, 400, "JSON has no NaN and no Infinity"},
		{"beyond FP32", "halves", x(`"shape":[1,1],"data":[1e39]`), nil, 400, "expected a number of 32 bits, got 1e39"},
		{"beyond INT8", "same", same("INT8", "[1,2]", "[128,0]"), nil, 400, "expected a whole number of 8 bits, got 128"},
		{"below UINT8", "same", same("UINT8", "[1,2]", "[-1,0]"), nil, 400, "expected a whole number of 8 bits, not negative, got -1"},
		{"a fraction", "same", same("INT64", "[1,2]", "[1.0,0]"), nil, 400, "expected a whole number of 64 bits, got 1.0"},
		{"a number for a BOOL", "same", same("BOOL", "[1,2]", "[1,0]"), nil, 400, "expected true or false, got 1"},
		{"FP16", "same", same("FP16", "[1,2]", "[1,0]"), nil, 400, "JSON holds no FP16: expected binary data"},
		{"too few elements", "halves", x(`"shape":[2,1],"data":[2]`), nil, 400, "expected 2 elements for [2,1], got 1"},
		{"too many elements", "halves", x(`"shape":[1,1],"data":[2,1]`), nil, 400, "expected 1 elements for [1,1], got 2"},
		{"lists too deep", "halves", x(`"shape":[2,1],"data":[[[2],[1]]]`), nil, 400, "lists within lists of 2 dimensions [2,1], got 3"},
		{"ragged", "halves", x(`"shape":[2,1],"data":[[2,1],[]]`), nil, 400, "got one of 2 in dimension 1"},
		{"elements beside lists", "halves", x(`"shape":[2,1],"data":[[2],1]`), nil, 400, "beside one another"},
		{"no list", "halves", x(`"shape":[1,1],"data":2`), nil, 400, "expected a list of FP32, got 2"},
		{"an object", "halves", x(`"shape":[1,1],"data":[{"a":[1,2]}]`), nil, 400, "got {"},
		{"no data", "halves", x(`"shape":[1,1]`), nil, 400, "inputs[0]: expected field data, the elements, or parameter binary_data_size: it is missing"},
		{"data that is null", "halves", x(`"shape":[1,1],"data":null`), nil, 400, "expected a list of FP32, got null"},
		{"no shape", "halves", x(`"data":[2]`), nil, 400, "inputs[0]: expected field shape, such as [1,4]: it is missing"},
		{"a shape that is null", "halves", x(`"shape":null,"data":[2]`), nil, 400, "inputs[0]: expected field shape, such as [1,4]: it is missing"},
		{"no datatype", "halves", `{"inputs":[{"name":"x","shape":[1,1],"data":[2]}]}`, nil, 400, "inputs[0]: expected field datatype, such as FP32: it is missing"},
		{"no name", "halves", `{"inputs":[{"datatype":"FP32","shape":[1,1],"data":[2]}]}`, nil, 400, "inputs[0]: expected field name, the input's name in the model: it is missing"},
		{"inputs twice", "halves", `{"inputs":[{"name":"x","datatype":"FP32","shape":[2,1],"data":[2,1]}],"id":"1","inputs":[]}`, nil, 400, `body: expected each key once, got \"inputs\" twice`},
		{"inputs again, in capitals", "halves", `{"inputs":[],"INPUTS":[]}`, nil, 400, `body: expected each key once, got \"inputs\" twice`},
		{"data twice", "halves", `{"inputs":[{"name":"y"},{"name":"x","data":["\"",{"a":[1,"]}"]}],"shape":[],"data":[2]}]}`, nil, 400, `body: inputs[1]: expected each key once, got \"data\" twice`},
		{"a name twice, escaped", "halves", x(`"n\u0061me":"x"`), nil, 400, `body: inputs[0]: expected each key once, got \"name\" twice`},
		{"a parameter twice", "halves", x(`"parameters":{"a":1,"b":2,"a":1}`), nil, 400, `body: inputs[0].parameters: expected each key once, got \"a\" twice`},
		{"parameters that differ in case", "halves", `{"parameters":{"name":1,"Name":2},"inputs":[{"name":"x","datatype":"FP32","shape":[2,1],"data":[2,1]}]}`, nil, 200, y},
		{"a shape beyond all", "halves", x(`"shape":[9223372036854775807,9223372036854775807],"data":[2]`), nil, 400, "tensor shape"},
		{"a shape of fractions", "halves", x(`"shape":[1.5,1],"data":[2]`), nil, 400, "body: field inputs.shape: expected a whole number of 64 bits, got number 1.5"},
		{"a dimension beyond all", "halves", x(`"shape":[9223372036854775808,1],"data":[2]`), nil, 400, "body: field inputs.shape: expected a whole number of 64 bits"},
		{"outputs that are no list", "halves", `{"inputs":[],"outputs":false}`, nil, 400, "body: field outputs: expected a list, got bool"},
		{"inputs that are no objects", "halves", `{"inputs":[1]}`, nil, 400, "body: field inputs: expected an object, got number"},
		{"parameters that are no object", "halves", `{"parameters":[],"inputs":[]}`, nil, 400, "body: field parameters: expected an object, got array"},
		{"a name that is no string", "halves", `{"inputs":[{"name":1}]}`, nil, 400, "body: field inputs.name: expected a string, got number"},
		{"binary data or not", "halves", `{"inputs":[],"outputs":[{"name":"y","parameters":{"binary_data":"yes"}}]}`, nil, 400, `parameter binary_data: expected true or false, got \"yes\"`},
		{"all binary or not", "halves", `{"parameters":{"binary_data_output":1},"inputs":[]}`, nil, 400, `parameter binary_data_output: expected true or false, got 1`},
		{"a size of binary data in words", "halves", x(`"shape":[1,1],"parameters":{"binary_data_size":"4"}`), nil, 400, `parameter binary_data_size: expected a whole number, got \"4\"`},
		{"beyond FP64", "same", same("FP64", "[1,2]", "[1e999,0]"), nil, 400, "expected a number of 64 bits, got 1e999"},
		{"beyond INT64", "same", same("INT64", "[1,2]", "[9223372036854775808,0]"), nil, 400, "expected a whole number of 64 bits, got 9223372036854775808"},
		{"beyond UINT64", "same", same("UINT64", "[1,2]", "[18446744073709551616,0]"), nil, 400, "expected a whole number of 64 bits, not negative, got 18446744073709551616"},
		{"1e999 for an INT8", "same", same("INT8", "[1,2]", "[1e999,0]"), nil, 400, "expected a whole number of 8 bits, got 1e999"},
		{"a number with an exponent", "same", same("INT32", "[1,2]", "[1e2,0]"), nil, 400, "expected a whole number of 32 bits, got 1e2"},
		{"data and binary data", "halves", x(`"shape":[1,1],"data":[2],"parameters":{"binary_data_size":4}`), nil, 400, "got both"},
		{"less binary data than announced", "halves", x(`"shape":[1,1],"parameters":{"binary_data_size":4}`), nil, 400, "expected 4 bytes behind the JSON"},
		{"negative binary data", "halves", x(`"shape":[1,1],"parameters":{"binary_data_size":-4}`), nil, 400, "expected 0 at least, got -4"},
		{"an infinite output", "reciprocal", `{"inputs":[{"name":"x","datatype":"FP32","shape":[1,1],"data":[0]}]}`, nil, 400, "which JSON does not hold: ask for it with parameter binary_data"},
		{"a wrong header length", "halves", x(`"shape":[1,1],"data":[2]`), map[string]string{headerLength: "100000"}, 400, "header Inference-Header-Content-Length: expected one number from 1 to"},
		{"a header length of none", "halves", x(`"shape":[1,1],"data":[2]`), map[string]string{headerLength: "0"}, 400, "expected one number from 1 to"},
		{"bytes behind the JSON", "halves", x(`"shape":[2,1],"data":[2,1]`) + "    ", map[string]string{headerLength: fmt.Sprint(len(x(`"shape":[2,1],"data":[2,1]`)))}, 400, "got 4 bytes"},
		{"no JSON", "halves", "hello", nil, 400, "body: expected JSON"},
		{"nothing", "halves", "", nil, 400, "body: expected a JSON object, got nothing"},
		{"a list", "halves", "[]", nil, 400, `body: expected a JSON object, got \"[]\"`},
		{"null", "halves", " null ", nil, 400, `body: expected a JSON object, got \"null\"`},
		{"a signed header length", "halves", x(`"shape":[1,1],"data":[2]`), map[string]string{headerLength: "+10"}, 400, "expected one number from 1 to"},
		{"an empty header length", "halves", x(`"shape":[1,1],"data":[2]`), map[string]string{headerLength: ""}, 400, "expected one number from 1 to"},
		{"an unknown model", "oracle", x(`"shape":[1,1],"data":[2]`), nil, 404, `model unknown: \"oracle\"`},
		{"a model that failed to load", "broken", x(`"shape":[1,1],"data":[2]`), nil, 503, "not ready"},
		{"what the model fails on", "lookup", `{"inputs":[{"name":"index","datatype":"INT64","shape":[1],"data":[9]}]}`, nil, 500, "model lookup version 1 failed"},
		{"a parameter that is no number", "halves", `{"parameters":{"timeout":"1"},"inputs":[{"name":"x","datatype":"FP32","shape":[2,1],"data":[2,1]}]}`, nil, 400, "parameter timeout: expected a whole number"},
		{"a parameter that is a list", "halves", `{"parameters":{"a":[]}}`, nil, 400, "parameter a: expected"},
		{"a reserved parameter", "halves", `{"parameters":{"triton_x":1},"inputs":[{"name":"x","datatype":"FP32","shape":[2,1],"data":[2,1]}]}`, nil, 400, "reserved"},
		{"a sequence", "halves", `{"parameters":{"sequence_id":1},"inputs":[{"name":"x","datatype":"FP32","shape":[2,1],"data":[2,1]}]}`, nil, 501, "sequence_id"},
		{"an encoding nobody knows", "halves", "{}", map[string]string{"Content-Encoding": "br"}, 400, "expected gzip, deflate or none"},
		{"an encoding in capitals", "halves", "{}", map[string]string{"Content-Encoding": "GZIP"}, 400, "compressed by gzip"},
		{"no gzip", "halves", "{}", map[string]string{"Content-Encoding": "gzip"}, 400, "compressed by gzip"},
		{"a bomb", "halves", bomb(func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }), map[string]string{"Content-Encoding": "gzip"}, 413, "at most 4194304 bytes"},
		{"another bomb", "halves", bomb(func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) }), map[string]string{"Content-Encoding": "deflate"}, 413, "at most 4194304 bytes"},
		{"a body over the limit", "halves", strings.Repeat(" ", serving.MaxMessageBytes+1), nil, 413, "body: expected at most 4194304 bytes, got more"},
		{"a body far over the limit", "halves", strings.Repeat(" ", 5_000_000), nil, 413, "body: expected at most 4194304 bytes, got 5000000"},
	} {
		status, _, body := s.fetch(t, "POST", "/v2/models/"+test.model+"/infer", test.header, []byte(test.body))
		if status != test.status || !strings.Contains(string(body), test.want) || !json.Valid(body) {
			t.Errorf("%s: got %d %s, want %d %s", test.name, status, body, test.status, test.want)
		}
	}
}
