package serving

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"

	pb "footballprediction/api/gen/footballprediction/v1"
)

// A request that does not arrive, over either port, holds nobody who shuts the server down; a call that
// has been accepted is answered.
func TestStallsDoNotHoldTheDrain(t *testing.T) {
	w := newWorld()
	entered, leave := make(chan struct{}), make(chan struct{})
	w.beforeVectors = func(context.Context) {
		close(entered)
		<-leave
	}
	s := w.serve(t, ServerOptions{})
	half, err := net.Dial("tcp", s.http)
	if err != nil {
		t.Fatal(err)
	}
	defer half.Close()
	if _, err := half.Write([]byte("POST /predictions/match HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")); err != nil {
		t.Fatal(err)
	}
	// The headers of a call that may send many messages go out at once.
	if _, err := s.native.NewStream(t.Context(), &grpc.StreamDesc{ClientStreams: true}, pb.PredictionService_Predict_FullMethodName); err != nil {
		t.Fatal(err)
	}
	answered := make(chan error, 1)
	go func() {
		_, err := pb.NewPredictionServiceClient(s.native).Predict(t.Context(), pairing("Arsenal", "Chelsea"))
		answered <- err
	}()
	<-entered
	stopped := make(chan error, 1)
	began := time.Now()
	go func() { stopped <- s.stop() }()
	select {
	case err := <-stopped:
		t.Errorf("stopped with a call in flight: %v", err)
	case <-time.After(2 * time.Second): // ten times what the others are given
	}
	close(leave)
	if err := <-answered; err != nil {
		t.Errorf("the accepted call: %v", err)
	}
	if err := <-stopped; err != nil {
		t.Errorf("after %s: %v", time.Since(began), err)
	}
	if !strings.Contains(w.logged(), "connections closed that have stalled") {
		t.Error("nothing says that connections were closed")
	}
}
