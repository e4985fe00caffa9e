package clients

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/apache/arrow-adbc/go/adbc"
	driver "github.com/apache/arrow-adbc/go/adbc/driver/flightsql"
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

const regions = "SELECT r_name FROM geography.region ORDER BY r_name"

var regionNames = []string{"AFRICA", "AMERICA", "ASIA", "EUROPE", "MIDDLE EAST"}

func TestAdbcByPassword(t *testing.T) {
	sameAll(t, regionNames, ask(t, connect(t, "steward", nil), regions))
}

func TestAdbcByToken(t *testing.T) {
	connection := open(t, map[string]string{
		adbc.OptionKeyURI:                "grpc://" + address(t),
		driver.OptionAuthorizationHeader: "Bearer " + os.Getenv("TOKEN"),
	})
	same(t, 1, len(ask(t, connection, "SELECT count(*) FROM sales.orders")))
}

func TestAdbcPurposeHeader(t *testing.T) {
	header := map[string]string{driver.OptionRPCCallHeaderPrefix + "airside-purpose": "audit"}
	const costs = "SELECT ps_supplycost FROM supply.partsupp LIMIT 1"
	same(t, 1, len(ask(t, connect(t, "service", header), costs)))
	_, _, err := statement(t, connect(t, "service", nil), costs).ExecuteQuery(bounded(t))
	refused(t, err, adbc.StatusInvalidArgument)
}

func TestAdbcOverTls(t *testing.T) {
	roots, err := os.ReadFile(os.Getenv("ROOTS"))
	must(t, err)
	connection := connect(t, "steward", map[string]string{
		adbc.OptionKeyURI:         "grpc+tls://" + os.Getenv("SECURED"),
		driver.OptionSSLRootCerts: string(roots),
	})
	sameAll(t, regionNames, ask(t, connection, regions))
}

func TestAdbcWholeProduct(t *testing.T) {
	rows, _, err := statement(t, connect(t, "steward", nil), "SELECT * FROM sales.lineitem").ExecuteQuery(bounded(t))
	must(t, err)
	defer rows.Release()
	found := int64(0)
	for rows.Next() {
		found += rows.RecordBatch().NumRows()
	}
	must(t, rows.Err())
	counted := ask(t, connect(t, "steward", nil), "SELECT count(*) FROM sales.lineitem")
	sameAll(t, counted, []string{fmt.Sprint(found)})
}

func TestAdbcPreparedIsUsedAgain(t *testing.T) {
	prepared := statement(t, connect(t, "steward", nil), "SELECT n_name FROM geography.nation WHERE n_nationkey = ?")
	must(t, prepared.Prepare(bounded(t)))
	schema, err := prepared.GetParameterSchema()
	must(t, err)
	same(t, 1, schema.NumFields())
	same(t, arrow.INT64, schema.Field(0).Type.ID())
	for key, name := range map[int64]string{6: "FRANCE", 7: "GERMANY", 24: "UNITED STATES"} {
		must(t, prepared.Bind(bounded(t), integers(key)))
		rows, _, err := prepared.ExecuteQuery(bounded(t))
		must(t, err)
		sameAll(t, []string{name}, texts(t, rows, 0))
	}
}

func TestAdbcSeveralBoundRows(t *testing.T) {
	prepared := statement(t, connect(t, "steward", nil), "SELECT n_name FROM geography.nation WHERE n_nationkey = ?")
	must(t, prepared.Prepare(bounded(t)))
	builder := array.NewRecordBuilder(memory.DefaultAllocator,
		arrow.NewSchema([]arrow.Field{{Name: "p", Type: arrow.PrimitiveTypes.Int64}}, nil))
	builder.Field(0).(*array.Int64Builder).AppendValues([]int64{6, 7}, nil)
	must(t, prepared.Bind(bounded(t), builder.NewRecordBatch()))
	rows, _, err := prepared.ExecuteQuery(bounded(t))
	must(t, err)
	sameAll(t, []string{"FRANCE", "GERMANY"}, texts(t, rows, 0))
}

func TestAdbcPreparedSchema(t *testing.T) {
	connection := connect(t, "steward", nil)
	const sql = "SELECT n_name, n_nationkey FROM geography.nation WHERE n_nationkey = 7"
	told, err := statement(t, connection, sql).(adbc.StatementExecuteSchema).ExecuteSchema(bounded(t))
	must(t, err)
	rows, _, err := statement(t, connection, sql).ExecuteQuery(bounded(t))
	must(t, err)
	defer rows.Release()
	sameSchema(t, told, rows.Schema())
}

func TestAdbcObjectsAtEveryDepth(t *testing.T) {
	connection := connect(t, "steward", nil)
	schema, table := "geography", "region"
	depths := []adbc.ObjectDepth{
		adbc.ObjectDepthCatalogs, adbc.ObjectDepthDBSchemas, adbc.ObjectDepthTables, adbc.ObjectDepthColumns,
	}
	for _, depth := range depths {
		rows, err := connection.GetObjects(bounded(t), depth, nil, &schema, &table, nil, nil)
		must(t, err)
		sameAll(t, []string{"mesh"}, texts(t, rows, 0))
	}
	rows, err := connection.GetObjects(bounded(t), adbc.ObjectDepthAll, nil, &schema, &table, nil, []string{"TABLE"})
	must(t, err)
	found := texts(t, rows, 1)
	same(t, 1, len(found))
	for _, name := range []string{"r_regionkey", "r_name", "r_comment"} {
		contains(t, found[0], name)
	}
}

func TestAdbcTableSchema(t *testing.T) {
	connection := connect(t, "steward", nil)
	schema := "geography"
	told, err := connection.GetTableSchema(bounded(t), nil, &schema, "region")
	must(t, err)
	rows, _, err := statement(t, connection, "SELECT * FROM geography.region").ExecuteQuery(bounded(t))
	must(t, err)
	defer rows.Release()
	same(t, told.NumFields(), rows.Schema().NumFields())
	for i, field := range rows.Schema().Fields() {
		same(t, told.Field(i).Name, field.Name)
		same(t, told.Field(i).Type.Fingerprint(), field.Type.Fingerprint())
		same(t, told.Field(i).Nullable, field.Nullable)
	}
	_, err = connection.GetTableSchema(bounded(t), nil, &schema, "no_such_table")
	refused(t, err, adbc.StatusNotFound)
}

func TestAdbcTableTypes(t *testing.T) {
	rows, err := connect(t, "steward", nil).GetTableTypes(bounded(t))
	must(t, err)
	sameAll(t, []string{"TABLE"}, texts(t, rows, 0))
}

func TestAdbcInfo(t *testing.T) {
	codes := []adbc.InfoCode{adbc.InfoVendorName, adbc.InfoVendorVersion, adbc.InfoVendorArrowVersion, adbc.InfoVendorSql}
	rows, err := connect(t, "steward", nil).GetInfo(bounded(t), codes)
	must(t, err)
	contains(t, fmt.Sprint(texts(t, rows, 1)), "Airside")
}

func TestAdbcPartitions(t *testing.T) {
	connection := connect(t, "steward", nil)
	schema, partitions, _, err := statement(t, connection, regions).ExecutePartitions(bounded(t))
	must(t, err)
	same(t, 1, schema.NumFields())
	found := []string{}
	for _, id := range partitions.PartitionIDs {
		rows, err := connection.ReadPartition(bounded(t), id)
		must(t, err)
		found = append(found, texts(t, rows, 0)...)
	}
	sameAll(t, regionNames, found)
}

// TestAdbcIncremental polls, which is how the driver waits for what takes long.
func TestAdbcIncremental(t *testing.T) {
	connection := connect(t, "steward", nil)
	polled := statement(t, connection, regions)
	must(t, polled.SetOption(adbc.OptionKeyIncremental, adbc.OptionValueEnabled))
	found := []string{}
	for {
		_, partitions, _, err := polled.ExecutePartitions(bounded(t))
		must(t, err)
		if partitions.NumPartitions == 0 {
			break
		}
		for _, id := range partitions.PartitionIDs {
			rows, err := connection.ReadPartition(bounded(t), id)
			must(t, err)
			found = append(found, texts(t, rows, 0)...)
		}
	}
	sameAll(t, regionNames, found)
}

func TestAdbcSessionOptions(t *testing.T) {
	cookies := map[string]string{driver.OptionCookieMiddleware: adbc.OptionValueEnabled}
	connection := connect(t, "service", cookies)
	options := connection.(adbc.GetSetOptions)
	catalog, err := options.GetOption(adbc.OptionKeyCurrentCatalog)
	must(t, err)
	same(t, "mesh", catalog)
	must(t, options.SetOption(driver.OptionSessionOptionPrefix+"purpose", "audit"))
	all, err := options.GetOption(driver.OptionSessionOptions)
	must(t, err)
	contains(t, all, "audit")
	same(t, 1, len(ask(t, connection, "SELECT ps_supplycost FROM supply.partsupp LIMIT 1")))
	must(t, options.SetOption(driver.OptionEraseSessionOptionPrefix+"purpose", ""))
	_, _, err = statement(t, connection, "SELECT ps_supplycost FROM supply.partsupp LIMIT 1").ExecuteQuery(bounded(t))
	refused(t, err, adbc.StatusInvalidArgument)
	if err := options.SetOption(driver.OptionSessionOptionPrefix+"colour", "red"); err == nil {
		t.Fatal("an option that there is none of was set")
	}
}

func TestAdbcErrors(t *testing.T) {
	connection := connect(t, "steward", nil)
	cases := map[string]adbc.Status{
		"SELEC 1": adbc.StatusInvalidArgument,
		"SELECT no_such_column FROM sales.orders": adbc.StatusInvalidArgument,
		"SELECT * FROM sales.no_such_table":       adbc.StatusNotFound,
	}
	for sql, status := range cases {
		_, _, err := statement(t, connection, sql).ExecuteQuery(bounded(t))
		refused(t, err, status)
	}
	sameAll(t, regionNames, ask(t, connection, regions))
}

func TestAdbcCancel(t *testing.T) {
	connection := connect(t, "steward", nil)
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	begin := time.Now()
	rows, _, err := statement(t, connection, long).ExecuteQuery(ctx)
	if err == nil {
		for rows.Next() {
		}
		err = rows.Err()
		rows.Release()
	}
	if err == nil {
		t.Fatal("was not cancelled")
	}
	if took := time.Since(begin); took > 6*time.Second {
		t.Fatalf("it took %v", took)
	}
	sameAll(t, regionNames, ask(t, connection, regions))
}

func TestAdbcTimeout(t *testing.T) {
	connection := connect(t, "steward", map[string]string{driver.OptionTimeoutFetch: "1"})
	rows, _, err := statement(t, connection, long).ExecuteQuery(bounded(t))
	if err == nil {
		for rows.Next() {
		}
		err = rows.Err()
		rows.Release()
	}
	refused(t, err, adbc.StatusTimeout)
}

func refused(t *testing.T, err error, status adbc.Status) {
	t.Helper()
	var failure adbc.Error
	if !errors.As(err, &failure) {
		t.Fatalf("not refused: %v", err)
	}
	same(t, status.String(), failure.Code.String())
}
