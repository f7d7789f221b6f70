package pickle

import "fmt"

// The instructions of plain data.
const (
	opProto           = 0x80
	opFrame           = 0x95
	opStop            = '.'
	opMemoize         = 0x94
	opBinGet          = 'h'
	opLongBinGet      = 'j'
	opBinPut          = 'q'
	opLongBinPut      = 'r'
	opNone            = 'N'
	opTrue            = 0x88
	opFalse           = 0x89
	opBinInt1         = 'K'
	opBinInt2         = 'M'
	opBinInt          = 'J'
	opLong1           = 0x8a
	opLong4           = 0x8b
	opBinFloat        = 'G'
	opShortBinUnicode = 0x8c
	opBinUnicode      = 'X'
	opBinUnicode8     = 0x8d
	opShortBinBytes   = 'C'
	opBinBytes        = 'B'
	opBinBytes8       = 0x8e
	opByteArray8      = 0x96
	opMark            = '('
	opEmptyList       = ']'
	opAppend          = 'a'
	opAppends         = 'e'
	opEmptyTuple      = ')'
	opTuple1          = 0x85
	opTuple2          = 0x86
	opTuple3          = 0x87
	opTuple           = 't'
	opEmptyDict       = '}'
	opSetItem         = 's'
	opSetItems        = 'u'
)

// maxProtocol is the newest version of the format; what came before is part of it.
const maxProtocol = 5

// refuse is the error for an instruction that is not carried out, with its
// Python name where that tells what the sender tried.
func refuse(op byte) error {
	switch op {
	case 'c', 0x93, 'i':
		return fmt.Errorf("opcode %#02x imports a Python class or function: send plain data", op)
	case 'R', 'o', 0x81, 0x92, 'b':
		return fmt.Errorf("opcode %#02x calls Python code to build an object: send plain data", op)
	case 'P', 'Q', 0x82, 0x83, 0x84, 0x97, 0x98:
		return fmt.Errorf("opcode %#02x refers to something outside the pickle: send plain data", op)
	case 0x8f, 0x90, 0x91:
		return fmt.Errorf("opcode %#02x builds a set: send a list", op)
	}
	return fmt.Errorf("opcode %#02x is not one of those that build plain data", op)
}
