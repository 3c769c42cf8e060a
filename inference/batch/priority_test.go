package batch

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"
	"time"
)

func TestPriorities(t *testing.T) {
	type item struct {
		name     string
		priority uint32
		key      string
	}
	for _, test := range []struct {
		name             string
		levels, standard int
		items            []item
		want             []string
	}{
		{
			"higher levels first, each first come first", 3, 0,
			[]item{{"a", 3, "a"}, {"b", 2, "b"}, {"c", 1, "c"}, {"d", 3, "d"}, {"e", 2, "e"}, {"f", 1, "f"}},
			[]string{"c", "f", "b", "e", "a", "d"},
		},
		{
			"who names none is of the lowest level", 2, 0,
			[]item{{"a", 0, "a"}, {"b", 2, "b"}, {"c", 1, "c"}},
			[]string{"c", "a", "b"},
		},
		{
			"or of the one that is said to be the default, as are levels that do not exist", 3, 2,
			[]item{{"a", 3, "a"}, {"b", 4, "b"}, {"c", 0, "c"}, {"d", math.MaxUint32, "d"}, {"e", 2, "e"}, {"f", 1, "f"}},
			[]string{"f", "b", "c", "d", "e", "a"},
		},
		{
			"one level knows no priorities", 0, 0,
			[]item{{"a", 3, "a"}, {"b", 1, "b"}, {"c", 2, "c"}},
			[]string{"a", "b", "c"},
		},
		{
			"lower levels come along where there is room", 3, 0,
			[]item{{"a", 3, "k"}, {"b", 2, "k"}, {"c", 3, "l"}, {"d", 1, "k"}, {"e", 3, "k"}, {"f", 1, "k"}},
			[]string{"d f b a", "c", "e"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			drive(t, 1, Options{PriorityLevels: test.levels, DefaultPriority: test.standard, MaxRows: 4}, func(p *puppet) {
				outcomes := []*outcome{p.do(p.Context(), "k", 1, "first")}
				r := p.runs("first")
				for _, i := range test.items {
					outcomes = append(outcomes, p.doPart(p.Context(), i.priority, Part{}, i.key, 1, i.name))
				}
				p.waiting(len(test.items), len(test.items))
				r.ends(nil)
				for _, batch := range test.want {
					p.runs(batch).ends(nil)
				}
				for _, o := range outcomes {
					p.returned(o, nil)
				}
			})
		})
	}
}

// While somebody of a higher level always waits, the lower ones are served all the same: whoever has
// waited longest.
func TestNoPriorityStarves(t *testing.T) {
	drive(t, 1, Options{PriorityLevels: 3, MaxRows: 1}, func(p *puppet) {
		first := p.do(p.Context(), "k", 1, "first")
		r := p.runs("first")
		at := func(priority uint32, item string) { p.doPart(p.Context(), priority, Part{}, "k", 1, item) }
		at(3, "oldest")
		at(2, "older")
		at(1, "urgent")
		for _, patient := range []string{"oldest", "older"} {
			for range OvertakesMax {
				r.ends(nil)
				r = p.runs("urgent")
				at(1, "urgent")
			}
			r.ends(nil)
			r = p.runs(patient)
		}
		r.ends(nil)
		p.runs("urgent").ends(nil)
		p.returned(first, nil)
	})
}

func TestPrioritiesOfThoseWhoLeaveAndOfRetries(t *testing.T) {
	drive(t, 1, Options{PriorityLevels: 2, MaxRows: 2}, func(p *puppet) {
		first := p.do(p.Context(), "k", 1, "first")
		r := p.runs("first")
		at := func(priority uint32, d time.Duration, item string) *outcome {
			return p.doPart(over(p, d), priority, Part{}, "k", 1, item)
		}
		// Of each level the last leaves, then all do.
		a, b, c, d := at(2, time.Hour, "a"), at(2, 1, "b"), at(1, time.Hour, "c"), at(1, 2, "d")
		p.passes(2)
		p.returned(b, context.DeadlineExceeded)
		p.returned(d, context.DeadlineExceeded)
		e := at(1, time.Hour, "e")
		r.ends(nil)
		p.returned(first, nil)
		r = p.runs("c e")
		f := at(1, time.Hour, "f")
		r.ends(errors.New("bad"))
		p.runs("c").ends(nil)
		p.returned(c, nil)
		r = p.runs("e") // before f, which came later
		g := at(1, 3, "g")
		p.passes(3)
		p.returned(g, context.DeadlineExceeded)
		r.ends(nil)
		p.returned(e, nil)
		p.runs("f a").ends(nil)
		p.returned(f, nil)
		p.returned(a, nil)
	})
}

// With a delay, the level counts among those only that need not wait for others any longer.
func TestPrioritiesAndDelay(t *testing.T) {
	drive(t, 1, Options{PriorityLevels: 2, Delay: 10 * time.Millisecond, MaxRows: 3}, func(p *puppet) {
		at := func(priority uint32, key, item string) *outcome {
			return p.doPart(p.Context(), priority, Part{}, key, 1, item)
		}
		a := at(2, "a", "a")
		p.passes(5 * time.Millisecond)
		b := at(1, "b", "b")
		p.passes(5 * time.Millisecond)
		r := p.runs("a")
		p.passes(5 * time.Millisecond)
		c := at(2, "c", "c")
		r.ends(nil)
		p.returned(a, nil)
		r = p.runs("b")
		p.passes(10 * time.Millisecond)
		d, e, f := at(1, "d", "d"), at(1, "d", "e"), at(2, "d", "f") // full
		r.ends(nil)
		p.returned(b, nil)
		p.runs("d e f").ends(nil)
		p.runs("c").ends(nil)
		for _, o := range []*outcome{c, d, e, f} {
			p.returned(o, nil)
		}
	})
}

// The levels' stretches of the queue are what they should be, whatever happens.
func FuzzLevels(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 128, 200, 7, 9, 255, 131, 1})
	f.Fuzz(func(t *testing.T, acts []byte) {
		b, err := New[string](1, func([]string) error { return nil }, Options{PriorityLevels: 4})
		if err != nil {
			t.Fatal(err)
		}
		var model [4][]*call[string, string] // first come first
		for i, act := range acts {
			level := int(act) % 4
			switch {
			case act >= 128 && len(model[level]) > 0:
				at := int(act) / 4 % len(model[level])
				b.dequeue(model[level][at])
				model[level] = append(model[level][:at:at], model[level][at+1:]...)
			default:
				c := &call[string, string]{level: level, rows: 1 + i, turn: uint64(i)}
				before := act&64 != 0
				b.insert(c, before)
				if before {
					model[level] = append([]*call[string, string]{c}, model[level]...)
				} else {
					model[level] = append(model[level], c)
				}
			}
			w := b.waiting.head
			for l, calls := range model {
				rows := 0
				for _, c := range calls {
					if w != c {
						t.Fatalf("after %v: the queue is out of order", acts[:i+1])
					}
					w = w.next
					rows += c.rows
				}
				if got := b.levels[l]; got.items != len(calls) || got.rows != rows || (got.last == nil) != (len(calls) == 0) {
					t.Fatalf("after %v: level %d: %s, expected %d items, %d rows", acts[:i+1], l, fmt.Sprint(got.items, got.rows), len(calls), rows)
				}
			}
			if w != nil {
				t.Fatalf("after %v: the queue holds too many", acts[:i+1])
			}
		}
	})
}
