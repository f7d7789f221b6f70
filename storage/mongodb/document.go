package mongodb

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// maxDepth bounds how deep arrays and objects may stand in each other to
// become BSON. Servers take about 100 levels.
const maxDepth = 80

// toBSON converts a JSON value to one of BSON that fromBSON makes the same of,
// numbers exactly. It reports false where there is none: numbers that neither
// int64 nor float64 holds, names that a server refuses or cannot address,
// texts that are not Unicode.
func toBSON(text []byte) (any, bool) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	return convert(d, 0)
}

func convert(d *json.Decoder, depth int) (any, bool) {
	token, err := d.Token()
	if err != nil {
		return nil, false
	}
	switch token := token.(type) {
	case string:
		return token, plain(token)
	case json.Number:
		return number(token.String())
	case json.Delim:
		if depth == maxDepth {
			return nil, false
		}
		if token == '{' {
			return convertObject(d, depth+1)
		}
		return convertArray(d, depth+1)
	default: // nil, bool
		return token, true
	}
}

func convertArray(d *json.Decoder, depth int) (any, bool) {
	elements := bson.A{}
	for d.More() {
		element, ok := convert(d, depth)
		if !ok {
			return nil, false
		}
		elements = append(elements, element)
	}
	_, err := d.Token()
	return elements, err == nil
}

// convertObject keeps the last of members with the same name, in the place of the
// first.
func convertObject(d *json.Decoder, depth int) (any, bool) {
	members := bson.D{}
	places := make(map[string]int)
	for d.More() {
		token, err := d.Token()
		name, ok := token.(string)
		if err != nil || !ok || !plainName(name) {
			return nil, false
		}
		value, ok := convert(d, depth)
		if !ok {
			return nil, false
		}
		if i, again := places[name]; again {
			members[i].Value = value
			continue
		}
		places[name] = len(members)
		members = append(members, bson.E{Key: name, Value: value})
	}
	_, err := d.Token()
	return members, err == nil
}

// plain texts are Unicode. What is not has become U+FFFD.
func plain(text string) bool { return !strings.ContainsRune(text, utf8.RuneError) }

func plainName(name string) bool {
	return name != "" && name[0] != '$' && !strings.ContainsAny(name, ".\x00") && plain(name)
}

// number is the smallest integer, or the float64, that is exactly the number.
// Zero with a sign is left out: FerretDB forgets the sign.
func number(text string) (any, bool) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && text != "-0" {
		if int64(int32(n)) == n {
			return int32(n), true
		}
		return n, true
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || f == 0 && text[0] == '-' {
		return nil, false
	}
	want, ok := parseDecimal(text)
	have, _ := parseDecimal(strconv.FormatFloat(f, 'e', -1, 64))
	return f, ok && want == have
}

// decimal is a number: its digits without zeros at the ends, times ten to the
// exponent. Equal numbers have equal ones.
type decimal struct {
	negative bool
	digits   string
	exponent int
}

func parseDecimal(text string) (d decimal, ok bool) {
	text, d.negative = strings.CutPrefix(text, "-")
	mantissa, exponent, found := cutAny(text, "eE")
	if found {
		var err error
		if d.exponent, err = strconv.Atoi(exponent); err != nil {
			return decimal{}, false
		}
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := whole + fraction
	d.digits = strings.TrimRight(digits, "0")
	d.exponent += len(digits) - len(d.digits) - len(fraction)
	d.digits = strings.TrimLeft(d.digits, "0")
	if d.digits == "" {
		return decimal{}, true
	}
	return d, true
}

func cutAny(s, chars string) (before, after string, found bool) {
	i := strings.IndexAny(s, chars)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

// fromBSON appends the JSON of a value. It knows what toBSON makes; other
// types of BSON are an error.
func fromBSON(b []byte, v bson.RawValue) ([]byte, error) {
	switch v.Type {
	case bson.TypeNull:
		return append(b, "null"...), nil
	case bson.TypeBoolean:
		return strconv.AppendBool(b, v.Boolean()), nil
	case bson.TypeInt32, bson.TypeInt64:
		return strconv.AppendInt(b, v.AsInt64(), 10), nil
	case bson.TypeDouble:
		if f := v.Double(); math.IsNaN(f) || math.IsInf(f, 0) {
			return nil, fmt.Errorf("it holds %v, which is no JSON", f)
		}
		return strconv.AppendFloat(b, v.Double(), 'g', -1, 64), nil
	case bson.TypeString:
		return appendText(b, v.StringValue())
	case bson.TypeArray:
		return fromArray(b, v.Array())
	case bson.TypeEmbeddedDocument:
		return fromDocument(b, v.Document())
	default:
		return nil, fmt.Errorf("it holds a value of type %s, which is no JSON", v.Type)
	}
}

func fromArray(b []byte, array bson.RawArray) ([]byte, error) {
	values, err := array.Values()
	if err != nil {
		return nil, err
	}
	b = append(b, '[')
	for i, v := range values {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = fromBSON(b, v); err != nil {
			return nil, err
		}
	}
	return append(b, ']'), nil
}

func fromDocument(b []byte, document bson.Raw) ([]byte, error) {
	elements, err := document.Elements()
	if err != nil {
		return nil, err
	}
	b = append(b, '{')
	for i, e := range elements {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = appendText(b, e.Key()); err != nil {
			return nil, err
		}
		if b, err = fromBSON(append(b, ':'), e.Value()); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

func appendText(b []byte, text string) ([]byte, error) {
	if !utf8.ValidString(text) {
		return nil, fmt.Errorf("it holds the text %q, which is not UTF-8", text)
	}
	quoted, err := json.Marshal(text)
	return append(b, quoted...), err
}
