package procs

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
)

// HTTPReady is for Spec.Ready: the process is ready once the URL is answered
// with status 200.
func HTTPReady(url string) func(context.Context, *Process) error {
	return func(ctx context.Context, _ *Process) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		defer func() { _ = response.Body.Close() }()
		text, err := io.ReadAll(io.LimitReader(response.Body, 1<<10))
		if err == nil && response.StatusCode != http.StatusOK {
			err = fmt.Errorf("%s answers %s: %s", url, response.Status, strings.TrimSpace(string(text)))
		}
		return err
	}
}

// SaysReady is for Spec.Ready: the process is ready once it has printed the
// line, which must be among the first 64 KiB of what it prints.
func SaysReady(line string) func(context.Context, *Process) error {
	return func(_ context.Context, p *Process) error {
		file, err := os.Open(p.log)
		if err != nil {
			return err
		}
		defer func() { _ = file.Close() }() // it was read only
		printed, err := io.ReadAll(io.NewSectionReader(file, p.begin, maxBeforeReady))
		if err == nil && !strings.Contains("\n"+string(printed), "\n"+line+"\n") {
			err = fmt.Errorf("it has not printed %q", line)
		}
		return err
	}
}

// maxBeforeReady bounds what is searched for a line, in bytes.
const maxBeforeReady = 64 << 10
