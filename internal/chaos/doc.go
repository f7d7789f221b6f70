// Package chaos breaks a cluster of processes by plan while a crowd calls its
// actors, writes down everything that happens, and judges it afterwards.
//
// A run leaves a directory: history.jsonl with the calls and what was done to
// the processes, and turns-PROCESS.jsonl of every life of a node with the turns
// that it ran. Read reads them, Check judges: the calls of each actor must be
// linearizable, no acknowledged write may be lost, and no two turns of one
// actor may have run at the same time.
package chaos
