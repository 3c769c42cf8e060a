package inference

import (
	"context"
	"fmt"
	"slices"
	"sync"
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
					if total+int(r.ShadowsDropped()) != len(test.mirrored) {
						t.Errorf("%d answered and %d dropped of %d", total, r.ShadowsDropped(), len(test.mirrored))
					}
				} else if fmt.Sprint(seen["3"].seen()) != fmt.Sprint(test.want) {
					t.Errorf("got runs of %v rows, want %v", seen["3"].seen(), test.want)
				}
				if waits := r.shadows.bytes.Load(); waits != 0 {
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
