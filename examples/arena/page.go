package arena

import (
	"embed"
	"io/fs"
	"net/http"

	"github.com/mallee-io/mallee/client/ts"
	"github.com/mallee-io/mallee/gateway"
)

//go:embed page
var page embed.FS

// Handler serves the game's page and, beside it, the client that the page uses
// and the gateway that it connects to. It can stand below any path
// (http.StripPrefix).
func Handler(g *gateway.Gateway) http.Handler {
	files, err := fs.Sub(page, "page")
	if err != nil {
		panic(err) // the directory is in the program
	}
	mux := http.NewServeMux()
	mux.Handle("/", http.FileServerFS(files))
	mux.Handle("/client/", http.StripPrefix("/client/", http.FileServerFS(ts.Files())))
	mux.Handle("/connect", g)
	return mux
}
