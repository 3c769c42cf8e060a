//go:build !linux

package inference

// givingWay runs do. Only on Linux does a thread have a priority of its own.
func givingWay(do func()) { do() }
