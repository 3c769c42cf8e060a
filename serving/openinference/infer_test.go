package openinference

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	pb "footballprediction/api/gen/inference"
	"footballprediction/inference"
)

// input makes a tensor with contents.
func input[T inference.Element](name string, shape []int64, values ...T) *pb.ModelInferRequest_InferInputTensor {
	in := &pb.ModelInferRequest_InferInputTensor{Name: name, Shape: shape, Contents: &pb.InferTensorContents{}}
	switch values := any(values).(type) {
	case []bool:
		in.Datatype, in.Contents.BoolContents = "BOOL", values
	case []int32:
		in.Datatype, in.Contents.IntContents = "INT32", values
	case []int64:
		in.Datatype, in.Contents.Int64Contents = "INT64", values
	case []float32:
		in.Datatype, in.Contents.Fp32Contents = "FP32", values
	case []float64:
		in.Datatype, in.Contents.Fp64Contents = "FP64", values
	}
	return in
}

// raw moves the contents of all inputs to raw_input_contents.
func raw(request *pb.ModelInferRequest) *pb.ModelInferRequest {
	request = proto.CloneOf(request)
	for _, in := range request.GetInputs() {
		t, err := inference.ParseDataType(in.GetDatatype())
		if err != nil {
			panic(err)
		}
		request.RawInputContents = append(request.RawInputContents, rawOf(in.GetContents(), t))
		in.Contents = nil
	}
	return request
}

// rawOf returns a copy of contents as a tensor has them.
func rawOf(c *pb.InferTensorContents, t inference.DataType) []byte {
	data, err := readContents(c, t)
	if err != nil {
		panic(err)
	}
	return slices.Clone(data)
}

// output makes a tensor with contents.
func output[T inference.Element](name string, shape []int64, values ...T) *pb.ModelInferResponse_InferOutputTensor {
	in := input(name, shape, values...)
	return &pb.ModelInferResponse_InferOutputTensor{Name: name, Datatype: in.Datatype, Shape: shape, Contents: in.Contents}
}

// rawOutputs moves the contents of all outputs to raw_output_contents.
func rawOutputs(response *pb.ModelInferResponse) *pb.ModelInferResponse {
	response = proto.CloneOf(response)
	for _, out := range response.GetOutputs() {
		t, err := inference.ParseDataType(out.GetDatatype())
		if err != nil {
			panic(err)
		}
		response.RawOutputContents = append(response.RawOutputContents, rawOf(out.GetContents(), t))
		out.Contents = nil
	}
	return response
}

func wanted(names ...string) []*pb.ModelInferRequest_InferRequestedOutputTensor {
	var all []*pb.ModelInferRequest_InferRequestedOutputTensor
	for _, name := range names {
		all = append(all, &pb.ModelInferRequest_InferRequestedOutputTensor{Name: name})
	}
	return all
}

type (
	inputs  = []*pb.ModelInferRequest_InferInputTensor
	outputs = []*pb.ModelInferResponse_InferOutputTensor
)

// severalInputs are two rows of one input of each type, in another order than the model's.
func severalInputs() inputs {
	return inputs{
		input("flag", []int64{2}, true, false),
		input("exact", []int64{2, 2}, .5, .25, -.5, 0),
		input("small", []int64{2, 2}, int32(1), -1, 2, -2),
		input("single", []int64{2, 2}, float32(.5), .75, 1, 2),
		input("large", []int64{2, 2}, int64(9007199254740993), 10, 0, 4),
	}
}

// Every answer comes in the form of its request, over every transport.
func TestModelInfer(t *testing.T) {
	s := newSite(t, tinyModels(t, "several_inputs", "row_sums", "product", "positions"), newOpener(t, 0))
	for _, test := range []struct {
		name    string
		request *pb.ModelInferRequest
		want    *pb.ModelInferResponse
	}{
		{"the version that serves, by default", &pb.ModelInferRequest{
			ModelName: "halves", Id: "my id", Inputs: inputs{input("x", []int64{3, 1}, float32(0), 2, -4)},
		}, &pb.ModelInferResponse{
			ModelName: "halves", ModelVersion: "1", Id: "my id", Outputs: outputs{output("y", []int64{3, 1}, float32(2), 3, 0)},
		}},
		{"a version by number", &pb.ModelInferRequest{
			ModelName: "halves", ModelVersion: "2", Inputs: inputs{input("x", []int64{1, 1}, float32(6))},
		}, &pb.ModelInferResponse{
			ModelName: "halves", ModelVersion: "2", Outputs: outputs{output("y", []int64{1, 1}, float32(4))},
		}},
		{"a version by alias, unknown parameters", &pb.ModelInferRequest{
			ModelName: "halves", ModelVersion: "next", Inputs: inputs{input("x", []int64{1, 1}, float32(6))},
			Parameters: map[string]*pb.InferParameter{"colour": {ParameterChoice: &pb.InferParameter_StringParam{StringParam: "blue"}}},
		}, &pb.ModelInferResponse{
			ModelName: "halves", ModelVersion: "2", Outputs: outputs{output("y", []int64{1, 1}, float32(4))},
		}},
		{"all types, all outputs", &pb.ModelInferRequest{
			ModelName: "several_inputs", Inputs: severalInputs(),
		}, &pb.ModelInferResponse{
			ModelName: "several_inputs", ModelVersion: "1", Outputs: outputs{
				output("total", []int64{2, 2}, 9007199254740994, 10, 2.5, 4),
				output("whole", []int64{2, 2}, int64(9007199254740994), 9, 2, 2),
				output("opposite", []int64{2}, false, true),
			},
		}},
		{"some outputs, in the order asked for", &pb.ModelInferRequest{
			ModelName: "several_inputs", Inputs: severalInputs(), Outputs: wanted("opposite", "whole"),
		}, &pb.ModelInferResponse{
			ModelName: "several_inputs", ModelVersion: "1", Outputs: outputs{
				output("opposite", []int64{2}, false, true),
				output("whole", []int64{2, 2}, int64(9007199254740994), 9, 2, 2),
			},
		}},
		{"two open dimensions", &pb.ModelInferRequest{
			ModelName: "row_sums", Inputs: inputs{input("matrix", []int64{2, 3}, int64(1), 2, 3, 4, 5, 6)},
		}, &pb.ModelInferResponse{
			ModelName: "row_sums", ModelVersion: "1", Outputs: outputs{output("sums", []int64{2, 1}, int64(6), 15)},
		}},
		{"no open dimension", &pb.ModelInferRequest{
			ModelName: "product", Inputs: inputs{
				input("a", []int64{2, 3}, float32(1), 2, 3, 4, 5, 6), input("b", []int64{3, 2}, float32(1), 0, 0, 1, 1, 1),
			},
		}, &pb.ModelInferResponse{
			ModelName: "product", ModelVersion: "1", Outputs: outputs{output("ab", []int64{2, 2}, float32(4), 5, 10, 11)},
		}},
		{"more rows in than out", &pb.ModelInferRequest{
			ModelName: "positions", Inputs: inputs{input("flag", []int64{5}, false, true, false, false, true)},
		}, &pb.ModelInferResponse{
			ModelName: "positions", ModelVersion: "1", Outputs: outputs{output("position", []int64{2}, int64(1), 4)},
		}},
	} {
		for _, c := range inferrers(s) {
			t.Run(test.name+"/"+c.name, func(t *testing.T) {
				for _, form := range []struct {
					request *pb.ModelInferRequest
					want    *pb.ModelInferResponse
				}{{test.request, test.want}, {raw(test.request), rawOutputs(test.want)}} {
					got, st := c.call(t.Context(), form.request)
					if st != nil || !proto.Equal(got, form.want) {
						t.Errorf("got %v %v, want %v", got, st, form.want)
					}
				}
			})
		}
	}
}

// An answer is made with few allocations, and none of its memory is used again.
func TestModelInferAllocatesLittle(t *testing.T) {
	service, _ := newService(t, tinyModels(t), newOpener(t, 1))
	request := raw(&pb.ModelInferRequest{ModelName: "halves", Inputs: inputs{input("x", []int64{2, 1}, float32(2), 4)}})
	first, err := service.ModelInfer(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	kept := proto.CloneOf(first)
	request.RawInputContents[0] = inference.BytesOf([]float32{6, 8})
	if n := testing.AllocsPerRun(200, func() {
		if _, err := service.ModelInfer(t.Context(), request); err != nil {
			t.Fatal(err)
		}
	}); n > 4 { // the answer, its data, and what pools forget under the race detector
		t.Errorf("%v allocations", n)
	}
	if !proto.Equal(first, kept) {
		t.Errorf("an answer has changed from %v to %v", kept, first)
	}
}

// What a model would answer is bounded before it is run, however little it is asked with.
func TestAnswersAreBounded(t *testing.T) {
	specs := []inference.TensorSpec{{Name: "y", Type: inference.FP64, Shape: []int64{-1, 1 << 10}}, {Name: "z", Type: inference.Bool, Shape: []int64{1 << 40}}}
	for _, test := range []struct {
		output string
		rows   int64
		fits   bool
	}{{"y", 1, true}, {"y", 1 << 13, true}, {"y", 1<<13 + 1, false}, {"y", 1 << 62, false}, {"z", 1, false}} {
		e := &exchange{outputs: []inference.Tensor{{Name: test.output}}}
		_, err := newAnswer(e, specs, test.rows)
		if (err == nil) != test.fits {
			t.Errorf("%d rows of %s: got %v", test.rows, test.output, err)
		}
		if test.fits && cap(e.outputs[0].Data) != int(test.rows)<<13 {
			t.Errorf("%d rows of %s: room for %d bytes", test.rows, test.output, cap(e.outputs[0].Data))
		}
	}
}

func BenchmarkModelInfer(b *testing.B) {
	service, _ := newService(b, tinyModels(b), newOpener(b, 1))
	plain := &pb.ModelInferRequest{ModelName: "halves", Inputs: inputs{input("x", []int64{2, 1}, float32(2), 4)}}
	for name, request := range map[string]*pb.ModelInferRequest{"contents": plain, "raw": raw(plain)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := service.ModelInfer(b.Context(), request); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkPostInfer(b *testing.B) {
	service, _ := newService(b, tinyModels(b, "network"), newOpener(b, 1))
	for _, rows := range []int{1, 128} {
		data := strings.TrimSuffix(strings.Repeat("0.12345,", 44*rows), ",")
		body := fmt.Sprintf(`{"id":"1","inputs":[{"name":"features","datatype":"FP32","shape":[%d,44],"data":[%s]}]}`, rows, data)
		b.Run(fmt.Sprint(rows), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				request, err := http.NewRequestWithContext(b.Context(), http.MethodPost, "/", strings.NewReader(body))
				if err != nil {
					b.Fatal(err)
				}
				request.SetPathValue("model", "network")
				if _, err := service.postInfer(request); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
