package pickle_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math"
	"math/big"
	"os/exec"
	"strings"
	"testing"

	"github.com/mallee-io/mallee/wire/pickle"
)

// python runs a script with the lines as its input, and returns its lines.
func python(t *testing.T, script string, lines ...string) []string {
	t.Helper()
	path, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("there is no python3 here to compare with")
	}
	cmd := exec.CommandContext(t.Context(), path, "-c", script)
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n"))
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("python3: %v\n%s", err, &errs)
	}
	return strings.Fields(string(out))
}

// Values in which no two parts are one object in Python: of one-letter texts,
// and of empty ones, it has one each.
func unshared() []any {
	values := []any{
		nil, true, false, 0.0, math.Copysign(0, -1), -1.5, math.Inf(1), math.NaN(),
		"", "é", "a\x00b", "\xed\xa0\x80", "玩家 \U0001f600", strings.Repeat("x", 255), strings.Repeat("x", 256),
		[]byte{}, bytes.Repeat([]byte{7}, 255), bytes.Repeat([]byte{7}, 256),
		[]any{}, pickle.Tuple{}, pickle.Dict{},
		pickle.Tuple{int64(1), int64(2), int64(3)}, pickle.Tuple{nil, nil, nil, nil},
		pickle.Dict{{Key: pickle.Tuple{int64(1), []byte("k1")}, Value: []any{"one"}}, {Key: nil, Value: pickle.Dict{}}},
	}
	for shift := range uint(80) {
		for _, plus := range []int64{-1, 0, 1} {
			v := new(big.Int).Add(huge(shift), big.NewInt(plus))
			values = append(values, v, new(big.Int).Neg(v))
		}
	}
	values = append(values, huge(2031), huge(2040), new(big.Int).Neg(huge(2047)), huge(5000))
	for _, n := range []int{1, 2, 999, 1000, 1001, 2000, 2001, 70_000} {
		list, dict := make([]any, n), make(pickle.Dict, n)
		for i := range list {
			list[i] = fmt.Sprintf("item %d", i)
			dict[i] = pickle.Pair{Key: int64(i), Value: float64(i)}
		}
		values = append(values, list, pickle.Tuple(list), dict)
	}
	for _, n := range []int{65_525, 65_530, 65_535, 65_536, 65_537, 200_000} {
		text := strings.Repeat("x", n)
		values = append(values, text, []byte(text), []any{"before", text, "after", []byte(text), int64(1)}, pickle.Tuple{text})
	}
	return values
}

func TestPythonReadsAndWritesTheSame(t *testing.T) {
	t.Parallel()
	var lines []string
	for _, v := range unshared() {
		b, err := pickle.Append(nil, v)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, hex.EncodeToString(b))
	}
	got := python(t, `
import pickle, sys
for line in sys.stdin:
    print(pickle.dumps(pickle.loads(bytes.fromhex(line)), protocol=5).hex())
`, lines...)
	if len(got) != len(lines) {
		t.Fatalf("%d of %d values", len(got), len(lines))
	}
	for i, v := range unshared() {
		if got[i] != lines[i] {
			t.Errorf("%.80v: we write\n%.400s\nPython writes\n%.400s", v, lines[i], got[i])
		}
	}
}

const pythonValues = `
import pickle, sys
shared = ["s", b"t", 2**70]
key = "name"
values = [
    None, True, 0, -1, 2**31, -2**31, 2**63, -2**63, 2**3000, -2**3000, 1.5, float("-inf"), "", "a", "\ud800", "\U0001f600", "x" * 300, "x" * 70000,
    b"", b"\x00" * 300, b"y" * 70000, [], (), {}, [[]], ((),), {(): ()}, (1, 2, 3, 4),
    [shared, shared, (shared,)], [{key: i, "x": "x"} for i in range(3000)], {i: str(i) for i in range(3000)},
    {None: 1, True: 2, 2.5: 3, "k": 4, b"k": 5, (1, ("n", b"n")): 6, 2**70: 7},
    ((1, "2"), {"k": None, "l": [1, 2]}), list(range(-2000, 2000)),
]
`

func TestWePassOnWhatPythonWrites(t *testing.T) {
	t.Parallel()
	lines := python(t, pythonValues+`
for v in values:
    for protocol in (3, 4, 5): # protocol 2 has no bytes
        print(pickle.dumps(v, protocol=protocol).hex())
`)
	for i, line := range lines {
		v, err := pickle.Parse(unhex(t, line))
		if err != nil {
			t.Fatalf("%.200s: %v", line, err)
		}
		b, err := pickle.Append(nil, v)
		if err != nil {
			t.Fatal(err)
		}
		lines[i] = hex.EncodeToString(b)
	}
	for i, same := range python(t, pythonValues+`
for i, line in enumerate(sys.stdin):
    got, want = pickle.loads(bytes.fromhex(line)), values[i // 3]
    print(got == want and repr(got) == repr(want))
`, lines...) {
		if same != "True" {
			t.Errorf("value %d changed", i/3)
		}
	}
}
