package pd

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/gen/placementpb"
	"github.com/mallee-io/mallee/placement/driver"
)

// defaultPace is how many actors are moved in a second, for balance.
const (
	defaultPace = 20
	maxPace     = 10_000
)

// settings are what operators change while the cluster runs.
type settings struct {
	driver.Settings
	pace int
}

// setting is one of them, as text.
type setting struct {
	get func(*settings) string
	set func(*settings, string) error
}

func allSettings() map[string]setting {
	return map[string]setting{
		"settle": {
			func(s *settings) string { return s.Settle.String() },
			func(s *settings, text string) (err error) {
				s.Settle, err = time.ParseDuration(text)
				if err == nil && (s.Settle < 0 || s.Settle > time.Hour) {
					err = fmt.Errorf("%s is not between 0s and 1h", text)
				}
				return err
			},
		},
		"rebalance": {
			func(s *settings) string { return map[bool]string{false: "on", true: "off"}[s.NoRebalance] },
			func(s *settings, text string) error {
				if text != "on" && text != "off" {
					return fmt.Errorf("%q is neither on nor off", text)
				}
				s.NoRebalance = text == "off"
				return nil
			},
		},
		"pace": {
			func(s *settings) string { return strconv.Itoa(s.pace) },
			func(s *settings, text string) (err error) {
				s.pace, err = strconv.Atoi(text)
				if err == nil && (s.pace < 1 || s.pace > maxPace) {
					err = fmt.Errorf("%s is not between 1 and %d moves a second", text, maxPace)
				}
				return err
			},
		},
	}
}

func defaultSettings() settings {
	return settings{Settings: driver.Settings{Settle: driver.DefaultSettle}, pace: defaultPace}
}

// apply changes settings by their names; none, if one is wrong.
func (s settings) apply(changes map[string]string) (settings, error) {
	all := allSettings()
	for name, text := range changes {
		one, ok := all[name]
		if !ok {
			return s, fmt.Errorf("there is no setting %q; there are %s", name, strings.Join(slices.Sorted(maps.Keys(all)), ", "))
		}
		if err := one.set(&s, text); err != nil {
			return s, fmt.Errorf("setting %s: %w", name, err)
		}
	}
	return s, nil
}

func (s settings) texts() map[string]string {
	texts := make(map[string]string)
	for name, one := range allSettings() {
		texts[name] = one.get(&s)
	}
	return texts
}

// driver is the form for a Directory, to which no settle time is a negative one.
func (s settings) driver() driver.Settings {
	d := s.Settings
	if d.Settle == 0 {
		d.Settle = -1
	}
	return d
}

// settingsJSON are the settings in etcd; see recordFormat.
type settingsJSON struct {
	Format   int               `json:"format"`
	Settings map[string]string `json:"settings"`
}

func (s *Server) readSettings(ctx context.Context) (settings, error) {
	ctx, cancel := context.WithTimeout(ctx, etcdPatience)
	defer cancel()
	all := defaultSettings()
	got, err := s.client.Get(ctx, s.keys.settings())
	if err != nil {
		return all, noAnswer("read settings", err)
	}
	if len(got.Kvs) == 0 {
		return all, nil
	}
	var j settingsJSON
	err = json.Unmarshal(got.Kvs[0].Value, &j)
	if err == nil && j.Format != recordFormat {
		err = fmt.Errorf("they have format %d", j.Format)
	}
	if err == nil {
		all, err = all.apply(j.Settings)
	}
	if err != nil {
		return all, fmt.Errorf("the key %s of etcd cannot be read: %w", s.keys.settings(), err)
	}
	return all, nil
}

// Settings implements placementpb.AdminServer.
func (s *Server) Settings(ctx context.Context, req *placementpb.SettingsRequest) (*placementpb.SettingsResponse, error) {
	return atLeader(ctx, s, req, s.changeSettings, process.Settings)
}

func (s *Server) changeSettings(ctx context.Context, l *leader, req *placementpb.SettingsRequest) (*placementpb.SettingsResponse, error) {
	now, err := s.readSettings(ctx)
	if err != nil {
		return nil, err
	}
	if len(req.GetSet()) == 0 {
		return &placementpb.SettingsResponse{Settings: now.texts()}, nil
	}
	if now, err = now.apply(req.GetSet()); err != nil {
		return nil, mallee.ErrInvalid.Errorf("%v", err)
	}
	text, err := json.Marshal(settingsJSON{recordFormat, now.texts()})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, etcdPatience)
	defer cancel()
	done, err := s.client.Txn(ctx).If(l.guard).Then(clientv3.OpPut(s.keys.settings(), string(text))).Commit()
	if err != nil {
		return nil, noAnswer("change settings", err)
	}
	if !done.Succeeded {
		return nil, errNotLeader
	}
	l.use(now)
	return &placementpb.SettingsResponse{Settings: now.texts()}, nil
}

func (l *leader) use(s settings) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pace = s.pace
	l.directory.SetSettings(s.driver())
}
