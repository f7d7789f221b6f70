package test_name_taken

func AOf() {}
