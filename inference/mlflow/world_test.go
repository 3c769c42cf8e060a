package mlflow

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"footballprediction/features"
	"footballprediction/inference"
	"footballprediction/inference/onnx"
	"footballprediction/inference/onnx/onnxtest"
	"footballprediction/serving"
)

// world is a server's models as far as this package has them, beside a real MLflow behind a proxy:
// version 1 of a model serves, its other good versions are registered by next.
type world struct {
	t        *testing.T
	proxy    *proxy
	model    string
	store    string
	source   *Source
	registry *inference.Registry
	webhook  *Webhook
	answers  map[string]float32 // of each good version, to 6
	mu       sync.Mutex         // guards answers
	stop     func()             // ends the registry and its source
	told     []error            // what callers were told beside the status
}

// patience is what the worlds' sources have: enough for MLflow on a busy machine, and not for a fault.
var patience = Limits{Stall: time.Second, List: 3 * time.Second, Fetch: 4 * time.Second,
	Retry: time.Millisecond, Recovery: time.Millisecond, Rest: time.Millisecond, Refetch: time.Millisecond}

func newWorld(t *testing.T, store string) *world {
	t.Helper()
	w := &world{t: t, proxy: newProxy(t), model: register(t, tiny(t, "half_plus_two")), store: store, answers: map[string]float32{"1": half6}}
	w.start(patience)
	t.Cleanup(func() { w.stop() })
	poll(t, w.registry)
	serves(t, "at first", w.registry, w.model, "1", half6)
	return w
}

// start starts a registry over the store, which polls when it is told to.
func (w *world) start(limits Limits) {
	w.t.Helper()
	w.source = newSource(w.t, w.proxy.URL, w.store, w.t.TempDir(), Options{Limits: limits})
	opener, err := onnx.New(onnxtest.Library(w.t), onnx.Options{Sessions: 1})
	if err != nil {
		w.t.Fatal(err)
	}
	r := inference.NewRegistry(w.source, opener, inference.Options{
		Interval: time.Hour, Admit: serving.AdmitMatchModel(features.Schemas()...),
		Logger: slog.New(slog.NewTextHandler(w.t.Output(), nil)),
	})
	w.registry, w.webhook = r, NewWebhook(webhookSecret, r.Nudge, nil)
	running, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- r.Run(running) }()
	w.stop = func() {
		cancel()
		if err := <-ran; err != nil {
			w.t.Error(err)
		}
		if err := r.Close(context.Background()); err != nil {
			w.t.Error(err)
		}
		w.source.Close()
		w.stop = func() {}
	}
}

// restart ends the process, as far as this package can tell, and begins another.
func (w *world) restart() {
	w.t.Helper()
	w.stop()
	w.start(patience)
	poll(w.t, w.registry)
}

// next registers another good version and returns it. Good versions answer 4 and 5 in turns.
func (w *world) next() (version string) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	model, want := "third_plus_two", float32(third6)
	if len(w.answers)%2 == 0 {
		model, want = "half_plus_two", half6
	}
	version = tracking.Register(w.t, w.model, tiny(w.t, model))
	w.answers[version] = want
	return version
}

// promote makes another good version the champion.
func (w *world) promote() { w.t.Helper(); w.champion(w.next()) }

func (w *world) champion(version string) {
	w.t.Helper()
	tracking.Alias(w.t, w.model, inference.Champion, version)
}

// promoteFiles makes a version of these files the champion.
func (w *world) promoteFiles(files map[string][]byte) {
	w.t.Helper()
	w.champion(tracking.Register(w.t, w.model, files))
}

// ask asks the model all the time, until the returned function is called: no request fails, and every
// answer is that of the version it names.
func (w *world) ask() (end func()) {
	var stop atomic.Bool
	var asking sync.WaitGroup
	asking.Go(func() {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for !stop.Load() {
			<-tick.C
			h, err := w.registry.Acquire(w.model, "")
			if err != nil {
				w.t.Errorf("while it lasts: %v", err)
				return
			}
			got, err := answerTo6(h)
			w.mu.Lock()
			want := w.answers[h.Version()]
			w.mu.Unlock()
			if err != nil || got != want {
				w.t.Errorf("while it lasts: version %s answers %v, expected %v (%v)", h.Version(), got, want, err)
				stop.Store(true)
			}
			h.Release()
		}
	})
	return func() {
		stop.Store(true)
		asking.Wait()
	}
}

// says waits until the status, or what a caller was told, says something.
func (w *world) says(text string) {
	w.t.Helper()
	all := ""
	for range 50 {
		poll(w.t, w.registry)
		all = w.status()
		if strings.Contains(all, text) {
			return
		}
		<-time.After(5 * time.Millisecond)
	}
	w.t.Errorf("it says\n%s\nwant %s", all, text)
}

// status is all that callers are told, a line each.
func (w *world) status() string {
	var lines []string
	for _, err := range w.told {
		lines = append(lines, fmt.Sprint(err))
	}
	for _, m := range w.registry.Status().Models {
		if m.Name != w.model {
			continue
		}
		lines = append(lines, fmt.Sprint(m.Err))
		for _, v := range m.Versions {
			lines = append(lines, fmt.Sprintf("version %s %s %s", v.Version, v.State, v.Reason))
		}
	}
	return strings.Join(lines, "\n")
}

// ends waits until the champion serves, whatever that is.
func (w *world) ends() {
	w.t.Helper()
	w.proxy.misbehave(nil)
	version := tracking.Aliased(w.t, w.model, inference.Champion)
	pollUntil(w.t, w.registry, w.model, version)
	serves(w.t, "in the end", w.registry, w.model, version, w.answers[version])
}

// deliver delivers a webhook that says that an alias was set, changed by tamper.
func (w *world) deliver(id string, at time.Time, secret string) {
	w.t.Helper()
	h := delivery(id, at, aliasEvent)
	h.Set(signatureHeader, signed(secret, fmt.Sprintf("%s.%d.%s", id, at.Unix(), aliasEvent)))
	if err := w.webhook.Accept(h, []byte(aliasEvent)); err != nil {
		w.told = append(w.told, err)
	}
}

const (
	trackingVariable = "TEST_TRACKING_URL" // set in a test's child: the MLflow that is there
	smallDisk        = "small"             // below a temporary folder: where a small disk is mounted
)

// onSmallDisk runs the test that calls it once more, in a process of its own that may mount a disk of
// its own, and returns where that is to be. In the calling process it is "", and the test has ended.
func onSmallDisk(t *testing.T) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), smallDisk)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if os.Getenv(trackingVariable) != "" {
		resizeDisk(t, dir, "64k", 0)
		t.Cleanup(func() {
			if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
				t.Error(err)
			}
		})
		return dir
	}
	var pattern []string
	for name := range strings.SplitSeq(t.Name(), "/") {
		pattern = append(pattern, "^"+name+"$")
	}
	child := exec.Command(os.Args[0], "-test.v", "-test.run", strings.Join(pattern, "/"))
	child.Env = append(os.Environ(), trackingVariable+"="+tracking.URL)
	child.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	text, err := child.CombinedOutput()
	if err != nil || !strings.Contains(string(text), "--- PASS: "+t.Name()) {
		t.Errorf("%v\n%s", err, text)
	}
	return ""
}

// resizeDisk makes a disk of that many bytes, or makes the one that is there as large.
func resizeDisk(t *testing.T, dir, bytes string, flags uintptr) {
	t.Helper()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", flags, "size="+bytes); err != nil {
		t.Fatalf("mount: %v", err)
	}
}
