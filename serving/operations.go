package serving

import (
	"context"
	"fmt"
	"strings"

	"google.golang.org/protobuf/types/known/timestamppb"

	pb "footballprediction/api/gen/footballprediction/v1"
	"footballprediction/inference"
)

// operations are the procedures that change what is served, tell of every change while it happens, and say
// whose it was.
func (s *Service) operations(draining <-chan struct{}) []Procedure {
	return []Procedure{
		Unary(pb.ModelService_LoadModel_FullMethodName, Operator, s.LoadModel),
		Unary(pb.ModelService_UnloadModel_FullMethodName, Operator, s.UnloadModel),
		Unary(pb.ModelService_PromoteModel_FullMethodName, Operator, s.PromoteModel),
		Unary(pb.ModelService_RollbackModel_FullMethodName, Operator, s.RollbackModel),
		Unary(pb.ModelService_SetTraffic_FullMethodName, Operator, s.SetTraffic),
		Unary(pb.ModelService_ListModelChanges_FullMethodName, Operator, s.ListModelChanges),
		ServerStream(pb.ModelService_WatchModels_FullMethodName, Operator, s.watchModels(draining)).atMost(watchersMax),
	}
}

// LoadModel implements ModelService.
func (s *Service) LoadModel(ctx context.Context, request *pb.LoadModelRequest) (*pb.LoadModelResponse, error) {
	by, err := decidedBy(request)
	if err != nil {
		return nil, err
	}
	if err := s.models.Load(ctx, request.Name, by); err != nil {
		return nil, explainName(err, "version")
	}
	model, err := s.model(request.Name)
	return &pb.LoadModelResponse{Model: model}, err
}

// UnloadModel implements ModelService.
func (s *Service) UnloadModel(ctx context.Context, request *pb.UnloadModelRequest) (*pb.UnloadModelResponse, error) {
	by, err := decidedBy(request)
	if err != nil {
		return nil, err
	}
	if err := s.models.Unload(ctx, request.Name, by); err != nil {
		return nil, explainName(err, "version")
	}
	model, err := s.model(request.Name)
	return &pb.UnloadModelResponse{Model: model}, err
}

// PromoteModel implements ModelService.
func (s *Service) PromoteModel(ctx context.Context, request *pb.PromoteModelRequest) (*pb.PromoteModelResponse, error) {
	by, err := decidedBy(request)
	if err != nil {
		return nil, err
	}
	promote := s.models.Promote
	if request.Force {
		promote = s.models.PromoteForced
	}
	if err := promote(ctx, request.Name, request.Version, by); err != nil {
		return nil, explainName(err, "version")
	}
	model, err := s.model(request.Name)
	return &pb.PromoteModelResponse{Model: model}, err
}

// RollbackModel implements ModelService.
func (s *Service) RollbackModel(ctx context.Context, request *pb.RollbackModelRequest) (*pb.RollbackModelResponse, error) {
	by, err := decidedBy(request)
	if err != nil {
		return nil, err
	}
	if err := s.models.RollBack(ctx, request.Name, request.Version, by); err != nil {
		return nil, explainName(err, "version")
	}
	model, err := s.model(request.Name)
	return &pb.RollbackModelResponse{Model: model}, err
}

// SetTraffic implements ModelService.
func (s *Service) SetTraffic(ctx context.Context, request *pb.SetTrafficRequest) (*pb.SetTrafficResponse, error) {
	by, err := decidedBy(request)
	if err != nil {
		return nil, err
	}
	route := inference.Route{Shadow: request.Route.GetShadow()}
	for _, v := range request.Route.GetVariants() {
		route.Variants = append(route.Variants, inference.Variant{Name: v.GetName(), Version: v.GetVersion(), Percent: v.GetPercent()})
	}
	if err := route.Check(); err != nil {
		return nil, errorf(FieldInvalid, "route.%s", err).at("route")
	}
	if err := s.models.SetRoute(ctx, request.Name, route, by); err != nil {
		return nil, explainName(err, "route")
	}
	model, err := s.model(request.Name)
	return &pb.SetTrafficResponse{Model: model}, err
}

// decision is a request that says who decides.
type decision interface {
	GetActor() string
	GetReason() string
}

func decidedBy(d decision) (inference.By, error) {
	return DecidedBy("actor", d.GetActor(), d.GetReason())
}

// DecidedBy is who decides and why, without the white space around them. field is the one that names who
// does, and is at fault where it names nobody.
func DecidedBy(field, actor, reason string) (inference.By, error) {
	by := inference.By{Actor: strings.TrimSpace(actor), Reason: strings.TrimSpace(reason)}
	if by.Actor == "" {
		return by, ErrorAt(field, FieldInvalid, "%s: expected who decides, got %q", field, clip(actor))
	}
	return by, nil
}

// explainName names the field at fault where a model or one of its versions cannot be had.
func explainName(err error, version string) *Error {
	switch e := explain(err); e.Reason {
	case ModelUnknown:
		return ExplainField(err, "name")
	case ModelVersionUnknown:
		return ExplainField(err, version)
	default:
		return e
	}
}

// model returns one model as it is now.
func (s *Service) model(name string) (*pb.Model, error) {
	status := s.models.Status()
	for i := range status.Models {
		if status.Models[i].Name == name {
			return newModel(&status.Models[i]), nil
		}
	}
	return nil, ExplainField(fmt.Errorf("%w: %q", inference.ErrModelUnknown, clip(name)), "name")
}

// GetModel implements ModelService.
func (s *Service) GetModel(_ context.Context, request *pb.GetModelRequest) (*pb.GetModelResponse, error) {
	model, err := s.model(request.Name)
	return &pb.GetModelResponse{Model: model}, err
}

// ListModelChanges implements ModelService.
func (s *Service) ListModelChanges(_ context.Context, request *pb.ListModelChangesRequest) (*pb.ListModelChangesResponse, error) {
	changes, err := s.models.Changes(request.Name)
	if err != nil {
		return nil, explainName(err, "version")
	}
	response := new(pb.ListModelChangesResponse)
	for i := range changes[:min(len(changes), pageSize(request.PageSize))] {
		c := &changes[i]
		change := &pb.ModelChange{
			At: timestamppb.New(c.At), Action: string(c.Action), Actor: c.Actor, Reason: c.Reason,
			Version: c.Version, FromVersion: c.From, Forced: c.Forced,
		}
		if c.Route != nil {
			change.Route = newTraffic(c.Route)
		}
		response.Changes = append(response.Changes, change)
	}
	return response, nil
}

func newTraffic(route *inference.Route) *pb.Route {
	out := &pb.Route{Shadow: route.Shadow}
	for _, v := range route.Variants {
		out.Variants = append(out.Variants, &pb.RouteVariant{Name: v.Name, Version: v.Version, Percent: v.Percent})
	}
	return out
}
