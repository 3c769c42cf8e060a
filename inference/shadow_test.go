package inference

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// executions remembers the rows of each.
type executions struct {
	mu   sync.Mutex
	rows []int
}

func (e *executions) Rejected(error, time.Duration) {}
func (e *executions) Ran(x Execution) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.rows = append(e.rows, x.Rows)
}

func (e *executions) seen() []int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.rows)
}

// dropped returns how many copies a model's shadows were not given.
func dropped(r *Registry, model string) uint64 {
	status := r.Status()
	i := slices.IndexFunc(status.Models, func(m ModelStatus) bool { return m.Name == model })
	return status.Models[i].ShadowsDropped
}

// slowly runs for a second, and remembers how many ran at a time at most. All of its kind share that.
type slowly struct {
	Model
	ran, now, most *atomic.Int64
}

func (s slowly) Run(ctx context.Context, inputs, outputs []Tensor) error {
	if now := s.now.Add(1); now > s.most.Load() {
		s.most.Store(now)
	}
	defer s.now.Add(-1)
	s.ran.Add(1)
	time.Sleep(time.Second) //nolint:forbidigo // the bubble's clock
	return s.Model.Run(ctx, inputs, outputs)
}

// slowed has a version run slowly, and returns it.
func slowed(t *testing.T, r *Registry, model, number string, s slowly) *version {
	t.Helper()
	h, err := r.Acquire(model, number)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Release()
	s.Model = h.v.model.Model
	h.v.model.Model = s
	return h.v
}

// Copies are gathered, so that a shadow wakes seldom: those that one run can answer get one, in their
// order; what a model cannot take together is run by itself.
func TestShadowsGather(t *testing.T) {
	row := func(rows int64) []Tensor {
		return []Tensor{{"x", FP32, []int64{rows, 1}, make([]byte, 4*rows)}}
	}
	wrong := []Tensor{{"z", FP32, []int64{1, 1}, make([]byte, 4)}}
	for _, test := range []struct {
		name, config string
		mirrored     [][]Tensor
		want         []int
	}{
		{"one", "", [][]Tensor{row(1)}, []int{1}},
		{"alike", "", [][]Tensor{row(1), row(3), row(1)}, []int{5}},
		{"more than a run may have", "", [][]Tensor{row(100), row(100)}, []int{128, 72}},
		{"one that is none", "", [][]Tensor{row(1), wrong, row(2), row(2)}, []int{1, 4}},
		{"alone", `{"deterministic": true}`, [][]Tensor{row(1), row(2)}, []int{1, 2}},
		{"as many as may wait", "", slices.Repeat([][]Tensor{row(1)}, shadowQueueMax+1), nil}, // the worker may take some meanwhile
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := three(t)
				if test.config != "" {
					writeFile(t, s.dir+"/m/3/config.json", test.config)
				}
				seen := map[string]*executions{}
				r := newRegistry(t, s, Options{Observe: func(_, version string) Observer {
					seen[version] = new(executions)
					return seen[version]
				}})
				poll(t, r)
				if err := r.SetRoute(t.Context(), "m", Route{Shadow: "3"}, anna); err != nil {
					t.Fatal(err)
				}
				synctest.Wait() // for who answers
				for _, inputs := range test.mirrored {
					r.Mirror("m", inputs)
				}
				if len(test.mirrored) < shadowQueueMax {
					synctest.Wait()
					if len(seen["3"].seen()) > 0 {
						t.Error("nothing was gathered")
					}
				}
				time.Sleep(shadowGather) //nolint:forbidigo // the bubble's clock
				synctest.Wait()
				total := 0
				for _, rows := range seen["3"].seen() {
					total += rows
				}
				if test.want == nil {
					if total+int(dropped(r, "m")) != len(test.mirrored) {
						t.Errorf("%d answered and %d dropped of %d", total, dropped(r, "m"), len(test.mirrored))
					}
				} else if fmt.Sprint(seen["3"].seen()) != fmt.Sprint(test.want) {
					t.Errorf("got runs of %v rows, want %v", seen["3"].seen(), test.want)
				}
				if waits := r.table.Load().models["m"].shadow.bytes.Load(); waits != 0 {
					t.Errorf("%d bytes wait", waits)
				}
			})
		})
	}
}

// A run that fails together is made one by one.
func TestShadowsThatFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := three(t)
		seen := map[string]*executions{}
		r := newRegistry(t, s, Options{Observe: func(_, version string) Observer {
			seen[version] = new(executions)
			return seen[version]
		}})
		poll(t, r)
		if err := r.SetRoute(t.Context(), "m", Route{Shadow: "3"}, anna); err != nil {
			t.Fatal(err)
		}
		h, err := r.Acquire("m", "3")
		if err != nil {
			t.Fatal(err)
		}
		h.v.model.Model.(*puppet).closed.Store(true) // so that it refuses
		for range 3 {
			r.Mirror("m", []Tensor{{"x", FP32, []int64{1, 1}, make([]byte, 4)}})
		}
		time.Sleep(shadowGather) //nolint:forbidigo // the bubble's clock
		synctest.Wait()
		if got := fmt.Sprint(seen["3"].seen()); got != "[3 1 1 1]" {
			t.Errorf("got runs of %s rows", got)
		}
		h.v.model.Model.(*puppet).closed.Store(false)
		h.Release()
		if err := r.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

// A shadow that is none any more answers nothing that waited: what waits is let go of at once, but for
// the run that has begun. One that stays goes on, whatever else of its route changes.
func TestShadowsThatEnd(t *testing.T) {
	for _, test := range []struct {
		name string
		end  func(*testing.T, *Registry) error
		ran  int64
	}{
		{"taken off", func(t *testing.T, r *Registry) error { return r.SetRoute(t.Context(), "m", Route{}, anna) }, 2},
		{"taken off a route that stays", func(t *testing.T, r *Registry) error { return r.SetRoute(t.Context(), "m", canary(10), anna) }, 2},
		{"another", func(t *testing.T, r *Registry) error { return r.SetRoute(t.Context(), "m", Route{Shadow: "1"}, anna) }, 2},
		{"unloaded", func(t *testing.T, r *Registry) error { return r.Unload(t.Context(), "m", anna) }, 2},
		{"closed", func(t *testing.T, r *Registry) error { return r.Close(t.Context()) }, 2},
		{"stays", func(t *testing.T, r *Registry) error {
			route := canary(10)
			route.Shadow = "3"
			return r.SetRoute(t.Context(), "m", route, anna)
		}, 15},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := three(t)
				writeFile(t, s.dir+"/m/3/config.json", `{"deterministic": true}`) // each copy alone
				r := newRegistry(t, s, Options{})
				poll(t, r)
				if err := r.SetRoute(t.Context(), "m", Route{Shadow: "3"}, anna); err != nil {
					t.Fatal(err)
				}
				runs := slowly{ran: new(atomic.Int64), now: new(atomic.Int64), most: new(atomic.Int64)}
				v := slowed(t, r, "m", "3", runs)
				row := []Tensor{{"x", FP32, []int64{1, 1}, make([]byte, 4)}}
				mirror := func(n int) {
					for range n {
						r.Mirror("m", row)
					}
				}
				mirror(10)                                       // of which one is answered, and one in hand
				time.Sleep(shadowGather + 1500*time.Millisecond) //nolint:forbidigo // the bubble's clock
				mirror(5)                                        // which wait behind them
				ended := r.table.Load().models["m"].shadow
				if err := test.end(t, r); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Minute) //nolint:forbidigo // the bubble's clock
				if got := runs.ran.Load(); got != test.ran {
					t.Errorf("%d copies were run, want %d", got, test.ran)
				}
				if waits, held := ended.bytes.Load(), v.holders.Load(); waits != 0 || held > 1 {
					t.Errorf("%d bytes wait, and the version is held %d times", waits, held)
				}
			})
		})
	}
}

// A copy that comes to a shadow that has just ended is let go of.
func TestShadowEndsMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry(t, three(t), Options{})
		poll(t, r)
		if err := r.SetRoute(t.Context(), "m", Route{Shadow: "3"}, anna); err != nil {
			t.Fatal(err)
		}
		s := r.table.Load().models["m"].shadow // as a caller of Mirror has it
		if err := r.SetRoute(t.Context(), "m", Route{}, anna); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if !s.v.hold() || !s.offer([]Tensor{{"x", FP32, []int64{1, 1}, make([]byte, 4)}}) {
			t.Fatal("the version was given up")
		}
		if waits, held := s.bytes.Load(), s.v.holders.Load(); waits != 0 || held != 1 {
			t.Errorf("%d bytes wait, and the version is held %d times", waits, held)
		}
	})
}

// What still waits when all ends is let go of, also where another shadow's turn lasts.
func TestShadowsThatWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry(t, three(t), Options{})
		poll(t, r)
		r.shadows.turn <- struct{}{}
		if err := r.SetRoute(t.Context(), "m", Route{Shadow: "3"}, anna); err != nil {
			t.Fatal(err)
		}
		row := []Tensor{{"x", FP32, []int64{1, 1}, make([]byte, 4)}}
		r.Mirror("m", row)
		time.Sleep(shadowGather) //nolint:forbidigo // the bubble's clock
		synctest.Wait()          // it is gathered, and waits for its turn
		for range shadowQueueMax + 5 {
			r.Mirror("m", row)
		}
		if got := dropped(r, "m"); got != 5 {
			t.Errorf("dropped %d, want 5", got)
		}
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// A slow shadow of one model costs that of another no copies; both together run one at a time.
func TestShadowsOfModels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		runs := slowly{ran: new(atomic.Int64), now: new(atomic.Int64), most: new(atomic.Int64)}
		for _, model := range []string{"a", "b"} {
			s.put(t, model, "1", "good")
			writeFile(t, s.dir+"/"+model+"/1/config.json", `{"deterministic": true}`)
		}
		r := newRegistry(t, s, Options{})
		poll(t, r)
		row := []Tensor{{"x", FP32, []int64{1, 1}, make([]byte, 4)}}
		for _, model := range []string{"a", "b"} {
			slowed(t, r, model, "1", runs)
			if err := r.SetRoute(t.Context(), model, Route{Shadow: "1"}, anna); err != nil {
				t.Fatal(err)
			}
		}
		for range 2*shadowQueueMax + 2 {
			r.Mirror("a", row)
		}
		for range 3 {
			r.Mirror("b", row)
		}
		time.Sleep(shadowGather + 20*time.Second) //nolint:forbidigo // the bubble's clock
		if a, b := dropped(r, "a"), dropped(r, "b"); a == 0 || b != 0 {
			t.Errorf("dropped %d of a and %d of b", a, b)
		}
		if waits := r.table.Load().models["b"].shadow.bytes.Load(); waits != 0 {
			t.Errorf("%d bytes of b wait behind a", waits)
		}
		if most := runs.most.Load(); most != 1 {
			t.Errorf("%d ran at a time", most)
		}
	})
}
