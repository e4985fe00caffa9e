import com.google.protobuf.CodedInputStream;
import com.google.protobuf.WireFormat;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.apache.arrow.flight.CallOption;
import org.apache.arrow.flight.FlightCallHeaders;
import org.apache.arrow.flight.FlightClient;
import org.apache.arrow.flight.FlightDescriptor;
import org.apache.arrow.flight.FlightInfo;
import org.apache.arrow.flight.FlightRuntimeException;
import org.apache.arrow.flight.FlightStatusCode;
import org.apache.arrow.flight.FlightStream;
import org.apache.arrow.flight.HeaderCallOption;
import org.apache.arrow.flight.Location;
import org.apache.arrow.flight.Ticket;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.apache.arrow.vector.ipc.ArrowFileWriter;

/**
 * Copies a whole data product into a folder: all endpoints in parallel, each into an Arrow IPC file of its own. When it
 * is interrupted, running it again fetches only the parts that are not there.
 *
 * <pre>
 * mvn --quiet dependency:copy-dependencies -DoutputDirectory=lib
 * AIRSIDE_TOKEN=airt_… java --add-opens=java.base/java.nio=ALL-UNNAMED -cp 'lib/*' \
 *     Pull.java grpc://127.0.0.1:50051 sales.lineitem lineitem/
 * </pre>
 *
 * <p>{@code AIRSIDE_USER} and {@code AIRSIDE_PASSWORD} sign in by password instead. {@code AIRSIDE_PURPOSE} states a
 * purpose, {@code AIRSIDE_ROOTS} names a file of certificates to trust with {@code grpc+tls://}, {@code
 * AIRSIDE_PARALLEL} says how many endpoints to read at once.
 */
public final class Pull {
  /** How often in a row nothing may come of asking again. */
  private static final int PATIENCE = 5;

  /** What passes of asking. A broken connection has more than one name. */
  private static final Set<FlightStatusCode> PASSING = EnumSet.of(FlightStatusCode.UNAVAILABLE,
      FlightStatusCode.TIMED_OUT, FlightStatusCode.RESOURCE_EXHAUSTED, FlightStatusCode.UNKNOWN);

  private Pull() {}

  public static void main(String[] arguments) throws Exception {
    if (arguments.length != 3) {
      System.err.println("usage: Pull grpc://HOST:PORT DOMAIN.PRODUCT FOLDER");
      System.exit(2);
    }
    try {
      pull(URI.create(arguments[0]), arguments[1], Path.of(arguments[2]));
    } catch (FlightRuntimeException failure) {
      System.err.println(failure.status().code() + ": " + failure.status().description());
      System.exit(1);
    }
  }

  /**
   * Asks for the product until every part of one answer is in the folder. Whatever a part failed of (the connection,
   * its ticket's end, data that was replaced, a right that is gone), asking again tells.
   */
  private static void pull(URI address, String product, Path folder) throws Exception {
    for (int fruitless = 0; ; ) {
      Round round = new Round(address, product, folder);
      Optional<FlightRuntimeException> failure = round.run();
      if (failure.isEmpty()) {
        return;
      }
      fruitless = round.fetched > 0 ? 0 : fruitless + 1;
      if (fruitless == PATIENCE) {
        throw failure.get();
      }
      System.err.println("asking again: " + failure.get().status().description());
      Thread.sleep(1000L * fruitless);
    }
  }

  /** One answer of the gateway, and what was missing of it. */
  private static final class Round {
    private final URI address;
    private final String product;
    private final Path folder;
    private int fetched;

    Round(URI address, String product, Path folder) {
      this.address = address;
      this.product = product;
      this.folder = folder;
    }

    /** Fetches what is missing; answers what passing failure kept it from the whole. */
    Optional<FlightRuntimeException> run() throws Exception {
      try (BufferAllocator allocator = new RootAllocator(); Gateway gateway = new Gateway(allocator, address)) {
        FlightInfo info;
        try {
          gateway.signIn();
          info = gateway.ask(product);
        } catch (FlightRuntimeException refusal) {
          if (!PASSING.contains(refusal.status().code())) {
            throw refusal;
          }
          return Optional.of(refusal);
        }
        Target target = Target.of(folder, info);
        List<Integer> missing = target.missing();
        System.err.printf("%s: %d parts, %d to fetch%n", product, info.getEndpoints().size(), missing.size());
        Optional<FlightRuntimeException> failure = fetch(gateway, info, target, missing);
        if (failure.isEmpty()) {
          target.tidy();
        }
        return failure;
      }
    }

    private Optional<FlightRuntimeException> fetch(
        Gateway gateway, FlightInfo info, Target target, List<Integer> missing) throws Exception {
      ExecutorService readers = Executors.newFixedThreadPool(parallel());
      List<Future<Long>> running = new ArrayList<>();
      for (int part : missing) {
        Ticket ticket = info.getEndpoints().get(part).getTicket();
        running.add(readers.submit(() -> gateway.fetch(ticket, target.path(part))));
      }
      readers.shutdown();
      Optional<FlightRuntimeException> failure = Optional.empty();
      for (int each = 0; each < missing.size(); each++) {
        try {
          System.err.printf("part %d: %d rows%n", missing.get(each), running.get(each).get());
          fetched++;
        } catch (ExecutionException ended) {
          if (!(ended.getCause() instanceof FlightRuntimeException refusal)) {
            readers.shutdownNow();
            throw ended;
          }
          failure = Optional.of(refusal);
        }
      }
      return failure;
    }

    private static int parallel() {
      return Integer.parseInt(Optional.ofNullable(System.getenv("AIRSIDE_PARALLEL")).orElse("4"));
    }
  }

  /** A connection, and what every call of it carries. */
  private static final class Gateway implements AutoCloseable {
    private final FlightClient client;
    private final List<CallOption> options = new ArrayList<>();

    Gateway(BufferAllocator allocator, URI address) throws IOException {
      boolean encrypted = address.getScheme().equals("grpc+tls");
      Location location = encrypted
          ? Location.forGrpcTls(address.getHost(), address.getPort())
          : Location.forGrpcInsecure(address.getHost(), address.getPort());
      FlightClient.Builder builder = FlightClient.builder(allocator, location);
      String roots = System.getenv("AIRSIDE_ROOTS");
      if (encrypted && roots != null) {
        try (InputStream pem = Files.newInputStream(Path.of(roots))) {
          client = builder.trustedCertificates(pem).build();
        }
      } else {
        client = builder.build();
      }
    }

    /** The token given, or the one that the handshake gives for a password; and the purpose. */
    void signIn() {
      FlightCallHeaders headers = new FlightCallHeaders();
      String token = System.getenv("AIRSIDE_TOKEN");
      if (token != null) {
        headers.insert("authorization", "Bearer " + token);
      } else {
        client.authenticateBasicToken(System.getenv("AIRSIDE_USER"), System.getenv("AIRSIDE_PASSWORD"))
            .ifPresent(options::add);
      }
      if (System.getenv("AIRSIDE_PURPOSE") != null) {
        headers.insert("airside-purpose", System.getenv("AIRSIDE_PURPOSE"));
      }
      options.add(new HeaderCallOption(headers));
    }

    /**
     * What the product is made of. The header says that all endpoints will be read: without it the gateway gives
     * everything in one, for clients that read no other.
     */
    FlightInfo ask(String product) {
      FlightCallHeaders all = new FlightCallHeaders();
      all.insert("airside-endpoints", "all");
      List<CallOption> asking = new ArrayList<>(options);
      asking.add(new HeaderCallOption(all));
      return client.getInfo(FlightDescriptor.path(product.split("\\.", 2)), asking.toArray(CallOption[]::new));
    }

    /** Writes what a ticket gives to a file, which is there once it is whole. */
    long fetch(Ticket ticket, Path path) throws Exception {
      Path unfinished = path.resolveSibling(path.getFileName() + ".part");
      long rows = 0;
      try (FlightStream stream = client.getStream(ticket, options.toArray(CallOption[]::new));
          FileOutputStream file = new FileOutputStream(unfinished.toFile());
          ArrowFileWriter writer =
              new ArrowFileWriter(stream.getRoot(), stream.getDictionaryProvider(), file.getChannel())) {
        writer.start();
        while (stream.next()) {
          writer.writeBatch();
          rows += stream.getRoot().getRowCount();
        }
        writer.end();
        file.getFD().sync();
      }
      Files.move(unfinished, path, StandardCopyOption.ATOMIC_MOVE);
      return rows;
    }

    @Override
    public void close() throws InterruptedException {
      client.close();
    }
  }

  /**
   * Where the parts of one answer lie: part 3 of 12 in {@code part-00003-of-00012.arrow}, in a folder that is named
   * after what they have in common. Parts of unlike answers never meet.
   */
  private record Target(Path root, Path folder, int parts) {
    static Target of(Path root, FlightInfo info) throws Exception {
      Path folder = root.resolve(fingerprint(info));
      Files.createDirectories(folder);
      Files.write(folder.resolve("receipt.bin"), info.getAppMetadata());
      return new Target(root, folder, info.getEndpoints().size());
    }

    /**
     * Says of two answers whether their parts belong together: the same files, under the same policy and for the same
     * purpose, cut into as many parts. The receipt has all of it, and the id of the decision, which is another one each
     * time.
     */
    private static String fingerprint(FlightInfo info) throws Exception {
      MessageDigest digest = MessageDigest.getInstance("SHA-256");
      byte[] receipt = info.getAppMetadata();
      CodedInputStream fields = CodedInputStream.newInstance(receipt);
      for (int start = 0, tag; (tag = fields.readTag()) != 0; start = fields.getTotalBytesRead()) {
        fields.skipField(tag);
        if (WireFormat.getTagFieldNumber(tag) != 1) {
          digest.update(receipt, start, fields.getTotalBytesRead() - start);
        }
      }
      digest.update((info.getEndpoints().size() + " " + info.getSchemaOptional()).getBytes(StandardCharsets.UTF_8));
      return HexFormat.of().formatHex(Arrays.copyOf(digest.digest(), 8));
    }

    Path path(int part) {
      return folder.resolve(String.format("part-%05d-of-%05d.arrow", part, parts));
    }

    /** The parts that are not there yet. */
    List<Integer> missing() {
      List<Integer> missing = new ArrayList<>();
      for (int part = 0; part < parts; part++) {
        if (!Files.exists(path(part))) {
          missing.add(part);
        }
      }
      return missing;
    }

    /** Removes the parts of earlier answers that were never finished, once there is a whole one. */
    void tidy() throws IOException {
      Files.write(folder.resolve("complete"), new byte[0]);
      try (DirectoryStream<Path> others = Files.newDirectoryStream(root)) {
        for (Path other : others) {
          if (Files.exists(other.resolve("receipt.bin")) && !Files.exists(other.resolve("complete"))) {
            remove(other);
          }
        }
      }
      System.out.println(folder);
    }

    private static void remove(Path folder) throws IOException {
      try (DirectoryStream<Path> files = Files.newDirectoryStream(folder)) {
        for (Path file : files) {
          Files.delete(file);
        }
      }
      Files.delete(folder);
    }
  }
}
