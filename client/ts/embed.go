// Package ts is the client for browsers and Node, as built from src by
// TypeScript. See README.md.
package ts

import (
	"embed"
	"io/fs"
)

//go:embed dist/*.js
var dist embed.FS

// Files are the modules of the client, to be served beside a page that imports
// mallee.js of them. For a file system within the program there is no error.
func Files() fs.FS {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		panic(err) // the name above is valid
	}
	return files
}
