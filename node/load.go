package node

import (
	"cmp"
	"log/slog"
	"os"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/config"
)

// Load reads the configuration of the process, a file (MALLEE_CONFIG, or
// mallee.yaml in the working directory) and the variables MALLEE_…; a variable
// is stronger than the file. Start does the same, for what a Config leaves
// zero; Load is for programs that look at it or change it.
//
// What is wrong or not known there is an error. The store is a URL, since a
// node links no database: the program opens it and sets Config.Store. Types are
// the program's too.
func Load() (c Config, store string, err error) {
	s, err := readSettings()
	if err != nil {
		return Config{}, "", err
	}
	return c, s.Store, c.fill(s)
}

func readSettings() (*config.Config, error) {
	s, err := config.Load(config.Sources{Environ: os.Environ()})
	if err != nil {
		return nil, mallee.ErrInvalid.Errorf("configuration: %v", err)
	}
	return s, nil
}

// load fills what is zero.
func (c *Config) load() error {
	s, err := readSettings()
	if err != nil {
		return err
	}
	if s.Store != "" && c.Store == nil && len(c.Types) > 0 {
		return mallee.ErrInvalid.Errorf("configuration: a store is named, and this program opens none: set Config.Store to what Load tells")
	}
	return c.fill(s)
}

func (c *Config) fill(s *config.Config) (err error) {
	c.Name = cmp.Or(c.Name, s.Name)
	c.Cluster = cmp.Or(c.Cluster, s.Cluster)
	c.Listen = cmp.Or(c.Listen, s.Listen)
	c.Advertise = cmp.Or(c.Advertise, s.Advertise)
	c.Admin = cmp.Or(c.Admin, s.Admin)
	c.CallTimeout = cmp.Or(c.CallTimeout, s.CallTimeout)
	if c.PD == nil {
		c.PD = s.PD
	}
	if c.Only == nil {
		c.Only = s.Types
	}
	if c.Labels == nil {
		c.Labels = s.Labels
	}
	if c.TLS == nil {
		if c.TLS, err = s.TLS.Config(); err != nil {
			return mallee.ErrInvalid.Errorf("configuration: %v", err)
		}
	}
	if c.Log == nil && (s.Given("log.level") || s.Given("log.format")) {
		c.Log = slog.New(s.Log.Handler(os.Stderr))
	}
	return nil
}
