package openinference

import (
	"fmt"
	"testing"

	pb "footballprediction/api/gen/inference"
	"footballprediction/inference"
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
