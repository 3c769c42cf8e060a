package features

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/parquet-go/parquet-go"
)

func TestSchemaHashCoversEverything(t *testing.T) {
	hash := func(change func(d []definition, c *recipe)) string {
		d, c := append([]definition(nil), definitions...), constants
		change(d, &c)
		return describe(d, c).Hash
	}
	seen := map[string]string{schema.Hash: "the schema as it is"}
	for name, change := range map[string]func([]definition, *recipe){
		"a name":     func(d []definition, _ *recipe) { d[3].Name += "x" },
		"a unit":     func(d []definition, _ *recipe) { d[3].Unit = "furlongs" },
		"the order":  func(d []definition, _ *recipe) { d[1], d[2] = d[2], d[1] },
		"a constant": func(_ []definition, c *recipe) { c.EloK++ },
		"a mean":     func(_ []definition, c *recipe) { c.StartMeans[corners][away] += .1 },
		"revision":   func(_ []definition, c *recipe) { c.Revision++ },
	} {
		got := hash(change)
		if other, known := seen[got]; known {
			t.Errorf("%s gives the hash of %s", name, other)
		}
		seen[got] = name
	}
	if got := hash(func([]definition, *recipe) {}); got != schema.Hash {
		t.Errorf("the same schema hashes to %s and %s", schema.Hash, got)
	}
}

func TestFeatureNamesAreDistinct(t *testing.T) {
	names := map[string]bool{}
	for _, f := range CurrentSchema().Features {
		if names[f.Name] || f.Name == "" || f.Unit == "" || f.Group == "" {
			t.Errorf("feature %+v", f)
		}
		names[f.Name] = true
	}
	if n := len(names); n < 36 || n > 54 {
		t.Errorf("%d features", n)
	}
}

func TestParquetHoldsTheReplay(t *testing.T) {
	matches := history()
	var file bytes.Buffer
	out, err := NewParquetWriter(&file)
	if err != nil {
		t.Fatal(err)
	}
	var want [][]float32
	var played []Played
	err = NewReplay().Advance(matches, func(m *Played, v *Vector) error {
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
	if hash, _ := f.Lookup("feature_schema_hash"); hash != schema.Hash {
		t.Errorf("schema hash %q, expected %q", hash, schema.Hash)
	}
	text, _ := f.Lookup("feature_schema")
	var described []Feature
	if err := json.Unmarshal([]byte(text), &described); err != nil || len(described) != len(schema.Features) || described[7] != schema.Features[7] {
		t.Errorf("feature schema %q: %v", text, err)
	}
	columns := f.Schema().Columns()
	if len(columns) != 8+len(schema.Features) || columns[0][0] != "match_id" || columns[8][0] != schema.Features[0].Name {
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
				t.Fatalf("row %d: %s is %v, expected %v", i, schema.Features[j].Name, row[8+j].Float(), x)
			}
		}
	}
}
