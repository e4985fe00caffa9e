import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;

/** What a tool shows when something is wrong, and that the connection goes on. */
final class Errors {
  /** The driver has one SQLSTATE for what a server refuses; what is wrong stands in the message. */
  private static void refused(String user, String sql, String... told) throws Exception {
    try (Connection connection = Checks.connect(user); Statement statement = connection.createStatement()) {
      SQLException refusal = Checks.refused(() -> Checks.count(statement.executeQuery(sql)));
      for (String part : told) {
        Checks.says(part, refusal);
      }
      Checks.holds(!Checks.told(refusal).contains(".rs:"), "a place in the source: " + Checks.told(refusal));
      if (user.equals("steward")) {
        Checks.same(5, Checks.count(statement.executeQuery("SELECT * FROM geography.region")));
      }
    }
  }

  void syntax() throws Exception {
    refused("steward", "SELEC 1", "SELEC");
  }

  void anUnknownColumn() throws Exception {
    refused("steward", "SELECT no_such_column FROM sales.orders", "no_such_column");
  }

  void anUnknownTable() throws Exception {
    refused("steward", "SELECT * FROM sales.no_such_table", "sales.no_such_table", "not found");
  }

  void anUnknownSchema() throws Exception {
    refused("steward", "SELECT * FROM no_such_schema.orders", "no_such_schema.orders", "not found");
  }

  void aTableWithoutItsSchema() throws Exception {
    refused("steward", "SELECT * FROM orders", "orders");
  }

  void aHiddenTableIsUnknown() throws Exception {
    refused("nobody", "SELECT * FROM sales.orders", "sales.orders", "not found");
  }

  void aHiddenColumnIsUnknown() throws Exception {
    refused("service", "SELECT ps_supplycost FROM supply.partsupp", "ps_supplycost");
  }

  void aValueThatCannotBeComputed() throws Exception {
    refused("steward", "SELECT 1 / (r_regionkey - r_regionkey) FROM geography.region", "zero");
  }

  void whatIsNotServed() throws Exception {
    refused("steward", "EXPLAIN SELECT 1", "EXPLAIN");
    refused("steward", "SHOW TABLES", "SHOW");
    refused("steward", "SELECT * FROM information_schema.tables");
  }

  void aSemicolonAtTheEnd() throws Exception {
    try (Connection connection = Checks.steward(); Statement statement = connection.createStatement()) {
      Checks.same(5, Checks.count(statement.executeQuery("SELECT * FROM geography.region;")));
    }
  }

  void twoStatementsAreOneTooMany() throws Exception {
    refused("steward", "SELECT 1; SELECT 2");
  }
}
