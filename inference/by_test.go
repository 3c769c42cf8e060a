package inference

import (
	"errors"
	"strings"
	"testing"
)

// Who decides is said, with more than white space.
func TestByNeedsAnActor(t *testing.T) {
	for actor, fits := range map[string]bool{"": false, " \t\n": false, "\u2003": false, strings.Repeat("a", actorBytesMax+1): false, "anna": true} {
		if err := (By{Actor: actor}).check(); (err == nil) != fits || err != nil && !errors.Is(err, ErrRefused) {
			t.Errorf("%q: got %v", actor, err)
		}
	}
}
