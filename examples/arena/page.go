package arena

import (
	"embed"
	"io/fs"
	"net/http"
)

//go:embed page
var page embed.FS

// Page serves the game's page. It looks for the gateway at connect, beside
// itself, and can stand below any path (http.StripPrefix).
func Page() http.Handler {
	files, err := fs.Sub(page, "page")
	if err != nil {
		panic(err) // the directory is in the program
	}
	return http.FileServerFS(files)
}
