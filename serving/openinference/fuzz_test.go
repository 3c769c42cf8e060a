package openinference

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	pb "footballprediction/api/gen/inference"
	"footballprediction/inference"
	"footballprediction/serving"
)

// Whatever a body over HTTP is made of, it is refused, or answered with what is JSON and as long as it
// says.
func FuzzInferHTTP(f *testing.F) {
	service, _ := newService(f, tinyModels(f, "several_inputs", "strings"), newOpener(f, 1))
	for _, seed := range []string{
		`{"inputs":[{"name":"x","datatype":"FP32","shape":[2,1],"data":[[2],[1]]}]}`,
		`{"id":"1","parameters":{"binary_data_output":true,"priority":1},"inputs":[{"name":"x","datatype":"FP32","shape":[1,1],"data":[2e0]}]}`,
		`{"inputs":[{"name":"x","datatype":"FP32","shape":[1,1],"parameters":{"binary_data_size":4}}],"outputs":[{"name":"y","parameters":{"binary_data":false}}]}abcd`,
		`{"inputs":[{"name":"text","datatype":"BYTES","shape":[2,1],"data":["\"\\",""]}]}`,
	} {
		f.Add("halves", strings.LastIndexByte(seed, '}')+1, []byte(seed))
		f.Add("strings", 0, []byte(seed))
	}
	f.Fuzz(func(t *testing.T, model string, length int, body []byte) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "/", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		request.SetPathValue("model", model)
		if length != 0 {
			request.Header.Set(headerLength, strconv.Itoa(length))
		}
		answer, err := service.postInfer(request)
		if err != nil {
			if serving.Explain(err).Reason == "" {
				t.Fatalf("%q: %v", body, err)
			}
			return
		}
		header := answer.Body
		if n := answer.Header.Get(headerLength); n != "" {
			length, err := strconv.Atoi(n)
			if err != nil {
				t.Fatal(err)
			}
			header = header[:length]
		}
		if !json.Valid(header) {
			t.Fatalf("%q: got %q", body, answer.Body)
		}
	})
}

// Whatever bytes a request is made of, it is refused, or answered with tensors that are what they
// say, in the form that it came in.
func FuzzModelInfer(f *testing.F) {
	service, _ := newService(f, tinyModels(f, "several_inputs", "row_sums", "product", "positions"), newOpener(f, 1))
	for _, request := range []*pb.ModelInferRequest{
		rows(), several(), match(1),
		{ModelName: "row_sums", Inputs: inputs{input("matrix", []int64{2, 3}, int64(1), 2, 3, 4, 5, 6)}},
		{ModelName: "positions", Inputs: inputs{input("flag", []int64{3}, false, true, true)}},
		{ModelName: "product", Inputs: inputs{
			input("a", []int64{2, 3}, float32(1), 2, 3, 4, 5, 6), input("b", []int64{3, 2}, float32(1), 2, 3, 4, 5, 6),
		}},
	} {
		for _, request := range []*pb.ModelInferRequest{request, raw(request)} {
			seed, err := proto.Marshal(request)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(seed)
		}
	}
	for _, test := range inferErrors {
		if seed, err := proto.Marshal(test.request); err == nil && len(seed) < 1000 {
			f.Add(seed)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		request := new(pb.ModelInferRequest)
		if proto.Unmarshal(data, request) != nil {
			return
		}
		response, err := service.ModelInfer(t.Context(), request)
		if err != nil {
			if e := serving.ExplainField(err, ""); e.Reason == "" || e.Reason == serving.ModelFailed && errors.Is(err, inference.ErrTensorSize) {
				t.Fatalf("%v: %v", request, err)
			}
			return
		}
		isRaw := len(request.GetRawInputContents()) > 0
		if isRaw && len(response.GetRawOutputContents()) != len(response.GetOutputs()) || !isRaw && len(response.GetRawOutputContents()) > 0 {
			t.Fatalf("%v: got %v", request, response)
		}
		for i, out := range response.GetOutputs() {
			dataType, err := inference.ParseDataType(out.GetDatatype())
			if err != nil {
				t.Fatal(err)
			}
			data := rawOf(out.GetContents(), dataType)
			if isRaw {
				data = response.GetRawOutputContents()[i]
			}
			if size, ok := inference.ByteSize(dataType, out.GetShape()); !ok || size != int64(len(data)) {
				t.Fatalf("%v: output %v has %d bytes", request, out, len(data))
			}
		}
	})
}
