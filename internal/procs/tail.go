package procs

import (
	"io"
	"os"
	"strings"
)

// maxTail bounds what is read of the end of a file, in bytes.
const maxTail = 16 << 10

// Tail returns the last lines of a file, at most n of them and 16 KiB.
func Tail(name string, n int) ([]string, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // it was read only
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	end := io.NewSectionReader(file, max(0, info.Size()-maxTail), maxTail)
	text, err := io.ReadAll(end)
	if err != nil {
		return nil, err
	}
	lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	return lines[max(0, len(lines)-n):], nil
}

func lastLine(name string) string {
	lines, err := Tail(name, 1)
	if err != nil {
		return err.Error()
	}
	return lines[0]
}
