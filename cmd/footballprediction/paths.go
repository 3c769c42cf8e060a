package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// A build, an image and a release all lay the program out alike:
//
//	<root>/bin/footballprediction
//	<root>/bin/lib/libonnxruntime.so
//	<root>/models/released/<model>/<version>/
//	<root>/models/released/state/
//
// so that it finds what it needs from any working directory, also through symbolic links.
func executableDir() (string, error) {
	path, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find the program's folder: %w", err)
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return "", fmt.Errorf("find the program's folder: %w", err)
	}
	return filepath.Dir(path), nil
}

// onnxRuntimeVariable names a library to use in place of the one beside the program.
const onnxRuntimeVariable = "FOOTBALLPREDICTION_ONNXRUNTIME"

func onnxRuntime() (string, error) {
	if path := os.Getenv(onnxRuntimeVariable); path != "" {
		return path, nil
	}
	dir, err := executableDir()
	return filepath.Join(dir, "lib", "libonnxruntime.so"), err
}

// releasedModels is the folder of the models that come with the program.
func releasedModels() (string, error) {
	dir, err := executableDir()
	return filepath.Join(dir, "..", "models", "released"), err
}

// releasedState is the folder of the team states that come with the program.
func releasedState() (string, error) {
	models, err := releasedModels()
	return filepath.Join(models, "state"), err
}
