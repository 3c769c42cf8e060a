package inference

import (
	"runtime"
	"syscall"
)

// wayGiven is the nice value of what gives way: where all processors are busy it gets a tenth of what
// others get, so it comes to an end there, too.
const wayGiven = 10

// givingWay runs do on a thread to which the system prefers those of usual priority. The thread ends
// with do, since a process may not have the right to raise a priority again; threads that it makes
// inherit it.
func givingWay(do func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()                                     // and never unlocked, so that the thread ends
		_ = syscall.Setpriority(syscall.PRIO_PROCESS, 0, wayGiven) // where that is forbidden, do runs all the same
		do()
	}()
	<-done
}
