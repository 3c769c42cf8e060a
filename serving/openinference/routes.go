package openinference

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	pb "footballprediction/api/gen/inference"
	"footballprediction/serving"
)

// Routes are the protocol's REST form, for serving.ServerOptions: JSON, tensors also binary, errors as
// {"error": "…"}.
func (s *Service) Routes() serving.Routes {
	routes := serving.Routes{Prefix: "/v2", Refuse: refuse}
	add := func(procedure string, answer func(*http.Request) (*serving.Answer, error), patterns ...string) {
		for _, pattern := range patterns {
			routes.Routes = append(routes.Routes, serving.Route{Pattern: pattern, Procedure: procedure, Answer: answer})
		}
	}
	add(pb.GRPCInferenceService_ServerLive_FullMethodName, s.getLive, "GET /v2/health/live")
	add(pb.GRPCInferenceService_ServerReady_FullMethodName, s.getReady, "GET /v2/health/ready")
	add(pb.GRPCInferenceService_ServerMetadata_FullMethodName, s.getServer, "GET /v2")
	add(pb.GRPCInferenceService_ModelReady_FullMethodName, s.getModelReady,
		"GET /v2/models/{model}/ready", "GET /v2/models/{model}/versions/{version}/ready")
	add(pb.GRPCInferenceService_ModelMetadata_FullMethodName, s.getModel,
		"GET /v2/models/{model}", "GET /v2/models/{model}/versions/{version}")
	add(pb.GRPCInferenceService_ModelConfig_FullMethodName, s.getConfig,
		"GET /v2/models/{model}/config", "GET /v2/models/{model}/versions/{version}/config")
	add(pb.GRPCInferenceService_ModelStatistics_FullMethodName, s.getStatistics,
		"GET /v2/models/stats", "GET /v2/models/{model}/stats", "GET /v2/models/{model}/versions/{version}/stats")
	add(pb.GRPCInferenceService_RepositoryIndex_FullMethodName, s.postIndex,
		"POST /v2/repository/index", "GET /v2/repository/index")
	add(pb.GRPCInferenceService_RepositoryModelLoad_FullMethodName, s.postLoad, "POST /v2/repository/models/{model}/load")
	add(pb.GRPCInferenceService_RepositoryModelUnload_FullMethodName, s.postUnload, "POST /v2/repository/models/{model}/unload")
	add(pb.GRPCInferenceService_ModelInfer_FullMethodName, s.postInfer,
		"POST /v2/models/{model}/infer", "POST /v2/models/{model}/versions/{version}/infer")
	return routes
}

// refuse writes an error.
func refuse(w http.ResponseWriter, status int, e *serving.Error) {
	if e.Reason == serving.MessageTooLarge {
		status = http.StatusRequestEntityTooLarge // 429 would have clients try again
	}
	e.SetRetryAfter(w.Header())
	w.Header().Set("Content-Type", contentJSON)
	w.WriteHeader(status)
	_, _ = w.Write(append(appendString([]byte(`{"error":`), e.Message), '}')) // fails only where the caller has left
}

const contentJSON = "application/json"

func answerJSON(body []byte) *serving.Answer {
	return &serving.Answer{Header: http.Header{"Content-Type": {contentJSON}}, Body: body}
}

// answerMessage answers with the response of an RPC.
func answerMessage[Req any, Res proto.Message](r *http.Request, request *Req, rpc func(context.Context, *Req) (Res, error)) (*serving.Answer, error) {
	response, err := rpc(r.Context(), request)
	if err != nil {
		return nil, err
	}
	return answerJSON(appendMessage(nil, response)), nil
}

func (s *Service) getLive(r *http.Request) (*serving.Answer, error) {
	return answerMessage(r, &pb.ServerLiveRequest{}, s.ServerLive)
}

// getReady answers 200 or 503, as health checks and KServe's clients expect.
func (s *Service) getReady(r *http.Request) (*serving.Answer, error) {
	if err := s.ready(); err != nil {
		e := *serving.Explain(err)
		e.Code = codes.Unavailable // whatever else it would be for who asks for the model
		return nil, &e
	}
	return answerMessage(r, &pb.ServerReadyRequest{}, s.ServerReady)
}

func (s *Service) getServer(r *http.Request) (*serving.Answer, error) {
	return answerMessage(r, &pb.ServerMetadataRequest{}, s.ServerMetadata)
}

// getModelReady answers 200 where the model can be run, and else as the model's other paths do.
func (s *Service) getModelReady(r *http.Request) (*serving.Answer, error) {
	name, version := r.PathValue("model"), r.PathValue("version")
	handle, err := s.models.Acquire(name, version)
	if err != nil {
		return nil, explainModel(err, "name", "version")
	}
	defer handle.Release()
	return answerJSON(append(appendString([]byte(`{"name":`), name), `,"ready":true}`...)), nil
}

func (s *Service) getModel(r *http.Request) (*serving.Answer, error) {
	return answerMessage(r, &pb.ModelMetadataRequest{Name: r.PathValue("model"), Version: r.PathValue("version")}, s.ModelMetadata)
}

func (s *Service) getConfig(r *http.Request) (*serving.Answer, error) {
	response, err := s.ModelConfig(r.Context(), &pb.ModelConfigRequest{Name: r.PathValue("model"), Version: r.PathValue("version")})
	if err != nil {
		return nil, err
	}
	return answerJSON(appendMessage(nil, response.GetConfig())), nil
}

func (s *Service) getStatistics(r *http.Request) (*serving.Answer, error) {
	return answerMessage(r, &pb.ModelStatisticsRequest{Name: r.PathValue("model"), Version: r.PathValue("version")}, s.ModelStatistics)
}

// postIndex answers with the list alone.
func (s *Service) postIndex(r *http.Request) (*serving.Answer, error) {
	body, err := readBody(r)
	if err != nil {
		return nil, err
	}
	var wanted struct {
		Ready bool `json:"ready"`
	}
	if len(body) > 0 {
		if err := json.Unmarshal(body, &wanted); err != nil {
			return nil, explainJSON(body, err)
		}
		if err := checkKeys(body); err != nil {
			return nil, err
		}
	}
	response, err := s.RepositoryIndex(r.Context(), &pb.RepositoryIndexRequest{Ready: wanted.Ready})
	if err != nil {
		return nil, err
	}
	data := []byte{'['}
	for i, model := range response.GetModels() {
		if i > 0 {
			data = append(data, ',')
		}
		data = appendMessage(data, model)
	}
	return answerJSON(append(data, ']')), nil
}

func (s *Service) postLoad(r *http.Request) (*serving.Answer, error) {
	parameters, err := repositoryParameters(r)
	if err != nil {
		return nil, err
	}
	return answerMessage(r, &pb.RepositoryModelLoadRequest{ModelName: r.PathValue("model"), Parameters: parameters}, s.RepositoryModelLoad)
}

func (s *Service) postUnload(r *http.Request) (*serving.Answer, error) {
	parameters, err := repositoryParameters(r)
	if err != nil {
		return nil, err
	}
	return answerMessage(r, &pb.RepositoryModelUnloadRequest{ModelName: r.PathValue("model"), Parameters: parameters}, s.RepositoryModelUnload)
}

// repositoryParameters reads those of the body, if there is one, and of the headers.
func repositoryParameters(r *http.Request) (map[string]*pb.ModelRepositoryParameter, error) {
	body, err := readBody(r)
	if err != nil {
		return nil, err
	}
	var said struct {
		Parameters parametersJSON `json:"parameters"`
	}
	if len(body) > 0 {
		if err := checkText(body); err != nil {
			return nil, err
		}
		if err := json.Unmarshal(body, &said); err != nil {
			return nil, explainJSON(body, err)
		}
		if err := checkKeys(body); err != nil {
			return nil, err
		}
	}
	given, err := said.Parameters.message("parameters")
	if err != nil {
		return nil, err
	}
	parameters := map[string]*pb.ModelRepositoryParameter{}
	for _, name := range []string{actor, reason} {
		if header := r.Header.Get(name); header != "" {
			parameters[name] = textParameter(strings.ToValidUTF8(header, "\uFFFD"))
		}
	}
	for name, parameter := range given {
		if text, ok := parameter.GetParameterChoice().(*pb.InferParameter_StringParam); ok {
			parameters[name] = textParameter(text.StringParam)
		} else {
			parameters[name] = new(pb.ModelRepositoryParameter) // of no other is the value looked at
		}
	}
	return parameters, nil
}

func textParameter(text string) *pb.ModelRepositoryParameter {
	return &pb.ModelRepositoryParameter{ParameterChoice: &pb.ModelRepositoryParameter_StringParam{StringParam: text}}
}
