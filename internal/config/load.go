package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// DefaultFile is read from the working directory where no other file is named.
const DefaultFile = "mallee.yaml"

// configEnv names the file.
const configEnv = prefix + "CONFIG"

// Sources are where settings are looked for.
type Sources struct {
	// File is the path that the flag --config gave. Defaults to MALLEE_CONFIG,
	// or else to DefaultFile where there is one.
	File string

	// Environ has the form of os.Environ. A variable that is empty is not set.
	Environ []string

	// Flags are those that were given, by Setting.Name.
	Flags map[string]string

	// Section is the one whose flags go without its name.
	Section string
}

// Config is what the settings are.
type Config struct {
	Settings
	File   string // that was read; "": none
	Values []Value
}

// Value is a setting and where it came from.
type Value struct {
	Setting
	// Origin is "default", the file and the line, the variable or the flag.
	Origin string
}

// Load reads the sources. Its error names the place and the mend.
func Load(s Sources) (*Config, error) {
	c := new(Config)
	for _, setting := range c.table() {
		c.Values = append(c.Values, Value{Setting: setting, Origin: "default"})
	}
	for i := range c.Values {
		if v := &c.Values[i]; v.Default != "" {
			if err := v.set(v.Default); err != nil {
				return nil, fmt.Errorf("default of %s: %w", v.Name, err)
			}
		}
	}
	environ, err := c.variables(s.Environ)
	if err != nil {
		return nil, err
	}
	if err := c.readFile(s.File, environ[configEnv]); err != nil {
		return nil, err
	}
	for i := range c.Values {
		v := &c.Values[i]
		if text := environ[v.Env()]; text != "" {
			if err := v.from(v.Env(), text); err != nil {
				return nil, err
			}
		}
		if text, given := s.Flags[v.Name]; given {
			if err := v.from("--"+v.Flag(s.Section), text); err != nil {
				return nil, err
			}
		}
	}
	return c, nil
}

// from sets the value and remembers why.
func (v *Value) from(origin, text string) error {
	if err := v.set(text); err != nil {
		return fmt.Errorf("%s: %w", origin, err)
	}
	v.Origin = origin
	return nil
}

// Given reports whether somebody has set it.
func (c *Config) Given(name string) bool {
	v := c.value(name)
	return v != nil && v.Origin != "default"
}

func (c *Config) value(name string) *Value {
	for i := range c.Values {
		if c.Values[i].Name == name {
			return &c.Values[i]
		}
	}
	return nil
}

// foreign are variables with our prefix that are not ours: Kubernetes makes
// them for each service whose name begins so, and tests have their own.
var foreign = regexp.MustCompile(`^MALLEE_(TEST_.*|(.*_)?(SERVICE_HOST|SERVICE_PORT(_.*)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?))$`)

// variables are those of the environment that are ours.
func (c *Config) variables(environ []string) (map[string]string, error) {
	known := []string{configEnv}
	for _, v := range c.Values {
		known = append(known, v.Env())
	}
	found := make(map[string]string)
	for _, variable := range environ {
		name, text, _ := strings.Cut(variable, "=")
		if !strings.HasPrefix(name, prefix) || foreign.MatchString(name) {
			continue
		}
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("environment: %s is not a setting%s", name, hint(name, known))
		}
		found[name] = text
	}
	return found, nil
}

// readFile reads the file that is named, or else the default one.
func (c *Config) readFile(flag, variable string) error {
	named := flag
	if named == "" {
		named = variable
	}
	path := named
	if path == "" {
		path = DefaultFile
	}
	f, err := os.Open(filepath.Clean(path))
	if err != nil {
		if named == "" && errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return fmt.Errorf("read configuration: %w", err)
	}
	c.File = path
	return errors.Join(c.parse(path, f), f.Close())
}
