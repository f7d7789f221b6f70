// Package token seals what a client shows when it comes back, so that any
// gateway with the same secret can go on with its session and no client can make
// one up or read it.
package token

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/mallee-io/mallee"
)

// Token says which session a client may go on with.
type Token struct {
	Session uint64 // its ID
	At      uint64 // where it was when the token was made
	Epoch   uint64
	Server  int64 // of the login
	Actor   mallee.ID
	User    string
	Expires time.Time // in seconds
}

// MaxLength of a sealed token. Identity texts that would need more cannot be
// resumed.
const MaxLength = 4 << 10

const (
	version = 1 // the first byte, in the open
	purpose = "mallee resume token 1"
)

// ErrExpired says that a token is good and its time is over.
var ErrExpired = errors.New("the token has expired")

// errForged does not say more: whoever made the token learns nothing.
var errForged = errors.New("the token was not sealed by a gateway of this cluster, or with a secret that is not known any more")

// Seal seals and opens tokens. It is safe for concurrent use.
type Seal struct {
	keys []cipher.AEAD
}

// NewSeal makes a seal of secrets, of which the first one seals and all open. To
// change a secret, add the new one at the end everywhere, then put it in front,
// and take the old one away once its tokens have expired. Each has at least 16
// bytes, which must not be guessable.
func NewSeal(secrets ...[]byte) (*Seal, error) {
	if len(secrets) == 0 {
		return nil, errors.New("a seal needs a secret")
	}
	s := &Seal{}
	for i, secret := range secrets {
		if len(secret) < 16 {
			return nil, fmt.Errorf("secret %d has %d bytes, and at least 16 are needed: take random ones", i+1, len(secret))
		}
		key, err := hkdf.Key(sha256.New, secret, nil, purpose, 32)
		if err != nil {
			return nil, fmt.Errorf("derive the key of secret %d: %w", i+1, err)
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, fmt.Errorf("key of secret %d: %w", i+1, err)
		}
		gcm, err := cipher.NewGCM(block)
		if err != nil {
			return nil, fmt.Errorf("key of secret %d: %w", i+1, err)
		}
		s.keys = append(s.keys, gcm)
	}
	return s, nil
}

// Seal is the text of a token. The error says that it would be longer than
// MaxLength. Nonces are random: one secret is good for 2^32 tokens.
func (s *Seal) Seal(t *Token) (string, error) {
	gcm := s.keys[0]
	sealed := make([]byte, 1+gcm.NonceSize(), 128)
	sealed[0] = version
	nonce := sealed[1:]
	if _, err := rand.Read(nonce); err != nil {
		return "", fmt.Errorf("seal a token: %w", err)
	}
	sealed = gcm.Seal(sealed, nonce, t.append(nil), sealed[:1])
	if n := base64.RawURLEncoding.EncodedLen(len(sealed)); n > MaxLength {
		return "", fmt.Errorf("seal a token: it has %d bytes, and %d are allowed: the user's name or the actor's key is too long", n, MaxLength)
	}
	return base64.RawURLEncoding.EncodeToString(sealed), nil
}

// Open reads a token. It returns ErrExpired with the token where only its time
// is over.
func (s *Seal) Open(text string, now time.Time) (Token, error) {
	if len(text) > MaxLength {
		return Token{}, fmt.Errorf("the token has %d bytes, and %d are allowed", len(text), MaxLength)
	}
	sealed, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return Token{}, errForged
	}
	if len(sealed) > 0 && sealed[0] != version {
		return Token{}, fmt.Errorf("the token has version %d, and this program knows %d", sealed[0], version)
	}
	for _, gcm := range s.keys {
		if len(sealed) < 1+gcm.NonceSize() {
			break
		}
		nonce, box := sealed[1:1+gcm.NonceSize()], sealed[1+gcm.NonceSize():]
		fields, err := gcm.Open(nil, nonce, box, sealed[:1])
		if err != nil {
			continue // another secret's
		}
		var t Token
		if err := t.parse(fields); err != nil {
			return Token{}, err
		}
		if !now.Before(t.Expires) {
			return t, ErrExpired
		}
		return t, nil
	}
	return Token{}, errForged
}

// append writes the fields: numbers as varints, texts with their length in
// front.
func (t *Token) append(b []byte) []byte {
	b = binary.AppendUvarint(b, t.Session)
	b = binary.AppendUvarint(b, t.At)
	b = binary.AppendUvarint(b, t.Epoch)
	b = binary.AppendVarint(b, t.Server)
	b = binary.AppendVarint(b, t.Expires.Unix())
	for _, text := range []string{t.Actor.Type, t.Actor.Key, t.User} {
		b = append(binary.AppendUvarint(b, uint64(len(text))), text...)
	}
	return b
}

var errFields = errors.New("the token's fields cannot be read: it is from another program with the same secret")

func (t *Token) parse(b []byte) error {
	for _, field := range []*uint64{&t.Session, &t.At, &t.Epoch} {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			return errFields
		}
		*field, b = v, b[n:]
	}
	var expires int64
	for _, field := range []*int64{&t.Server, &expires} {
		v, n := binary.Varint(b)
		if n <= 0 {
			return errFields
		}
		*field, b = v, b[n:]
	}
	for _, field := range []*string{&t.Actor.Type, &t.Actor.Key, &t.User} {
		size, n := binary.Uvarint(b)
		if n <= 0 || size > math.MaxInt32 || int(size) > len(b)-n {
			return errFields
		}
		*field, b = string(b[n:n+int(size)]), b[n+int(size):]
	}
	if len(b) > 0 {
		return errFields
	}
	t.Expires = time.Unix(expires, 0)
	return nil
}
