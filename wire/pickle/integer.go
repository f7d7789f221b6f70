package pickle

import (
	"fmt"
	"math/big"
	"slices"
)

// integer reads the short forms; only that of four bytes has a sign.
func (r *reader) integer(n int) error {
	v, err := r.number(n)
	if err != nil {
		return err
	}
	if n == 4 {
		return r.push(int64(int32(v)))
	}
	return r.push(int64(v))
}

// long reads an integer of any size, whose length has n bytes.
func (r *reader) long(n int) error {
	b, err := r.block(n)
	if err != nil {
		return err
	}
	if len(b) > MaxInt {
		return fmt.Errorf("an int of %d bytes: at most %d are read", len(b), MaxInt)
	}
	v := fromTwos(b)
	if large, ok := v.(*big.Int); ok && large.BitLen() > 8*MaxInt-1 {
		return fmt.Errorf("an int of %d bits: at most %d are read", large.BitLen(), 8*MaxInt-1)
	}
	return r.push(v)
}

// fromTwos reads a number in two's complement, its lowest byte first.
func fromTwos(b []byte) any {
	if len(b) == 0 {
		return int64(0)
	}
	turned := slices.Clone(b)
	slices.Reverse(turned)
	v := new(big.Int).SetBytes(turned)
	if b[len(b)-1]&0x80 != 0 {
		v.Sub(v, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	if v.IsInt64() {
		return v.Int64()
	}
	return v
}

// appendTwos is the reverse, in as few bytes as the sign allows.
func appendTwos(b []byte, v *big.Int) []byte {
	shifted := v
	if v.Sign() < 0 { // -256 has as many bits as 255
		shifted = new(big.Int).Not(v)
	}
	n := shifted.BitLen()/8 + 1
	if v.Sign() < 0 {
		v = new(big.Int).Add(v, new(big.Int).Lsh(big.NewInt(1), uint(8*n)))
	}
	start := len(b)
	b = append(b, make([]byte, n)...)
	v.FillBytes(b[start:])
	slices.Reverse(b[start:])
	return b
}
