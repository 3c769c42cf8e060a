package batch

import (
	"context"
	"fmt"
	"math"
	"sync"
)

func Example() {
	type request struct{ in, out float64 } // each caller's memory, filled by the run
	roots, err := New[string](2, func(requests []*request) error {
		for _, r := range requests {
			r.out = math.Sqrt(r.in)
		}
		return nil
	}, Options{MaxRows: 32})
	if err != nil {
		panic(err)
	}
	var callers sync.WaitGroup
	for i := range 3 {
		callers.Go(func() {
			r := request{in: float64(i * i)}
			if err := roots.Do(context.Background(), "float64", 1, &r); err != nil || r.out != float64(i) {
				fmt.Println(r, err)
			}
		})
	}
	callers.Wait()
	fmt.Println(roots.Close(context.Background()))
	// Output: <nil>
}
