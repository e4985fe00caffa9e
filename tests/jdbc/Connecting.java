import java.io.FileInputStream;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/** Logins, encryption, and what a connection may be told. */
final class Connecting {
  private static final String REGIONS = "SELECT count(*) FROM geography.region";
  private static final String ORDERS = "SELECT count(*) FROM sales.orders";
  private static final String COSTS = "SELECT count(ps_supplycost) FROM supply.partsupp";

  private static void answers(Connection connection, String sql) throws SQLException {
    try (connection) {
      Checks.holds((Long) Checks.ask(connection, sql).get(0) > 0, "no rows");
    }
  }

  // --- logins --------------------------------------------------------------------------------------

  void byPassword() throws Exception {
    answers(Checks.connect("steward"), REGIONS);
  }

  void byPasswordInProperties() throws Exception {
    Properties login = new Properties();
    login.put("user", "steward");
    login.put("password", "demo-steward");
    login.put("useEncryption", "false");
    answers(DriverManager.getConnection(Checks.url(Checks.setting("plain")), login), REGIONS);
  }

  void byToken() throws Exception {
    answers(Checks.open(Checks.setting("plain"), "useEncryption=false", "token=" + Checks.setting("token")), ORDERS);
  }

  void aWrongPasswordIsRefused() throws Exception {
    SQLException refusal = Checks.refused(() -> Checks.open(
        Checks.setting("plain"), "useEncryption=false", "user=steward", "password=wrong").close());
    Checks.says("the credentials are not accepted", refusal);
  }

  void aWrongTokenIsRefused() throws Exception {
    SQLException refusal = Checks.refused(() -> answers(
        Checks.open(Checks.setting("plain"), "useEncryption=false", "token=airt_wrong"), REGIONS));
    Checks.says("the credentials are not accepted", refusal);
  }

  void nobodyGetsInWithoutLogin() throws Exception {
    Checks.refused(() -> answers(Checks.open(Checks.setting("plain"), "useEncryption=false"), REGIONS));
  }

  // --- TLS -----------------------------------------------------------------------------------------

  private static Connection secured(String... options) throws SQLException {
    List<String> all = new ArrayList<>(List.of(options));
    all.addAll(List.of("user=steward", "password=demo-steward"));
    return Checks.open(Checks.setting("secured"), all.toArray(String[]::new));
  }

  void encryptedWithRootCertificates() throws Exception {
    answers(secured("useSystemTrustStore=false", "tlsRootCerts=" + Checks.setting("roots")), REGIONS);
  }

  void encryptedWithTrustStore() throws Exception {
    Path store = Files.createTempFile("trust", ".p12");
    try {
      writeTrustStore(store);
      answers(secured("useSystemTrustStore=false", "trustStore=" + store, "trustStorePassword=changeit"), REGIONS);
    } finally {
      Files.delete(store);
    }
  }

  void encryptedWithoutVerification() throws Exception {
    answers(secured("disableCertificateVerification=true"), REGIONS);
  }

  void anUntrustedAuthorityIsRefused() throws Exception {
    Checks.refused(() -> secured().close());
  }

  void plaintextToAnEncryptedListenerIsRefused() throws Exception {
    Checks.refused(() -> secured("useEncryption=false").close());
  }

  void byClientCertificate() throws Exception {
    Connection connection = Checks.open(Checks.setting("secured"), "useSystemTrustStore=false",
        "tlsRootCerts=" + Checks.setting("roots"), "clientCertificate=" + Checks.setting("certificate"),
        "clientKey=" + Checks.setting("key"));
    answers(connection, ORDERS);
  }

  private static void writeTrustStore(Path path) throws Exception {
    KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
    store.load(null, null);
    try (InputStream pem = new FileInputStream(Checks.setting("roots"))) {
      store.setCertificateEntry("mesh", CertificateFactory.getInstance("X.509").generateCertificate(pem));
    }
    try (OutputStream file = Files.newOutputStream(path)) {
      store.store(file, "changeit".toCharArray());
    }
  }

  // --- what a connection is told -------------------------------------------------------------------

  /** The driver sets it as a session option, and closes the session once more than its channel is open. */
  void theCatalogMayBeNamed() throws Exception {
    Connection connection = Checks.connect("steward", "catalog=mesh");
    Checks.same(List.of(5L), Checks.ask(connection, REGIONS));
    try {
      connection.close();
    } catch (SQLException failure) {
      Checks.says("Channel shutdown", failure);
    }
  }

  void withoutPurposeAColumnStaysHidden() throws Exception {
    try (Connection connection = Checks.connect("service")) {
      Checks.says("ps_supplycost", Checks.refused(() -> Checks.ask(connection, COSTS)));
    }
  }

  void aPurposeInTheUrl() throws Exception {
    answers(Checks.connect("service", "airside-purpose=audit"), COSTS);
  }

  void aPurposeAsProperty() throws Exception {
    Properties properties = new Properties();
    properties.put("user", "service");
    properties.put("password", "demo-service");
    properties.put("useEncryption", "false");
    properties.put("airside-purpose", "audit");
    answers(DriverManager.getConnection(Checks.url(Checks.setting("plain")), properties), COSTS);
  }

  void aDefaultSchemaInTheUrl() throws Exception {
    answers(Checks.connect("steward", "airside-schema=geography"), "SELECT count(*) FROM region");
  }

  void aConnectionSaysThatItIsValid() throws Exception {
    Connection connection = Checks.steward();
    try (connection) {
      Checks.holds(connection.isValid(10), "not valid");
      Checks.holds(connection.getAutoCommit(), "no auto-commit");
      Checks.holds(!connection.isClosed(), "closed");
    }
    Checks.holds(connection.isClosed(), "not closed");
  }

  /** Tools turn auto-commit off, where it may be, and end what they read with a commit or a rollback. */
  void transactionsOfAReader() throws Exception {
    try (Connection connection = Checks.steward()) {
      connection.setAutoCommit(false);
      Checks.same(List.of(5L), Checks.ask(connection, REGIONS));
      connection.commit();
      Checks.same(List.of(5L), Checks.ask(connection, REGIONS));
      connection.rollback();
      connection.setAutoCommit(true);
      Checks.same(List.of(5L), Checks.ask(connection, REGIONS));
    }
  }

  // --- pools ---------------------------------------------------------------------------------------

  void manyConnectionsOneAfterAnother() throws Exception {
    for (int each = 0; each < 12; each++) {
      answers(Checks.steward(), REGIONS);
    }
  }

  void manyConnectionsAtOnce() throws Exception {
    ExecutorService pool = Executors.newFixedThreadPool(8);
    List<Future<Integer>> found = new ArrayList<>();
    for (int each = 0; each < 32; each++) {
      int key = each % 25;
      found.add(pool.submit(() -> nation(key)));
    }
    for (int each = 0; each < 32; each++) {
      Checks.same(1, found.get(each).get());
    }
    pool.shutdown();
  }

  private static int nation(int key) throws SQLException {
    try (Connection connection = Checks.steward();
        PreparedStatement statement =
            connection.prepareStatement("SELECT n_name FROM geography.nation WHERE n_nationkey = ?")) {
      statement.setLong(1, key);
      try (ResultSet rows = statement.executeQuery()) {
        return Checks.count(rows);
      }
    }
  }

  void oneConnectionServesManyThreads() throws Exception {
    ExecutorService pool = Executors.newFixedThreadPool(4);
    try (Connection connection = Checks.steward()) {
      List<Future<List<Object>>> found = new ArrayList<>();
      for (int each = 0; each < 8; each++) {
        found.add(pool.submit(() -> Checks.ask(connection, REGIONS)));
      }
      for (Future<List<Object>> each : found) {
        Checks.same(List.of(5L), each.get());
      }
    }
    pool.shutdown();
  }
}
