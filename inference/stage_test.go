package inference

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// puppet is a Model that the test drives: y = x + its version.
type puppet struct {
	plus   float32
	closed atomic.Bool
}

var (
	puppetInputs  = []TensorSpec{{"x", FP32, []int64{-1, 1}}}
	puppetOutputs = []TensorSpec{{"y", FP32, []int64{-1, 1}}}
)

func (p *puppet) Inputs() []TensorSpec  { return puppetInputs }
func (p *puppet) Outputs() []TensorSpec { return puppetOutputs }
func (p *puppet) Concurrency() int      { return 2 }

func (p *puppet) Run(_ context.Context, inputs, outputs []Tensor) error {
	if p.closed.Load() {
		return errors.New("run after close")
	}
	if _, err := CheckInputs(puppetInputs, inputs); err != nil {
		return err
	}
	y := slices.Clone(ElementsOf[float32](inputs[0].Data))
	for i := range y {
		y[i] += p.plus
	}
	outputs[0].Type, outputs[0].Shape = FP32, slices.Clone(inputs[0].Shape)
	outputs[0].Data = append(outputs[0].Data[:0], BytesOf(y)...)
	return nil
}

func (p *puppet) Close() error {
	if p.closed.Swap(true) {
		return errors.New("closed twice")
	}
	return nil
}

// stage is a Source and an Opener over folders whose model file is text: "bad" fails to open.
type stage struct {
	FolderSource
	wishes  []Aspired // set by the test; nil: what the folder says
	listErr atomic.Pointer[error]
	opened  []string // in order, as name/version
	onOpen  func(ctx context.Context, name string) error
}

func newStage(t testing.TB) *stage { return &stage{FolderSource: *NewFolderSource(t.TempDir(), nil)} }

// put writes a version's model file.
func (s *stage) put(t testing.TB, name, version, text string) {
	t.Helper()
	dir := filepath.Join(s.dir, name, version)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "model"), text)
}

func writeFile(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (s *stage) List(ctx context.Context) ([]Aspired, error) {
	if err := s.listErr.Load(); err != nil {
		return nil, *err
	}
	if s.wishes != nil {
		return s.wishes, nil
	}
	return s.FolderSource.List(ctx)
}

var errNoAnswer = errors.New("no answer")

func (s *stage) Open(ctx context.Context, dir string) (Model, error) {
	name := filepath.Base(filepath.Dir(dir)) + "/" + filepath.Base(dir)
	s.opened = append(s.opened, name)
	text, err := os.ReadFile(filepath.Join(dir, "model"))
	if err != nil {
		return nil, err
	}
	if s.onOpen != nil {
		if err := s.onOpen(ctx, name); err != nil {
			return nil, err
		}
	}
	if strings.HasPrefix(string(text), "bad") {
		return nil, errors.New("the file is bad")
	}
	var plus float32
	if _, err := fmt.Sscan(filepath.Base(dir), &plus); err != nil {
		return nil, err
	}
	return &puppet{plus: plus}, nil
}

func newRegistry(t testing.TB, s *stage, o Options) *Registry {
	t.Helper()
	r := NewRegistry(s, s, o)
	t.Cleanup(func() {
		if err := r.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return r
}

func poll(t testing.TB, r *Registry) {
	t.Helper()
	if err := r.Poll(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// states formats a model's status as "1:AVAILABLE 2:FAILED -> 1 (champion=1)".
func states(r *Registry, name string) string {
	for _, m := range r.Status().Models {
		if m.Name != name {
			continue
		}
		var b strings.Builder
		aliases := map[string]string{}
		for _, v := range m.Versions {
			fmt.Fprintf(&b, "%s:%s ", v.Version, v.State)
			for _, alias := range v.Aliases {
				aliases[alias] = v.Version
			}
		}
		fmt.Fprintf(&b, "-> %s", m.Serving)
		for _, alias := range slices.Sorted(maps.Keys(aliases)) {
			fmt.Fprintf(&b, " %s=%s", alias, aliases[alias])
		}
		return b.String()
	}
	return "none"
}

// answer runs the version once and releases it.
func answer(t *testing.T, r *Registry, name, version string) string {
	t.Helper()
	h, err := r.Acquire(name, version)
	if err != nil {
		return err.Error()
	}
	defer h.Release()
	outputs := []Tensor{{Name: "y"}}
	if err := h.Run(t.Context(), []Tensor{{"x", FP32, []int64{1, 1}, BytesOf([]float32{10})}}, outputs); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s/%s=%v", h.Name(), h.Version(), ElementsOf[float32](outputs[0].Data)[0])
}
