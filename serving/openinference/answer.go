package openinference

import (
	pb "footballprediction/api/gen/inference"
	"footballprediction/inference"
	"footballprediction/serving"
)

// MaxAnswerBytes is the most that the outputs of one call may take, as far as that is known before
// the model is run: a few bytes in can be a great many out.
const MaxAnswerBytes = inference.MaxOutputBytes

// An answer is a response and the memory of its parts, so that most calls make few allocations of it.
// The response is sent after the call, so none of it can be used again.
type answer struct {
	response pb.ModelInferResponse
	isRaw    bool // the outputs go to raw_output_contents
	tensors  [answerOutputs]pb.ModelInferResponse_InferOutputTensor
	outputs  [answerOutputs]*pb.ModelInferResponse_InferOutputTensor
	raw      [answerOutputs][]byte
	shapes   [answerOutputs * answerRank]int64
}

// What an answer has room for by itself.
const (
	answerOutputs = 4
	answerRank    = 4
)

// newAnswer returns an answer with room for the outputs of an exchange, which the model will write
// into it, as far as it is known how much that will be.
func newAnswer(e *exchange, specs []inference.TensorSpec, rows int64) (*answer, error) {
	const aligned = 8 // so that elements of any type can be used where they are
	size := func(i int) int64 {
		spec := inference.FindSpec(specs, e.outputs[i].Name, i)
		one, ok := inference.ByteSize(spec.Type, spec.Shape)
		if len(spec.Shape) > 0 && spec.Shape[0] == -1 {
			if one, ok = inference.ByteSize(spec.Type, spec.Shape[1:]); ok && one > MaxAnswerBytes/rows {
				return MaxAnswerBytes + 1
			}
			one *= rows
		}
		if !ok {
			return 0 // more of its dimensions are open
		}
		return min(one, MaxAnswerBytes+1)
	}
	total := int64(0)
	for i := range e.outputs {
		if total += (size(i) + aligned - 1) / aligned * aligned; total > MaxAnswerBytes {
			return nil, serving.ErrorAt("outputs", serving.MessageTooLarge,
				"outputs: expected at most %d bytes, got more for %d rows: ask for fewer at a time", MaxAnswerBytes, rows)
		}
	}
	a := new(answer)
	a.isRaw = e.raw
	data, shapes := make([]byte, total), a.shapes[:]
	for i := range e.outputs {
		out, n := &e.outputs[i], size(i)
		if i < answerOutputs {
			out.Shape, shapes = shapes[0:0:answerRank], shapes[answerRank:]
		}
		out.Data = data[0:0:n]
		data = data[(n+aligned-1)/aligned*aligned:]
	}
	return a, nil
}

// write makes the response of what the model has written.
func (a *answer) write(request *pb.ModelInferRequest, handle inference.Handle, e *exchange) *pb.ModelInferResponse {
	r := &a.response
	r.ModelName, r.ModelVersion, r.Id = handle.Name(), handle.Version(), request.GetId()
	r.Outputs, r.RawOutputContents = a.outputs[:0], a.raw[:0]
	for i := range e.outputs {
		a.isRaw = a.isRaw || rawOnly(e.outputs[i].Type)
	}
	for i := range e.outputs {
		got := &e.outputs[i]
		var out *pb.ModelInferResponse_InferOutputTensor
		if i < answerOutputs {
			out = &a.tensors[i]
		} else {
			out = new(pb.ModelInferResponse_InferOutputTensor)
		}
		out.Name, out.Datatype, out.Shape = got.Name, got.Type.String(), got.Shape
		if a.isRaw {
			r.RawOutputContents = append(r.RawOutputContents, got.Data)
		} else {
			out.Contents = newContents(got)
		}
		r.Outputs = append(r.Outputs, out)
	}
	return r
}
