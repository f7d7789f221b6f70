// Package bank is a small bank that loses no money. Accounts are journals,
// their statements are records, interest is a reminder, and a transfer is a
// saga: an actor that moves money in steps, each of which can be repeated.
// Kill the process at any moment: what was answered has happened, once, and
// what was begun is finished after the restart.
package bank

import "github.com/mallee-io/mallee"

//go:generate go run github.com/mallee-io/mallee/cmd/mallee generate

// Types are the actor types of the bank, for node.Config.
func Types() []mallee.Type {
	return []mallee.Type{AccountType(newAccount), TransferType(newTransfer)}
}

// Cents are an amount of money.
type Cents int64

// Errors of the bank.
var (
	ErrNoAccount = mallee.NewError("bank.no_account", "no such account")
	ErrNoMoney   = mallee.NewError("bank.no_money", "not enough money in the account")
	ErrAmount    = mallee.NewError("bank.amount", "amount must be positive")
	ErrReused    = mallee.NewError("bank.reused", "the transfer's key was used for another transfer")
)
