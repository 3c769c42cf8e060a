package openinference

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	pb "footballprediction/api/gen/inference"
	"footballprediction/inference"
	"footballprediction/serving"
)

// A request that names no version follows the model's route, always the same way for one key.
func TestModelInferFollowsTheRoute(t *testing.T) {
	service, _ := newService(t, tinyModels(t), newOpener(t, 1))
	if err := service.models.SetRoute(t.Context(), "halves", inference.Route{
		Variants: []inference.Variant{{Name: "a", Version: "1", Percent: 50}, {Name: "b", Version: "next", Percent: 50}}, Shadow: "2",
	}, inference.By{Actor: "anna"}); err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for i := range 40 {
		request := &pb.ModelInferRequest{
			ModelName: "halves", Inputs: inputs{input("x", []int64{1, 1}, float32(6))},
			Parameters: map[string]*pb.InferParameter{"assignment_key": {ParameterChoice: &pb.InferParameter_StringParam{StringParam: fmt.Sprint("user-", i)}}},
		}
		var versions [3]string
		for j := range versions {
			answer, err := service.ModelInfer(t.Context(), request)
			if err != nil {
				t.Fatal(err)
			}
			versions[j] = answer.GetModelVersion()
		}
		if versions[0] != versions[1] || versions[0] != versions[2] {
			t.Errorf("key %d came to versions %v", i, versions)
		}
		seen[versions[0]]++
		request.ModelVersion = "1"
		if answer, err := service.ModelInfer(t.Context(), request); err != nil || answer.GetModelVersion() != "1" {
			t.Errorf("version 1 was asked for: got %v %v", answer, err)
		}
	}
	if seen["1"] < 8 || seen["2"] < 8 {
		t.Errorf("of 40 keys: got %v", seen)
	}
}

// halfAndHalf gives each version of "halves" half of the requests that name none.
func halfAndHalf(t *testing.T, service *Service) {
	t.Helper()
	if err := service.models.SetRoute(t.Context(), "halves", inference.Route{
		Variants: []inference.Variant{{Name: "a", Version: "1", Percent: 50}, {Name: "b", Version: "2", Percent: 50}},
	}, inference.By{Actor: "anna"}); err != nil {
		t.Fatal(err)
	}
}

// exposed keeps what a Service tells of its answers.
type exposed struct {
	mu  sync.Mutex
	all []serving.Exposure
}

func (e *exposed) keep(one serving.Exposure) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, one)
}

// take returns what was kept since it was last called.
func (e *exposed) take() []serving.Exposure {
	e.mu.Lock()
	defer e.mu.Unlock()
	taken := e.all
	e.all = nil
	return taken
}

// Whatever the transport, answers of a model whose requests are shared out say which variant they came
// from, and each is told of once; all others are as they would be without any route.
func TestInferSaysItsVariant(t *testing.T) {
	service, product := newService(t, tinyModels(t, "several_inputs"), newOpener(t, 1))
	var exposures exposed
	service.expose = exposures.keep
	s := serve(t, service, product)
	request := &pb.ModelInferRequest{
		ModelName: "halves", Id: "mine", Inputs: inputs{input("x", []int64{1, 1}, float32(6))},
		Parameters: map[string]*pb.InferParameter{"assignment_key": {ParameterChoice: &pb.InferParameter_StringParam{StringParam: "user-1"}}},
	}
	infer := func(request *pb.ModelInferRequest) *pb.ModelInferResponse {
		return ask[pb.ModelInferRequest, pb.ModelInferResponse](t, s, pb.GRPCInferenceService_ModelInfer_FullMethodName, request, wrong{})
	}
	post := func(path, parameters string) string {
		t.Helper()
		status, _, body := s.fetch(t, "POST", path, nil,
			[]byte(`{"id":"mine","parameters":{`+parameters+`},"inputs":[{"name":"x","datatype":"FP32","shape":[1,1],"data":[6]}]}`))
		if status != 200 || !json.Valid(body) {
			t.Errorf("POST %s: got %d %s", path, status, body)
		}
		return string(body)
	}

	if got := infer(request); len(got.GetParameters()) > 0 {
		t.Errorf("without a route: got parameters %v", got.GetParameters())
	}
	const plain = `{"model_name":"halves","model_version":"1","id":"mine","outputs":[{"name":"y","datatype":"FP32","shape":[1,1],"data":[5]}]}`
	if got := post("/v2/models/halves/infer", ""); got != plain {
		t.Errorf("without a route: got %s", got)
	}

	halfAndHalf(t, service)
	other := with(proto.CloneOf(request), func(r *pb.ModelInferRequest) { r.ModelVersion = "1" })
	if got := infer(other); len(got.GetParameters()) > 0 {
		t.Errorf("of a version that was asked for: got parameters %v", got.GetParameters())
	}
	if got := post("/v2/models/halves/versions/1/infer", ""); got != plain {
		t.Errorf("of a version that was asked for: got %s", got)
	}
	infer(several())
	if got := exposures.take(); len(got) > 0 {
		t.Errorf("nobody was assigned, and told was %+v", got)
	}

	got := infer(request)
	variant := got.GetParameters()["variant"].GetStringParam()
	want := serving.Exposure{
		Model: "halves", Version: map[string]string{"a": "1", "b": "2"}[variant], Variant: variant, AssignmentKey: "user-1", ID: slog.String("request_id", "mine"),
	}
	if want.Version == "" || got.GetModelVersion() != want.Version || len(got.GetParameters()) != 1 {
		t.Errorf("got %v", got)
	}
	told := len(callers[pb.ModelInferRequest, pb.ModelInferResponse](s, pb.GRPCInferenceService_ModelInfer_FullMethodName))
	for name, c := range streams(t, s) {
		if err := c.Send(request); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		answer, err := c.Recv()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		told++
		parameters := answer.GetInferResponse().GetParameters()
		if parameters["variant"].GetStringParam() != variant || !parameters["triton_final_response"].GetBoolParam() {
			t.Errorf("stream over %s: got %v", name, answer)
		}
		finish(t, name, c)
	}
	for _, form := range []string{"", `"binary_data_output":true,`} {
		told++
		begins := `{"model_name":"halves","model_version":"` + want.Version + `","id":"mine","parameters":{"variant":"` + variant + `"},"outputs":[`
		status, _, body := s.fetch(t, "POST", "/v2/models/halves/infer", nil,
			[]byte(`{"id":"mine","parameters":{`+form+`"assignment_key":"user-1"},"inputs":[{"name":"x","datatype":"FP32","shape":[1,1],"data":[6]}]}`))
		if status != 200 || !strings.HasPrefix(string(body), begins) {
			t.Errorf("REST: got %d %s, want %s", status, body, begins)
		}
	}
	all := exposures.take()
	for _, one := range all {
		if !one.ID.Equal(want.ID) || one.Model != want.Model || one.Version != want.Version || one.Variant != want.Variant || one.AssignmentKey != want.AssignmentKey {
			t.Errorf("told was %+v, want %+v", one, want)
		}
	}
	if len(all) != told {
		t.Errorf("told %d times of %d answers", len(all), told)
	}

	// Who gets no answer saw no variant.
	bad := with(proto.CloneOf(request), func(r *pb.ModelInferRequest) { r.Inputs[0].Shape = []int64{1, 2} })
	for _, c := range inferrers(s) {
		if _, st := c.call(t.Context(), bad); st == nil {
			t.Errorf("%s: answered", c.name)
		}
	}
	nan := []byte(`{"inputs":[{"name":"x","datatype":"FP32","shape":[1,1],"parameters":{"binary_data_size":4}}]}`)
	if status, _, body := s.fetch(t, "POST", "/v2/models/halves/infer", map[string]string{headerLength: fmt.Sprint(len(nan))}, append(nan, 0, 0, 0xc0, 0x7f)); status == 200 {
		t.Errorf("NaN as JSON: got %s", body)
	}
	if got := exposures.take(); len(got) > 0 {
		t.Errorf("of refused requests was told %+v", got)
	}
}

// A key that is a whole number is the key that its decimal text is; what is neither is refused, whether
// the model has a route or not.
func TestInferAssignmentKeys(t *testing.T) {
	service, product := newService(t, tinyModels(t), newOpener(t, 1))
	var exposures exposed
	service.expose = exposures.keep
	s := serve(t, service, product)
	keyed := func(parameter *pb.InferParameter) *pb.ModelInferRequest {
		return &pb.ModelInferRequest{
			ModelName: "halves", Inputs: inputs{input("x", []int64{1, 1}, float32(6))},
			Parameters: map[string]*pb.InferParameter{"assignment_key": parameter},
		}
	}
	number := func(i int64) *pb.InferParameter {
		return &pb.InferParameter{ParameterChoice: &pb.InferParameter_Int64Param{Int64Param: i}}
	}
	text := func(s string) *pb.InferParameter {
		return &pb.InferParameter{ParameterChoice: &pb.InferParameter_StringParam{StringParam: s}}
	}
	for _, routed := range []bool{false, true} {
		if routed {
			halfAndHalf(t, service)
		}
		for json, c := range map[string]struct {
			parameter *pb.InferParameter
			got       string
		}{
			"true":                                {&pb.InferParameter{ParameterChoice: &pb.InferParameter_BoolParam{BoolParam: true}}, "got true"},
			"1.5":                                 {&pb.InferParameter{ParameterChoice: &pb.InferParameter_DoubleParam{DoubleParam: 1.5}}, "got 1.5"},
			`"` + strings.Repeat("k", 1001) + `"`: {text(strings.Repeat("k", 1001)), "got 1001"},
		} {
			want := wrong{codes.InvalidArgument, serving.FieldInvalid, "parameters.assignment_key", c.got}
			ask[pb.ModelInferRequest, pb.ModelInferResponse](t, s, pb.GRPCInferenceService_ModelInfer_FullMethodName, keyed(c.parameter), want)
			status, _, body := s.fetch(t, "POST", "/v2/models/halves/infer", nil,
				[]byte(`{"parameters":{"assignment_key":`+json+`},"inputs":[{"name":"x","datatype":"FP32","shape":[1,1],"data":[6]}]}`))
			if status != 400 || !strings.Contains(string(body), `"parameter assignment_key: expected `) || !strings.Contains(string(body), c.got) {
				t.Errorf("REST, routed %t: got %d %s", routed, status, body)
			}
		}
		ask[pb.ModelInferRequest, pb.ModelInferResponse](t, s, pb.GRPCInferenceService_ModelInfer_FullMethodName, keyed(&pb.InferParameter{}),
			wrong{codes.InvalidArgument, serving.FieldInvalid, "parameters.assignment_key", "got nothing"})
	}
	seen := map[string]int{}
	for i := range int64(40) {
		key := fmt.Sprint(i - 1)
		same := []*pb.InferParameter{text(key), number(i - 1)}
		if i > 0 {
			same = append(same, &pb.InferParameter{ParameterChoice: &pb.InferParameter_Uint64Param{Uint64Param: uint64(i - 1)}})
		}
		var first *pb.ModelInferResponse
		for _, parameter := range same {
			answer, err := service.ModelInfer(t.Context(), keyed(parameter))
			if err != nil {
				t.Fatal(err)
			}
			if first == nil {
				first = answer
			}
			if !proto.Equal(answer, first) {
				t.Errorf("key %v: got %v, as text %v", parameter, answer, first)
			}
		}
		_, _, body := s.fetch(t, "POST", "/v2/models/halves/infer", nil,
			[]byte(`{"parameters":{"assignment_key":`+key+`},"inputs":[{"name":"x","datatype":"FP32","shape":[1,1],"data":[6]}]}`))
		if variant := first.GetParameters()["variant"].GetStringParam(); !strings.Contains(string(body), `"variant":"`+variant+`"`) {
			t.Errorf("key %s came to %s, over REST: %s", key, variant, body)
		} else {
			seen[variant]++
		}
		for _, one := range exposures.take() {
			if one.AssignmentKey != key {
				t.Errorf("key %s is told as %q", key, one.AssignmentKey)
			}
		}
	}
	if seen["a"] < 8 || seen["b"] < 8 {
		t.Errorf("of 40 keys: got %v", seen)
	}
}
