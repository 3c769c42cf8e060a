package serving

import (
	"context"
	"sync/atomic"
	"testing"

	pb "footballprediction/api/gen/footballprediction/v1"
)

func pairing(home, away string) *pb.PredictRequest {
	return &pb.PredictRequest{Target: &pb.PredictRequest_Pairing{Pairing: &pb.Pairing{HomeTeam: home, AwayTeam: away}}}
}

func BenchmarkPredict(b *testing.B) {
	s, _ := newWorld().service(b)
	request := pairing("Arsenal", "Chelsea")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Predict(context.Background(), request); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPredictUnderPolicy(b *testing.B) {
	s, logger := newWorld().service(b)
	p := &policy{principal: local, roles: rolesOf(s.procedures(nil)), rules: s.rules, logger: logger, now: s.now, accepted: new(atomic.Int64)}
	procedure := s.procedures(nil)[0]
	b.ReportAllocs()
	for b.Loop() {
		in := &inbound{message: pairing("Arsenal", "Chelsea")}
		if _, err := p.unary(context.Background(), call{system: systemGRPC, procedure: procedure.name}, in, procedure.answer); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRules(b *testing.B) {
	s, _ := newWorld().service(b)
	request := pairing("Arsenal", "Chelsea")
	b.ReportAllocs()
	for b.Loop() {
		if err := s.rules.check(request); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBatchPredict1000(b *testing.B) {
	s, _ := newWorld().service(b)
	request := &pb.BatchPredictRequest{}
	for range 1000 {
		request.Requests = append(request.Requests, pairing("Arsenal", "Chelsea"))
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.BatchPredict(context.Background(), request); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(1000*b.N)/b.Elapsed().Seconds(), "matches/s")
}
