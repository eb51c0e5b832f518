package journal

// A merger yields the rows of several runs in order, equal ones once.
type merger struct {
	heads []mergeHead
	last  row
	any   bool // last is set

	stopped chan struct{}
	count   int
}

// mergeStride is how many rows are merged between two looks at whether the journal
// is being closed: merging the largest runs takes minutes.
const mergeStride = 1 << 16

type mergeHead struct {
	from *runReader
	row  row
}

func newMerger(runs []*run, stopped chan struct{}) (*merger, error) {
	m := &merger{stopped: stopped}
	for _, r := range runs {
		from := newRunReader(r)
		first, ok, err := from.read()
		if err != nil {
			return nil, err
		}
		if ok {
			m.heads = append(m.heads, mergeHead{from, first})
		}
	}
	return m, nil
}

// next looks at every head: there are as many as runs are merged at a time, four,
// for which a heap would be slower.
func (m *merger) next() (row, bool, error) {
	for len(m.heads) > 0 {
		if m.count++; m.count%mergeStride == 0 {
			select {
			case <-m.stopped:
				return row{}, false, errStopped
			default:
			}
		}
		least := 0
		for i := range m.heads[1:] {
			if compareRows(m.heads[i+1].row, m.heads[least].row) < 0 {
				least = i + 1
			}
		}
		got := m.heads[least].row
		next, ok, err := m.heads[least].from.read()
		if err != nil {
			return row{}, false, err
		}
		if ok {
			m.heads[least].row = next
		} else {
			m.heads = append(m.heads[:least], m.heads[least+1:]...)
		}
		if !m.any || got != m.last {
			m.last, m.any = got, true
			return got, true, nil
		}
	}
	return row{}, false, nil
}
