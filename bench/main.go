// Command bench compares Mallee with other ways to run actors in Go. See
// README.md for what the numbers count.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	name := flags.String("run", "local", "the `suite` to run: "+suiteNames(suites()))
	asJSON := flags.Bool("json", false, "print one JSON row per bench instead of a table")
	n := flags.Int("n", 3, "repetitions of every contestant in every bench")
	d := flags.Duration("time", time.Second, "how long a repetition measures, after a warm-up of a quarter of it")
	one := flags.String("measure", "", "measure `bench/contestant` once, in this process, and print the sample")
	role := flags.String("serve", "", "be the other `process` of a contestant, with the arguments that follow, until standard input ends")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *role != "" {
		return serve(ctx, *role, flags.Args(), os.Stdin, stdout)
	}
	if *n < 1 || *d <= 0 || flags.NArg() > 0 {
		return errors.New("-n and -time must be positive, and there are no other arguments")
	}
	s, err := findSuite(suites(), *name)
	if err != nil {
		return err
	}
	if *one != "" {
		return measureOne(ctx, stdout, s, *one, *d)
	}
	r := rounds{suite: s, n: *n, measure: inChild(s, *d), progress: progressOn(stderr), report: tableTo(stdout)}
	if *asJSON {
		r.report = jsonTo(stdout)
	}
	return r.run(ctx)
}
