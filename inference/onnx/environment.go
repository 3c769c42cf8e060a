package onnx

import (
	"fmt"
	"os"
	"sync"

	ort "github.com/yalue/onnxruntime_go"
)

// environment is ONNX Runtime itself, of which a process can hold one. It is never unloaded: what
// frees it would have to know that no model is left anywhere.
var environment struct {
	sync.Mutex
	library string // the file it was loaded from, empty before that
}

func loadLibrary(library string) error {
	environment.Lock()
	defer environment.Unlock()
	info, err := os.Stat(library)
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%q is not a file", library)
	}
	if err != nil {
		return fmt.Errorf("load ONNX Runtime: %w: run `make setup` to get the library", err)
	}
	if environment.library == library {
		return nil
	}
	if environment.library != "" {
		return fmt.Errorf("load ONNX Runtime from %q: this process has it from %q already", library, environment.library)
	}
	ort.SetSharedLibraryPath(library)
	// What fails comes back as an error, which is logged once, by whoever handles it.
	if err := ort.InitializeEnvironment(ort.WithLogLevelFatal()); err != nil {
		return fmt.Errorf("load ONNX Runtime from %q: %w: version 1.24.3 or newer is needed, run `make setup` to get it", library, err)
	}
	if err := surviveDivisions(); err != nil {
		return err
	}
	environment.library = library
	return nil
}
