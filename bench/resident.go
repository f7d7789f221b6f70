package main

import (
	"bytes"
	"os"
	"runtime/debug"
	"strconv"
	"time"
)

// residentBytes is the memory of this process that the system counts (RSS),
// after what is free has been given back. It is 0 where there is no /proc.
func residentBytes() int64 {
	time.Sleep(time.Second) // for what closes, and for stacks that shrink
	debug.FreeOSMemory()
	debug.FreeOSMemory()
	status, err := os.ReadFile("/proc/self/statm")
	fields := bytes.Fields(status)
	if err != nil || len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(string(fields[1]), 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}
