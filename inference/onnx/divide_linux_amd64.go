package onnx

// #include "divide_linux_amd64.h"
import "C"

import (
	"fmt"
	"syscall"
)

// surviveDivisions keeps integer divisions within ONNX Runtime from ending the process. x86-64 traps
// where one has no result, the least integer by −1 or anything by 0, and callers may choose the
// numbers: ONNX Runtime looks for zeros in most places, for overflow nowhere. Such a division gives what
// arm64 gives, where nothing traps: the least integer again (remainder 0), and 0 (remainder the
// dividend). To be called once, after Go's runtime has set its own handler, to which all other signals
// of that number go on.
func surviveDivisions() error {
	if code := C.divide_on(); code != 0 {
		return fmt.Errorf("handle SIGFPE: %w", syscall.Errno(code))
	}
	return nil
}
