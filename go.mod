module github.com/mallee-io/mallee

go 1.26
