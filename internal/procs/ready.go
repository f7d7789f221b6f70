package procs

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// HTTPReady is for Spec.Ready: the process is ready once the URL is answered
// with status 200.
func HTTPReady(url string) func(context.Context) error {
	return func(ctx context.Context) error {
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
