"""ADBC's Flight SQL driver: statements, prepared statements and their parameters, metadata, errors."""

import datetime
from decimal import Decimal

import adbc_driver_manager
import pyarrow as pa
import pytest
from adbc_driver_flightsql import dbapi as adbc
from adbc_driver_manager import AdbcStatusCode

from conftest import connect_adbc
from mesh_files import assert_same

ORDERS = "SELECT o_orderkey, o_totalprice, o_orderdate FROM sales.orders"


def test_a_statement_answers(query, files):
    sql = ORDERS + " WHERE o_orderkey < 500"
    assert_same(query("steward", sql), files.sql(sql))


def test_rows_come_as_python_values(connect):
    with connect("steward").cursor() as cursor:
        cursor.execute("SELECT n_name FROM geography.nation ORDER BY n_name LIMIT 2")
        assert cursor.fetchall() == [("ALGERIA",), ("ARGENTINA",)]
        assert [column[0] for column in cursor.description] == ["n_name"]


def test_an_empty_result_keeps_its_schema(query):
    empty = query("steward", ORDERS + " WHERE o_orderkey < 0")
    assert empty.num_rows == 0
    assert empty.column_names == ["o_orderkey", "o_totalprice", "o_orderdate"]


def test_columns_may_share_a_name(query):
    found = query("steward", "SELECT n_name, n_name FROM geography.nation LIMIT 1")
    assert found.num_columns == 2 and found.num_rows == 1


def test_unicode_identifiers_and_values(query):
    found = query("steward", "SELECT 'größer' AS \"Überschrift\" FROM geography.region LIMIT 1")
    assert found.to_pylist() == [{"Überschrift": "größer"}]


def test_the_versioned_name_is_the_same_table(query):
    sql = "SELECT count(*) AS n FROM sales.{}"
    assert query("steward", sql.format("orders_v1")) == query("steward", sql.format("orders"))


def test_the_catalog_may_be_named(query):
    assert query("steward", "SELECT count(*) AS n FROM mesh.sales.orders")["n"][0].as_py() > 0


# --- parameters -----------------------------------------------------------------------------------

PARAMETERS = [
    ("BOOLEAN", True),
    ("SMALLINT", 7),
    ("INTEGER", -70_000),
    ("BIGINT", 1 << 40),
    ("DOUBLE", 2.5),
    ("VARCHAR", "O'Hare\" OR 1=1 --"),
    ("DATE", datetime.date(1995, 3, 15)),
    ("TIMESTAMP", datetime.datetime(1995, 3, 15, 12, 30, 1)),
    ("DECIMAL(12, 2)", Decimal("12345.67")),
    ("BYTEA", b"\x00\xff"),
]


@pytest.mark.parametrize(("sql_type", "value"), PARAMETERS, ids=[each[0] for each in PARAMETERS])
@pytest.mark.parametrize("placeholder", ["?", "$1"])
def test_a_parameter_of_each_type_returns(sql_type, value, placeholder, query):
    sql = f"SELECT CAST({placeholder} AS {sql_type}) AS v FROM geography.region LIMIT 1"
    assert query("steward", sql, (value,))["v"].to_pylist() == [value]


@pytest.mark.parametrize("sql_type", [each[0] for each in PARAMETERS])
def test_null_is_a_value_of_each_type(sql_type, query):
    sql = f"SELECT CAST(? AS {sql_type}) AS v FROM geography.region LIMIT 1"
    assert query("steward", sql, (None,))["v"].to_pylist() == [None]


@pytest.mark.parametrize("form", ["o_orderkey < {} AND o_orderdate < {}", "o_orderdate > {1} AND o_orderkey < {0}"])
def test_parameters_take_their_types_from_where_they_stand(form, query, files):
    value = (1000, datetime.date(1996, 1, 1))
    sql = ORDERS + " WHERE " + form.format("$1", "$2")
    expected = files.sql(ORDERS + " WHERE " + form.format(value[0], f"DATE '{value[1]}'"))
    assert_same(query("steward", sql, value), expected)


def test_question_marks_are_counted_in_order(query, files):
    sql = ORDERS + " WHERE o_orderkey > {} AND o_orderkey < {} AND o_comment <> {}"
    found = query("steward", sql.format("?", "?", "?"), (100, 200, "what? $1"))
    assert_same(found, files.sql(sql.format(100, 200, "'what? $1'")))


def test_a_question_mark_in_a_text_is_none(query):
    assert query("steward", "SELECT '?' AS v FROM geography.region LIMIT 1")["v"].to_pylist() == ["?"]


def test_a_prepared_statement_is_used_again(connect, files):
    with connect("steward").cursor() as cursor:
        for key in (1, 2, 3, 32):
            cursor.execute("SELECT o_orderkey, o_custkey FROM sales.orders WHERE o_orderkey = ?", (key,))
            expected = files.sql(f"SELECT o_orderkey, o_custkey FROM sales.orders WHERE o_orderkey = {key}")
            assert_same(cursor.fetch_arrow_table(), expected)


def test_prepare_tells_the_parameters(connect):
    with connect("steward").cursor() as cursor:
        schema = cursor.adbc_prepare(ORDERS + " WHERE o_orderkey = ? AND o_orderdate < ?")
        assert schema.names == ["$1", "$2"]
        assert schema.types == [pa.int64(), pa.date32()]


def test_each_bound_row_is_answered(connect):
    """One answer after the other, in the order of the rows."""
    with connect("steward").cursor() as cursor:
        rows = pa.record_batch({"$1": pa.array([2, 0, 1], pa.int64())})
        cursor.execute("SELECT r_regionkey, r_name FROM geography.region WHERE r_regionkey = $1", rows)
        assert [row[0] for row in cursor.fetchall()] == [2, 0, 1]


@pytest.mark.parametrize(
    ("sql", "parameters"),
    [
        (ORDERS + " WHERE o_orderkey = ? AND o_custkey = ?", (1,)),
        (ORDERS + " WHERE o_orderkey = $1", (1, 2)),
        (ORDERS + " WHERE o_orderkey = $1 AND o_custkey = ?", (1, 2)),
        (ORDERS + " WHERE o_orderkey = ?", None),
        (ORDERS + " WHERE o_orderdate = ?", ("no date",)),
    ],
    ids=["too few", "too many", "both styles", "none", "wrong type"],
)
def test_wrong_parameters_are_refused(sql, parameters, query):
    with pytest.raises(adbc_driver_manager.Error) as error:
        query("steward", sql, parameters)
    assert error.value.status_code == AdbcStatusCode.INVALID_ARGUMENT, error.value


# --- metadata -------------------------------------------------------------------------------------


def objects(connection, **options) -> dict[str, dict[str, dict]]:
    """Schema → table → its entry, of the mesh's one catalog."""
    [catalog] = connection.adbc_get_objects(**options).read_all().to_pylist()
    assert catalog["catalog_name"] == "mesh"
    return {
        schema["db_schema_name"]: {table["table_name"]: table for table in schema["db_schema_tables"] or []}
        for schema in catalog["catalog_db_schemas"]
    }


def test_objects_are_those_one_may_discover(connect):
    found = objects(connect("steward"), depth="tables")
    assert {"orders", "lineitem"} <= set(found["sales"])
    assert set(found) == {"sales", "customers", "supply", "geography", "marketing"}


def test_objects_list_columns_with_types(connect):
    orders = objects(connect("steward"), depth="columns", db_schema_filter="sales", table_name_filter="orders")[
        "sales"
    ]["orders"]
    columns = [column["column_name"] for column in orders["table_columns"]]
    assert columns[:3] == ["o_orderkey", "o_custkey", "o_orderstatus"] and len(columns) == 9


def test_hidden_things_are_not_listed(connect):
    [catalog] = connect("nobody").adbc_get_objects(depth="all").read_all().to_pylist() or [None]
    assert not catalog or not catalog["catalog_db_schemas"]


def test_a_tables_schema_is_what_a_select_answers(connect, query):
    schema = connect("steward").adbc_get_table_schema("orders", db_schema_filter="sales")
    assert schema.equals(query("steward", "SELECT * FROM sales.orders LIMIT 0").schema)


def test_a_masked_readers_schema_is_what_a_select_answers(connect, query):
    schema = connect("analyst").adbc_get_table_schema("customer", db_schema_filter="customers")
    assert schema.equals(query("analyst", "SELECT * FROM customers.customer LIMIT 0").schema)


def test_table_types(connect):
    assert "TABLE" in connect("steward").adbc_get_table_types()


def test_info_names_the_gateway(connect):
    info = connect("steward").adbc_get_info()
    assert info["vendor_name"].lower() == "airside"
    assert info["vendor_version"]


# --- errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("SELEC 1", AdbcStatusCode.INVALID_ARGUMENT),
        ("SELECT no_such_column FROM sales.orders", AdbcStatusCode.INVALID_ARGUMENT),
        ("SELECT * FROM sales.no_such_table", AdbcStatusCode.NOT_FOUND),
        ("DELETE FROM sales.orders", AdbcStatusCode.INVALID_ARGUMENT),
    ],
)
def test_errors_carry_their_code(sql, code, query):
    with pytest.raises(adbc_driver_manager.Error) as error:
        query("steward", sql)
    assert error.value.status_code == code, error.value


def test_a_wrong_password_is_unauthenticated(gateway):
    options = {"username": "nobody", "password": "wrong"}
    with pytest.raises(adbc_driver_manager.Error) as error:
        with adbc.connect(gateway.flight, db_kwargs=options, autocommit=True) as connection:
            connection.adbc_get_table_types()
    assert error.value.status_code == AdbcStatusCode.UNAUTHENTICATED, error.value


def test_the_connection_survives_an_error(connect):
    with connect("steward").cursor() as cursor:
        with pytest.raises(adbc_driver_manager.Error):
            cursor.execute("SELECT * FROM sales.no_such_table")
        cursor.execute("SELECT count(*) FROM geography.region")
        assert cursor.fetchall() == [(5,)]


def test_partitions_are_read_one_by_one(connect, files):
    with connect("steward").cursor() as cursor:
        partitions, schema = cursor.adbc_execute_partitions("SELECT o_orderkey FROM sales.orders")
        tables = []
        for partition in partitions:
            cursor.adbc_read_partition(partition)
            tables.append(cursor.fetch_arrow_table())
    assert_same(pa.concat_tables(tables), files.sql("SELECT o_orderkey FROM sales.orders"))


def test_many_connections_at_once(gateway):
    import concurrent.futures

    def ask(number: int) -> int:
        with connect_adbc(gateway, "owner") as connection, connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM sales.orders WHERE o_orderkey > ?", (number,))
            return cursor.fetchone()[0]

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        assert all(answer > 0 for answer in pool.map(ask, range(32)))


# --- transactions, writing, incremental execution -----------------------------------------------------


def test_the_default_connection_is_one_of_the_standard(gateway, recwarn):
    """DBAPI begins a transaction unless told otherwise: it is let, and reads what is there at each statement."""
    user = gateway.users["steward"]
    options = {"username": user.name, "password": user.password}
    with adbc.connect(gateway.flight, db_kwargs=options) as connection:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM geography.region")
            assert cursor.fetchone() == (5,)
            cursor.execute("SELECT n_name FROM geography.nation WHERE n_nationkey = ?", (7,))
            assert cursor.fetchone() == ("GERMANY",)
        connection.commit()
        connection.rollback()
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM geography.region")
            assert cursor.fetchone() == (5,)
    assert [str(warning.message) for warning in recwarn if "autocommit" in str(warning.message)] == []


def test_writing_is_refused_as_such(connect):
    table = pa.table({"a": [1]})
    with connect("steward").cursor() as cursor:
        for write in (
            lambda: cursor.adbc_ingest("t", table),
            lambda: cursor.execute("INSERT INTO sales.orders VALUES (1)"),
            lambda: cursor.executemany("SELECT n_name FROM geography.nation WHERE n_nationkey = ?", [(1,), (2,)]),
        ):
            with pytest.raises(adbc_driver_manager.Error, match="read-only") as error:
                write()
            assert error.value.status_code in (AdbcStatusCode.NOT_IMPLEMENTED, AdbcStatusCode.INVALID_ARGUMENT)


def test_partitions_are_asked_for_by_and_by(connect, files):
    """Incremental execution polls: each call gives new partitions, the last one none."""
    with connect("steward").cursor() as cursor:
        cursor.adbc_statement.set_options(**{"adbc.statement.exec.incremental": "true"})
        sql, tables, calls = "SELECT o_orderkey FROM sales.orders", [], 0
        while partitions := cursor.adbc_execute_partitions(sql)[0]:
            calls += 1
            assert calls < 10
            with connect("steward").cursor() as reader:
                for partition in partitions:
                    reader.adbc_read_partition(partition)
                    tables.append(reader.fetch_arrow_table())
    assert_same(pa.concat_tables(tables), files.sql(sql))


def test_incremental_execution_of_a_prepared_statement(connect):
    with connect("steward").cursor() as cursor:
        cursor.adbc_statement.set_options(**{"adbc.statement.exec.incremental": "true"})
        [partition], schema = cursor.adbc_execute_partitions(
            "SELECT n_name FROM geography.nation WHERE n_nationkey = ?", (7,)
        )
        assert schema.names == ["n_name"]
        with connect("steward").cursor() as reader:
            reader.adbc_read_partition(partition)
            assert reader.fetchall() == [("GERMANY",)]
