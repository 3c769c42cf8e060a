package features

import (
	"encoding/json"
	"fmt"
	"io"
	"reflect"

	"github.com/parquet-go/parquet-go"
)

// matchColumns are the columns of the training set before the features, in order.
type matchColumns struct {
	MatchID     string `parquet:"match_id"`
	Competition string `parquet:"competition"`
	Season      string `parquet:"season"`
	Date        string `parquet:"date"` // YYYY-MM-DD
	HomeTeam    string `parquet:"home_team"`
	AwayTeam    string `parquet:"away_team"`
	HomeGoals   int32  `parquet:"home_goals"`
	AwayGoals   int32  `parquet:"away_goals"`
}

const rowsPerGroup = 16 << 10

// ParquetWriter writes the training set: one row per match, the columns of matchColumns and then
// one float32 column per feature. The file's metadata carries feature_schema_hash and
// feature_schema, a JSON list of {name, unit, group}.
type ParquetWriter struct {
	out  *parquet.GenericWriter[any]
	row  parquet.Row
	rows int
}

// NewParquetWriter writes vectors of the recipe to w until Close.
func NewParquetWriter(w io.Writer, recipe *Recipe) (*ParquetWriter, error) {
	schema := recipe.Schema
	description, err := json.Marshal(schema.Features)
	if err != nil {
		return nil, fmt.Errorf("describe feature schema: %w", err)
	}
	// The columns are only known as data; a struct type made of them keeps their order.
	fields := reflect.VisibleFields(reflect.TypeFor[matchColumns]())
	for i, f := range schema.Features {
		fields = append(fields, reflect.StructField{
			Name: fmt.Sprintf("F%d", i),
			Type: reflect.TypeFor[float32](),
			Tag:  reflect.StructTag(fmt.Sprintf("parquet:%q", f.Name)),
		})
	}
	for i := range fields {
		fields[i].Offset, fields[i].Index = 0, nil
	}
	columns := parquet.SchemaOf(reflect.New(reflect.StructOf(fields)).Interface())
	return &ParquetWriter{out: parquet.NewGenericWriter[any](w, columns,
		parquet.Compression(&parquet.Zstd),
		parquet.KeyValueMetadata("feature_schema_hash", schema.Hash),
		parquet.KeyValueMetadata("feature_schema", string(description)),
	)}, nil
}

// Write appends a match and the vector known before it.
func (p *ParquetWriter) Write(m *Played, v *Vector) error {
	p.row = append(p.row[:0],
		parquet.ByteArrayValue([]byte(m.ID)),
		parquet.ByteArrayValue([]byte(m.Competition)),
		parquet.ByteArrayValue([]byte(m.Season)),
		parquet.ByteArrayValue([]byte(m.Date.String())),
		parquet.ByteArrayValue([]byte(m.HomeTeam.Name)),
		parquet.ByteArrayValue([]byte(m.AwayTeam.Name)),
		parquet.Int32Value(int32(m.HomeGoals)),
		parquet.Int32Value(int32(m.AwayGoals)),
	)
	for _, x := range v.Values {
		p.row = append(p.row, parquet.FloatValue(x))
	}
	for column := range p.row {
		p.row[column] = p.row[column].Level(0, 0, column)
	}
	if _, err := p.out.WriteRows([]parquet.Row{p.row}); err != nil {
		return fmt.Errorf("write %s: %w", m.ID, err)
	}
	if p.rows++; p.rows%rowsPerGroup == 0 {
		return p.out.Flush()
	}
	return nil
}

// Close writes what is buffered and the footer; the underlying writer stays open.
func (p *ParquetWriter) Close() error { return p.out.Close() }
