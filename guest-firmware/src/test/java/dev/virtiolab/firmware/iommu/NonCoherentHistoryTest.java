package dev.virtiolab.firmware.iommu;

import static dev.virtiolab.firmware.uefi.DmaOperation.*;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.virtiolab.firmware.fixture.Seed;
import dev.virtiolab.firmware.uefi.DmaMapping;
import dev.virtiolab.firmware.uefi.DmaOperation;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/**
 * Clients that keep to the rules never lose a byte and never see an old one, whatever shares their
 * lines: buffers of every length lie side by side in a few pages, each mapped, used by its device,
 * and unmapped, in any order.
 */
class NonCoherentHistoryTest {
  private static final int HISTORIES = 40;
  private static final int STEPS = 400;
  private static final int BUFFERS = 24;
  private static final int LARGEST = 300;

  private static final class Client {
    long host;
    byte[] expected;
    DmaMapping mapping;
    DmaOperation operation;
    long device;
  }

  @Test
  void clientsThatKeepToTheRulesSeeEachByteWhatSharesTheirLines() {
    SplittableRandom random = Seed.random("NonCoherentHistoryTest");
    for (int history = 0; history < HISTORIES; history++) {
      new History(random.split(), history).run();
    }
  }

  private static final class History {
    private final NonCoherentBench bench = new NonCoherentBench();
    private final List<Client> clients = new ArrayList<>();
    private final SplittableRandom random;
    private final int number;

    History(SplittableRandom random, int number) {
      this.random = random;
      this.number = number;
      long next = random.nextBoolean() ? bench.pages(2) : bench.pagesBelow(16 << 20, 2);
      for (int i = 0; i < BUFFERS; i++) {
        Client client = new Client();
        int length =
            random.nextInt(4) == 0 ? 64 * random.nextInt(1, 4) : random.nextInt(LARGEST) + 1;
        if (random.nextInt(3) == 0) {
          next = next + 63 & -64; // some begin with a line
        }
        client.host = next;
        client.expected = new byte[length];
        Arrays.fill(client.expected, (byte) NonCoherentBench.STALE);
        next += length;
        clients.add(client);
      }
    }

    void run() {
      for (int step = 0; step < STEPS; step++) {
        Client client = clients.get(random.nextInt(clients.size()));
        if (client.mapping == null) {
          if (random.nextBoolean()) {
            cpuWrites(client);
          } else {
            map(client);
          }
        } else if (random.nextBoolean()) {
          deviceWorks(client, step);
        } else {
          unmap(client, step);
        }
      }
      for (Client client : clients) {
        if (client.mapping != null) {
          unmap(client, STEPS);
        }
        compare(client, STEPS);
      }
      assertEquals(0, bench.memory.dirtyLost(), "history " + number);
      assertEquals(0, bench.dma.openMappings());
    }

    private void cpuWrites(Client client) {
      int at = random.nextInt(client.expected.length);
      byte value = (byte) random.nextInt();
      bench.memory.putByte(client.host + at, value);
      client.expected[at] = value;
    }

    private void map(Client client) {
      client.operation =
          switch (random.nextInt(4)) {
            case 0 -> BUS_MASTER_READ;
            case 1 -> BUS_MASTER_READ64;
            case 2 -> BUS_MASTER_WRITE;
            default -> BUS_MASTER_WRITE64;
          };
      client.mapping = bench.mapped(client.operation, client.host, client.expected.length);
      client.device = bench.device.value;
    }

    private boolean writes(Client client) {
      return client.operation == BUS_MASTER_WRITE || client.operation == BUS_MASTER_WRITE64;
    }

    private void deviceWorks(Client client, int step) {
      int at = random.nextInt(client.expected.length);
      long address = client.device - NonCoherentBench.OFFSET + at;
      if (writes(client)) {
        byte value = (byte) random.nextInt();
        bench.memory.dramWrite(address, value);
        client.expected[at] = value;
        if (random.nextInt(8) == 0) {
          bench.dma.flush();
          compare(client, step);
        }
      } else {
        assertEquals(client.expected[at], bench.memory.dramByte(address), where(step));
      }
    }

    private void unmap(Client client, int step) {
      bench.unmap(client.mapping);
      client.mapping = null;
      compare(client, step);
    }

    private void compare(Client client, int step) {
      for (int i = 0; i < client.expected.length; i++) {
        assertEquals(client.expected[i], bench.memory.getByte(client.host + i), where(step));
      }
    }

    private String where(int step) {
      return "history=%d step=%d".formatted(number, step);
    }
  }
}
