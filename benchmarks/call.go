package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	pb "footballprediction/api/gen/footballprediction/v1"
)

// A call is one procedure with one request, in the forms that the load generators and the echo want.
type call struct {
	procedure string // package.Service/Method
	answer    []byte // of the server, encoded

	requestFile, frameFile, answerFile, protosetFile string
}

// calls are all that is measured, with the server's answers.
type calls struct {
	pairing, match, batch, features, models, health *call
}

// batchSize is the number of matches in a batch.
const batchSize = 100

// prepare asks the server everything once and keeps the answers below dir.
func prepare(ctx context.Context, dir, address string) (*calls, error) {
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	listed, err := pb.NewMatchServiceClient(conn).ListMatches(ctx, &pb.ListMatchesRequest{
		Status: pb.MatchStatus_MATCH_STATUS_SCHEDULED, PageSize: 1,
	})
	if err != nil {
		return nil, fmt.Errorf("list matches: %w", err)
	}
	if len(listed.GetMatches()) == 0 {
		return nil, fmt.Errorf("list matches: expected a scheduled match, got none")
	}
	match := listed.GetMatches()[0].GetMatchId()
	teams, err := pb.NewMatchServiceClient(conn).ListTeams(ctx, &pb.ListTeamsRequest{Competition: listed.GetMatches()[0].GetCompetition()})
	if err != nil {
		return nil, fmt.Errorf("list teams: %w", err)
	}
	batch := new(pb.BatchPredictRequest)
	for _, home := range teams.GetTeams() {
		for _, away := range teams.GetTeams() {
			if home != away && len(batch.GetRequests()) < batchSize {
				batch.Requests = append(batch.Requests, pairing(home.GetName(), away.GetName()))
			}
		}
	}
	if got := len(batch.GetRequests()); got != batchSize {
		return nil, fmt.Errorf("list teams: expected enough for %d pairings, got %d", batchSize, got)
	}
	all := new(calls)
	for _, c := range []struct {
		call    **call
		name    string
		method  string
		request proto.Message
	}{
		{&all.pairing, "pairing", pb.PredictionService_Predict_FullMethodName, pairing("Arsenal", "Chelsea")},
		{&all.match, "match", pb.PredictionService_Predict_FullMethodName, &pb.PredictRequest{Target: &pb.PredictRequest_MatchId{MatchId: match}}},
		{&all.batch, "batch", pb.PredictionService_BatchPredict_FullMethodName, batch},
		{&all.features, "features", pb.FeatureService_GetMatchFeatures_FullMethodName, &pb.GetMatchFeaturesRequest{MatchId: match}},
		{&all.models, "models", pb.ModelService_ListModels_FullMethodName, &pb.ListModelsRequest{}},
		{&all.health, "health", healthpb.Health_Check_FullMethodName, &healthpb.HealthCheckRequest{}},
	} {
		if *c.call, err = newCall(ctx, filepath.Join(dir, c.name), conn, c.method, c.request); err != nil {
			return nil, fmt.Errorf("%s: %w", c.name, err)
		}
	}
	return all, nil
}

func pairing(home, away string) *pb.PredictRequest {
	return &pb.PredictRequest{Target: &pb.PredictRequest_Pairing{Pairing: &pb.Pairing{HomeTeam: home, AwayTeam: away}}}
}

// newCall makes the call once and writes its files into dir.
func newCall(ctx context.Context, dir string, conn *grpc.ClientConn, method string, request proto.Message) (*call, error) {
	c := &call{procedure: method[1:]}
	found, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(strings.ReplaceAll(c.procedure, "/", ".")))
	if err != nil {
		return nil, err
	}
	described := found.(protoreflect.MethodDescriptor)
	output, err := protoregistry.GlobalTypes.FindMessageByName(described.Output().FullName())
	if err != nil {
		return nil, err
	}
	answer := output.New().Interface()
	if err := conn.Invoke(ctx, method, request, answer); err != nil {
		return nil, err
	}
	if batch, ok := answer.(*pb.BatchPredictResponse); ok {
		for _, result := range batch.GetResults() {
			if result.GetPrediction() == nil {
				return nil, fmt.Errorf("item of the batch: %s", result.GetError().GetMessage())
			}
		}
	}
	if c.answer, err = proto.Marshal(answer); err != nil {
		return nil, err
	}
	encoded, err := proto.Marshal(request)
	if err != nil {
		return nil, err
	}
	protoset, err := proto.Marshal(opaque(described))
	if err != nil {
		return nil, err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	if c.frameFile, err = writeFrame(dir, encoded); err != nil {
		return nil, err
	}
	for name, file := range map[string]struct {
		path    *string
		content []byte
	}{
		"request": {&c.requestFile, encoded}, "answer": {&c.answerFile, c.answer}, "protoset": {&c.protosetFile, protoset},
	} {
		*file.path = filepath.Join(dir, name)
		if err := os.WriteFile(*file.path, file.content, 0o600); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// opaque describes the method with messages of which nothing is known, so that ghz spends its time
// on calling and not on looking at what it gets.
func opaque(method protoreflect.MethodDescriptor) *descriptorpb.FileDescriptorSet {
	service := method.Parent()
	message := "." + string(service.ParentFile().Package()) + ".Opaque"
	return &descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{{
		Name: new("opaque.proto"), Package: new(string(service.ParentFile().Package())), Syntax: new("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{{Name: new("Opaque")}},
		Service: []*descriptorpb.ServiceDescriptorProto{{
			Name: new(string(service.Name())),
			Method: []*descriptorpb.MethodDescriptorProto{{
				Name: new(string(method.Name())), InputType: &message, OutputType: &message,
			}},
		}},
	}}}
}
