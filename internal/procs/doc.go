// Package procs runs processes on this machine: it starts them, waits until
// they are ready, keeps what they print, stops, kills and pauses them, and sees
// to it that none outlives this process, however it ends.
//
// A child is held by a lifeline: its standard input is a pipe from here, which
// the system closes when this process is gone. The child has to call Hold; the
// mallee command does.
package procs
