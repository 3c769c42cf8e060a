package collect

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"footballprediction/features"
)

// readText reads one file from memory.
func readText(t *testing.T, path, content string) *History {
	t.Helper()
	r := newReader(true)
	if err := r.read(path, strings.NewReader(content)); err != nil {
		t.Fatal(err)
	}
	h := r.history()
	check(t, h)
	return h
}

// summary is a match in a line.
func summary(m *features.Match) string {
	s := fmt.Sprintf("%s %s %d-%d %v", m.ID, m.Season, m.HomeGoals, m.AwayGoals, m.Status)
	if h, a := m.HomeStats, m.AwayStats; h != noStats || a != noStats {
		s += fmt.Sprintf(" %v %v", h, a)
	}
	return s
}

// Each defect that was seen in real files, and some that were not, costs no more than its own row
// or value.
func TestDefects(t *testing.T) {
	complete := func(date, home, away string) string {
		return "E0," + date + "," + home + "," + away + ",2,1,H,1,0,H,9,8,4,3,6,5,0,1,1.9,3.5,4.2\n"
	}
	const arsenal, chelsea = "E0-20240817-arsenal-fulham 2024-25 1-0 finished", "E0-20240818-chelsea-fulham 2024-25 2-2 finished"
	for _, test := range []struct {
		name, path, content string
		want                []string // summaries
		setAside, mended    map[Reason]int
		passedOver          Reason
	}{
		{
			name: "byte order mark", content: "\ufeff" + plain + "E0,17/08/24,Arsenal,Fulham,1,0,H\n", want: []string{arsenal},
		}, {
			name:    "line ends of all kinds, none at the end",
			content: strings.TrimSuffix(plain, "\n") + "\r\nE0,17/08/24,Arsenal,Fulham,1,0,H\nE0,18/08/24,Chelsea,Fulham,2,2,D",
			want:    []string{arsenal, chelsea},
		}, {
			name:    "carriage returns alone",
			content: strings.TrimSuffix(plain, "\n") + "\rE0,17/08/24,Arsenal,Fulham,1,0,H\rE0,18/08/24,Chelsea,Fulham,2,2,D\r",
			want:    []string{arsenal, chelsea},
		}, {
			name:    "cp1252 and no-break spaces",
			content: plain + "D2,17/08/24,Preu\xdfen M\xfcnster,\xa0Ulm,1\xa0,\xa0 0,H\nD2,24/08/24,\u00a0Hertha\u00a0,Preußen Münster\u00a0,1,0,H\n",
			want: []string{"D2-20240817-preussen-munster-ulm 2024-25 1-0 finished",
				"D2-20240824-hertha-preussen-munster 2024-25 1-0 finished"},
		}, {
			name: "a letter that ends like a no-break space", content: plain + "I9,17/08/24,Forlì à,Fano,1,0,H\n",
			want: []string{"I9-20240817-forli-a-fano 2024-25 1-0 finished"},
		}, {
			name:    "empty column names",
			content: "Div,Date,,HomeTeam,AwayTeam,FTHG,FTAG,,,\nE0,17/08/24,x,Arsenal,Fulham,1,0,5,6,7\n", want: []string{arsenal},
		}, {
			name:    "rows of commas and of nothing",
			content: plain + ",,,,,,\nE0,17/08/24,Arsenal,Fulham,1,0,H\n\n,,,,,,,,,,,,\n  ,\"\",\u00a0,,\r\n", want: []string{arsenal},
		}, {
			name:    "ragged rows",
			content: full + "E0,17/08/24,Arsenal,Fulham,1,0\nE0,18/08/24,Chelsea,Fulham,2,2,D,,,,,,,,,,,,,,,9,9,9,9\nE0,19/08/24\nE0\n",
			want:    []string{arsenal, chelsea}, setAside: map[Reason]int{TeamUnknown: 1, DateUnknown: 1},
		}, {
			name: "dates of all kinds in one file",
			content: plain + "E0,17/08/24,Arsenal,Fulham,1,0,H\nE0,18/08/2024,Chelsea,Fulham,2,2,D\nE0,2024-08-19,Everton,Fulham,0,0,D\n" +
				"E0,3/9/2024,Brentford,Fulham,0,0,D\nE0,Sun Sep 15 2024,Wolves,Fulham,0,0,D\n",
			want: []string{arsenal, chelsea, "E0-20240819-everton-fulham 2024-25 0-0 finished",
				"E0-20240903-brentford-fulham 2024-25 0-0 finished", "E0-20240915-wolves-fulham 2024-25 0-0 finished"},
		}, {
			name: "two-digit years of two centuries", content: plain + "E0,14/08/99,Arsenal,Fulham,1,0,H\nE0,01/09/00,Arsenal,Fulham,1,0,H\n",
			want: []string{"E0-19990814-arsenal-fulham 1999-00 1-0 finished", "E0-20000901-arsenal-fulham 2000-01 1-0 finished"},
		}, {
			name: "unknown dates",
			content: plain + "E0,31/02/24,Arsenal,Fulham,1,0,H\nE0,,Arsenal,Fulham,1,0,H\nE0,tomorrow,Arsenal,Fulham,1,0,H\n" +
				"E0,08/17/2024,Arsenal,Fulham,1,0,H\nE0,17/08/224,Arsenal,Fulham,1,0,H\nE0,17/08/3024,Arsenal,Fulham,1,0,H\n" +
				"E0,0/0/24,Arsenal,Fulham,1,0,H\nE0,2024-8-17,Arsenal,Fulham,1,0,H\nE0,-1/08/24,Arsenal,Fulham,1,0,H\n" +
				"E0,Sun Feb 30 2024,Arsenal,Fulham,1,0,H\nE0,17/08/24/1,Arsenal,Fulham,1,0,H\n",
			setAside: map[Reason]int{DateUnknown: 11},
		}, {
			name:    "team columns called HT and AT",
			content: "Div,Date,HT,AT,FTHG,FTAG,FTR,HTHG,HTAG,HTR\nG1,16/09/00,Olympiakos,Eth Asteras,6,0,H,2,0,H\n",
			want:    []string{"G1-20000916-olympiakos-ethnikos-asteras 2000-01 6-0 finished {2 -1 -1 -1 -1} {0 -1 -1 -1 -1}"},
		}, {
			name: "missing scores",
			content: plain + "G1,17/03/2019,Panathinaikos,Olympiakos,,,\nG1,17/03/2019,AEK,Olympiakos, , ,A\n" +
				"G1,17/03/2019,PAOK,Olympiakos,1,,\nG1,17/03/2019,Aris,Olympiakos,,1,\n",
			setAside: map[Reason]int{NoScore: 2, GoalsUnknown: 2},
		}, {
			name: "missing score in the footballcsv layout", path: "2014-15/gr.1.csv",
			content:  "Date,Team 1,FT,HT,Team 2\nSun Feb 22 2015,AEK,?,?,PAOK\nSun Feb 22 2015,Aris,,,PAOK\nSun Feb 22 2015,OFI,3,,PAOK\nSun Feb 22 2015,Xanthi,1-0,x,PAOK\n",
			want:     []string{"G1-20150222-xanthi-paok 2014-15 1-0 finished"},
			setAside: map[Reason]int{NoScore: 2, GoalsUnknown: 1}, mended: map[Reason]int{HalfTimeWrong: 1},
		}, {
			name: "goals that are none",
			content: plain + "E0,17/08/24,Arsenal,Fulham,-1,0,H\nE0,17/08/24,Arsenal,Fulham,51,0,H\nE0,17/08/24,Arsenal,Fulham,1.5,0,H\n" +
				"E0,17/08/24,Arsenal,Fulham,one,0,H\nE0,17/08/24,Arsenal,Fulham,99999999999999999999,0,H\nE0,17/08/24,Arsenal,Fulham,+1,0,H\n" +
				"E0,17/08/24,Arsenal,Fulham,1.0,0.0,H\n",
			want: []string{arsenal}, setAside: map[Reason]int{GoalsUnknown: 6},
		}, {
			name: "result letter contradicting the score", content: plain + "E0,17/08/24,Arsenal,Fulham,1,0,D\nE0,18/08/24,Chelsea,Fulham,2,2,\n",
			want: []string{arsenal, chelsea}, mended: map[Reason]int{ResultConflict: 1},
		}, {
			name:    "half time above full time",
			content: full + "E0,17/08/24,Arsenal,Fulham,1,0,H,2,0,H,,,,,,,,,,,\n", want: []string{arsenal}, mended: map[Reason]int{HalfTimeWrong: 1},
		}, {
			name:    "shots on target above shots",
			content: full + "E0,17/08/24,Arsenal,Fulham,1,0,H,0,0,D,3,8,4,3,6,5,0,1,,,\n",
			want:    []string{arsenal + " {0 -1 -1 6 0} {0 8 3 5 1}"}, mended: map[Reason]int{ShotsConflict: 1},
		}, {
			name:    "statistics that are none",
			content: full + "E0,17/08/24,Arsenal,Fulham,1,0,H,x,0,D,-3,8,#,3,999,5,0,1,,,\n",
			want:    []string{arsenal + " {-1 -1 -1 -1 0} {0 8 3 5 1}"}, mended: map[Reason]int{HalfTimeWrong: 1, StatisticWrong: 3},
		}, {
			name: "odds that are none", content: full + "E0,17/08/24,Arsenal,Fulham,1,0,H,,,,,,,,,,,,#,3,4\nE0,18/08/24,Chelsea,Fulham,2,2,D,,,,,,,,,,,,0,3,4\n",
			want: []string{arsenal, chelsea}, mended: map[Reason]int{OddsWrong: 2},
		}, {
			name: "an awarded match",
			content: full + complete("10/08/24", "Arsenal", "Chelsea") + complete("11/08/24", "Fulham", "Chelsea") +
				"E0,17/08/24,Arsenal,Fulham,3,0,H,,,,,,,,,,,,1.5,4,7\n",
			want: []string{"E0-20240810-arsenal-chelsea 2024-25 2-1 finished {1 9 4 6 0} {0 8 3 5 1}",
				"E0-20240811-fulham-chelsea 2024-25 2-1 finished {1 9 4 6 0} {0 8 3 5 1}",
				"E0-20240817-arsenal-fulham 2024-25 3-0 awarded"},
		}, {
			name: "a source that stopped counting",
			content: full + complete("10/08/24", "Arsenal", "Chelsea") + "E0,17/08/24,Arsenal,Fulham,1,0,H\n" +
				"E0,18/08/24,Chelsea,Fulham,2,2,D\n",
			want: []string{"E0-20240810-arsenal-chelsea 2024-25 2-1 finished {1 9 4 6 0} {0 8 3 5 1}", arsenal, chelsea},
		}, {
			name: "another league of the file has no statistics",
			content: full + complete("10/08/24", "Arsenal", "Chelsea") + complete("11/08/24", "Fulham", "Chelsea") + complete("12/08/24", "Fulham", "Arsenal") +
				"EC,17/08/24,Yeovil,Woking,3,0,H\n",
			want: []string{"E0-20240810-arsenal-chelsea 2024-25 2-1 finished {1 9 4 6 0} {0 8 3 5 1}",
				"E0-20240811-fulham-chelsea 2024-25 2-1 finished {1 9 4 6 0} {0 8 3 5 1}",
				"E0-20240812-fulham-arsenal 2024-25 2-1 finished {1 9 4 6 0} {0 8 3 5 1}",
				"EC-20240817-yeovil-woking 2024-25 3-0 finished"},
		}, {
			name:    "play-offs repeat a pairing",
			content: plain + "B1,17/03/24,Oud-Heverlee Leuven,Mechelen,1,0,H\nB1,30/03/24,Oud-Heverlee Leuven,Mechelen,2,3,A\n",
			want: []string{"B1-20240317-oud-heverlee-leuven-mechelen 2023-24 1-0 finished",
				"B1-20240330-oud-heverlee-leuven-mechelen 2023-24 2-3 finished"},
		}, {
			name: "quoted fields",
			content: "Referee,Div,Date,HomeTeam,AwayTeam,FTHG,FTAG,Note\n\"Fleischer, H\",E0,17/08/24,\"Arsenal\",\"Fulham\",\"1\",0,\"a \"\"b\"\", c\"\n" +
				"\"never closed,E0,17/08/24,Everton,Fulham,1,0,\nO\"Brien,E0,18/08/24,Chelsea,Fulham,2,2,\"-1,-1.5\"\n",
			want: []string{arsenal, chelsea}, setAside: map[Reason]int{DateUnknown: 1},
		}, {
			name: "teams that are none",
			content: plain + "E0,17/08/24,,Fulham,1,0,H\nE0,17/08/24,Arsenal,  ,1,0,H\nE0,17/08/24,3,Fulham,1,0,H\nE0,17/08/24,Ar\x01senal,Fulham,1,0,H\n" +
				"E0,17/08/24," + strings.Repeat("a", 81) + ",Fulham,1,0,H\nE0,17/08/24,Fulham,FULHAM ,1,0,H\n",
			setAside: map[Reason]int{TeamUnknown: 5, SameTeamTwice: 1},
		}, {
			name:     "divisions that are none",
			content:  plain + ",17/08/24,Arsenal,Fulham,1,0,H\nE-0,17/08/24,Arsenal,Fulham,1,0,H\nPremierLeague,17/08/24,Arsenal,Fulham,1,0,H\ne0,17/08/24,Arsenal,Fulham,1,0,H\n",
			want:     []string{arsenal},
			setAside: map[Reason]int{DivisionUnknown: 3},
		}, {
			name: "seasons joined, each with its header",
			content: "Div,Date,HomeTeam,AwayTeam,FTHG,FTAG\nE0,17/08/24,Arsenal,Fulham,1,0\n" +
				"Div,Date,Time,HomeTeam,AwayTeam,FTHG,FTAG\nE0,18/08/24,12:00,Chelsea,Fulham,2,2\n",
			want: []string{arsenal, chelsea},
		}, {
			name:    "one name in two countries",
			content: plain + "N1,17/08/96,Heracles,Ajax ,1,0,H\nG1,17/08/96,Heracles,AEK,1,0,H\n",
			want: []string{"G1-19960817-iraklis-aek 1996-97 1-0 finished",
				"N1-19960817-heracles-ajax 1996-97 1-0 finished"},
		}, {
			name: "a season played on into summer", path: "results/1920/E0.csv",
			content: plain + "E0,09/08/2019,Liverpool,Norwich,4,1,H\nE0,10/08/2019,Arsenal,Fulham,4,1,H\nE0,26/07/2020,Arsenal,Watford,3,2,H\n",
			want: []string{"E0-20190809-liverpool-norwich 2019-20 4-1 finished", "E0-20190810-arsenal-fulham 2019-20 4-1 finished",
				"E0-20200726-arsenal-watford 2019-20 3-2 finished"},
		}, {
			name: "a season played on into summer, in a file of no name", path: "download/E0.csv",
			content: plain + "E0,09/08/2019,Liverpool,Norwich,4,1,H\nE0,26/07/2020,Arsenal,Watford,3,2,H\n",
			want:    []string{"E0-20190809-liverpool-norwich 2019-20 4-1 finished", "E0-20200726-arsenal-watford 2019-20 3-2 finished"},
		}, {
			name: "a folder named for a year", path: "2021/E0.csv",
			content: plain + "E0,14/08/2021,Liverpool,Norwich,4,1,H\nE0,26/09/2021,Arsenal,Watford,3,2,H\n",
			want:    []string{"E0-20210814-liverpool-norwich 2021-22 4-1 finished", "E0-20210926-arsenal-watford 2021-22 3-2 finished"},
		}, {
			name: "a year mistyped", path: "premier-league/season-2425.csv",
			content: "Date,HomeTeam,AwayTeam,FTHG,FTAG\n2024-08-17,Arsenal,Fulham,1,0\n2024-08-18,Chelsea,Fulham,2,2\n2042-08-19,Everton,Fulham,1,0\n",
			want:    []string{arsenal, chelsea}, setAside: map[Reason]int{WrongSeason: 1},
		}, {
			name:    "many seasons in one file",
			content: plain + "E0,01/05/19,Arsenal,Fulham,1,0,H\nE0,01/05/20,Arsenal,Fulham,1,0,H\nE0,01/09/20,Arsenal,Fulham,1,0,H\n",
			want: []string{"E0-20190501-arsenal-fulham 2018-19 1-0 finished", "E0-20200501-arsenal-fulham 2019-20 1-0 finished",
				"E0-20200901-arsenal-fulham 2020-21 1-0 finished"},
		},
		{name: "header alone", content: plain},
		{name: "empty file", content: "", passedOver: Empty},
		{name: "no table", content: "<html>\n<body>Not found</body>\n", passedOver: NoMatches},
		{name: "another table", content: "date,home_team,away_team,team,scorer\n", passedOver: NoMatches},
		{name: "wide text", content: "\xff\xfeD\x00i\x00v\x00", passedOver: NoMatches},
		{name: "league unknown", path: "x/y.csv", content: "Date,HomeTeam,AwayTeam,FTHG,FTAG\n", passedOver: LeagueUnknown},
		{name: "footballcsv file of no league", path: "eng.10.csv", content: "Date,Team 1,FT,HT,Team 2\n", passedOver: LeagueUnknown},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := test.path
			if path == "" {
				path = "E0.csv"
			}
			h := readText(t, path, test.content)
			var got []string
			for i := range h.Matches {
				got = append(got, summary(&h.Matches[i]))
			}
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
			r := &h.Report
			if !maps.Equal(r.SetAside.Counts, test.setAside) || !maps.Equal(r.Mended.Counts, test.mended) {
				t.Errorf("set aside %v, want %v; mended %v, want %v\n%v", r.SetAside.Counts, test.setAside, r.Mended.Counts, test.mended,
					append(r.SetAside.Examples, r.Mended.Examples...))
			}
			if n := r.PassedOver.Counts[test.passedOver]; r.PassedOver.Total() != n || (n == 1) != (test.passedOver != "") {
				t.Errorf("passed over %v, want %q", r.PassedOver.Examples, test.passedOver)
			}
		})
	}
}

// A spelling is kept beside the name where the two differ, so that what is written for the reader
// of a file can use the file's own.
func TestSpellings(t *testing.T) {
	h := readText(t, "E0.csv", plain+
		"SP1,05/09/98,Villareal,Espanol,1,0,H\nSP1,06/09/98,Betis,Espanol,1,0,H\nD1,07/08/93,Leipzig,Dresden ,1,0,H\n")
	want := map[string][2]string{
		"SP1-19980905-villarreal-espanol": {"Villareal", "Espanol"},
		"D1-19930807-vfb-leipzig-dresden": {"Leipzig", "Dresden"},
	}
	if !reflect.DeepEqual(h.Spellings, want) {
		t.Errorf("spellings %v, want %v", h.Spellings, want)
	}
}

func TestProblemsNameTheirPlace(t *testing.T) {
	content := plain + "\r\n\r\nE0,17/08/24,Arsenal,Fulham,x,0,H\r\n" + strings.Repeat("E0,nowhen,Arsenal,Fulham,1,0,H\n", 20)
	h := readText(t, "E0.csv", content)
	want := Problem{"E0.csv", 4, GoalsUnknown, `FTHG: expected a count of at most 50, got "x"`}
	if got := h.Report.SetAside.Examples[0]; got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if n := len(h.Report.SetAside.Examples); n != 1+examplesPerReason || h.Report.SetAside.Counts[DateUnknown] != 20 {
		t.Errorf("%d examples of %v", n, h.Report.SetAside.Counts)
	}
}

// repeated is a reader of n bytes that are all the same.
type repeated struct {
	n int
	b byte
}

func (r *repeated) Read(p []byte) (int, error) {
	if r.n == 0 {
		return 0, io.EOF
	}
	n := min(len(p), r.n)
	for i := range p[:n] {
		p[i] = r.b
	}
	r.n -= n
	return n, nil
}

func TestLongLineTakesNoMemory(t *testing.T) {
	r := newReader(false)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := r.read("E0.csv", io.MultiReader(strings.NewReader(plain), &repeated{100 << 20, 'x'},
		strings.NewReader("\nE0,17/08/24,Arsenal,Fulham,1,0,H\n"), &repeated{100 << 20, ','}))
	runtime.ReadMemStats(&after)
	if err != nil {
		t.Fatal(err)
	}
	h := r.history()
	check(t, h)
	if len(h.Matches) != 1 || h.Report.SetAside.Counts[LineTooLong] != 2 {
		t.Errorf("%d matches, set aside %v", len(h.Matches), h.Report.SetAside.Counts)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 4<<20 {
		t.Errorf("%d bytes allocated for a line of 100 MiB", used)
	}
}

// failing gives some bytes and then an error.
type failing struct{ given io.Reader }

var errBroken = errors.New("broken disk")

func (f failing) Read(p []byte) (int, error) {
	n, err := f.given.Read(p)
	if errors.Is(err, io.EOF) {
		err = errBroken
	}
	return n, err
}

func TestReadFailsWithTheDisk(t *testing.T) {
	for _, content := range []string{"", plain, plain + "E0,17/08/24,Ars"} {
		err := newReader(false).read("E0.csv", failing{strings.NewReader(content)})
		if !errors.Is(err, errBroken) || !strings.Contains(err.Error(), "E0.csv") {
			t.Errorf("after %q: %v, want the disk's error", content, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, path := range []string{"E0.csv", "premier-league/season-2425.csv", "2013-14/eng.1.csv"} {
		f.Add(path, []byte("\ufeff"+full+"E0,17/08/24,Arsenal,Fulham,1,0,H,0,0,D,3,8,4,3,6,5,0,1,1.5,4,7\r\n\"E0\",\"17/08/2024\",a\xa0,b,2,1,x\n"))
		f.Add(path, []byte("Date,Team 1,FT,HT,Team 2\nSat Aug 17 2013,Arsenal,1-3,1-1,Aston Villa\n"))
		f.Add(path, []byte("Date,HomeTeam,AwayTeam,FTHG,FTAG\r2024-08-17,Arsenal,Fulham,1,0\r,,,\r"))
	}
	f.Fuzz(func(t *testing.T, path string, content []byte) {
		var histories [2]*History
		for i, in := range []io.Reader{bytes.NewReader(content), oneByte{bytes.NewReader(content)}} {
			r := newReader(true)
			if err := r.read(path, in); err != nil {
				t.Fatal(err)
			}
			histories[i] = r.history()
			check(t, histories[i])
		}
		if !reflect.DeepEqual(histories[0], histories[1]) {
			t.Errorf("what is read depends on how much comes at a time:\n%+v\n%+v", histories[0], histories[1])
		}
	})
}

// oneByte gives one byte at a time.
type oneByte struct{ in io.Reader }

func (o oneByte) Read(p []byte) (int, error) { return o.in.Read(p[:min(1, len(p))]) }
