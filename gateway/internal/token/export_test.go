package token

func Fields(t Token) []byte { return t.append(nil) }

func ParseFields(b []byte) (t Token, err error) {
	err = t.parse(b)
	return t, err
}
