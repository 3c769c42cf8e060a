package openinference

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	pb "footballprediction/api/gen/inference"
	"footballprediction/inference"
	"footballprediction/serving"
)

// Parameters of tensors in the REST form. In it a tensor's elements are in its "data", or are binary
// and lie behind the JSON, in the order of the tensors.
const (
	binarySize   = "binary_data_size"   // of an input and of an output: how many bytes lie there
	binaryData   = "binary_data"        // of an output wanted: whether it is to be binary
	binaryOutput = "binary_data_output" // of a request: whether outputs are, that do not say so themselves
)

type parametersJSON map[string]json.RawMessage

// requestJSON is an inference request in JSON.
type requestJSON struct {
	ID         string         `json:"id"`
	Parameters parametersJSON `json:"parameters"`
	Inputs     []inputJSON    `json:"inputs"`
	Outputs    []struct {
		Name       string         `json:"name"`
		Parameters parametersJSON `json:"parameters"`
	} `json:"outputs"`
}

type inputJSON struct {
	Name       *string         `json:"name"`
	DataType   *string         `json:"datatype"`
	Shape      []int64         `json:"shape"`
	Parameters parametersJSON  `json:"parameters"`
	Data       json.RawMessage `json:"data"`
}

// check says which field an input needs and does not have.
func (in *inputJSON) check(path string) error {
	missing := func(field, what string) error {
		return serving.ErrorAt(path+"."+field, serving.FieldInvalid, "%s: expected field %s, %s: it is missing", path, field, what)
	}
	switch {
	case in.Name == nil:
		return missing("name", "the input's name in the model")
	case in.DataType == nil:
		return missing("datatype", "such as FP32")
	case in.Shape == nil:
		return missing("shape", "such as [1,4]")
	case in.Data == nil && in.Parameters[binarySize] == nil && in.Parameters[sharedMemory] == nil:
		return missing("data", "the elements, or parameter "+binarySize)
	}
	return nil
}

// postInfer runs a model by a request in JSON with binary tensors.
func (s *Service) postInfer(r *http.Request) (*serving.Answer, error) {
	body, err := readBody(r)
	if err != nil {
		return nil, err
	}
	request, binary, err := readRequest(r, body)
	if err != nil {
		return nil, err
	}
	response, err := s.infer(r.Context(), request, true)
	if err != nil {
		return nil, err
	}
	answer, err := newResponse(response, binary)
	if err != nil {
		return nil, err
	}
	if err := compress(answer, r); err != nil {
		return nil, err
	}
	s.answered(request, response)
	return answer, nil
}

// wantsBinary says which outputs are to be binary.
type wantsBinary struct {
	others bool            // those that are not named
	named  map[string]bool // by their names
}

func (w wantsBinary) output(name string) bool {
	if binary, named := w.named[name]; named {
		return binary
	}
	return w.others
}

// readRequest makes a request with raw contents of a body.
func readRequest(r *http.Request, body []byte) (*pb.ModelInferRequest, wantsBinary, error) {
	header, binary, err := cutHeader(r, body)
	if err != nil {
		return nil, wantsBinary{}, err
	}
	if err := checkText(header); err != nil {
		return nil, wantsBinary{}, err
	}
	var in requestJSON
	if err := json.Unmarshal(header, &in); err != nil || string(bytes.TrimSpace(header)) == "null" {
		return nil, wantsBinary{}, explainJSON(header, err)
	}
	if err := checkKeys(header); err != nil {
		return nil, wantsBinary{}, err
	}
	request := &pb.ModelInferRequest{ModelName: r.PathValue("model"), ModelVersion: r.PathValue("version"), Id: in.ID}
	wants := wantsBinary{named: map[string]bool{}}
	if wants.others, _, err = in.Parameters.flag("parameters", binaryOutput); err != nil {
		return nil, wants, err
	}
	if request.Parameters, err = in.Parameters.message("parameters"); err != nil {
		return nil, wants, err
	}
	if binary, err = readInputs(request, &in, binary); err != nil {
		return nil, wants, err
	}
	if len(binary) > 0 {
		return nil, wants, serving.ErrorAt("body", serving.TensorSize,
			"body: expected nothing behind the binary data of the inputs, got %d bytes", len(binary))
	}
	for i, out := range in.Outputs {
		path := fmt.Sprintf("outputs[%d].parameters", i)
		wanted := &pb.ModelInferRequest_InferRequestedOutputTensor{Name: out.Name}
		if wanted.Parameters, err = out.Parameters.message(path); err != nil {
			return nil, wants, err
		}
		if is, said, err := out.Parameters.flag(path, binaryData); err != nil {
			return nil, wants, err
		} else if said {
			wants.named[out.Name] = is
		}
		request.Outputs = append(request.Outputs, wanted)
	}
	return request, wants, nil
}

// readInputs adds the inputs to a request, and returns what is left of the binary data.
func readInputs(request *pb.ModelInferRequest, in *requestJSON, binary []byte) (rest []byte, err error) {
	for i := range in.Inputs {
		given, path := &in.Inputs[i], fmt.Sprintf("inputs[%d]", i)
		if err := given.check(path); err != nil {
			return nil, err
		}
		name := *given.Name
		tensor := &pb.ModelInferRequest_InferInputTensor{Name: name, Datatype: *given.DataType, Shape: given.Shape}
		if tensor.Parameters, err = given.Parameters.message(path + ".parameters"); err != nil {
			return nil, err
		}
		var data []byte
		size := tensor.GetParameters()[binarySize]
		switch {
		case size != nil && given.Data != nil:
			return nil, serving.ErrorAt(path+".data", serving.FieldInvalid,
				"input %q: expected data or parameter %s, got both", clip(name), binarySize)
		case size != nil:
			n, err := number(binarySize, size, uint64(serving.MaxMessageBytes))
			if err != nil {
				return nil, err
			}
			if n > uint64(len(binary)) {
				return nil, serving.ErrorAt(path+".parameters", serving.TensorSize,
					"input %q: tensor size: expected %d bytes behind the JSON, as parameter %s says, got %d", clip(name), n, binarySize, len(binary))
			}
			data, binary = binary[:n:n], binary[n:]
		case given.Data != nil:
			// A datatype that nobody knows is refused with what the model expects, later on.
			if t, err := inference.ParseDataType(*given.DataType); err == nil {
				if data, err = parseData(given.Data, t, given.Shape); err != nil {
					return nil, serving.ExplainField(fmt.Errorf("input %q: %w", clip(name), err), path+".data")
				}
			}
		}
		request.Inputs = append(request.Inputs, tensor)
		request.RawInputContents = append(request.RawInputContents, data)
	}
	return binary, nil
}

// newResponse writes a response with raw contents as JSON and binary tensors.
func newResponse(response *pb.ModelInferResponse, wants wantsBinary) (*serving.Answer, error) {
	data := append(appendString([]byte(`{"model_name":`), response.GetModelName()), `,"model_version":`...)
	data = appendString(data, response.GetModelVersion())
	if id := response.GetId(); id != "" {
		data = appendString(append(data, `,"id":`...), id)
	}
	if chosen := response.GetParameters()[variant].GetStringParam(); chosen != "" {
		data = append(appendString(append(data, `,"parameters":{"`+variant+`":`...), chosen), '}')
	}
	data = append(data, `,"outputs":[`...)
	var binary [][]byte
	for i, out := range response.GetOutputs() {
		raw := response.GetRawOutputContents()[i]
		if i > 0 {
			data = append(data, ',')
		}
		data = append(appendString(append(data, `{"name":`...), out.GetName()), `,"datatype":`...)
		data = append(appendString(data, out.GetDatatype()), `,"shape":`...)
		data = appendList(data, out.GetShape(), appendInt)
		if wants.output(out.GetName()) {
			data = strconv.AppendInt(append(data, `,"parameters":{"`+binarySize+`":`...), int64(len(raw)), 10)
			data = append(data, "}}"...)
			binary = append(binary, raw)
			continue
		}
		t, err := inference.ParseDataType(out.GetDatatype())
		if err != nil {
			return nil, err
		}
		if data, err = appendData(append(data, `,"data":`...), t, raw); err != nil {
			return nil, serving.ErrorAt("outputs", serving.TensorValue,
				"output %q: %w: ask for it with parameter %s", out.GetName(), err, binaryData)
		}
		data = append(data, '}')
	}
	answer := answerJSON(append(data, "]}"...))
	if binary == nil {
		return answer, nil
	}
	answer.Header = http.Header{"Content-Type": {"application/octet-stream"}, headerLength: {strconv.Itoa(len(answer.Body))}}
	for _, raw := range binary {
		answer.Body = append(answer.Body, raw...)
	}
	return answer, nil
}

// flag returns a parameter that is true or false, and whether it is there at all.
func (p parametersJSON) flag(path, name string) (is, said bool, err error) {
	text, said := p[name]
	if !said {
		return false, false, nil
	}
	if err := json.Unmarshal(text, &is); err != nil {
		return false, true, serving.ErrorAt(path, serving.FieldInvalid, "parameter %s: expected true or false, got %s", name, clip(string(text)))
	}
	return is, true, nil
}

// message returns the parameters as gRPC has them.
func (p parametersJSON) message(path string) (map[string]*pb.InferParameter, error) {
	if len(p) == 0 {
		return nil, nil
	}
	parameters := make(map[string]*pb.InferParameter, len(p))
	for name, text := range p {
		parameter := new(pb.InferParameter)
		switch text[0] {
		case 't', 'f':
			parameter.ParameterChoice = &pb.InferParameter_BoolParam{BoolParam: text[0] == 't'}
		case '"':
			value, err := unquote(text)
			if err != nil {
				return nil, serving.ErrorAt(path, serving.FieldInvalid, "parameter %s: %w", clip(name), err)
			}
			parameter.ParameterChoice = &pb.InferParameter_StringParam{StringParam: string(value)}
		case '{', '[', 'n':
			return nil, serving.ErrorAt(path, serving.FieldInvalid,
				"parameter %s: expected a string, a number, true or false, got %s", clip(name), clip(string(text)))
		default:
			parameter = numberParameter(string(text))
		}
		parameters[name] = parameter
	}
	return parameters, nil
}

// numberParameter returns a parameter that is a JSON number.
func numberParameter(text string) *pb.InferParameter {
	if v, err := strconv.ParseInt(text, 10, 64); err == nil {
		return &pb.InferParameter{ParameterChoice: &pb.InferParameter_Int64Param{Int64Param: v}}
	}
	if v, err := strconv.ParseUint(text, 10, 64); err == nil {
		return &pb.InferParameter{ParameterChoice: &pb.InferParameter_Uint64Param{Uint64Param: v}}
	}
	v, _ := strconv.ParseFloat(text, 64) // which of a JSON number can only fail by being beyond all, and is infinite then
	return &pb.InferParameter{ParameterChoice: &pb.InferParameter_DoubleParam{DoubleParam: v}}
}
