package dev.virtiolab.virtio.queue;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The committed corpus of hostile tables, {@code hostile-tables.txt}, which says how to read it.
 */
class HostileCorpusTest {
  private static final int SIZE = 8;
  private static final long TABLE = Bench.BUFFERS + 0x8000;
  private static final long OTHER_TABLE = Bench.BUFFERS + 0x9000;

  /** A table of the corpus: its name, and its lines in words. */
  record Table(String name, List<List<String>> lines) {
    @Override
    public String toString() {
      return name;
    }
  }

  @ParameterizedTest
  @MethodSource("tables")
  void endsAsTheCorpusSays(Table table) {
    play(table, new Bench(SIZE, false));
    Bench scattered = new Bench(SIZE, false);
    scattered.bus.scatter();
    play(table, scattered);
  }

  private static void play(Table table, Bench bench) {
    for (List<String> line : table.lines) {
      switch (line.getFirst()) {
        case "without" ->
            bench.queue.configure(
                SIZE,
                bench.driver.descriptorArea(),
                bench.driver.driverArea(),
                bench.driver.deviceArea(),
                false,
                !line.get(1).equals("INDIRECT_DESC"));
        case "desc" ->
            bench.driver.rawDescriptor(
                Integer.parseInt(line.get(1)),
                address(bench, line.get(2)),
                number(line.get(3)),
                flags(line.get(4)),
                number(line.get(5)));
        case "entry" ->
            bench.driver.rawEntry(
                address(bench, line.get(1)),
                Integer.parseInt(line.get(2)),
                address(bench, line.get(3)),
                number(line.get(4)),
                flags(line.get(5)),
                number(line.get(6)));
        case "avail" -> {
          line.stream().skip(1).forEach(head -> bench.driver.offer(number(head)));
          bench.driver.publish();
        }
        case "idx" -> bench.driver.rawAvailIdx(number(line.get(1)));
        case "take" -> assertEquals(line, take(bench), table.name);
        default -> throw new AssertionError(table.name + ": " + line);
      }
    }
    // Whatever came, it works after a reset.
    bench.start(0);
    bench.driver.rawDescriptor(0, Bench.BUFFERS, 12, 0, 0);
    bench.driver.rawAvailEntry(0, 0);
    bench.driver.rawAvailIdx(1);
    assertEquals(List.of("take", "CHAIN", "readable=12", "writable=0"), take(bench), table.name);
  }

  /** Takes a chain, and says in the corpus's words what came. */
  private static List<String> take(Bench bench) {
    Outcome outcome = bench.queue.next(bench.chain);
    return switch (outcome) {
      case CHAIN ->
          List.of(
              "take",
              "CHAIN",
              "readable=" + bench.chain.readableBytes(),
              "writable=" + bench.chain.writableBytes());
      case BROKEN -> List.of("take", "BROKEN", bench.queue.error().name());
      default -> List.of("take", outcome.name());
    };
  }

  private static long address(Bench bench, String word) {
    String[] parts = word.split("(?=[+-])");
    long address =
        switch (parts[0]) {
          case "RAM" -> Bench.BUFFERS;
          case "T" -> TABLE;
          case "U" -> OTHER_TABLE;
          case "END" -> Bench.BASE + Bench.BYTES;
          case "DESC" -> bench.driver.descriptorArea();
          case "AVAIL" -> bench.driver.driverArea();
          case "USED" -> bench.driver.deviceArea();
          default -> Long.parseUnsignedLong(parts[0].substring("0x".length()), 16);
        };
    return parts.length == 1 ? address : address + Long.decode(parts[1]);
  }

  /** A number of 32 bits, decimal or hexadecimal, as the bits that go into memory. */
  private static int number(String word) {
    return Long.decode(word).intValue();
  }

  private static int flags(String word) {
    return Character.isDigit(word.charAt(0))
        ? number(word)
        : (word.contains("N") ? DescriptorLayout.F_NEXT : 0)
            | (word.contains("W") ? DescriptorLayout.F_WRITE : 0)
            | (word.contains("I") ? DescriptorLayout.F_INDIRECT : 0);
  }

  static List<Table> tables() throws IOException {
    List<Table> tables = new ArrayList<>();
    try (var in = HostileCorpusTest.class.getResourceAsStream("hostile-tables.txt")) {
      for (String line : new String(in.readAllBytes(), StandardCharsets.UTF_8).split("\n")) {
        if (line.isBlank() || line.startsWith("#")) {
          continue;
        }
        List<String> words = List.of(line.trim().split("\\s+"));
        if (words.getFirst().equals("table")) {
          tables.add(new Table(words.get(1), new ArrayList<>()));
        } else {
          tables.getLast().lines.add(words);
        }
      }
    }
    return tables;
  }
}
