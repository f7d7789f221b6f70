package main

func Example() {
	main()
	// Output:
	// Hello Ada, you are number 1.
	// Hello Grace, you are number 2.
}
