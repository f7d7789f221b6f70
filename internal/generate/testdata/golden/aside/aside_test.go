package aside

func encodeItem() {}

var _ = encodeItem
