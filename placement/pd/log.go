package pd

import (
	"context"
	"log/slog"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// etcdLog passes etcd's warnings and errors on to slog, until life ends: what
// it says when it is stopped sounds like a failure.
func etcdLog(life context.Context, log *slog.Logger) *zap.Logger {
	return zap.New(&slogCore{LevelEnabler: zapcore.WarnLevel, life: life, log: log.With("from", "etcd")})
}

type slogCore struct {
	zapcore.LevelEnabler
	life context.Context
	log  *slog.Logger
}

func (c *slogCore) With(fields []zapcore.Field) zapcore.Core {
	return &slogCore{c.LevelEnabler, c.life, slog.New(c.log.Handler().WithAttrs(attributes(fields)))}
}

func (c *slogCore) Check(e zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) && c.life.Err() == nil && !usual(e.Message) {
		return checked.AddCore(e, c)
	}
	return checked
}

// usual are warnings about what is meant to be so.
func usual(message string) bool {
	return message == "Running http and grpc server on single port. This is not recommended for production." ||
		message == "simple token is not cryptographically signed" // nobody logs in
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
