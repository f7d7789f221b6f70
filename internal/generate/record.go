package generate

import (
	"os"
	"path/filepath"
	"strings"
)

// The head of a generated file says what protos it was made of, so that the
// next run knows without being told.
const (
	protoMark = "// proto: "
	rootMark  = "// proto path: "
)

// recordedProtos are those that a generated file was made of; nil: none.
func recordedProtos(files []string, base string) *protos {
	for _, file := range files {
		if p := recordedIn(file, base); p != nil {
			return p
		}
	}
	return nil
}

func recordedIn(file, base string) *protos {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil // whoever writes it anew will see
	}
	p := &protos{base: base}
	for line := range strings.Lines(string(content)) {
		line = strings.TrimRight(line, "\r\n")
		if !strings.HasPrefix(line, "//") {
			break
		}
		if name, ok := strings.CutPrefix(line, protoMark); ok {
			p.names = append(p.names, name)
		}
		if root, ok := strings.CutPrefix(line, rootMark); ok {
			p.roots = append(p.roots, absolute(filepath.Dir(file), filepath.FromSlash(root)))
		}
	}
	if len(p.names) == 0 {
		return nil
	}
	if len(p.roots) == 0 {
		p.roots = []string{filepath.Dir(file)}
	}
	return p
}

// record is what recordedProtos reads.
func (p *protos) record(file string) string {
	var b strings.Builder
	for _, name := range p.names {
		b.WriteString(protoMark + name + "\n")
	}
	dir := filepath.Dir(file)
	if len(p.roots) == 1 && p.roots[0] == dir {
		return b.String()
	}
	for _, root := range p.roots {
		if short, err := filepath.Rel(dir, root); err == nil {
			root = short
		}
		b.WriteString(rootMark + filepath.ToSlash(root) + "\n")
	}
	return b.String()
}
