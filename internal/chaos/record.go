package chaos

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/mallee-io/mallee"
)

// historyFile is the name of the file of a run's calls and faults.
const historyFile = "history.jsonl"

// record is a line of a history; one of its fields is set.
type record struct {
	Call    *Call        `json:"call,omitempty"`
	Fault   *Injected    `json:"fault,omitempty"`
	Pause   *Pause       `json:"pause,omitempty"`
	Exit    *Exit        `json:"exit,omitempty"`
	Journal *journalPage `json:"journal,omitempty"`
	Copy    *Copy        `json:"copy,omitempty"`
	Word    *Word        `json:"word,omitempty"`
}

// Recorder writes a history. It is safe for concurrent use. What could not be
// written is told by Close.
type Recorder struct {
	mu     sync.Mutex
	file   *os.File
	buffer *bufio.Writer
	lines  *json.Encoder
	err    error
}

// NewRecorder begins a history in a directory.
func NewRecorder(dir string, h Header) (*Recorder, error) {
	file, err := os.OpenFile(filepath.Join(dir, historyFile), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, fmt.Errorf("begin a history: %w", err)
	}
	buffer := bufio.NewWriter(file)
	r := &Recorder{file: file, buffer: buffer, lines: json.NewEncoder(buffer)}
	h.Version = historyVersion
	r.write(h)
	return r, nil
}

func (r *Recorder) write(line any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		r.err = r.lines.Encode(line)
	}
}

// Call records a call that has returned.
func (r *Recorder) Call(c Call) { r.write(record{Call: &c}) }

// Fault records a fault that was undone.
func (r *Recorder) Fault(f Injected) { r.write(record{Fault: &f}) }

// Pause records that a process was stopped and runs again.
func (r *Recorder) Pause(p Pause) { r.write(record{Pause: &p}) }

// Exit records that a process is gone.
func (r *Recorder) Exit(e Exit) { r.write(record{Exit: &e}) }

// Word records what a client has said, or was told.
func (r *Recorder) Word(w Word) { r.write(record{Word: &w}) }

// Copy records what a process has of what is replicated, or a part of it.
func (r *Recorder) Copy(c Copy) { r.write(record{Copy: &c}) }

// Journal records what a counter has added, or a part of it.
func (r *Recorder) Journal(actor mallee.ID, ops []int64) {
	r.write(record{Journal: &journalPage{actor, ops}})
}

// Close ends the history.
func (r *Recorder) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		r.err = r.buffer.Flush()
	}
	if err := r.file.Close(); r.err == nil {
		r.err = err
	}
	if r.err != nil {
		return fmt.Errorf("write the history: %w", r.err)
	}
	return nil
}
