import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;

/** Ends of what takes too long. The driver's own bound is far above {@code SOON}. */
final class Cancelling {
  /** Some thousand million pairs: a minute's work at the least. */
  private static final String LONG =
      "SELECT count(*) FROM sales.lineitem a CROSS JOIN sales.lineitem b WHERE a.l_comment < b.l_comment";
  private static final String MANY_ROWS = "SELECT a.* FROM sales.lineitem a CROSS JOIN geography.nation";
  private static final long SOON = 5_000;

  private static void goesOn(Connection connection) throws SQLException {
    Checks.same(5, Checks.ask(connection, "SELECT r_name FROM geography.region").size());
  }

  /** Cancels from another thread, again and again: before its rows are awaited a statement has nothing to cancel. */
  private static void cancels(Connection connection, Statement statement, Checks.Attempt attempt) throws Exception {
    cancels(connection, statement, CompletableFuture.runAsync(() -> {}, later(1_000)), attempt);
  }

  private static void cancels(
      Connection connection, Statement statement, CompletableFuture<?> first, Checks.Attempt attempt) throws Exception {
    AtomicBoolean ended = new AtomicBoolean();
    CompletableFuture<Long> other = first.thenApplyAsync(done -> cancel(statement, ended));
    Checks.refused(attempt);
    ended.set(true);
    long took = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - other.get());
    Checks.holds(took < SOON, "it took " + took + " ms");
    goesOn(connection);
  }

  private static Executor later(long milliseconds) {
    return CompletableFuture.delayedExecutor(milliseconds, TimeUnit.MILLISECONDS);
  }

  /** When it began to cancel. */
  private static long cancel(Statement statement, AtomicBoolean ended) {
    long begin = System.nanoTime();
    try {
      while (!ended.get()) {
        statement.cancel();
        Thread.sleep(200);
      }
    } catch (SQLException | InterruptedException failure) {
      throw new IllegalStateException(failure);
    }
    return begin;
  }

  void aQueryFromAnotherThread() throws Exception {
    try (Connection connection = Checks.steward(); Statement statement = connection.createStatement()) {
      cancels(connection, statement, () -> Checks.count(statement.executeQuery(LONG)));
    }
  }

  void aPreparedQueryFromAnotherThread() throws Exception {
    try (Connection connection = Checks.steward();
        PreparedStatement statement = connection.prepareStatement(LONG + " AND a.l_orderkey > ?")) {
      statement.setLong(1, 0);
      cancels(connection, statement, () -> Checks.count(statement.executeQuery()));
    }
  }

  /** The driver gives up and tells the server nothing: the query ends with the connection. */
  void aTimeOut() throws Exception {
    Connection connection = Checks.steward();
    Statement statement = connection.createStatement();
    statement.setQueryTimeout(1);
    long begin = System.nanoTime();
    SQLException refusal = Checks.refused(() -> Checks.count(statement.executeQuery(LONG)));
    long took = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - begin);
    Checks.holds(took < 1_000 + SOON, "it took " + took + " ms");
    Checks.says("timed out", refusal);
    leave(connection);
    beServed();
  }

  void aReaderThatLeaves() throws Exception {
    try (Connection connection = Checks.steward(); Statement statement = connection.createStatement()) {
      try (ResultSet rows = statement.executeQuery(MANY_ROWS)) {
        Checks.holds(rows.next(), "no row");
      }
      goesOn(connection);
    }
  }

  void aConnectionThatLeaves() throws Exception {
    Connection connection = Checks.steward();
    ResultSet rows = connection.createStatement().executeQuery(MANY_ROWS);
    Checks.holds(rows.next(), "no row");
    leave(connection);
    beServed();
  }

  /** Closes a connection that has work under way. The driver waits for it, ten seconds, and then complains. */
  private static void leave(Connection connection) {
    CompletableFuture.runAsync(() -> {
      try {
        connection.close();
      } catch (SQLException leak) {
        System.err.println(leak);
      }
    });
  }

  void othersAreServedMeanwhile() throws Exception {
    try (Connection busy = Checks.steward(); Statement statement = busy.createStatement()) {
      CompletableFuture<Void> other = CompletableFuture.runAsync(Cancelling::beServed, later(1_000));
      cancels(busy, statement, other, () -> Checks.count(statement.executeQuery(LONG)));
    }
  }

  private static void beServed() {
    try (Connection another = Checks.steward()) {
      goesOn(another);
    } catch (SQLException failure) {
      throw new IllegalStateException(failure);
    }
  }
}
