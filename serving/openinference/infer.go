package openinference

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"google.golang.org/grpc/codes"

	pb "footballprediction/api/gen/inference"
	"footballprediction/inference"
	"footballprediction/serving"
)

// ModelInfer implements GRPCInferenceService. Parameters that it does not know are ignored, as the
// protocol has it, but for those by which the request or its tensors would be others than they seem.
// priority (1 is the highest; 0, or one that the model does not have, means its default) and timeout (in
// microseconds, 0 for none) are whole numbers, not negative. Tensors have one row at least.
// The answer holds raw_output_contents where the request holds raw_input_contents, or where an output
// can be given in no other way. Where the model's requests are shared out its parameter variant says which
// variant answered: the one that the request's parameter assignment_key, text or a whole number, always
// comes to, or one that was drawn.
func (s *Service) ModelInfer(ctx context.Context, request *pb.ModelInferRequest) (*pb.ModelInferResponse, error) {
	response, err := s.infer(ctx, request, len(request.GetRawInputContents()) > 0)
	if err != nil {
		return nil, err
	}
	s.answered(request, response)
	return response, nil
}

// infer runs a model. raw is whether inputs are in raw_input_contents.
func (s *Service) infer(ctx context.Context, request *pb.ModelInferRequest, raw bool) (*pb.ModelInferResponse, error) {
	handle, chosen, err := s.acquire(request)
	if err != nil {
		return nil, err
	}
	defer handle.Release()
	e := s.exchanges.Get().(*exchange)
	defer s.recycle(e)
	e.raw = raw
	rows, err := e.read(request, handle)
	if err != nil {
		return nil, err
	}
	a, err := newAnswer(e, handle.Model().Outputs(), rows)
	if err != nil {
		return nil, err
	}
	if err := e.run(ctx, request, handle); err != nil {
		return nil, err
	}
	if request.GetModelVersion() == "" {
		s.models.Mirror(request.GetModelName(), e.inputs)
	}
	response := a.write(request, handle, e)
	if chosen != "" {
		response.Parameters = map[string]*pb.InferParameter{variant: {ParameterChoice: &pb.InferParameter_StringParam{StringParam: chosen}}}
	}
	return response, nil
}

// acquire takes hold of the version that a request names, or else of the one that the model's route
// has for its parameter assignment_key. It says which variant that is where the requests are shared out.
func (s *Service) acquire(request *pb.ModelInferRequest) (handle inference.Handle, chosen string, err error) {
	name, version := request.GetModelName(), request.GetModelVersion()
	key, err := readKey(request.GetParameters())
	if err != nil {
		return handle, "", err
	}
	if version != "" {
		handle, err = s.models.Acquire(name, version)
	} else {
		routed := s.models.Routed(name)
		if handle, chosen, err = s.models.Route(name, key); !routed {
			chosen = ""
		}
	}
	if err != nil {
		return handle, "", explainModel(err, "model_name", "model_version")
	}
	return handle, chosen, nil
}

// answered is called once for each answer that a caller gets: which variant it came from is counted and
// logged.
func (s *Service) answered(request *pb.ModelInferRequest, response *pb.ModelInferResponse) {
	chosen := response.GetParameters()[variant].GetStringParam()
	if chosen == "" {
		return
	}
	key, _ := readKey(request.GetParameters()) // else it was not answered
	exposure := serving.Exposure{Model: response.GetModelName(), Version: response.GetModelVersion(), Variant: chosen, AssignmentKey: key}
	if id := request.GetId(); id != "" {
		exposure.ID = slog.String("request_id", clip(id))
	}
	s.expose(exposure)
}

// run runs the model, by the request's parameters.
func (e *exchange) run(ctx context.Context, request *pb.ModelInferRequest, handle inference.Handle) error {
	var o orders
	if len(request.GetParameters()) > 0 {
		var err error
		if o, err = readOrders(request.GetParameters()); err != nil {
			return err
		}
	}
	if o.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.timeout)
		defer cancel()
	}
	if err := handle.RunAt(ctx, o.priority, e.inputs, e.outputs); err != nil {
		return explainRun(err, handle)
	}
	return nil
}

// An exchange is what one call computes with. The memory is used again by later calls; what its
// tensors point to belongs to the request and to the answer.
type exchange struct {
	inputs, outputs []inference.Tensor
	raw             bool // the inputs are in raw_input_contents
}

func (s *Service) recycle(e *exchange) {
	clear(e.inputs)
	clear(e.outputs)
	s.exchanges.Put(e)
}

// read makes tensors of a request that fits the model, and returns how many rows they have.
func (e *exchange) read(request *pb.ModelInferRequest, handle inference.Handle) (rows int64, err error) {
	model := handle.Model()
	if err := e.readInputs(request, model.Inputs()); err != nil {
		return 0, err
	}
	if rows, err = handle.CheckInputs(e.inputs); err != nil {
		return 0, e.explain(err)
	}
	if manifest, ok := handle.Metadata().(*serving.Manifest); ok {
		if err := manifest.CheckInputs(e.inputs); err != nil {
			return 0, e.explain(err)
		}
	}
	if err := e.readOutputs(request, model.Outputs()); err != nil {
		return 0, err
	}
	if err := inference.CheckOutputs(model.Outputs(), e.outputs); err != nil {
		return 0, e.explain(err)
	}
	return rows, nil
}

func (e *exchange) readInputs(request *pb.ModelInferRequest, specs []inference.TensorSpec) error {
	raw := request.GetRawInputContents()
	if e.raw && len(raw) != len(request.GetInputs()) {
		return serving.ErrorAt("raw_input_contents", serving.TensorSize,
			"raw_input_contents: expected one entry for each of %d inputs, got %d", len(request.GetInputs()), len(raw))
	}
	given := atMost(request.GetInputs(), specs)
	e.inputs = slices.Grow(e.inputs[:0], len(given))[:len(given)]
	for i, in := range given {
		t := &e.inputs[i]
		t.Name, t.Shape = in.GetName(), in.GetShape()
		if len(in.GetParameters()) > 0 && in.GetParameters()[sharedMemory] != nil {
			return notBuilt(fmt.Sprintf("inputs[%d].parameters", i), sharedMemory)
		}
		spec := inference.FindSpec(specs, t.Name, i)
		if spec == nil {
			continue // which CheckInputs refuses
		}
		var err error
		if t.Type, err = inference.ParseDataType(in.GetDatatype()); err != nil {
			return serving.ErrorAt(fmt.Sprintf("inputs[%d].datatype", i), serving.TensorDataType,
				"input %q: tensor datatype: expected %s, got %q", t.Name, spec.Type, clip(in.GetDatatype()))
		}
		if t.Type != spec.Type {
			continue // which CheckInputs refuses
		}
		if !e.raw {
			if t.Data, err = readInput(in, t.Type, i); err != nil {
				return err
			}
			continue
		}
		if field := otherField(in.GetContents(), ""); field != "" {
			return serving.ErrorAt("raw_input_contents", serving.FieldInvalid,
				"raw_input_contents: expected none where inputs have contents, got both: input %q has %s", t.Name, field)
		}
		t.Data = raw[i]
	}
	return nil
}

// readInput returns the elements of input i, whose contents hold nothing else.
func readInput(in *pb.ModelInferRequest_InferInputTensor, t inference.DataType, i int) ([]byte, error) {
	want := contentsFields[t]
	field := otherField(in.GetContents(), want)
	switch {
	case field == "":
	case rawOnly(t):
		return nil, contentsError(i, in.GetName(), "expected raw_input_contents for %s, got %s", t, field)
	default:
		return nil, contentsError(i, in.GetName(), "expected %s for %s, got %s", want, t, field)
	}
	data, err := readContents(in.GetContents(), t)
	if err != nil {
		return nil, serving.ErrorAt(fmt.Sprintf("inputs[%d].contents", i), serving.TensorValue,
			"input %q: tensor value: %s %w", in.GetName(), t, err)
	}
	return data, nil
}

// readOutputs names the outputs wanted, all where the request names none.
func (e *exchange) readOutputs(request *pb.ModelInferRequest, specs []inference.TensorSpec) error {
	wanted := atMost(request.GetOutputs(), specs)
	if len(wanted) == 0 {
		e.outputs = slices.Grow(e.outputs[:0], len(specs))[:len(specs)]
		for i := range specs {
			e.outputs[i].Name = specs[i].Name
		}
		return nil
	}
	e.outputs = slices.Grow(e.outputs[:0], len(wanted))[:len(wanted)]
	for i, out := range wanted {
		e.outputs[i].Name = out.GetName()
		for _, name := range []string{sharedMemory, classification} {
			if len(out.GetParameters()) > 0 && out.GetParameters()[name] != nil {
				return notBuilt(fmt.Sprintf("outputs[%d].parameters", i), name)
			}
		}
	}
	return nil
}

// Parameters of tensors, extensions of Triton's, by which these would be others than they seem.
const (
	sharedMemory   = "shared_memory_region"
	classification = "classification"
)

func notBuilt(path, parameter string) *serving.Error {
	return serving.ErrorAt(path, serving.NotBuilt, "parameter %s is not built yet", parameter)
}

// atMost cuts a list off where it is longer than a right one: among its first tensors is then one that
// is unknown or given twice.
func atMost[T any](list []T, specs []inference.TensorSpec) []T {
	return list[:min(len(list), len(specs)+1)]
}

// explain names the field of the request that a *inference.TensorError is about. Of two tensors of one
// name, it is the later one that is wrong.
func (e *exchange) explain(err error) *serving.Error {
	wrong, ok := errors.AsType[*inference.TensorError](err)
	if !ok {
		return serving.ExplainField(err, "outputs")
	}
	if wrong.What == "output" {
		for i, out := range slices.Backward(e.outputs) {
			if out.Name == wrong.Name {
				return serving.ExplainField(err, fmt.Sprintf("outputs[%d].name", i))
			}
		}
		return serving.ExplainField(err, "outputs")
	}
	for i, in := range slices.Backward(e.inputs) {
		if in.Name != wrong.Name {
			continue
		}
		switch {
		case errors.Is(err, inference.ErrTensorUnknown):
			return serving.ExplainField(err, fmt.Sprintf("inputs[%d].name", i))
		case errors.Is(err, inference.ErrTensorDataType):
			return serving.ExplainField(err, fmt.Sprintf("inputs[%d].datatype", i))
		case errors.Is(err, inference.ErrTensorShape):
			return serving.ExplainField(err, fmt.Sprintf("inputs[%d].shape", i))
		case e.raw:
			return serving.ExplainField(err, fmt.Sprintf("raw_input_contents[%d]", i))
		}
		return serving.ExplainField(err, fmt.Sprintf("inputs[%d].contents", i))
	}
	return serving.ExplainField(err, "inputs")
}

// explainRun says what became of a run. What a model says when it fails is for the log.
func explainRun(err error, handle inference.Handle) error {
	for _, known := range []error{inference.ErrQueueFull, inference.ErrNotReady, context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, known) {
			return err
		}
	}
	name, version := handle.Name(), handle.Version()
	return &serving.Error{
		Code: codes.Internal, Reason: serving.ModelFailed, Message: fmt.Sprintf("model %s version %s failed", name, version),
		Metadata: map[string]string{"model": name, "version": version}, Cause: err,
	}
}

// clip keeps what a stranger sent from filling a message.
func clip(s string) string {
	const most = 100
	if len(s) <= most {
		return s
	}
	return s[:most] + "…"
}
