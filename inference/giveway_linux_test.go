package inference

import (
	"runtime"
	"syscall"
	"testing"
)

func TestGivingWay(t *testing.T) {
	nice := func() int {
		raw, err := syscall.Getpriority(syscall.PRIO_PROCESS, 0)
		if err != nil {
			t.Fatal(err)
		}
		return 20 - raw // as the system call has it
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before, within, thread := nice(), 0, 0
	givingWay(func() { within, thread = nice(), syscall.Gettid() })
	if within != wayGiven || thread == syscall.Gettid() || nice() != before {
		t.Errorf("got %d on thread %d, then %d on thread %d", within, thread, nice(), syscall.Gettid())
	}
}
