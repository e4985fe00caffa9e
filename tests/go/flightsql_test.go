package clients

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/flight"
	"github.com/apache/arrow-go/v18/arrow/flight/flightsql"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

// signIn is arrow-go's own client after the basic handshake, and a context with the token that it gave.
func signIn(t *testing.T, user string) (*flightsql.Client, context.Context) {
	t.Helper()
	client, err := flightsql.NewClient(address(t), nil, nil, grpc.WithTransportCredentials(insecure.NewCredentials()))
	must(t, err)
	t.Cleanup(func() { must(t, client.Close()) })
	ctx, err := client.Client.AuthenticateBasicToken(bounded(t), user, "demo-"+user)
	must(t, err)
	return client, ctx
}

// read answers a column of all endpoints, and checks that the schema is the one that was told.
func read(t *testing.T, ctx context.Context, client *flightsql.Client, info *flight.FlightInfo, column int) []string {
	t.Helper()
	told, err := flight.DeserializeSchema(info.Schema, nil)
	must(t, err)
	found := []string{}
	for _, endpoint := range info.Endpoint {
		rows, err := client.DoGet(ctx, endpoint.Ticket)
		must(t, err)
		sameSchema(t, told, rows.Schema())
		found = append(found, texts(t, rows, column)...)
	}
	return found
}

func contains(t *testing.T, text, part string) {
	t.Helper()
	if !strings.Contains(text, part) {
		t.Fatalf("no `%s` in %s", part, text)
	}
}

func TestFlightSqlStatement(t *testing.T) {
	client, ctx := signIn(t, "steward")
	info, err := client.Execute(ctx, regions)
	must(t, err)
	sameAll(t, regionNames, read(t, ctx, client, info, 0))
}

func TestFlightSqlStatementSchema(t *testing.T) {
	client, ctx := signIn(t, "steward")
	info, err := client.Execute(ctx, regions)
	must(t, err)
	told, err := client.GetExecuteSchema(ctx, regions)
	must(t, err)
	same(t, string(info.Schema), string(told.Schema))
}

func TestFlightSqlPrepared(t *testing.T) {
	client, ctx := signIn(t, "steward")
	prepared, err := client.Prepare(ctx, "SELECT n_name FROM geography.nation WHERE n_nationkey BETWEEN $1 AND $2 ORDER BY 1")
	must(t, err)
	same(t, 2, prepared.ParameterSchema().NumFields())
	same(t, "$1", prepared.ParameterSchema().Field(0).Name)
	same(t, "n_name", prepared.DatasetSchema().Field(0).Name)
	prepared.SetParameters(integers(6, 7))
	info, err := prepared.Execute(ctx)
	must(t, err)
	sameAll(t, []string{"FRANCE", "GERMANY"}, read(t, ctx, client, info, 0))
	must(t, prepared.Close(ctx))
}

func TestFlightSqlMetadata(t *testing.T) {
	client, ctx := signIn(t, "owner")
	catalogs, err := client.GetCatalogs(ctx)
	must(t, err)
	sameAll(t, []string{"mesh"}, read(t, ctx, client, catalogs, 0))
	schemas, err := client.GetDBSchemas(ctx, &flightsql.GetDBSchemasOpts{})
	must(t, err)
	sameAll(t, []string{"geography", "sales"}, read(t, ctx, client, schemas, 1))
	pattern := "order_"
	tables, err := client.GetTables(ctx, &flightsql.GetTablesOpts{TableNameFilterPattern: &pattern, IncludeSchema: true})
	must(t, err)
	sameAll(t, []string{"orders"}, read(t, ctx, client, tables, 2))
	types, err := client.GetTableTypes(ctx)
	must(t, err)
	sameAll(t, []string{"TABLE"}, read(t, ctx, client, types, 0))
	info, err := client.GetSqlInfo(ctx, nil)
	must(t, err)
	if len(read(t, ctx, client, info, 0)) < 80 {
		t.Fatal("few facts about the server")
	}
}

func TestFlightSqlSchemasOfMetadata(t *testing.T) {
	client, ctx := signIn(t, "steward")
	ref := flightsql.TableRef{Table: "orders"}
	for name, pair := range map[string]struct {
		info   func() (*flight.FlightInfo, error)
		schema func() (*flight.SchemaResult, error)
	}{
		"catalogs": {
			func() (*flight.FlightInfo, error) { return client.GetCatalogs(ctx) },
			func() (*flight.SchemaResult, error) { return client.GetCatalogsSchema(ctx) },
		},
		"schemas": {
			func() (*flight.FlightInfo, error) { return client.GetDBSchemas(ctx, &flightsql.GetDBSchemasOpts{}) },
			func() (*flight.SchemaResult, error) { return client.GetDBSchemasSchema(ctx) },
		},
		"tables": {
			func() (*flight.FlightInfo, error) { return client.GetTables(ctx, &flightsql.GetTablesOpts{}) },
			func() (*flight.SchemaResult, error) { return client.GetTablesSchema(ctx, &flightsql.GetTablesOpts{}) },
		},
		"primary keys": {
			func() (*flight.FlightInfo, error) { return client.GetPrimaryKeys(ctx, ref) },
			func() (*flight.SchemaResult, error) { return client.GetPrimaryKeysSchema(ctx) },
		},
		"imported keys": {
			func() (*flight.FlightInfo, error) { return client.GetImportedKeys(ctx, ref) },
			func() (*flight.SchemaResult, error) { return client.GetImportedKeysSchema(ctx) },
		},
		"type information": {
			func() (*flight.FlightInfo, error) { return client.GetXdbcTypeInfo(ctx, nil) },
			func() (*flight.SchemaResult, error) { return client.GetXdbcTypeInfoSchema(ctx) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			info, err := pair.info()
			must(t, err)
			told, err := pair.schema()
			must(t, err)
			same(t, string(info.Schema), string(told.Schema))
			read(t, ctx, client, info, 0)
		})
	}
}

func TestFlightSqlKeys(t *testing.T) {
	client, ctx := signIn(t, "steward")
	schema := "geography"
	region, nation := flightsql.TableRef{DBSchema: &schema, Table: "region"}, flightsql.TableRef{DBSchema: &schema, Table: "nation"}
	for name, call := range map[string]func() (*flight.FlightInfo, error){
		"exported":        func() (*flight.FlightInfo, error) { return client.GetExportedKeys(ctx, region) },
		"imported":        func() (*flight.FlightInfo, error) { return client.GetImportedKeys(ctx, nation) },
		"cross reference": func() (*flight.FlightInfo, error) { return client.GetCrossReference(ctx, region, nation) },
	} {
		t.Run(name, func(t *testing.T) {
			info, err := call()
			must(t, err)
			sameAll(t, []string{"n_regionkey"}, read(t, ctx, client, info, 7))
		})
	}
}

func TestFlightSqlTypeInformation(t *testing.T) {
	client, ctx := signIn(t, "steward")
	all, err := client.GetXdbcTypeInfo(ctx, nil)
	must(t, err)
	if len(read(t, ctx, client, all, 0)) < 10 {
		t.Fatal("few types")
	}
	bigint := int32(-5)
	one, err := client.GetXdbcTypeInfo(ctx, &bigint)
	must(t, err)
	for _, found := range read(t, ctx, client, one, 1) {
		same(t, "-5", found)
	}
}

func TestFlightSqlPoll(t *testing.T) {
	client, ctx := signIn(t, "steward")
	poll, err := client.ExecutePoll(ctx, regions, nil)
	must(t, err)
	for poll.FlightDescriptor != nil {
		poll, err = client.ExecutePoll(ctx, regions, poll.FlightDescriptor)
		must(t, err)
	}
	sameAll(t, regionNames, read(t, ctx, client, poll.Info, 0))
}

func TestFlightSqlCancelFlightInfo(t *testing.T) {
	client, ctx := signIn(t, "steward")
	info, err := client.Execute(ctx, long)
	must(t, err)
	stream, err := client.DoGet(ctx, info.Endpoint[0].Ticket)
	if err == nil {
		defer stream.Release()
	}
	result, err := client.CancelFlightInfo(ctx, &flight.CancelFlightInfoRequest{Info: info})
	must(t, err)
	if result.Status != flight.CancelStatusCancelled && result.Status != flight.CancelStatusCancelling {
		t.Fatalf("%v", result.Status)
	}
}

func TestFlightSqlRenewEndpoint(t *testing.T) {
	client, ctx := signIn(t, "steward")
	info, err := client.Execute(ctx, regions)
	must(t, err)
	renewed, err := client.RenewFlightEndpoint(ctx, &flight.RenewFlightEndpointRequest{Endpoint: info.Endpoint[0]})
	must(t, err)
	rows, err := client.DoGet(ctx, renewed.Ticket)
	must(t, err)
	sameAll(t, regionNames, texts(t, rows, 0))
}

func TestFlightSqlBearer(t *testing.T) {
	client, err := flightsql.NewClient(address(t), nil, nil, grpc.WithTransportCredentials(insecure.NewCredentials()))
	must(t, err)
	defer client.Close()
	ctx := bearer(bounded(t), os.Getenv("TOKEN"))
	info, err := client.Execute(ctx, "SELECT count(*) FROM sales.orders")
	must(t, err)
	same(t, 1, len(read(t, ctx, client, info, 0)))
}

func TestFlightSqlWritingIsRefused(t *testing.T) {
	client, ctx := signIn(t, "steward")
	_, err := client.ExecuteUpdate(ctx, "DELETE FROM sales.orders")
	if code := status.Code(err); code != codes.InvalidArgument && code != codes.Unimplemented {
		t.Fatalf("%v", err)
	}
}

func TestFlightProduct(t *testing.T) {
	client, ctx := signIn(t, "analyst")
	descriptor := &flight.FlightDescriptor{Type: flight.DescriptorPATH, Path: []string{"customers", "customer"}}
	info, err := client.Client.GetFlightInfo(ctx, descriptor)
	must(t, err)
	schema, err := flight.DeserializeSchema(info.Schema, nil)
	must(t, err)
	same(t, arrow.STRING, schema.Field(1).Type.ID())
	if len(read(t, ctx, client, info, 0)) == 0 {
		t.Fatal("no rows")
	}
}
