package driver

// Plan names at most max actors that are to move now.
func (d *Directory) Plan(max int) []Move { return nil }
