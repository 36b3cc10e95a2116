package dev.virtiolab.pci.vfiouser;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.pci.fixture.VfioUserClient;
import dev.virtiolab.pci.memory.DmaAccess;
import dev.virtiolab.pci.memory.DmaWindow;
import dev.virtiolab.posix.EventFd;
import dev.virtiolab.posix.MemFd;
import dev.virtiolab.posix.Uninterruptibly;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.SplittableRandom;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Messages that no client would send: cut, stretched, swapped, with anything attached. */
class HostileClientTest {
  private static final int CLIENTS = 150;
  private static final int MESSAGES = 60;
  private static final long[] EDGES = {
    0,
    1,
    2,
    4,
    8,
    15,
    16,
    32,
    255,
    4095,
    4096,
    8192,
    1L << 20,
    1L << 31,
    1L << 32,
    -1,
    -4096,
    Long.MIN_VALUE,
    Long.MAX_VALUE
  };

  @Test
  void nothingThatAClientSendsBreaksTheServerOrIsLeft(@TempDir Path folder) {
    long seed = Long.getLong("virtiolab.seed", System.nanoTime());
    System.out.println("HostileClientTest: -Dvirtiolab.seed=" + seed);
    SplittableRandom random = new SplittableRandom(seed);
    try (Served served = new Served(folder, false);
        MemFd file = MemFd.create("hostile", 64 * 4096);
        EventFd event = EventFd.create()) {
      int[] fds = {file.fd(), event.fd(), 0};
      served.client().close();
      served.awaitNoClient();
      long before = Served.openDescriptors();
      Device device = new Device(served, random.split());
      device.start();
      for (int i = 0; i < CLIENTS; i++) {
        try (VfioUserClient client =
            random.nextInt(8) == 0 ? VfioUserClient.connect(served.path) : served.client()) {
          if (random.nextBoolean()) {
            giveMemoryByMessages(client);
          }
          for (int j = 0; j < MESSAGES; j++) {
            byte[] message = message(random);
            if (!client.send(message, attached(random, fds))) {
              break;
            }
            if (isAnswered(message) && !awaitReply(client, random)) {
              break;
            }
          }
          client.send(new byte[random.nextInt(40)], attached(random, fds));
          client.send(wrongSize(random));
        }
        served.awaitNoClient();
        assertTrue(served.server.running(), "client " + i);
        assertEquals(0, served.memory.mappings());
      }
      device.end();
      assertTrue(served.server.counters().messages() > CLIENTS * MESSAGES / 2);
      assertTrue(served.server.counters().dmaReads() > 0);
      assertEquals(before, Served.openDescriptors());
      assertEquals(0, Served.maps("hostile"));
      try (VfioUserClient sane = served.client()) {
        assertEquals(16384, sane.regionInfo(4).u64(16));
      }
    }
  }

  /** What a device does meanwhile: with the lock, and on a thread of its own. */
  private static final class Device extends Thread {
    private final Served served;
    private final SplittableRandom random;
    private final DmaWindow window = new DmaWindow();
    private volatile boolean ending;
    private volatile Throwable failure;

    Device(Served served, SplittableRandom random) {
      this.served = served;
      this.random = random;
      setDaemon(true);
    }

    @Override
    public void run() {
      try {
        while (!ending) {
          batch();
          LockSupport.parkNanos(10_000);
        }
      } catch (Throwable e) {
        failure = e;
      }
    }

    private void batch() {
      served.function.lock().lock();
      try {
        DmaAccess access = random.nextBoolean() ? DmaAccess.READ : DmaAccess.WRITE;
        long address = edge(random);
        if (served.memory.resolve(address, access, window) && access == DmaAccess.WRITE) {
          window.stored(address, 1);
        }
        served.function.msix().signal(random.nextInt(8));
        served.function.intx().raise();
      } finally {
        served.function.lock().unlock();
      }
    }

    void end() {
      ending = true;
      Uninterruptibly.join(this);
      assertNull(failure);
    }
  }

  private static void giveMemoryByMessages(VfioUserClient client) {
    ByteBuffer map = VfioUserClient.payload(32);
    map.putInt(32).putInt(3).putLong(0).putLong(0).putLong(1 << 20);
    client.tell(2, 1 << 4, map);
  }

  /** Waits for a reply, and answers meanwhile what is asked, or not, or anything. */
  private static boolean awaitReply(VfioUserClient client, SplittableRandom random) {
    while (true) {
      VfioUserClient.Reply next = client.messageOrEnd();
      if (next == null || !next.isCommand()) {
        return next != null;
      }
      if (random.nextInt(4) > 0) {
        int bytes = random.nextBoolean() ? 16 + 4096 : random.nextInt(64);
        ByteBuffer payload = VfioUserClient.payload(bytes);
        if (bytes >= 8 && random.nextInt(4) > 0) {
          payload.putLong(0, next.u64(0));
        }
        client.answer(next, random.nextInt(8) == 0 ? random.nextInt() : 0, payload);
      }
    }
  }

  private static byte[] message(SplittableRandom random) {
    int command = random.nextInt(10) == 0 ? random.nextInt(0x10000) : random.nextInt(1, 19);
    int payload = random.nextInt(6) == 0 ? random.nextInt(2000) : usual(command, random);
    ByteBuffer message = VfioUserClient.payload(16 + payload);
    message.putShort((short) random.nextInt(0x10000)).putShort((short) command);
    message.putInt(16 + payload);
    message.putInt(random.nextInt(5) == 0 ? random.nextInt() : 0).putInt(0);
    while (message.remaining() >= 4) {
      if (random.nextBoolean() && message.remaining() >= 8) {
        message.putLong(edge(random));
      } else {
        message.putInt(random.nextInt(3) == 0 ? random.nextInt() : random.nextInt(64));
      }
    }
    return message.array();
  }

  private static boolean isAnswered(byte[] message) {
    return (message[8] & 0x1f) == 0;
  }

  private static byte[] wrongSize(SplittableRandom random) {
    byte[] message = message(random);
    ByteBuffer.wrap(message).order(ByteOrder.nativeOrder()).putInt(4, (int) edge(random));
    return message;
  }

  private static int usual(int command, SplittableRandom random) {
    return switch (command) {
      case 2, 5 -> 32;
      case 3 -> 24;
      case 4, 6, 7, 9 -> 16;
      case 8 -> 20 + random.nextInt(8);
      case 10 -> 16 + random.nextInt(64);
      case 15 -> 8 + 24 * random.nextInt(4);
      default -> random.nextInt(64);
    };
  }

  private static long edge(SplittableRandom random) {
    return EDGES[random.nextInt(EDGES.length)];
  }

  private static int[] attached(SplittableRandom random, int... fds) {
    int[] chosen = new int[random.nextInt(3) == 0 ? random.nextInt(12) : random.nextInt(2)];
    for (int i = 0; i < chosen.length; i++) {
      chosen[i] = fds[random.nextInt(fds.length)];
    }
    return chosen;
  }
}
