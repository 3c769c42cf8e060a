package openinference

import (
	"math"
	"strconv"
	"strings"
	"time"

	pb "footballprediction/api/gen/inference"
	"footballprediction/serving"
)

// orders are what the parameters of a request say about how it is run.
type orders struct {
	priority uint32        // 1 is the highest; 0, and one that the model does not have, leave it to the model
	timeout  time.Duration // how long it may take, a run that has begun aside; 0 means as long as its caller waits
}

// Parameters of requests.
const (
	priority = "priority"
	timeout  = "timeout" // in microseconds
	// reserved begins names that Triton keeps for itself.
	reserved = "triton_"
	// emptyFinal asks a model with any number of answers for one more that ends them; those here
	// have exactly one.
	emptyFinal = "triton_enable_empty_final_response"
	sequenceID = "sequence_id"
	// assignmentKey is ours: whom or what an A/B route assigns, in assignmentKeyBytesMax at most.
	assignmentKey         = "assignment_key"
	assignmentKeyBytesMax = 1000
)

// variant is a parameter of answers: by which share of the model's route they came.
const variant = "variant"

// readKey returns the parameter assignment_key, "" where there is none. A whole number is the same key as
// its decimal text, for users and matches have numbers.
func readKey(parameters map[string]*pb.InferParameter) (string, error) {
	parameter, given := parameters[assignmentKey]
	if !given {
		return "", nil
	}
	switch p := parameter.GetParameterChoice().(type) {
	case *pb.InferParameter_StringParam:
		if got := len(p.StringParam); got > assignmentKeyBytesMax {
			return "", serving.ErrorAt(parameterPath(assignmentKey), serving.FieldInvalid,
				"parameter %s: expected at most %d bytes, got %d", assignmentKey, assignmentKeyBytesMax, got)
		}
		return p.StringParam, nil
	case *pb.InferParameter_Int64Param:
		return strconv.FormatInt(p.Int64Param, 10), nil
	case *pb.InferParameter_Uint64Param:
		return strconv.FormatUint(p.Uint64Param, 10), nil
	}
	return "", serving.ErrorAt(parameterPath(assignmentKey), serving.FieldInvalid,
		"parameter %s: expected text or a whole number, got %s", assignmentKey, describe(parameter))
}

// readOrders reads a request's parameters. Those that nobody knows are ignored.
func readOrders(parameters map[string]*pb.InferParameter) (o orders, err error) {
	for name, parameter := range parameters {
		switch {
		case name == priority:
			value, err := number(name, parameter, math.MaxUint64)
			if err != nil {
				return o, err
			}
			o.priority = uint32(min(value, math.MaxUint32)) // no model has that many
		case name == timeout:
			value, err := number(name, parameter, math.MaxInt64/uint64(time.Microsecond))
			if err != nil {
				return o, err
			}
			o.timeout = time.Duration(value) * time.Microsecond
		case name == sequenceID || name == "sequence_start" || name == "sequence_end":
			if isSet(parameter) {
				return o, serving.ErrorAt(parameterPath(name), serving.NotBuilt,
					"parameter %s: expected none, for models keep nothing from one request to the next", name)
			}
		case name == emptyFinal:
			if _, ok := parameter.GetParameterChoice().(*pb.InferParameter_BoolParam); !ok {
				return o, serving.ErrorAt(parameterPath(name), serving.FieldInvalid, "parameter %s: expected a bool_param", name)
			}
		case strings.HasPrefix(name, reserved):
			return o, serving.ErrorAt(parameterPath(name), serving.FieldInvalid,
				"parameter %s: expected no name that begins with %s, which are reserved", clip(name), reserved)
		}
	}
	return o, nil
}

func parameterPath(name string) string { return "parameters." + clip(name) }

// number returns a parameter that counts, up to most.
func number(name string, parameter *pb.InferParameter, most uint64) (uint64, error) {
	var value uint64
	switch p := parameter.GetParameterChoice().(type) {
	case *pb.InferParameter_Uint64Param:
		value = p.Uint64Param
	case *pb.InferParameter_Int64Param:
		if p.Int64Param < 0 {
			return 0, serving.ErrorAt(parameterPath(name), serving.FieldInvalid, "parameter %s: expected 0 at least, got %d", name, p.Int64Param)
		}
		value = uint64(p.Int64Param)
	default:
		return 0, serving.ErrorAt(parameterPath(name), serving.FieldInvalid, "parameter %s: expected a whole number, got %s", name, describe(parameter))
	}
	if value > most {
		return 0, serving.ErrorAt(parameterPath(name), serving.FieldInvalid, "parameter %s: expected %d at most, got %d", name, most, value)
	}
	return value, nil
}

// describe says what a parameter is that is no whole number.
func describe(parameter *pb.InferParameter) string {
	switch p := parameter.GetParameterChoice().(type) {
	case *pb.InferParameter_BoolParam:
		return strconv.FormatBool(p.BoolParam)
	case *pb.InferParameter_StringParam:
		return strconv.Quote(clip(p.StringParam))
	case *pb.InferParameter_DoubleParam:
		return strconv.FormatFloat(p.DoubleParam, 'g', -1, 64)
	}
	return "nothing"
}

// isSet tells whether a parameter is more than its zero value.
func isSet(parameter *pb.InferParameter) bool {
	switch p := parameter.GetParameterChoice().(type) {
	case *pb.InferParameter_BoolParam:
		return p.BoolParam
	case *pb.InferParameter_Int64Param:
		return p.Int64Param != 0
	case *pb.InferParameter_Uint64Param:
		return p.Uint64Param != 0
	case *pb.InferParameter_StringParam:
		return p.StringParam != ""
	case *pb.InferParameter_DoubleParam:
		return p.DoubleParam != 0
	}
	return false
}
