package serving

import (
	"context"
	"sync"

	"google.golang.org/protobuf/proto"

	pb "footballprediction/api/gen/footballprediction/v1"
	"footballprediction/inference"
)

// watchersMax is how many streams of ModelService.WatchModels can be open at a time.
const watchersMax = 100

// A roster is what those see who watch the models: it is made once for all of them. It is safe for
// concurrent use.
type roster struct {
	registry *inference.Registry

	mu   sync.Mutex
	last *sight
}

// A sight is the models at one moment. Nothing of it changes.
type sight struct {
	models  []*pb.WatchModelsResponse          // by name
	named   map[string]*pb.WatchModelsResponse // the same
	changed <-chan struct{}                    // closed when it may be out of date
}

// look returns the models as they are. Of one that has not changed, the message is that of the last sight.
func (r *roster) look() *sight {
	r.mu.Lock()
	defer r.mu.Unlock()
	var before map[string]*pb.WatchModelsResponse
	if r.last != nil {
		select {
		case <-r.last.changed:
			before = r.last.named
		default:
			return r.last
		}
	}
	now := &sight{changed: r.registry.Changed()} // before the status is read, so that nothing is missed
	status := r.registry.Status()
	now.named = make(map[string]*pb.WatchModelsResponse, len(status.Models))
	for i := range status.Models {
		message := &pb.WatchModelsResponse{Model: newModel(&status.Models[i])}
		name := message.Model.Name
		if known := before[name]; proto.Equal(known, message) {
			message = known
		}
		now.models, now.named[name] = append(now.models, message), message
	}
	r.last = now
	return now
}

// watchModels returns the implementation of ModelService.WatchModels, which ends with the server. Of those
// who read slowly it keeps the last sight that they had, whatever has happened since.
func (s *Service) watchModels(draining <-chan struct{}) func(context.Context, *pb.WatchModelsRequest, func(*pb.WatchModelsResponse) error) error {
	return func(ctx context.Context, _ *pb.WatchModelsRequest, send func(*pb.WatchModelsResponse) error) error {
		if err := send(nil); err != nil { // whoever watches is answered, though nothing may change for days
			return err
		}
		last := new(sight)
		for {
			now := s.watched.look()
			for _, message := range now.models {
				if last.named[message.Model.Name] == message {
					continue
				}
				if err := send(message); err != nil {
					return err
				}
			}
			for name := range last.named {
				if now.named[name] != nil {
					continue
				}
				if err := send(&pb.WatchModelsResponse{Model: &pb.Model{Name: name}}); err != nil { // it is no more
					return err
				}
			}
			last = now
			select {
			case <-now.changed:
			case <-ctx.Done():
				return ctx.Err()
			case <-draining:
				return errShuttingDown
			}
		}
	}
}
