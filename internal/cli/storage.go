package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"text/tabwriter"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/mallee-io/mallee/internal/transfer"
	"github.com/mallee-io/mallee/storage"
)

func storageCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "storage",
		Short: "Look into stores, and move what they hold",
		Long:  "Look into stores, and move what they hold. Stop the nodes of a store before you write to it.\n\n" + storeHelp,
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.AddCommand(lsCommand(), getCommand(), exportCommand(), importCommand(), copyCommand())
	return c
}

// withStore runs work on a store and closes it.
func withStore(ctx context.Context, open func(context.Context, string) (storage.Store, error), address string, work func(storage.Store) error) (err error) {
	s, err := open(ctx, address)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return work(s)
}

// interrupted tells, after Ctrl-C, what to do next.
func interrupted(err error) error {
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("interrupted; run the same command again to go on: %w", err)
	}
	return err
}

type lsOptions struct {
	json  bool
	limit int
}

func lsCommand() *cobra.Command {
	o := lsOptions{}
	c := &cobra.Command{
		Use:     "ls URL [TABLE [KEY1]]",
		Short:   "List the tables of a store, the keys of a table, or the rows of a key",
		Long:    "List the tables of a store, the actors' keys in a table, or the rows under one of them.\n\n" + storeHelp,
		Example: "  mallee storage ls pebble:data\n  mallee storage ls pebble:data state.Player ann",
		Args:    arguments(1, 3),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withStore(cmd.Context(), openExisting, args[0], func(s storage.Store) error {
				return o.list(cmd.Context(), cmd.OutOrStdout(), s, args[1:])
			})
		},
	}
	c.Flags().BoolVar(&o.json, "json", false, "print a line of JSON for each")
	c.Flags().IntVar(&o.limit, "limit", 1000, "list at most so many; 0: all")
	return c
}

// arguments is cobra.RangeArgs with a wrong command line's exit status.
func arguments(least, most int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if err := cobra.RangeArgs(least, most)(c, args); err != nil {
			return &usageError{fmt.Errorf("%w; see %s --help", err, c.CommandPath())}
		}
		return nil
	}
}

func (o *lsOptions) list(ctx context.Context, out io.Writer, s storage.Store, at []string) (err error) {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	defer func() { err = errors.Join(err, table.Flush()) }()
	if len(at) == 2 {
		return o.rows(ctx, out, table, s, at[0], at[1])
	}
	var from storage.Key
	name, next := "table", func(k storage.Key) storage.Key { return storage.Key{Table: k.Table + "\x00"} }
	item := func(k storage.Key) string { return k.Table }
	if len(at) == 1 {
		from.Table = at[0]
		name, next = "key1", func(k storage.Key) storage.Key { return storage.Key{Table: k.Table, Key1: k.Key1 + "\x00"} }
		item = func(k storage.Key) string { return k.Key1 }
	}
	for n := 0; o.limit == 0 || n < o.limit; n++ {
		k, err := first(ctx, s, from)
		if err != nil || k == (storage.Key{}) || len(at) == 1 && k.Table != at[0] {
			return err
		}
		if o.json {
			err = json.NewEncoder(out).Encode(map[string]string{name: item(k)})
		} else {
			_, err = fmt.Fprintln(out, printable(item(k)))
		}
		if err != nil {
			return err
		}
		from = next(k)
	}
	return nil
}

// first is the first key of a store from a key on; zero when there is none.
func first(ctx context.Context, s storage.Store, from storage.Key) (storage.Key, error) {
	for row, err := range s.Scan(ctx, from) {
		return row.Key, err
	}
	return storage.Key{}, nil
}

func (o *lsOptions) rows(ctx context.Context, out io.Writer, table *tabwriter.Writer, s storage.Store, name, key1 string) error {
	if !o.json {
		fmt.Fprintln(table, "KEY2\tVERSION\tEPOCH\tBYTES")
	}
	for row, err := range s.List(ctx, storage.Range{Table: name, Key1: key1, Limit: o.limit}) {
		switch {
		case err != nil:
		case o.json:
			err = json.NewEncoder(out).Encode(struct {
				Key2    string `json:"key2"`
				Version uint64 `json:"version"`
				Epoch   uint64 `json:"epoch"`
				Bytes   int    `json:"bytes"`
			}{row.Key.Key2, row.Version, row.Epoch, len(row.Value)})
		default:
			_, err = fmt.Fprintf(table, "%s\t%d\t%d\t%d\n", printable(row.Key.Key2), row.Version, row.Epoch, len(row.Value))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// printable is a key as it stands, or quoted when it would not be seen or
// would do something to a terminal.
func printable(key string) string {
	for _, r := range key {
		if !unicode.IsPrint(r) {
			return strconv.Quote(key)
		}
	}
	if key == "" {
		return `""`
	}
	return key
}

func getCommand() *cobra.Command {
	var asLine bool
	c := &cobra.Command{
		Use:     "get URL TABLE KEY1 [KEY2]",
		Short:   "Print the value of a row",
		Long:    "Print the value of a row: JSON indented, anything else as it is.\n\n" + storeHelp,
		Example: "  mallee storage get pebble:data state.Player ann bag",
		Args:    arguments(3, 4),
		RunE: func(cmd *cobra.Command, args []string) error {
			key := storage.Key{Table: args[1], Key1: args[2]}
			if len(args) == 4 {
				key.Key2 = args[3]
			}
			return withStore(cmd.Context(), openExisting, args[0], func(s storage.Store) error {
				row, err := s.Get(cmd.Context(), key)
				if err != nil {
					return err
				}
				return printRow(cmd.OutOrStdout(), row, asLine)
			})
		},
	}
	c.Flags().BoolVar(&asLine, "json", false, "print the whole row as a line of JSON, as export does")
	return c
}

func printRow(out io.Writer, row storage.Row, asLine bool) error {
	switch {
	case asLine:
		return json.NewEncoder(out).Encode(transfer.LineOf(row))
	case row.Encoding == storage.JSON:
		var text bytes.Buffer
		if err := json.Indent(&text, row.Value, "", "  "); err != nil {
			return fmt.Errorf("%s: %w", row.Key, err)
		}
		text.WriteByte('\n')
		_, err := out.Write(text.Bytes())
		return err
	}
	_, err := out.Write(row.Value)
	return err
}

func exportCommand() *cobra.Command {
	var tables []string
	var file string
	c := &cobra.Command{
		Use:     "export URL",
		Short:   "Write rows as lines of JSON",
		Long:    "Write rows as lines of JSON, in the order of their keys.\n\n" + storeHelp,
		Example: "  mallee storage export pebble:data -o backup.jsonl",
		Args:    arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withStore(cmd.Context(), openExisting, args[0], func(s storage.Store) error {
				return interrupted(export(cmd, s, tables, file))
			})
		},
	}
	c.Flags().StringSliceVar(&tables, "table", nil, "only this table; may be given again")
	c.Flags().StringVarP(&file, "output", "o", "", "file to write, which must not exist (default: standard output)")
	return c
}

func export(cmd *cobra.Command, s storage.Store, tables []string, file string) (err error) {
	out := cmd.OutOrStdout()
	if file != "" {
		f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, f.Sync(), f.Close()) }()
		out = f
	}
	bar := newProgress(cmd.ErrOrStderr(), "exporting", -1, "rows")
	if isTerminal(out) {
		bar = &progress{} // the lines themselves can be seen
	}
	n, err := transfer.WriteLines(out, transfer.Select(cmd.Context(), s, storage.Key{}, tables), bar.set)
	bar.end()
	if err == nil {
		fmt.Fprintf(cmd.ErrOrStderr(), "%d rows exported\n", n)
	}
	return err
}

func importCommand() *cobra.Command {
	var replace bool
	c := &cobra.Command{
		Use:     "import URL [FILE]",
		Short:   "Read rows from lines of JSON, as export writes them",
		Long:    "Read rows from lines of JSON, as export writes them, from a file or standard input. Rows that are there already, with the same values, are left alone.\n\n" + storeHelp,
		Example: "  mallee storage import pebble:data backup.jsonl",
		Args:    arguments(1, 2),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			in := cmd.InOrStdin()
			if len(args) == 2 {
				f, err := os.Open(args[1])
				if err != nil {
					return err
				}
				defer func() { err = errors.Join(err, f.Close()) }()
				in = f
			}
			return withStore(cmd.Context(), openStore, args[0], func(s storage.Store) error {
				bar := newProgress(cmd.ErrOrStderr(), "importing", -1, "rows")
				w := &transfer.Writer{To: s, Replace: replace, Done: func(_ context.Context, _ storage.Key, rows int64) error {
					bar.set(rows)
					return nil
				}}
				err := w.Write(cmd.Context(), transfer.ReadLines(in))
				bar.end()
				if err == nil {
					fmt.Fprintf(cmd.ErrOrStderr(), "%d rows imported, %d replaced, %d were there already\n", w.Written.Load(), w.Replaced.Load(), w.Same.Load())
				}
				return interrupted(err)
			})
		},
	}
	c.Flags().BoolVar(&replace, "replace", false, "replace rows that have another value")
	return c
}

type copyOptions struct {
	tables  []string
	replace bool
	json    bool
}

func copyCommand() *cobra.Command {
	o := copyOptions{}
	c := &cobra.Command{
		Use:     "copy FROM TO",
		Short:   "Copy rows from one store to another, and verify them",
		Long:    "Copy rows from one store to another, then read both and compare them row by row. A copy that was interrupted goes on where it was when it is run again.\n\n" + storeHelp,
		Example: "  mallee storage copy pebble:data postgres://localhost/mallee",
		Args:    arguments(2, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withStore(cmd.Context(), openExisting, args[0], func(from storage.Store) error {
				return withStore(cmd.Context(), openStore, args[1], func(to storage.Store) error {
					return interrupted(o.copy(cmd, from, to, redact(args[0])))
				})
			})
		},
	}
	c.Flags().StringSliceVar(&o.tables, "table", nil, "only this table; may be given again")
	c.Flags().BoolVar(&o.replace, "replace", false, "replace rows that have another value in TO")
	c.Flags().BoolVar(&o.json, "json", false, "print the summary as JSON")
	return c
}

// copySummary is what copy prints at its end.
type copySummary struct {
	Copied   int64 `json:"copied"`
	Replaced int64 `json:"replaced"`
	Same     int64 `json:"same"`     // were there already
	Before   int64 `json:"before"`   // copied by runs that were interrupted
	Verified int64 `json:"verified"` // compared with FROM, all of its rows
	More     int64 `json:"more"`     // rows that only TO has
}

func (o *copyOptions) copy(cmd *cobra.Command, from, to storage.Store, name string) error {
	ctx, errOut := cmd.Context(), cmd.ErrOrStderr()
	bar := newProgress(errOut, "counting ", -1, "rows")
	total, err := transfer.Count(transfer.Select(ctx, from, storage.Key{}, o.tables), bar.set)
	bar.end()
	if err != nil {
		return err
	}
	bar = newProgress(errOut, "copying  ", total, "rows")
	w := &transfer.Writer{To: to, Replace: o.replace}
	c := transfer.Copy{From: from, Tables: o.tables, Writer: w, Name: name, Progress: bar.set}
	before, err := c.Run(ctx)
	bar.end()
	if err != nil {
		return err
	}
	bar = newProgress(errOut, "verifying", total, "rows")
	verified, more, err := transfer.Verify(transfer.Select(ctx, from, storage.Key{}, o.tables), transfer.Select(ctx, to, storage.Key{}, o.tables), bar.set)
	bar.end()
	if err != nil {
		return err
	}
	sum := copySummary{w.Written.Load(), w.Replaced.Load(), w.Same.Load(), before, verified, more}
	if o.json {
		return json.NewEncoder(cmd.OutOrStdout()).Encode(sum)
	}
	out := cmd.OutOrStdout()
	if sum.Before > 0 {
		fmt.Fprintf(out, "went on after %d rows\n", sum.Before)
	}
	fmt.Fprintf(out, "%d rows copied, %d replaced, %d were there already; %d verified\n", sum.Copied, sum.Replaced, sum.Same, sum.Verified)
	if sum.More > 0 {
		fmt.Fprintf(out, "TO has %d rows more than FROM\n", sum.More)
	}
	return nil
}
