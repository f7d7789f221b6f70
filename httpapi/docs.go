package httpapi

import (
	"bytes"
	"compress/gzip"
	_ "embed" // the page
	"fmt"
	"html/template"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/swaggest/swgui/v5/static"

	"github.com/mallee-io/mallee"
)

// docsPolicy lets the page use nothing but files of this handler. Swagger UI
// has its icons as data: in its style sheet.
const docsPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

//go:embed ui/index.html
var indexPage string

//go:embed ui/start.js
var startScript []byte

// docs are the files of the page: Swagger UI, which reads OpenAPI 3.1, out of
// swgui, which keeps its releases as files to embed (both Apache-2.0; 1.1 MB of
// a binary). The page and the script that starts it are our own: those of swgui
// have scripts inside of the page, which docsPolicy forbids.
func docs(title string) (map[string]file, error) {
	page, err := template.New("docs").Parse(indexPage)
	if err != nil {
		return nil, fmt.Errorf("httpapi: docs page: %w", err)
	}
	var index bytes.Buffer
	if err := page.Execute(&index, title); err != nil {
		return nil, fmt.Errorf("httpapi: docs page: %w", err)
	}
	files := map[string]file{
		"":         newFile("text/html; charset=utf-8", index.Bytes()),
		"start.js": newFile("text/javascript; charset=utf-8", startScript),
	}
	for name, mime := range map[string]string{
		"swagger-ui.css.gz":       "text/css; charset=utf-8",
		"swagger-ui-bundle.js.gz": "text/javascript; charset=utf-8",
		"favicon-32x32.png":       "image/png",
	} {
		content, err := static.FS.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("httpapi: docs page: %w", err)
		}
		f := newFile(mime, content)
		name, f.gzipped = strings.CutSuffix(name, ".gz")
		files[name] = f
	}
	return files, nil
}

func (f file) serve(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Content-Type", f.mime)
	header.Set("ETag", f.etag)
	header.Set("Cache-Control", "no-cache") // ask whether it has changed
	content := f.content
	if f.gzipped {
		header.Set("Vary", "Accept-Encoding")
		if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			header.Set("Content-Encoding", "gzip")
		} else if content = gunzip(content); content == nil {
			writeProblem(w, errUnknown.Errorf("the file is damaged"), mallee.ID{})
			return
		}
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
}

// gunzip is for the rare client that takes no gzip. It is nil after an error.
func gunzip(b []byte) []byte {
	r, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		return nil
	}
	return plain
}
