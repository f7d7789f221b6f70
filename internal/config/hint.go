package config

// longestHint bounds the names that are compared, in bytes.
const longestHint = 64

// hint names what was probably meant by a name that is not known.
func hint(name string, known []string) string {
	if len(name) > longestHint {
		return ""
	}
	best, least := "", len(name)/3+1
	for _, k := range known {
		if d := distance(name, k); d <= least {
			best, least = k, d-1
		}
	}
	if best == "" {
		return "; mallee config lists them"
	}
	return "; did you mean " + best + "?"
}

// distance counts the bytes that must be put in, left out or replaced to make
// b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
