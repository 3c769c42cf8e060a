package features

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/parquet-go/parquet-go"
)

func TestSchemaHashCoversEverything(t *testing.T) {
	hash := func(change func(d []definition, c *parameters)) string {
		d, c := append([]definition(nil), matchRecipe.definitions...), constants
		change(d, &c)
		return describe(d, c, nil).Hash
	}
	seen := map[string]string{matchRecipe.Schema.Hash: "the schema as it is"}
	for name, change := range map[string]func([]definition, *parameters){
		"a name":     func(d []definition, _ *parameters) { d[3].Name += "x" },
		"a unit":     func(d []definition, _ *parameters) { d[3].Unit = "furlongs" },
		"the order":  func(d []definition, _ *parameters) { d[1], d[2] = d[2], d[1] },
		"a constant": func(_ []definition, c *parameters) { c.EloK++ },
		"a mean":     func(_ []definition, c *parameters) { c.StartMeans[corners][away] += .1 },
		"revision":   func(_ []definition, c *parameters) { c.Revision++ },
	} {
		got := hash(change)
		if other, known := seen[got]; known {
			t.Errorf("%s gives the hash of %s", name, other)
		}
		seen[got] = name
	}
	if got := hash(func([]definition, *parameters) {}); got != matchRecipe.Schema.Hash {
		t.Errorf("the same schema hashes to %s and %s", matchRecipe.Schema.Hash, got)
	}
}

func TestFeatureNamesAreDistinct(t *testing.T) {
	for _, recipe := range Recipes() {
		names := map[string]bool{}
		for _, f := range recipe.Schema.Features {
			if names[f.Name] || f.Name == "" || f.Unit == "" || f.Group == "" {
				t.Errorf("%s: feature %+v", recipe.Name, f)
			}
			names[f.Name] = true
		}
		if n := len(names); n < 36 || n > 54 {
			t.Errorf("%s: %d features", recipe.Name, n)
		}
	}
}

// The models that were released want this schema: another one would leave them unserved.
func TestTheReleasedSchemaStays(t *testing.T) {
	const released = "a71882b0c8eb42bf3db1214d4466d9e7b7463b99580a0b6c4516d00fbd193981"
	if got := CurrentSchema(); got.Hash != released || got.Hash != DefaultRecipe().Schema.Hash {
		t.Errorf("the default schema hashes to %s, expected %s", got.Hash, released)
	}
}

func TestTheHashOfPastOddsCoversTheirConstants(t *testing.T) {
	seen := map[string]bool{matchRecipe.Schema.Hash: true, pastOddsRecipe.Schema.Hash: true}
	for _, change := range []func(*marketParameters){
		func(m *marketParameters) { m.Revision++ },
		func(m *marketParameters) { m.Rate *= 2 },
		func(m *marketParameters) { m.RateFast *= 2 },
		func(m *marketParameters) { m.GoalsRate *= 2 },
		func(m *marketParameters) { m.LeagueRate *= 2 },
		func(m *marketParameters) { m.Carry /= 2 },
		func(m *marketParameters) { m.Home *= 2 },
		func(m *marketParameters) { m.Widest *= 2 },
	} {
		m := marketConstants
		change(&m)
		hash := describe(pastOddsRecipe.definitions, constants, &m).Hash
		if seen[hash] {
			t.Errorf("%+v hashes as another does", m)
		}
		seen[hash] = true
	}
}

func TestFindRecipe(t *testing.T) {
	for _, recipe := range Recipes() {
		if got, err := FindRecipe(recipe.Name); got != recipe || err != nil {
			t.Errorf("%s: %v, %v", recipe.Name, got, err)
		}
		if recipe.LearnsOdds() != (recipe.Name == "past-odds") {
			t.Errorf("%s learns odds: %v", recipe.Name, recipe.LearnsOdds())
		}
	}
	if _, err := FindRecipe("current-odds"); err == nil || err.Error() != `recipe: expected match or past-odds, got "current-odds"` {
		t.Error(err)
	}
}

func TestParquetHoldsTheReplay(t *testing.T) {
	for _, recipe := range Recipes() {
		t.Run(recipe.Name, func(t *testing.T) { parquetHoldsTheReplay(t, recipe) })
	}
}

func parquetHoldsTheReplay(t *testing.T, recipe *Recipe) {
	matches := history()
	var file bytes.Buffer
	out, err := NewParquetWriter(&file, recipe)
	if err != nil {
		t.Fatal(err)
	}
	var want [][]float32
	var played []Played
	err = NewReplay(recipe).Advance(matches, func(m *Played, v *Vector) error {
		want, played = append(want, append([]float32(nil), v.Values...)), append(played, *m)
		return out.Write(m, v)
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}

	f, err := parquet.OpenFile(bytes.NewReader(file.Bytes()), int64(file.Len()))
	if err != nil {
		t.Fatal(err)
	}
	if hash, _ := f.Lookup("feature_schema_hash"); hash != recipe.Schema.Hash {
		t.Errorf("schema hash %q, expected %q", hash, recipe.Schema.Hash)
	}
	text, _ := f.Lookup("feature_schema")
	var described []Feature
	if err := json.Unmarshal([]byte(text), &described); err != nil || len(described) != len(recipe.Schema.Features) || described[7] != recipe.Schema.Features[7] {
		t.Errorf("feature schema %q: %v", text, err)
	}
	columns := f.Schema().Columns()
	if len(columns) != 8+len(recipe.Schema.Features) || columns[0][0] != "match_id" || columns[8][0] != recipe.Schema.Features[0].Name {
		t.Errorf("columns %v", columns)
	}
	reader := parquet.NewGenericReader[any](bytes.NewReader(file.Bytes()), f.Schema())
	defer func() {
		if err := reader.Close(); err != nil {
			t.Error(err)
		}
	}()
	rows := make([]parquet.Row, len(want))
	if n, _ := reader.ReadRows(rows); n != len(want) {
		t.Fatalf("%d rows, expected %d", n, len(want))
	}
	for i, row := range rows {
		if got := string(row[0].ByteArray()); got != played[i].ID {
			t.Fatalf("row %d is %q, expected %q", i, got, played[i].ID)
		}
		if row[6].Int32() != int32(played[i].HomeGoals) || row[3].String() != played[i].Date.String() {
			t.Fatalf("row %d: %v, expected %+v", i, row[:8], played[i].Match)
		}
		for j, x := range want[i] {
			if row[8+j].Float() != x {
				t.Fatalf("row %d: %s is %v, expected %v", i, recipe.Schema.Features[j].Name, row[8+j].Float(), x)
			}
		}
	}
}
