// Package freight has a type named like one of package market.
package freight

// Item is freight.
type Item struct {
	Tons int `json:"tons"`
}

// Crate is embedded by others.
type Crate struct {
	Weight float64
	Label  string
}
