package pickle

import "errors"

// build carries out the instructions for lists, tuples and dicts.
func (r *reader) build(op byte) error {
	switch op {
	case opMark:
		if len(r.marks) == MaxDepth {
			return errDepth
		}
		r.marks = append(r.marks, len(r.stack))
		return nil
	case opEmptyList:
		return r.push(&list{header: header{cost: costContainer, depth: 1}, items: []any{}})
	case opEmptyDict:
		return r.push(&dict{header: header{cost: costContainer, depth: 1}, items: Dict{}})
	case opAppend, opAppends:
		return r.extend(op == opAppends)
	case opSetItem, opSetItems:
		return r.set(op == opSetItems)
	case opEmptyTuple:
		return r.tuple(r.stack[len(r.stack):])
	case opTuple:
		values, err := r.popToMark()
		if err != nil {
			return err
		}
		return r.tuple(values)
	}
	values, err := r.pop(int(op) - opTuple1 + 1)
	if err != nil {
		return err
	}
	return r.tuple(values)
}

// pop takes n values; they stay valid until the next push.
func (r *reader) pop(n int) ([]any, error) {
	height := len(r.stack) - n
	if height < r.floor() {
		return nil, errStack
	}
	values := r.stack[height:]
	r.stack = r.stack[:height]
	return values, nil
}

func (r *reader) popToMark() ([]any, error) {
	if len(r.marks) == 0 {
		return nil, errors.New("there is no mark")
	}
	values := r.stack[r.floor():]
	r.stack = r.stack[:r.floor()]
	r.marks = r.marks[:len(r.marks)-1]
	return values, nil
}

// values are those after the mark, or the last n.
func (r *reader) values(marked bool, n int) ([]any, error) {
	if marked {
		return r.popToMark()
	}
	return r.pop(n)
}

func (r *reader) tuple(values []any) error {
	t, err := newTuple(values)
	if err != nil {
		return err
	}
	return r.push(t)
}

func (r *reader) extend(marked bool) error {
	values, err := r.values(marked, 1)
	if err != nil {
		return err
	}
	if len(r.stack) <= r.floor() {
		return errStack
	}
	l, ok := r.stack[len(r.stack)-1].(*list)
	if !ok {
		return errors.New("values are appended to something that is not a list")
	}
	return l.add(values)
}

func (r *reader) set(marked bool) error {
	values, err := r.values(marked, 2)
	if err != nil {
		return err
	}
	if len(r.stack) <= r.floor() {
		return errStack
	}
	d, ok := r.stack[len(r.stack)-1].(*dict)
	if !ok {
		return errors.New("keys are set in something that is not a dict")
	}
	return d.add(values)
}
