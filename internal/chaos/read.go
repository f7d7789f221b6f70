package chaos

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/mallee-io/mallee"
)

// maxLine bounds a line of a file. The longest are pages of journals and the
// errors of calls.
const maxLine = 1 << 20

// ReadHistory reads the directory of a run.
func ReadHistory(dir string) (*History, error) {
	h := &History{Journals: make(map[mallee.ID][]int64)}
	if err := readFile(filepath.Join(dir, historyFile), h.read); err != nil {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(dir, "turns-*.jsonl"))
	if err != nil {
		return nil, err
	}
	for _, name := range files {
		if err := readFile(name, h.readTurns); err != nil {
			return nil, err
		}
	}
	return h, nil
}

func readFile(name string, read func(io.Reader) error) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // it was read only
	if err := read(file); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// read reads what a Recorder has written.
func (h *History) read(r io.Reader) error {
	lines := newLines(r)
	if !lines.next(&h.Header) {
		return lines.failed("no header")
	}
	if h.Version != historyVersion {
		return fmt.Errorf("version %d of the file is not known; this program reads version %d", h.Version, historyVersion)
	}
	var l record
	for ; lines.next(&l); l = (record{}) {
		switch {
		case l.Call != nil:
			h.Calls = append(h.Calls, *l.Call)
		case l.Fault != nil:
			h.Faults = append(h.Faults, *l.Fault)
		case l.Pause != nil:
			h.Pauses = append(h.Pauses, *l.Pause)
		case l.Exit != nil:
			h.Exits = append(h.Exits, *l.Exit)
		case l.Journal != nil:
			h.Journals[l.Journal.Actor] = append(h.Journals[l.Journal.Actor], l.Journal.Ops...)
		case l.Copy != nil:
			h.Copies = append(h.Copies, *l.Copy)
		case l.Word != nil:
			h.Words = append(h.Words, *l.Word)
		default:
			return lines.failed("nothing that this program knows")
		}
	}
	return lines.err
}

// readTurns reads what a TurnFile has written. Its process may have been killed
// in the middle of a line: then the turn has not begun, or not told its end.
func (h *History) readTurns(r io.Reader) error {
	lines := newLines(r)
	lines.torn = true
	var header turnsHeader
	if !lines.next(&header) {
		return lines.err // killed at once
	}
	if header.Version != historyVersion {
		return fmt.Errorf("version %d of the file is not known; this program reads version %d", header.Version, historyVersion)
	}
	open := make(map[int64]int) // turn → its index in h.Turns
	var l turnLine
	for ; lines.next(&l); l = (turnLine{}) {
		at, begun := open[l.Turn]
		switch {
		case l.Actor != nil && !begun:
			open[l.Turn] = len(h.Turns)
			h.Turns = append(h.Turns, Turn{header.Process, *l.Actor, l.Epoch, l.Op, l.At, never})
		case l.Actor == nil && begun && l.At >= h.Turns[at].Begin:
			h.Turns[at].End = l.At
			delete(open, l.Turn)
		default:
			return lines.failed("a turn that begins twice, or ends before it begins")
		}
	}
	return lines.err
}

// lines reads one JSON value from each line.
type lines struct {
	reader *bufio.Reader
	torn   bool // the last line may be incomplete
	number int
	err    error
}

func newLines(r io.Reader) *lines { return &lines{reader: bufio.NewReaderSize(r, maxLine)} }

// next reports false at the end and after an error.
func (l *lines) next(value any) bool {
	l.number++
	line, err := l.reader.ReadSlice('\n')
	switch {
	case err == io.EOF && (len(line) == 0 || l.torn):
		return false
	case err == io.EOF:
		err = errors.New("the line is not complete")
	case errors.Is(err, bufio.ErrBufferFull):
		err = fmt.Errorf("the line is longer than %d bytes", maxLine)
	case err == nil:
		decoder := json.NewDecoder(bytes.NewReader(line))
		decoder.DisallowUnknownFields()
		err = decoder.Decode(value)
	}
	if err != nil {
		l.err = fmt.Errorf("line %d: %w", l.number, err)
	}
	return err == nil
}

// failed is the error of a line that makes no sense.
func (l *lines) failed(what string) error {
	if l.err != nil {
		return l.err
	}
	return fmt.Errorf("line %d: %s", l.number, what)
}
