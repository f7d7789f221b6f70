package chaos

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/chaos/crowd"
)

// turnsHeader is the first line of a file of turns.
type turnsHeader struct {
	Version int    `json:"mallee_turns"`
	Process string `json:"process"`
}

// turnLine tells that a turn begins or, without an actor, that it has ended.
type turnLine struct {
	Turn  int64      `json:"turn"` // counts in its file
	Actor *mallee.ID `json:"actor,omitempty"`
	Epoch uint64     `json:"epoch,omitempty"`
	Op    int64      `json:"op,omitempty"`
	At    Time       `json:"at"`
}

// TurnFile notes the turns of one life of a process. Every line is one write to
// the file, so that the lines survive when the process is killed.
type TurnFile struct {
	mu   sync.Mutex
	file *os.File
	last int64 // turn
}

var _ crowd.Turns = (*TurnFile)(nil)

// NewTurnFile begins the file of a life, whose name no other has in the run.
func NewTurnFile(dir, process string) (*TurnFile, error) {
	file, err := os.OpenFile(filepath.Join(dir, "turns-"+process+".jsonl"), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, fmt.Errorf("begin a file of turns: %w", err)
	}
	f := &TurnFile{file: file}
	if err := f.write(turnsHeader{historyVersion, process}); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return f, nil
}

// Types are the actor types of the crowd, whose turns the file notes.
func (f *TurnFile) Types() []mallee.Type { return crowd.Types(f) }

// Run implements crowd.Turns.
func (f *TurnFile) Run(id mallee.ID, epoch uint64, op int64, turn func() error) error {
	number, err := f.begin(id, epoch, op)
	if err != nil {
		return err
	}
	err = turn()
	return errors.Join(err, f.end(number))
}

func (f *TurnFile) begin(id mallee.ID, epoch uint64, op int64) (turn int64, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last++
	return f.last, f.write(turnLine{Turn: f.last, Actor: &id, Epoch: epoch, Op: op, At: now()})
}

func (f *TurnFile) end(turn int64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.write(turnLine{Turn: turn, At: now()})
}

func (f *TurnFile) write(line any) error {
	b, err := json.Marshal(line)
	if err == nil {
		_, err = f.file.Write(append(b, '\n'))
	}
	if err != nil {
		return fmt.Errorf("note a turn: %w", err)
	}
	return nil
}

// Close ends the file.
func (f *TurnFile) Close() error { return f.file.Close() }
