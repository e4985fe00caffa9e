// Package clients runs the Go clients of Flight SQL, unmodified, against a gateway that is running: ADBC's driver, which
// Python's has inside, and arrow-go's own.
//
// Where the gateway is comes from the environment; tests/clients/test_go.py starts it and runs this package's binary.
package clients

import (
	"context"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/apache/arrow-adbc/go/adbc"
	driver "github.com/apache/arrow-adbc/go/adbc/driver/flightsql"
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"google.golang.org/grpc/metadata"
)

// long takes a minute at the least: some thousand million pairs.
const long = "SELECT count(*) FROM sales.lineitem a CROSS JOIN sales.lineitem b WHERE a.l_comment < b.l_comment"

// address is `host:port` of the gateway.
func address(t *testing.T) string {
	t.Helper()
	given := os.Getenv("GATEWAY")
	if given == "" {
		t.Skip("needs a gateway: run `make clients`")
	}
	return given
}

// bounded is a context that ends well before the test run does.
func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// connect opens an ADBC connection of a demo user.
func connect(t *testing.T, user string, options map[string]string) adbc.Connection {
	t.Helper()
	given := map[string]string{
		adbc.OptionKeyURI:      "grpc://" + address(t),
		adbc.OptionKeyUsername: user,
		adbc.OptionKeyPassword: "demo-" + user,
	}
	for name, value := range options {
		given[name] = value
	}
	return open(t, given)
}

func open(t *testing.T, options map[string]string) adbc.Connection {
	t.Helper()
	database, err := driver.NewDriver(memory.DefaultAllocator).NewDatabase(options)
	must(t, err)
	connection, err := database.Open(bounded(t))
	must(t, err)
	t.Cleanup(func() {
		must(t, connection.Close())
		must(t, database.Close())
	})
	return connection
}

// statement makes a statement with its text.
func statement(t *testing.T, connection adbc.Connection, sql string) adbc.Statement {
	t.Helper()
	made, err := connection.NewStatement()
	must(t, err)
	must(t, made.SetSqlQuery(sql))
	t.Cleanup(func() { must(t, made.Close()) })
	return made
}

// ask answers the first column of a query as texts.
func ask(t *testing.T, connection adbc.Connection, sql string) []string {
	t.Helper()
	rows, _, err := statement(t, connection, sql).ExecuteQuery(bounded(t))
	must(t, err)
	return texts(t, rows, 0)
}

// texts reads one column to its end, and releases the rows.
func texts(t *testing.T, rows array.RecordReader, column int) []string {
	t.Helper()
	defer rows.Release()
	found := []string{}
	for rows.Next() {
		values := rows.RecordBatch().Column(column)
		for row := range values.Len() {
			found = append(found, values.ValueStr(row))
		}
	}
	must(t, rows.Err())
	return found
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func same[T comparable](t *testing.T, expected, found T) {
	t.Helper()
	if expected != found {
		t.Fatalf("expected %v, found %v", expected, found)
	}
}

func sameAll(t *testing.T, expected, found []string) {
	t.Helper()
	if !slices.Equal(expected, found) {
		t.Fatalf("expected %v, found %v", expected, found)
	}
}

func sameSchema(t *testing.T, expected, found *arrow.Schema) {
	t.Helper()
	if !expected.Equal(found) {
		t.Fatalf("expected %v, found %v", expected, found)
	}
}

// integers is one row of parameters.
func integers(values ...int64) arrow.RecordBatch {
	fields := make([]arrow.Field, len(values))
	columns := make([]arrow.Array, len(values))
	for i, value := range values {
		fields[i] = arrow.Field{Name: "p", Type: arrow.PrimitiveTypes.Int64}
		builder := array.NewInt64Builder(memory.DefaultAllocator)
		builder.Append(value)
		columns[i] = builder.NewArray()
	}
	return array.NewRecordBatch(arrow.NewSchema(fields, nil), columns, 1)
}

// bearer adds a token to every call of a context.
func bearer(ctx context.Context, token string) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
}
