package serving

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	pb "footballprediction/api/gen/footballprediction/v1"
)

// operations change what is served, tell of every change, or say whose it was.
var operations = []protoreflect.Name{"WatchModels", "ListModelChanges", "LoadModel", "UnloadModel", "PromoteModel", "RollbackModel", "SetTraffic"}

// Whatever either transport would answer is in the table, and so is every RPC of the contract.
func TestEveryProcedureIsInTheTable(t *testing.T) {
	service, _ := newWorld().service(t)
	procedures := append(service.procedures(nil), newHealth(service, nil, nil).procedures()...)
	roles := rolesOf(procedures)

	server := newGRPC(&policy{}, procedures)
	defer server.Stop()
	for name, info := range server.GetServiceInfo() {
		for _, method := range info.Methods {
			if _, listed := roles["/"+name+"/"+method.Name]; !listed {
				t.Errorf("/%s/%s is mounted and not in the table", name, method.Name)
			}
		}
	}
	mounted := 0
	protoregistry.GlobalFiles.RangeFilesByPackage("footballprediction.v1", func(file protoreflect.FileDescriptor) bool {
		for i := range file.Services().Len() {
			methods := file.Services().Get(i).Methods()
			for j := range methods.Len() {
				name := "/" + string(methods.Get(j).Parent().FullName()) + "/" + string(methods.Get(j).Name())
				want := Viewer
				if slices.Contains(operations, methods.Get(j).Name()) {
					want = Operator
				}
				if role, listed := roles[name]; !listed || role != want {
					t.Errorf("%s: listed %t, role %s, want %s", name, listed, role, want)
				}
				mounted++
			}
		}
		return true
	})
	if mounted != len(service.procedures(nil)) {
		t.Errorf("the contract has %d RPCs, %d are mounted", mounted, len(service.procedures(nil)))
	}
}

func TestPolicyDenies(t *testing.T) {
	service, logger := newWorld().service(t)
	p := &policy{principal: local, roles: map[string]Role{"/x/Read": Viewer, "/x/Load": Operator}, rules: service.rules, logger: logger, now: service.now, accepted: new(atomic.Int64), streams: openStreams{"/x/Read": {most: 1}}}
	called := 0
	answer := func(context.Context, any) (any, error) { called++; return nil, nil }
	for _, test := range []struct{ procedure, want string }{
		{"/x/Read", ""},
		{"/x/Load", "/x/Load needs role operator, got viewer"},
		{"/x/Other", "/x/Other may not be called"},
	} {
		called = 0
		_, unaryErr := p.unary(t.Context(), call{procedure: test.procedure}, nil, answer)
		streamErr := p.stream(t.Context(), call{procedure: test.procedure}, func() error { called++; return nil })
		for _, err := range []error{unaryErr, streamErr} {
			if test.want == "" {
				if err != nil {
					t.Errorf("%s: got %v", test.procedure, err)
				}
				continue
			}
			wrong{code: codes.PermissionDenied, reason: "ACCESS_DENIED", message: test.want}.check(t, explain(err).Status())
		}
		if (called == 2) != (test.want == "") {
			t.Errorf("%s: called %d times", test.procedure, called)
		}
	}
}

// A panic is answered, costs nobody else anything, and is logged once with its stack.
func TestPanicsOverEveryTransport(t *testing.T) {
	w := newWorld()
	w.beforeVectors = func(context.Context) { panic("the pitch is flooded") }
	s := w.serve(t, ServerOptions{})
	all := predictors(t, s)
	for _, c := range all {
		_, st := c.call(t.Context(), pairing("Arsenal", "Chelsea"))
		wrong{code: codes.Internal, message: "internal error"}.check(t, st)
		if strings.Contains(text(st), "flooded") {
			t.Errorf("%s: tells too much: %s", c.name, text(st))
		}
	}
	if n := strings.Count(w.logged(), "panic: the pitch is flooded"); n != len(all) || !strings.Contains(w.logged(), "policy_test.go") {
		t.Errorf("logged %d times of %d, or without the stack", n, len(all))
	}
	p := &policy{roles: map[string]Role{"/x/Read": Anyone}, logger: slog.New(slog.DiscardHandler), now: func() time.Time { return today }, accepted: new(atomic.Int64), streams: openStreams{"/x/Read": {most: 1}}}
	if err := p.stream(t.Context(), call{procedure: "/x/Read"}, func() error { panic("again") }); explain(err).Code != codes.Internal {
		t.Errorf("stream: got %v", err)
	}
}

// One line a call: at debug level if it was answered, else with code, reason and cause.
func TestLogging(t *testing.T) {
	w := newWorld()
	s := w.serve(t, ServerOptions{})
	before := len(w.logged())
	callers := predictors(t, s)
	for _, c := range callers {
		if _, st := c.call(t.Context(), pairing("Arsenal", "Chelsea")); st != nil {
			t.Fatal(c.name, st)
		}
		_, st := c.call(t.Context(), pairing("Arsenal", "Nobody"))
		wrong{code: codes.NotFound, reason: "TEAM_UNKNOWN", fields: []string{"pairing.away_team"}}.check(t, st)
	}
	var answered, failed int
	for line := range strings.Lines(w.logged()[before:]) {
		switch {
		case strings.Contains(line, `"msg":"loading models"`), strings.Contains(line, `"msg":"serving"`):
		case strings.Contains(line, `"level":"DEBUG","msg":"call answered","procedure":"/footballprediction.v1.PredictionService/Predict"`):
			answered++
		case strings.Contains(line, `"level":"INFO","msg":"call failed"`) && strings.Contains(line, `"reason":"TEAM_UNKNOWN"`):
			failed++
		default:
			t.Errorf("another line: %s", line)
		}
	}
	if answered != len(callers) || failed != len(callers) {
		t.Errorf("%d lines of answers and %d of failures, want %d each", answered, failed, len(callers))
	}
}

// A deadline and a caller's leaving are answered as such.
func TestDeadlines(t *testing.T) {
	w := newWorld()
	w.beforeVectors = func(ctx context.Context) { <-ctx.Done() }
	s := w.serve(t, ServerOptions{})
	service, _ := newWorld().service(t)
	for _, c := range callers[pb.PredictRequest, pb.PredictResponse](s, pb.PredictionService_Predict_FullMethodName, true) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		_, st := c.call(ctx, pairing("Arsenal", "Chelsea"))
		cancel()
		if codes.Code(st.GetCode()) != codes.DeadlineExceeded {
			t.Errorf("%s: got %s", c.name, st)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := service.Predict(ctx, pairing("Arsenal", "Chelsea")); explain(err).Code != codes.Canceled {
		t.Errorf("got %v", err)
	}
}
