package pebble_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/mallee-io/mallee/storage"
	"github.com/mallee-io/mallee/storage/pebble"
)

const (
	killDir    = "MALLEE_TEST_KILL_DIR"
	killActors = 8
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(killDir); dir != "" {
		fmt.Println(writeUntilKilled(dir))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// rows of an actor, which are written together and always hold the same number.
func rows(actor int) [2]storage.Key {
	k := storage.Key{Table: "kill", Key1: fmt.Sprint(actor), Key2: "left"}
	other := k
	other.Key2 = "right"
	return [2]storage.Key{k, other}
}

// counter is what the rows of an actor say.
type counter struct {
	n        int
	versions [2]uint64
}

func read(s storage.Store, actor int) (c counter, err error) {
	var values [2]int
	for i, key := range rows(actor) {
		row, err := s.Get(context.Background(), key)
		if errors.Is(err, storage.ErrNotFound) {
			continue
		}
		if err != nil {
			return c, err
		}
		if values[i], err = strconv.Atoi(string(row.Value)); err != nil {
			return c, err
		}
		c.versions[i] = row.Version
	}
	if values[0] != values[1] {
		return c, fmt.Errorf("actor %d: half of a batch is there: %d and %d", actor, values[0], values[1])
	}
	c.n = values[0]
	return c, nil
}

// writeUntilKilled is the process that is killed. It prints each write once it
// is acknowledged.
func writeUntilKilled(dir string) error {
	s, err := pebble.Open(dir)
	if err != nil {
		return err
	}
	failed := make(chan error)
	for actor := range killActors {
		go func() {
			c, err := read(s, actor)
			for err == nil {
				value := []byte(strconv.Itoa(c.n + 1))
				keys := rows(actor)
				var versions []uint64
				if versions, err = s.Apply(context.Background(), 1, storage.PutBytes(keys[0], value, c.versions[0]), storage.PutBytes(keys[1], value, c.versions[1])); err == nil {
					c = counter{c.n + 1, [2]uint64(versions)}
					_, err = fmt.Printf("%d %d\n", actor, c.n) // one write to the pipe for each line
				}
			}
			failed <- err
		}()
	}
	return <-failed
}

// Whatever was acknowledged before a kill -9 is there afterwards, and no batch
// is half there.
func TestKill(t *testing.T) {
	t.Parallel()
	kills := 30
	if n, err := strconv.Atoi(os.Getenv("MALLEE_TEST_KILLS")); err == nil {
		kills = n
	}
	if testing.Short() {
		kills = 3
	}
	dir := t.TempDir()
	random := rand.New(rand.NewPCG(1, 1))
	acknowledged := make([]int, killActors)
	for kill := range kills {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), killDir+"="+dir)
		cmd.Stderr = t.Output()
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var reader sync.WaitGroup
		first := make(chan struct{})
		reader.Go(func() {
			once := sync.OnceFunc(func() { close(first) })
			defer once()
			for lines := bufio.NewScanner(out); lines.Scan(); {
				var actor, n int
				if _, err := fmt.Sscan(lines.Text(), &actor, &n); err != nil {
					t.Errorf("the writer says %q", lines.Text())
					return
				}
				acknowledged[actor] = n
				once()
			}
		})
		<-first // it is writing now; the moment of its end is random
		time.Sleep(time.Duration(random.IntN(30_000)) * time.Microsecond)
		_ = cmd.Process.Kill()
		reader.Wait()
		_ = cmd.Wait()

		s, err := pebble.Open(dir)
		if err != nil {
			t.Fatalf("after kill %d: %v", kill, err)
		}
		for actor := range killActors {
			c, err := read(s, actor)
			if err != nil {
				t.Fatalf("after kill %d: %v", kill, err)
			}
			if c.n < acknowledged[actor] {
				t.Fatalf("after kill %d: actor %d has %d, and %d was acknowledged", kill, actor, c.n, acknowledged[actor])
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	total := 0
	for _, n := range acknowledged {
		total += n
	}
	t.Logf("%d kills, %d acknowledged writes", kills, total)
}
