package dev.virtiolab.pci.vfiouser;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.pci.fixture.VfioUserClient;
import dev.virtiolab.pci.memory.DmaAccess;
import dev.virtiolab.pci.memory.DmaFault;
import dev.virtiolab.pci.memory.DmaWindow;
import dev.virtiolab.posix.Errno;
import dev.virtiolab.posix.EventFd;
import dev.virtiolab.posix.MemFd;
import dev.virtiolab.posix.fixture.StuckEventFd;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Memory without a descriptor: VFIO_USER_DMA_READ and VFIO_USER_DMA_WRITE. The test is the client;
 * the device is another thread, which holds the function's lock as devices do.
 */
class DmaMessagesTest {
  private static final int CONFIG = 7;
  private static final int MSIX = 2;
  private static final int EVENTFD_TRIGGER = 4 | 32;
  private static final int BOTH_WAYS = 3;
  private static final int PAGE = 4096;
  private static final long ANY_SIZE = 1 << 20;

  @TempDir Path folder;

  private final MemorySegment local = Arena.ofAuto().allocate(8 * PAGE);
  private final DmaWindow reading = new DmaWindow();
  private final DmaWindow writing = new DmaWindow();
  private Served served;

  @BeforeEach
  void serve() {
    served = new Served(folder, false);
  }

  @AfterEach
  void close() {
    served.close();
  }

  // ---- the two sides

  private VfioUserClient client() {
    VfioUserClient client = served.client();
    served.enable(client);
    assertEquals(0, client.map(0, 1 << 16, BOTH_WAYS, 0).errno());
    return client;
  }

  /** Has the device do something, with the function's lock held. */
  private <T> FutureTask<T> device(Callable<T> work) {
    FutureTask<T> task =
        new FutureTask<>(
            () -> {
              served.function.lock().lock();
              try {
                return work.call();
              } finally {
                served.function.lock().unlock();
              }
            });
    Thread.ofPlatform().name("device").daemon().start(task);
    return task;
  }

  private static <T> T result(FutureTask<T> task) {
    try {
      return task.get(30, TimeUnit.SECONDS);
    } catch (InterruptedException | ExecutionException | TimeoutException e) {
      throw new AssertionError(e);
    }
  }

  /** Has the device do something, and the client answer with what it has. */
  private <T> T serveDevice(VfioUserClient client, MessagedRam ram, Callable<T> work) {
    FutureTask<T> task = device(work);
    Served.await(
        () -> {
          while (client.hasMore()) {
            ram.serve(client.command());
          }
          return task.isDone() && !client.hasMore();
        },
        "the device");
    return result(task);
  }

  private DmaFault read(long address, long length) {
    return served.master.read(address, local, 0, length, reading);
  }

  private DmaFault write(long address, long length) {
    return served.master.write(address, local, 0, length, writing);
  }

  // ---- data

  @ParameterizedTest
  @EnumSource
  void whatIsReadAndWrittenIsTheClientsMemory(MessagedRam.Layout layout) {
    long seed = Long.getLong("virtiolab.seed", System.nanoTime());
    System.out.println("DmaMessagesTest: -Dvirtiolab.seed=" + seed);
    SplittableRandom random = new SplittableRandom(seed);
    try (VfioUserClient client = client()) {
      MessagedRam ram = new MessagedRam(client, layout, ANY_SIZE);
      random.nextBytes(ram.bytes.array());
      byte[] mirror = ram.bytes.array().clone();
      for (int i = 0; i < 100; i++) {
        int length = random.nextInt(1, 3 * PAGE);
        int address = random.nextInt(mirror.length - length);
        if (random.nextBoolean()) {
          assertEquals(DmaFault.NONE, serveDevice(client, ram, () -> read(address, length)));
          byte[] got = local.asSlice(0, length).toArray(ValueLayout.JAVA_BYTE);
          assertArrayEquals(Arrays.copyOfRange(mirror, address, address + length), got);
        } else {
          byte[] data = new byte[length];
          random.nextBytes(data);
          MemorySegment.copy(data, 0, local, ValueLayout.JAVA_BYTE, 0, length);
          System.arraycopy(data, 0, mirror, address, length);
          assertEquals(DmaFault.NONE, serveDevice(client, ram, () -> write(address, length)));
        }
        assertArrayEquals(mirror, ram.bytes.array(), "step " + i);
      }
      VfioUserCounters counters = served.server.counters();
      long reads = ram.counts.stream().filter(count -> count > 0).count();
      assertEquals(reads, counters.dmaReads());
      assertEquals(ram.counts.size() - reads, counters.dmaWrites());
      assertEquals(0, counters.dmaRefused());
      assertEquals(0, counters.refused());
      assertEquals(0, served.master.faults());
    }
  }

  /** A message holds what is left of a page, or what the client takes if that is less. */
  @ParameterizedTest
  @EnumSource
  void noMessageHoldsMoreThanTheClientTakes(MessagedRam.Layout layout) {
    try (VfioUserClient client = VfioUserClient.connect(served.path)) {
      String data = "{\"capabilities\":{\"max_data_xfer_size\":100}}\0";
      assertEquals(0, client.version(0, 1, data).errno());
      served.enable(client);
      client.map(0, 1 << 16, BOTH_WAYS, 0);
      MessagedRam ram = new MessagedRam(client, layout, 100);
      assertEquals(DmaFault.NONE, serveDevice(client, ram, () -> read(PAGE - 150, 250)));
      assertEquals(DmaFault.NONE, serveDevice(client, ram, () -> write(PAGE - 150, 250)));
      // A read takes what the window may hold, since nobody knows how much of it is wanted.
      assertEquals(List.of(100, 50, 100, -100, -50, -100), ram.counts);
    }
    served.awaitNoClient();
    try (VfioUserClient client = client()) {
      MessagedRam ram = new MessagedRam(client, layout, ANY_SIZE);
      assertEquals(DmaFault.NONE, serveDevice(client, ram, () -> read(PAGE - 10, 20)));
      assertEquals(List.of(10, PAGE), ram.counts, "the limit was the last client's");
    }
  }

  /** QEMU may come after one that follows the text, and the other way round. */
  @Test
  void eachClientIsFoundOutForItself() {
    for (MessagedRam.Layout layout :
        List.of(MessagedRam.Layout.TEXT, MessagedRam.Layout.QEMU, MessagedRam.Layout.TEXT)) {
      try (VfioUserClient client = client()) {
        MessagedRam ram = new MessagedRam(client, layout, ANY_SIZE);
        local.set(ValueLayout.JAVA_LONG, 0, 0x0102030405060708L);
        assertEquals(DmaFault.NONE, serveDevice(client, ram, () -> write(8, 8)));
        assertEquals(0x0102030405060708L, ram.bytes.getLong(8), layout.name());
      }
      served.awaitNoClient();
    }
  }

  @Test
  void aClientThatTakesNextToNothingIsRefused() {
    try (VfioUserClient client = VfioUserClient.connect(served.path)) {
      for (String size : List.of("0", "15", "-1", "\"1000\"", "null", "1e300")) {
        String data = "{\"capabilities\":{\"max_data_xfer_size\":" + size + "}}\0";
        assertEquals(Errno.EINVAL, client.version(0, 1, data).errno(), size);
      }
      String data = "{\"capabilities\":{\"max_data_xfer_size\":9223372036854775807}}\0";
      assertEquals(0, client.version(0, 1, data).errno());
    }
  }

  /** Nothing is asked of a client that it has not said it would give. */
  @Test
  void permissionsAreLookedAtHere() {
    try (VfioUserClient client = served.client()) {
      served.enable(client);
      client.map(0, PAGE, 1, 0);
      client.map(PAGE, PAGE, 2, 0);
      assertEquals(DmaFault.NOT_PERMITTED, write(0, 8));
      assertEquals(DmaFault.NOT_PERMITTED, read(PAGE, 8));
      assertEquals(DmaFault.NOT_MAPPED, read(2 * PAGE, 8));
      assertFalse(client.hasMore());
    }
  }

  // ---- who waits for whom

  /** A CPU that waits for a register keeps the client from answering the device. */
  @ParameterizedTest
  @EnumSource
  void aReadIsPutOffForWhoeverWaitsForTheDevice(MessagedRam.Layout layout) {
    try (VfioUserClient client = client()) {
      MessagedRam ram = new MessagedRam(client, layout, ANY_SIZE);
      ram.bytes.putLong(8, 0x1122334455667788L);
      assertEquals(DmaFault.NONE, serveDevice(client, ram, () -> read(0, 8)));
      assertFalse(served.master.takeRetried());
      FutureTask<DmaFault> device = device(() -> read(8, 8));
      VfioUserClient.Reply asked = client.command();
      assertFalse(device.isDone());

      assertEquals(0x1af4, client.readLe(CONFIG, 0, 2), "answered with the device's read open");
      assertEquals(DmaFault.RETRY, result(device));
      assertTrue(served.master.takeRetried());
      assertFalse(served.master.takeRetried(), "once");
      assertEquals(0, served.master.faults(), "put off, and not refused");

      ram.serve(asked);
      assertEquals(DmaFault.NONE, serveDevice(client, ram, () -> read(0, 8)));
      assertEquals(0, local.get(ValueLayout.JAVA_LONG, 0), "not what comes late");
      assertEquals(DmaFault.NONE, serveDevice(client, ram, () -> read(8, 8)));
      assertEquals(0x1122334455667788L, local.get(ValueLayout.JAVA_LONG_UNALIGNED, 0));
      assertEquals(0, served.server.counters().refused());
    }
  }

  /** Also while it is found out how the client counts. */
  @ParameterizedTest
  @EnumSource
  void theFirstReadIsPutOffLikewise(MessagedRam.Layout layout) {
    try (VfioUserClient client = client()) {
      MessagedRam ram = new MessagedRam(client, layout, ANY_SIZE);
      FutureTask<DmaFault> device = device(() -> write(0, 8));
      VfioUserClient.Reply asked = client.command();
      assertEquals(1L << 32, asked.u64(8));
      assertEquals(0, client.unmap(PAGE * 100, PAGE, 0).errno());
      assertEquals(DmaFault.RETRY, result(device));
      ram.serve(asked);
      local.set(ValueLayout.JAVA_LONG, 0, 77);
      assertEquals(DmaFault.NONE, serveDevice(client, ram, () -> write(0, 8)));
      assertEquals(77, ram.bytes.getLong(0));
    }
  }

  // ---- clients of all kinds

  @ParameterizedTest
  @EnumSource
  void whatAClientRefusesIsNoMemory(MessagedRam.Layout layout) {
    try (VfioUserClient client = client()) {
      MessagedRam ram = new MessagedRam(client, layout, ANY_SIZE);
      serveDevice(client, ram, () -> read(0, 8));
      FutureTask<DmaFault> device = device(() -> read(0, 8));
      client.answer(client.command(), Errno.EFAULT, VfioUserClient.payload(0));
      assertEquals(DmaFault.NO_MEMORY, result(device));
      assertEquals(1, served.server.counters().dmaRefused());
      assertEquals(1, served.master.faults());

      // Posted writes are not taken back; that one went wrong is counted.
      device = device(() -> write(0, 8));
      assertEquals(DmaFault.NONE, result(device));
      client.answer(client.command(), 0, VfioUserClient.payload(0));
      device = device(() -> write(0, 8));
      assertEquals(DmaFault.NONE, result(device));
      client.answer(client.command(), Errno.EFAULT, VfioUserClient.payload(0));
      Served.await(() -> served.server.counters().dmaRefused() == 2, "the refusal");
    }
  }

  @Test
  void anAnswerThatIsNoneIsNoMemory() {
    try (VfioUserClient client = client()) {
      MessagedRam ram = new MessagedRam(client, MessagedRam.Layout.TEXT, ANY_SIZE);
      serveDevice(client, ram, () -> read(0, 8));
      for (int bytes : new int[] {0, 15, 16, 16 + PAGE - 1}) {
        FutureTask<DmaFault> device = device(() -> read(0, 8));
        client.answer(client.command(), 0, VfioUserClient.payload(bytes));
        assertEquals(DmaFault.NO_MEMORY, result(device), bytes + " bytes");
      }
      FutureTask<DmaFault> device = device(() -> read(0, 8));
      ByteBuffer elsewhere = VfioUserClient.payload(16 + PAGE).putLong(0, 8).putLong(8, PAGE);
      client.answer(client.command(), 0, elsewhere);
      assertEquals(DmaFault.NO_MEMORY, result(device), "of another address");
      assertEquals(5, served.server.counters().dmaRefused());
      assertEquals(DmaFault.NONE, serveDevice(client, ram, () -> read(0, 8)));
    }
  }

  @Test
  void answersThatNobodyAskedForAreCounted() {
    try (VfioUserClient client = client()) {
      for (int command : new int[] {MessagedRam.READ, MessagedRam.WRITE, 9}) {
        client.tell(command, 1, VfioUserClient.payload(16));
      }
      assertEquals(0x1af4, client.readLe(CONFIG, 0, 2));
      assertEquals(3, served.server.counters().refused());
      // A read that is put off is answered once, and no more.
      FutureTask<DmaFault> device = device(() -> read(0, 8));
      VfioUserClient.Reply asked = client.command();
      client.readLe(CONFIG, 0, 2);
      assertEquals(DmaFault.RETRY, result(device));
      client.answer(asked, Errno.E2BIG, VfioUserClient.payload(0));
      client.answer(asked, Errno.E2BIG, VfioUserClient.payload(0));
      client.readLe(CONFIG, 0, 2);
      assertEquals(4, served.server.counters().refused());
    }
  }

  @Test
  void aClientThatGoesLeavesNobodyWaiting() {
    FutureTask<DmaFault> device;
    try (VfioUserClient client = client()) {
      device = device(() -> read(0, 8));
      client.command();
    }
    assertEquals(DmaFault.RETRY, result(device));
    served.awaitNoClient();
    assertEquals(DmaFault.BUS_MASTER_DISABLED, read(0, 8));
    try (VfioUserClient client = client()) {
      MessagedRam ram = new MessagedRam(client, MessagedRam.Layout.TEXT, ANY_SIZE);
      assertEquals(DmaFault.NONE, serveDevice(client, ram, () -> read(0, 8)));
    }
  }

  @Test
  void whatAClientOwesIsNotTakenFromTheNextOne() {
    try (VfioUserClient client = client()) {
      MessagedRam ram = new MessagedRam(client, MessagedRam.Layout.TEXT, ANY_SIZE);
      serveDevice(client, ram, () -> read(0, 8));
      result(device(() -> write(0, 8)));
      client.command();
    }
    served.awaitNoClient();
    try (VfioUserClient client = client()) {
      client.tell(MessagedRam.WRITE, 1, VfioUserClient.payload(16));
      client.readLe(CONFIG, 0, 2);
      assertEquals(1, served.server.counters().refused());
    }
  }

  @Test
  void aClientThatDoesNotReadIsLetGo() {
    try (VfioUserClient client = client()) {
      MessagedRam ram = new MessagedRam(client, MessagedRam.Layout.TEXT, ANY_SIZE);
      serveDevice(client, ram, () -> read(0, 8));
      FutureTask<Boolean> device =
          device(
              () -> {
                while (served.server.occupied() && !served.function.lock().hasQueuedThreads()) {
                  write(0, PAGE);
                }
                return true;
              });
      assertTrue(result(device));
      served.awaitNoClient();
    }
    try (VfioUserClient client = client()) {
      MessagedRam ram = new MessagedRam(client, MessagedRam.Layout.TEXT, ANY_SIZE);
      assertEquals(DmaFault.NONE, serveDevice(client, ram, () -> read(0, 8)));
    }
  }

  @Test
  void theServerCanBeClosedWithAReadOpen() {
    try (VfioUserClient client = client()) {
      FutureTask<DmaFault> device = device(() -> read(0, 8));
      client.command();
      served.close();
      assertEquals(DmaFault.RETRY, result(device));
      assertNull(client.replyOrEnd());
    }
  }

  /** A mapping that has a descriptor is none of this, beside others that have not. */
  @Test
  void mappedMemoryIsAskedForByNobody() {
    try (MemFd file = MemFd.create("client", PAGE);
        Arena arena = Arena.ofConfined();
        VfioUserClient client = client()) {
      assertEquals(0, client.map(1 << 16, PAGE, BOTH_WAYS, 0, file.fd()).errno());
      local.set(ValueLayout.JAVA_LONG, 0, 5);
      assertEquals(DmaFault.NONE, write(1 << 16, 8));
      assertEquals(5, file.map(arena).get(ValueLayout.JAVA_LONG, 0));
      assertFalse(client.hasMore());
      MessagedRam ram = new MessagedRam(client, MessagedRam.Layout.QEMU, ANY_SIZE);
      MemorySegment.copy(new byte[16], 0, local, ValueLayout.JAVA_BYTE, 0, 16);
      assertEquals(DmaFault.NONE, serveDevice(client, ram, () -> read((1 << 16) - 8, 16)));
      assertEquals(5, local.get(ValueLayout.JAVA_LONG, 8));
      assertTrue(served.memory.resolve(1 << 16, DmaAccess.READ, reading));
      assertTrue(reading.covers(1 << 16, PAGE, served.memory.generation().acquire()));
    }
  }

  // ---- eventfds

  /** The device waits in write(2) until somebody reads: it is to be had back all the same. */
  @Test
  void anEventfdThatBlocksKeepsNobodyFromTheDevice() {
    try (EventFd event = EventFd.create()) {
      FutureTask<Boolean> device;
      try (VfioUserClient client = client()) {
        client.write(CONFIG, 0xdc + 3, (byte) 0x80);
        assertEquals(0, client.setIrqs(EVENTFD_TRIGGER, MSIX, 1, 1, event.fd()).errno());
        device = stuck(event);
        assertEquals(0x1af4, client.readLe(CONFIG, 0, 2), "an answer");
        assertTrue(result(device));
        device = stuck(event);
      }
      served.awaitNoClient();
      assertTrue(result(device));
    }
  }

  /** A device that waits in its interrupt, with the function's lock. */
  private FutureTask<Boolean> stuck(EventFd event) {
    StuckEventFd.fill(event.fd());
    FutureTask<Boolean> device = device(() -> served.function.msix().signal(1));
    Served.await(served.function.lock()::isLocked, "the device to have the lock");
    return device;
  }
}
