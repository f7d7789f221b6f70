package mallee

// GeneratedVersion1 is named by generated code of version 1. If the compiler
// cannot find the constant that a generated file names, the file is from
// another version of mallee: run go generate again.
const GeneratedVersion1 = true
