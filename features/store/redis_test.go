package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"footballprediction/features"
	"footballprediction/features/store/redistest"
)

// A value that cannot be used is as good as none: the states in process answer, and it is counted.
var testKeys = keysOf(features.DefaultRecipe())

func TestRedisValuesThatCannotBeUsed(t *testing.T) {
	memory := newMemory(t)
	server := redistest.Start(t)
	r := filled(t, server, memory, RedisOptions{})
	client, err := parsed(t, server.URL()).connect()
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()

	match := storedFixture(&memory.matches[len(memory.matches)-1])
	pair := match
	pair.MatchID = ""
	vector, home := get(t, client, testKeys.matches+match.MatchID), get(t, client, testKeys.teams+pair.Home)
	away, league := get(t, client, testKeys.teams+pair.Away), get(t, client, testKeys.leagues+pair.Competition)
	// Another program wrote it: all is well but the schema.
	foreign := func(packed, match string) string { return resealed("12345678"+packed[8:], match) }
	late := features.Vector{Values: make([]float32, len(features.CurrentSchema().Features)), AsOf: match.Date}

	for name, c := range map[string]struct {
		fixture features.Fixture
		key     string
		value   string
		want    string                   // Degraded
		count   func(RedisStatus) uint64 // which one grows; nil: none
	}{
		"sound vector":              {match, testKeys.matches + match.MatchID, vector, "", nil},
		"sound states":              {pair, testKeys.teams + pair.Home, home, "", nil},
		"no vector":                 {match, testKeys.matches + match.MatchID, "", FromTeamStates, missing},
		"no home team":              {pair, testKeys.teams + pair.Home, "", FromTeamStates, missing},
		"no league":                 {pair, testKeys.leagues + pair.Competition, "", FromTeamStates, missing},
		"vector of another schema":  {match, testKeys.matches + match.MatchID, foreign(vector, match.MatchID), FromTeamStates, foreignCount},
		"team of another schema":    {pair, testKeys.teams + pair.Away, foreign(away, ""), FromTeamStates, foreignCount},
		"league of another schema":  {pair, testKeys.leagues + pair.Competition, foreign(league, ""), FromTeamStates, foreignCount},
		"vector cut short":          {match, testKeys.matches + match.MatchID, vector[:len(vector)/2], FromTeamStates, corrupt},
		"vector of one byte":        {match, testKeys.matches + match.MatchID, "V", FromTeamStates, corrupt},
		"vector with a changed bit": {match, testKeys.matches + match.MatchID, changed(vector), FromTeamStates, corrupt},
		"team cut short":            {pair, testKeys.teams + pair.Home, home[:len(home)-1], FromTeamStates, corrupt},
		"league with a changed bit": {pair, testKeys.leagues + pair.Competition, changed(league), FromTeamStates, corrupt},
		"a team for a vector":       {match, testKeys.matches + match.MatchID, home, FromTeamStates, corrupt},
		"vector of another match":   {match, testKeys.matches + match.MatchID, get(t, client, testKeys.matches+memory.matches[len(memory.matches)-2].ID), FromTeamStates, corrupt},
		"another team":              {pair, testKeys.teams + pair.Home, away, FromTeamStates, corrupt},
		"far too much":              {match, testKeys.matches + match.MatchID, strings.Repeat(vector, 1000), FromTeamStates, corrupt},
		"text":                      {pair, testKeys.teams + pair.Home, `{"team":"Arsenal"}`, FromTeamStates, corrupt},
		"a vector that has seen the match": {
			match, testKeys.matches + match.MatchID, string(features.DefaultRecipe().PackVector(nil, match.MatchID, &late)), FromTeamStates, corrupt,
		},
	} {
		before := r.Status()
		was := put(t, client, c.key, c.value)
		var out [1]features.Vector
		if err := r.Vectors(t.Context(), []features.Fixture{c.fixture}, out[:]); err != nil {
			t.Fatal(err)
		}
		same(t, name, out[0], compared(memory, c.fixture))
		if out[0].Degraded != c.want {
			t.Errorf("%s: degraded by %q, expected %q", name, out[0].Degraded, c.want)
		}
		after := r.Status()
		if c.count == nil && unusable(after) != unusable(before) || c.count != nil && (c.count(after) != c.count(before)+1 || unusable(after) != unusable(before)+1) {
			t.Errorf("%s: counted from %+v to %+v", name, before, after)
		}
		put(t, client, c.key, was)
	}
	// What is under the key may be no text at all.
	if err := client.Do(t.Context(), client.B().Del().Key(testKeys.matches+match.MatchID).Build()).Error(); err != nil {
		t.Fatal(err)
	}
	if err := client.Do(t.Context(), client.B().Lpush().Key(testKeys.matches+match.MatchID).Element("x").Build()).Error(); err != nil {
		t.Fatal(err)
	}
	var out [1]features.Vector
	if err := r.Vectors(t.Context(), []features.Fixture{match}, out[:]); err != nil || out[0].Degraded != FromTeamStates {
		t.Errorf("a list: %+v, %v", out[0], err)
	}
	if s := r.Status(); s.Breaker != "closed" || s.Failed != 0 {
		t.Errorf("values opened the breaker: %+v", s)
	}
}

func missing(s RedisStatus) uint64      { return s.Missing }
func foreignCount(s RedisStatus) uint64 { return s.Foreign }
func corrupt(s RedisStatus) uint64      { return s.Corrupt }
func unusable(s RedisStatus) uint64     { return s.Missing + s.Foreign + s.Corrupt + s.Outdated }

// changed returns the value with one bit turned.
func changed(packed string) string {
	b := []byte(packed)
	b[len(b)/2] ^= 1
	return string(b)
}

// resealed gives a value that was changed the checksum it would have.
func resealed(packed, match string) string {
	body := packed[:len(packed)-4]
	return string(binary.LittleEndian.AppendUint32([]byte(body), crc32.Checksum([]byte(body+match), crc32.MakeTable(crc32.Castagnoli))))
}

func get(t *testing.T, client rueidis.Client, key string) string {
	t.Helper()
	value, err := client.Do(t.Context(), client.B().Get().Key(key).Build()).ToString()
	if err != nil && !rueidis.IsRedisNil(err) {
		t.Fatalf("%s: %v", key, err)
	}
	return value // empty: none
}

// put writes a value, or deletes it if empty, and returns what was there.
func put(t *testing.T, client rueidis.Client, key, value string) string {
	t.Helper()
	was := get(t, client, key)
	command := client.B().Set().Key(key).Value(value).Build()
	if value == "" {
		command = client.B().Del().Key(key).Build()
	}
	if err := client.Do(t.Context(), command).Error(); err != nil {
		t.Fatal(err)
	}
	return was
}

// Whatever is later, what Redis holds or what the process knows, answers.
func TestRedisAndProcessOfDifferentDays(t *testing.T) {
	early, late := newMemoryOf(t, releasedOn(t, 20070)), newMemory(t)
	if early.replay.AsOf() >= late.replay.AsOf() {
		t.Fatal(early.replay.AsOf(), late.replay.AsOf())
	}
	pair := pairing("E0", "eng-arsenal", "eng-chelsea", features.DateOf(start))
	for _, c := range []struct {
		name           string
		process, redis *Memory
		want           *Memory
		degraded, log  string
	}{
		{"Redis is later", early, late, late, "", ""},
		{"the process is later", late, early, late, FromTeamStates, "older features"},
	} {
		server := redistest.Start(t)
		fill(t, server, c.redis)
		var log lockedBuffer
		r := opened(t, parsed(t, server.URL()), c.process, RedisOptions{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		var out [1]features.Vector
		if err := r.Vectors(t.Context(), []features.Fixture{pair}, out[:]); err != nil {
			t.Fatal(err)
		}
		same(t, c.name, out[0], compared(c.want, pair))
		if s := r.Status(); out[0].Degraded != c.degraded || (s.Outdated == 1) != (c.degraded != "") {
			t.Errorf("%s: degraded by %q, %+v", c.name, out[0].Degraded, s)
		}
		if !strings.Contains(log.String(), c.log) || c.log == "" && log.String() != "" {
			t.Errorf("%s: logged %q", c.name, log.String())
		}
	}
}

// The vector made before a match still answers when it has been played, and is not made anew.
func TestRedisKeepsTheVectorMadeBefore(t *testing.T) {
	before, after := newMemoryOf(t, releasedOn(t, 20070)), newMemory(t)
	i := len(after.matches) - 1
	for after.matches[i].Status != features.Finished || before.matches[before.byID[after.matches[i].ID]].Status != features.Scheduled {
		i--
	}
	match := storedFixture(&after.matches[i])
	want := compared(before, match)

	server := redistest.Start(t)
	fill(t, server, before)
	fill(t, server, after)
	r := opened(t, parsed(t, server.URL()), after, quick)
	var out [1]features.Vector
	if err := r.Vectors(t.Context(), []features.Fixture{match}, out[:]); err != nil || out[0].Degraded != "" {
		t.Fatal(out[0], err)
	}
	same(t, "once played", out[0], want)

	server.Kill()
	eventually(t, "Redis to be missed", func() bool {
		if err := r.Vectors(t.Context(), []features.Fixture{match}, out[:]); err != nil {
			t.Fatal(err)
		}
		return errors.Is(out[0].Err, features.ErrNotKept) && strings.Contains(out[0].Err.Error(), "may be kept in Redis")
	})
}

func TestMaterialize(t *testing.T) {
	memory := newMemoryOf(t, releasedOn(t, 20070))
	overdue := memory.matches[len(memory.matches)-1]
	overdue.ID, overdue.Date = "overdue", 20000
	memory.matches = append(memory.matches, overdue)
	memory.byID["overdue"] = len(memory.matches) - 1
	scheduled := 0
	for _, m := range memory.matches {
		if m.Status == features.Scheduled {
			scheduled++
		}
	}
	today := features.DateOf(time.Now()).Time()
	server := redistest.StartWithPassword(t, "p/w")
	url := parsed(t, server.URL())
	want := Materialized{Teams: 12, Leagues: 2, Vectors: scheduled - 1, Without: 1, AsOf: memory.replay.AsOf()}
	client, err := url.connect()
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var held string
	for range 2 { // the second time changes nothing
		var last [2]int
		got, err := Materialize(t.Context(), url, memory, time.Now(), func(done, total int) { last = [2]int{done, total} })
		if err != nil || got != want {
			t.Fatalf("%+v, %v, expected %+v", got, err, want)
		}
		if all := want.Teams + want.Leagues + want.Vectors + 1; last != [2]int{all, all} {
			t.Errorf("progress ended at %v, expected %d", last, all)
		}
		keys, err := client.Do(t.Context(), client.B().Keys().Pattern("*").Build()).AsStrSlice()
		if err != nil || len(keys) != want.Teams+want.Leagues+want.Vectors+1 {
			t.Fatalf("%d keys, %v", len(keys), err)
		}
		for _, key := range keys {
			if !strings.HasPrefix(key, "footballprediction:"+features.CurrentSchema().Hash[:16]+":") {
				t.Errorf("key %q", key)
			}
		}
		now := get(t, client, testKeys.teams+"eng-arsenal")
		if held != "" && now != held {
			t.Error("the second time wrote another state")
		}
		held = now
	}
	match := memory.matches[len(memory.matches)-2]
	expires := func(key string) int64 {
		at, err := client.Do(t.Context(), client.B().Expiretime().Key(key).Build()).AsInt64()
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	if at := expires(testKeys.matches + match.ID); at != today.Add(24*time.Hour+keepPlayed).Unix() { // its day has passed
		t.Errorf("vector expires %s", time.Unix(at, 0).UTC())
	}
	if at := expires(testKeys.teams + "eng-arsenal"); at != -1 {
		t.Errorf("team state expires %s", time.Unix(at, 0).UTC())
	}
	// Illustrative matches go a day after theirs.
	fill(t, server, newMemory(t))
	made := newMemory(t).matches[len(newMemory(t).matches)-1]
	if at := expires(testKeys.matches + made.ID); !made.Illustrative || at != max(made.Date.Time().Unix(), today.Unix())+2*24*60*60 {
		t.Errorf("illustrative vector expires %s", time.Unix(at, 0).UTC())
	}
}

func TestMaterializeSaysWhyNot(t *testing.T) {
	memory := newMemory(t)
	down := redistest.Reserve(t)
	if _, err := Materialize(t.Context(), parsed(t, down.URLWith("secret")), memory, time.Now(), nil); err == nil ||
		!strings.Contains(err.Error(), down.Address) || strings.Contains(err.Error(), "secret") {
		t.Errorf("down: %v", err)
	}
	locked := redistest.StartWithPassword(t, "right")
	if _, err := Materialize(t.Context(), parsed(t, locked.URLWith("secret")), memory, time.Now(), nil); err == nil ||
		!strings.Contains(err.Error(), "WRONGPASS") || strings.Contains(err.Error(), "secret") {
		t.Errorf("wrong password: %v", err)
	}
	full := redistest.Start(t)
	if _, err := full.Do("CONFIG", "SET", "maxmemory", "1"); err != nil {
		t.Fatal(err)
	}
	if _, err := Materialize(t.Context(), parsed(t, full.URL()), memory, time.Now(), nil); err == nil || !strings.Contains(err.Error(), "OOM") {
		t.Errorf("full: %v", err)
	}
}

func TestParseRedisURL(t *testing.T) {
	for address, want := range map[string]struct {
		shown, address, user, password string
		database                       int
		tls                            bool
	}{
		"redis://localhost":                    {"redis://localhost", "localhost:6379", "", "", 0, false},
		"redis://127.0.0.1:6380/":              {"redis://127.0.0.1:6380/", "127.0.0.1:6380", "", "", 0, false},
		"redis://:s3cr%2Ft@host:1/3":           {"redis://:xxxxx@host:1/3", "host:1", "", "s3cr/t", 3, false},
		"rediss://user:s3cret@[::1]:6379/15":   {"rediss://user:xxxxx@[::1]:6379/15", "[::1]:6379", "user", "s3cret", 15, true},
		"rediss://user@redis.example.com:6390": {"rediss://user@redis.example.com:6390", "redis.example.com:6390", "user", "", 0, true},
	} {
		u, err := ParseRedisURL(address)
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		o := u.option
		if u.String() != want.shown || !u.Given() || len(o.InitAddress) != 1 || o.InitAddress[0] != want.address || o.Username != want.user ||
			o.Password != want.password || o.SelectDB != want.database || (o.TLSConfig != nil) != want.tls {
			t.Errorf("%s: %+v", address, want)
		}
		if text := fmt.Sprintf("%v %+v %#v %s", u, u, u, slog.AnyValue(u)); strings.Contains(text, "s3cr") {
			t.Errorf("%s: shown as %s", address, text)
		}
	}
	for _, address := range []string{
		"", "localhost:6379", "redis:", "redis://", "redis://:6379", "http://u:s3cret@host", "unix:///s3cret.sock",
		"redis://u:s3cret/x@host", "redis://u:s3cret@host:port", "redis://u:s3cret@host/one", "redis://u:s3cret@host/1/2", "redis://u:s3cret@host/-1",
		"redis://u:s3cret@host?db=1", "redis://u:p#s3cret@host", "redis://u:%zzs3cret@host", "redis://u:s3cret@host:99999999",
	} {
		u, err := ParseRedisURL(address)
		if err == nil || u.Given() {
			t.Errorf("%q is taken as %s", address, u)
		} else if strings.Contains(err.Error(), "s3cret") || !strings.Contains(err.Error(), "redis://[user:password@]host") {
			t.Errorf("%q: %v", address, err)
		}
	}
}
