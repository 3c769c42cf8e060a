package serving

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

func wantNear(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance) {
		t.Errorf("%s: want %.12g, got %.12g", what, want, got)
	}
}

func TestForecastScoresByHand(t *testing.T) {
	f := Forecast{.5, .3, .2}
	for _, c := range []struct {
		outcome             Outcome
		rps, logLoss, brier float64
	}{
		{HomeWin, .145, .69314718, .38}, // ½(.25+.04), ln 2, .25+.09+.04
		{Draw, .145, 1.20397280, .78},
		{AwayWin, .445, 1.60943791, .98},
	} {
		wantNear(t, "RPS", f.RPS(c.outcome), c.rps, 1e-15)
		wantNear(t, "log loss", f.LogLoss(c.outcome), c.logLoss, 1e-8)
		wantNear(t, "Brier", f.Brier(c.outcome), c.brier, 1e-15)
	}
	certain := Forecast{Home: 1}
	wantNear(t, "RPS at best", certain.RPS(HomeWin), 0, 0)
	wantNear(t, "RPS at worst", certain.RPS(AwayWin), 1, 0)
	wantNear(t, "Brier at worst", certain.Brier(Draw), 2, 0)
	wantNear(t, "log loss at worst", certain.LogLoss(Draw), 34.5387764, 1e-7)
	wantNear(t, "log loss at best", certain.LogLoss(HomeWin), 0, 0)
}

func TestOutcomes(t *testing.T) {
	for _, c := range []struct {
		home, away int
		want       Outcome
	}{{2, 1, HomeWin}, {0, 0, Draw}, {1, 3, AwayWin}} {
		if got := OutcomeOf(c.home, c.away); got != c.want {
			t.Errorf("%d-%d: want %d, got %d", c.home, c.away, c.want, got)
		}
	}
	for _, c := range []struct {
		forecast Forecast
		want     Outcome
	}{
		{Forecast{.4, .3, .3}, HomeWin},
		{Forecast{.3, .4, .3}, Draw},
		{Forecast{.3, .3, .4}, AwayWin},
		{Forecast{.4, .2, .4}, HomeWin},
		{Forecast{.2, .4, .4}, Draw},
	} {
		if got := c.forecast.Likeliest(); got != c.want {
			t.Errorf("%v: want %d, got %d", c.forecast, c.want, got)
		}
	}
}

func TestQualityByHand(t *testing.T) {
	var q Quality
	for _, m := range []struct {
		forecast Forecast
		outcome  Outcome
	}{
		{Forecast{.5, .3, .2}, HomeWin},
		{Forecast{.5, .3, .2}, AwayWin},
		{Forecast{.2, .2, .6}, AwayWin},
		{Forecast{.7, .2, .1}, Draw},
	} {
		if err := q.Add(m.forecast, m.outcome); err != nil {
			t.Fatal(err)
		}
	}
	s := q.Summary()
	if s.Matches != 4 {
		t.Errorf("matches: want 4, got %d", s.Matches)
	}
	wantNear(t, "RPS", s.RPS, .235, 1e-12)               // (.145+.445+.1+.25)/4
	wantNear(t, "log loss", s.LogLoss, 1.10571216, 1e-8) // (ln 2 − ln .2 − ln .6 − ln .2)/4
	wantNear(t, "Brier", s.Brier, .685, 1e-12)           // (.38+.98+.24+1.14)/4
	wantNear(t, "accuracy", s.Accuracy, .5, 0)
	// Home: bins of .2, .5, .5 and .7, of which one .5 happened: (.2+0+.7)/4. Draw: of .2, .2, .3, .3
	// one .2: (.6+.6)/4. Away: of .1, .2, .2, .6 one .2 and the .6: (.1+.6+.4)/4.
	wantNear(t, "ECE", s.ECE, (.225+.3+.275)/3, 1e-12)
	wantNear(t, "home-win accuracy", s.HomeWin.Accuracy, .5, 0)
	wantNear(t, "home-win precision", s.HomeWin.Precision, 1.0/3, 1e-15)
	wantNear(t, "home-win recall", s.HomeWin.Recall, 1, 0)
	wantNear(t, "home-win F1", s.HomeWin.F1, .5, 1e-15)
	wantNear(t, "home-win AUC", s.HomeWin.AUC, .5, 1e-15) // against .5, .2 and .7: (½+1+0)/3
}

// The same numbers from the definitions, in the plainest code.
func TestQualityAgainstDefinitions(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	const n = 3_000
	forecasts, outcomes := make([]Forecast, n), make([]Outcome, n)
	var q Quality
	for i := range forecasts {
		// Two decimals, so that many are equal.
		home := math.Round(100*(.05+.6*rng.Float64())) / 100
		draw := math.Round(100*(.1+.2*rng.Float64())) / 100
		forecasts[i] = Forecast{home, draw, 1 - home - draw}
		switch u := rng.Float64(); {
		case u < home:
			outcomes[i] = HomeWin
		case u < home+draw:
			outcomes[i] = Draw
		default:
			outcomes[i] = AwayWin
		}
		if err := q.Add(forecasts[i], outcomes[i]); err != nil {
			t.Fatal(err)
		}
	}
	got := q.Summary()

	var rps, logLoss, brier, hits float64
	for i, f := range forecasts {
		p := [3]float64{f.Home, f.Draw, f.Away}
		var o [3]float64
		o[outcomes[i]] = 1
		rps += ((p[0]-o[0])*(p[0]-o[0]) + (p[0]+p[1]-o[0]-o[1])*(p[0]+p[1]-o[0]-o[1])) / 2
		likeliest := 0
		for k := range p {
			brier += (p[k] - o[k]) * (p[k] - o[k])
			logLoss -= o[k] * math.Log(p[k])
			if p[k] > p[likeliest] {
				likeliest = k
			}
		}
		hits += o[likeliest]
	}
	wantNear(t, "RPS", got.RPS, rps/n, 1e-12)
	wantNear(t, "log loss", got.LogLoss, logLoss/n, 1e-12)
	wantNear(t, "Brier", got.Brier, brier/n, 1e-12)
	wantNear(t, "accuracy", got.Accuracy, hits/n, 1e-12)

	var ece float64
	for class := HomeWin; class <= AwayWin; class++ {
		for bin := range 10 {
			var count, sum, happened float64
			for i, f := range forecasts {
				if p := f.Of(class); int(p*10) == bin {
					count++
					sum += p
					if outcomes[i] == class {
						happened++
					}
				}
			}
			if count > 0 {
				ece += count / n * math.Abs(sum/count-happened/count) / 3
			}
		}
	}
	wantNear(t, "ECE", got.ECE, ece, 1e-12)

	var truePositive, falsePositive, falseNegative, trueNegative, pairs, ordered float64
	for i, f := range forecasts {
		switch won := outcomes[i] == HomeWin; {
		case f.Home >= .5 && won:
			truePositive++
		case f.Home >= .5:
			falsePositive++
		case won:
			falseNegative++
		default:
			trueNegative++
		}
		for j, g := range forecasts {
			if outcomes[i] == HomeWin && outcomes[j] != HomeWin {
				pairs++
				if f.Home > g.Home {
					ordered++
				} else if f.Home == g.Home {
					ordered += .5
				}
			}
		}
	}
	precision, recall := truePositive/(truePositive+falsePositive), truePositive/(truePositive+falseNegative)
	wantNear(t, "home-win accuracy", got.HomeWin.Accuracy, (truePositive+trueNegative)/n, 1e-12)
	wantNear(t, "home-win precision", got.HomeWin.Precision, precision, 1e-12)
	wantNear(t, "home-win recall", got.HomeWin.Recall, recall, 1e-12)
	wantNear(t, "home-win F1", got.HomeWin.F1, 2*precision*recall/(precision+recall), 1e-12)
	wantNear(t, "home-win AUC", got.HomeWin.AUC, ordered/pairs, 1e-12)
}

// Where a share has nothing to be a share of, it is 0, and an AUC without a pair is .5.
func TestQualityOfTooLittle(t *testing.T) {
	type match struct {
		forecast Forecast
		outcome  Outcome
	}
	for _, c := range []struct {
		name    string
		matches []match
		want    HomeWinQuality
	}{
		{"no match", nil, HomeWinQuality{AUC: .5}},
		{"one home win, foretold", []match{{Forecast{1, 0, 0}, HomeWin}}, HomeWinQuality{1, 1, 1, 1, .5}},
		{"one home win, not foretold", []match{{Forecast{0, 0, 1}, HomeWin}}, HomeWinQuality{0, 0, 0, 0, .5}},
		{"no home win, none foretold", []match{{Forecast{0, 1, 0}, Draw}}, HomeWinQuality{1, 0, 0, 0, .5}},
		{"no home win, one foretold", []match{{Forecast{1, 0, 0}, Draw}}, HomeWinQuality{0, 0, 0, 0, .5}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var q Quality
			for _, m := range c.matches {
				if err := q.Add(m.forecast, m.outcome); err != nil {
					t.Fatal(err)
				}
			}
			s := q.Summary()
			if s.HomeWin != c.want {
				t.Errorf("want %+v, got %+v", c.want, s.HomeWin)
			}
			if _, err := json.Marshal(s); err != nil { // refuses NaN and infinities
				t.Error(err)
			}
		})
	}
}

func TestQualityRefusesWhatIsNoForecast(t *testing.T) {
	nan := math.NaN()
	for _, c := range []struct {
		forecast Forecast
		outcome  Outcome
		want     string
	}{
		{Forecast{nan, .5, .5}, Draw, "home probability: want a number from 0 to 1, got NaN"},
		{Forecast{.6, -.1, .5}, Draw, "draw probability: want a number from 0 to 1, got -0.1"},
		{Forecast{0, 0, 1.1}, Draw, "away probability: want a number from 0 to 1, got 1.1"},
		{Forecast{.5, .3, .1}, Draw, "want a sum of 1, got 0.9"},
		{Forecast{.5, .3, .2}, 3, "outcome: want 0 (home win), 1 (draw) or 2 (away win), got 3"},
	} {
		var q Quality
		err := q.Add(c.forecast, c.outcome)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("want an error with %q, got %v", c.want, err)
		}
		if n := q.Summary().Matches; n != 0 {
			t.Errorf("%v: want it not counted, got %d matches", c.forecast, n)
		}
	}
}

func BenchmarkQuality(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	forecasts := make([]Forecast, 18_005)
	for i := range forecasts {
		home := rng.Float64()
		forecasts[i] = Forecast{home, (1 - home) / 2, (1 - home) / 2}
	}
	b.ReportAllocs()
	for b.Loop() {
		var q Quality
		for i, f := range forecasts {
			if err := q.Add(f, Outcome(i%3)); err != nil {
				b.Fatal(err)
			}
		}
		if q.Summary().Matches != len(forecasts) {
			b.Fatal("matches lost")
		}
	}
}
