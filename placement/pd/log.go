package pd

import (
	"context"
	"log/slog"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// etcdLog passes etcd's warnings and errors on to slog.
func etcdLog(log *slog.Logger) *zap.Logger {
	return zap.New(&slogCore{LevelEnabler: zapcore.WarnLevel, log: log.With("from", "etcd")})
}

type slogCore struct {
	zapcore.LevelEnabler
	log *slog.Logger
}

func (c *slogCore) With(fields []zapcore.Field) zapcore.Core {
	return &slogCore{c.LevelEnabler, slog.New(c.log.Handler().WithAttrs(attributes(fields)))}
}

func (c *slogCore) Check(e zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return checked.AddCore(e, c)
	}
	return checked
}

func (c *slogCore) Write(e zapcore.Entry, fields []zapcore.Field) error {
	level := slog.LevelWarn
	if e.Level > zapcore.WarnLevel {
		level = slog.LevelError
	}
	c.log.LogAttrs(context.Background(), level, e.Message, attributes(fields)...)
	return nil
}

func (c *slogCore) Sync() error { return nil }

func attributes(fields []zapcore.Field) []slog.Attr {
	all := make([]slog.Attr, 0, len(fields))
	for _, f := range fields {
		encoded := zapcore.NewMapObjectEncoder()
		f.AddTo(encoded)
		for key, value := range encoded.Fields {
			all = append(all, slog.Any(key, value))
		}
	}
	return all
}
