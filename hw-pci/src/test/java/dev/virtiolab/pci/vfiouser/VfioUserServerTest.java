package dev.virtiolab.pci.vfiouser;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.pci.fixture.VfioUserClient;
import dev.virtiolab.pci.function.ResetKind;
import dev.virtiolab.pci.memory.DmaAccess;
import dev.virtiolab.pci.memory.DmaFault;
import dev.virtiolab.pci.memory.DmaWindow;
import dev.virtiolab.posix.Errno;
import dev.virtiolab.posix.EventFd;
import dev.virtiolab.posix.MemFd;
import dev.virtiolab.posix.Poll;
import dev.virtiolab.posix.fixture.StuckEventFd;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The server against the protocol's text, command by command. */
class VfioUserServerTest {
  private static final int CONFIG = 7;
  private static final int PAGE = 4096;
  private static final int READ = 1;
  private static final int WRITE = 2;
  private static final int EVENTFD_TRIGGER = 4 | 32;
  private static final int NONE_TRIGGER = 1 | 32;
  private static final int INTX = 0;
  private static final int MSIX = 2;

  @TempDir Path folder;

  private Served served;

  @BeforeEach
  void serve() {
    served = new Served(folder, false);
  }

  @AfterEach
  void close() {
    served.close();
  }

  // ---- VFIO_USER_VERSION

  @Test
  void theVersionAgreedOnIsTheLesserAndCapabilitiesAreThoseProposed() {
    try (VfioUserClient client = VfioUserClient.connect(served.path)) {
      VfioUserClient.Reply reply =
          client.version(
              0,
              0,
              "{\"capabilities\":{\"max_msg_fds\":3,\"pgsizes\":4096,\"write_multiple\":true,"
                  + "\"unheard\":{\"of\":[1]}}}\0");
      assertEquals(0, reply.errno());
      assertEquals(0, reply.payload().getShort(0));
      assertEquals(0, reply.payload().getShort(2));
      assertEquals(
          "{\"capabilities\":{\"max_msg_fds\":8,\"pgsizes\":4096,\"write_multiple\":true}}\0",
          text(reply));
    }
    served.awaitNoClient();
    try (VfioUserClient client = VfioUserClient.connect(served.path)) {
      VfioUserClient.Reply reply = client.version(0, 99, "");
      assertEquals(1, reply.payload().getShort(2));
      assertEquals("{\"capabilities\":{}}\0", text(reply));
    }
  }

  private static String text(VfioUserClient.Reply reply) {
    byte[] bytes = reply.payload().array();
    return new String(bytes, 4, bytes.length - 4, StandardCharsets.UTF_8);
  }

  @Test
  void aVersionThatCannotBeAgreedOnIsRefusedAndAnotherMayFollow() {
    try (VfioUserClient client = VfioUserClient.connect(served.path)) {
      assertEquals(Errno.EINVAL, client.version(1, 0, "{}\0").errno());
      for (String data :
          List.of(
              "{",
              "{}",
              "{} ",
              "[]\0",
              "null\0",
              "\0",
              "{\"capabilities\":7}\0",
              "{\"a\":" + "[".repeat(100) + "]".repeat(100) + "}\0",
              " ".repeat(5000) + "{}\0")) {
        assertEquals(Errno.EINVAL, client.version(0, 1, data).errno(), data);
      }
      assertEquals(Errno.EINVAL, client.ask(1, VfioUserClient.payload(3)).errno());
      assertEquals(Errno.EINVAL, client.regionInfo(0).errno(), "before the version");
      assertEquals(0, client.version(0, 1, "{}\0").errno());
      assertEquals(Errno.EINVAL, client.version(0, 1, "{}\0").errno(), "twice");
      assertEquals(0, client.regionInfo(0).errno());
    }
  }

  /** It would keep everybody else out. */
  @Test
  void aClientThatAgreesOnNoVersionIsLetGo() throws IOException {
    Path elsewhere = Files.createDirectory(folder.resolve("elsewhere"));
    VfioUserServer.Patience patience = new VfioUserServer.Patience(200_000_000, 300_000_000);
    try (Served impatient = new Served(elsewhere, false, patience);
        VfioUserClient silent = VfioUserClient.connect(impatient.path)) {
      Served.await(() -> impatient.server.counters().clients() == 1, "it to be seen");
      assertNull(silent.replyOrEnd());
      impatient.awaitNoClient();
    }
    try (Served impatient = new Served(elsewhere, false, patience);
        VfioUserClient vague = VfioUserClient.connect(impatient.path)) {
      // Half of a header, and what is no version, are no version either.
      assertEquals(Errno.EINVAL, vague.ask(4, VfioUserClient.payload(16)).errno());
      vague.send(new byte[8]);
      assertNull(vague.replyOrEnd());
      impatient.awaitNoClient();
    }
  }

  /** Who has agreed on one may be silent for as long as it likes. */
  @Test
  void aClientThatHasAgreedOnAVersionIsNotHurried() throws IOException {
    Path elsewhere = Files.createDirectory(folder.resolve("elsewhere"));
    VfioUserServer.Patience patience = new VfioUserServer.Patience(2_000_000_000, 300_000_000);
    try (Served impatient = new Served(elsewhere, false, patience);
        VfioUserClient client = impatient.client()) {
      long start = System.nanoTime();
      Served.await(() -> System.nanoTime() - start > 2_500_000_000L, "time to pass");
      assertEquals(0, client.regionInfo(0).errno());
    }
  }

  /** Nine are one more than was agreed on, and are not cut down to eight. */
  @Test
  void moreDescriptorsThanAgreedOnAreRefusedAndClosed() {
    try (VfioUserClient client = served.client();
        EventFd event = EventFd.create()) {
      long before = Served.openDescriptors();
      int[] nine = new int[9];
      Arrays.fill(nine, event.fd());
      ByteBuffer eight = VfioUserClient.payload(20);
      eight.putInt(20).putInt(EVENTFD_TRIGGER).putInt(MSIX).putInt(0).putInt(8);
      assertEquals(Errno.EINVAL, client.ask(8, eight, nine).errno());
      ByteBuffer none = VfioUserClient.payload(32);
      none.putInt(32).putInt(READ).putLong(0).putLong(0x10000).putLong(PAGE);
      assertEquals(Errno.EINVAL, client.ask(2, none, nine).errno());
      assertEquals(0, served.memory.mappings());
      assertEquals(0, client.regionInfo(0).errno());
      assertEquals(before, Served.openDescriptors());
    }
    served.awaitNoClient();
    try (VfioUserClient client = VfioUserClient.connect(served.path);
        EventFd event = EventFd.create()) {
      int[] nine = new int[9];
      Arrays.fill(nine, event.fd());
      ByteBuffer version = VfioUserClient.payload(7);
      version.putShort((short) 0).putShort((short) 1).put(new byte[] {'{', '}', 0});
      assertEquals(Errno.EINVAL, client.ask(1, version, nine).errno());
    }
  }

  // ---- what there is

  @Test
  void theDeviceItsRegionsAndItsInterruptsAreDescribed() {
    try (VfioUserClient client = served.client()) {
      ByteBuffer query = VfioUserClient.payload(16);
      query.putInt(16);
      VfioUserClient.Reply info = client.ask(4, query);
      assertEquals(3, info.u32(4), "reset, PCI");
      assertEquals(9, info.u32(8));
      assertEquals(5, info.u32(12));

      long[] bytes = {0, 4096, 0, 0, 16384, 0, 0, 4096, 0};
      for (int region = 0; region < bytes.length; region++) {
        VfioUserClient.Reply reply = client.regionInfo(region);
        assertEquals(32, reply.u32(0));
        assertEquals(bytes[region] == 0 ? 0 : 3, reply.u32(4), "readable, writable");
        assertEquals(region, reply.u32(8));
        assertEquals(0, reply.u32(12));
        assertEquals(bytes[region], reply.u64(16));
      }
      assertEquals(Errno.EINVAL, client.regionInfo(9).errno());
      assertEquals(Errno.EINVAL, client.regionInfo(-1).errno());

      int[] counts = {1, 0, 4, 1, 0};
      int[] flags = {7, 0, 1, 1, 0};
      for (int index = 0; index < counts.length; index++) {
        VfioUserClient.Reply reply = client.irqInfo(index);
        assertEquals(flags[index], reply.u32(4), "flags of " + index);
        assertEquals(index, reply.u32(8));
        assertEquals(counts[index], reply.u32(12), "count of " + index);
      }
      assertEquals(Errno.EINVAL, client.irqInfo(5).errno());
      assertEquals(Errno.EINVAL, client.irqInfo(-1).errno());
    }
  }

  @Test
  void aReplyThatWouldNotFitIsNotMade() {
    try (VfioUserClient client = served.client()) {
      for (int command : new int[] {4, 5, 7}) {
        ByteBuffer query = VfioUserClient.payload(32);
        query.putInt(15);
        assertEquals(Errno.EINVAL, client.ask(command, query).errno());
        assertEquals(Errno.EINVAL, client.ask(command, VfioUserClient.payload(8)).errno());
      }
      ByteBuffer ioFds = VfioUserClient.payload(16);
      ioFds.putInt(16).putInt(0).putInt(4);
      assertEquals(0, client.ask(6, ioFds).u32(12), "no descriptor stands for a region's part");
    }
  }

  // ---- registers

  @Test
  void configurationSpaceIsReadAndWritten() {
    try (VfioUserClient client = served.client()) {
      VfioUserClient.Reply all = client.read(CONFIG, 0, 4096);
      byte[] bytes = Arrays.copyOfRange(all.payload().array(), 16, 16 + 4096);
      assertArrayEquals(served.function.configDump(), bytes);
      assertEquals(0x10411af4L, client.readLe(CONFIG, 0, 4));
      assertEquals(0x41, client.readLe(CONFIG, 2, 1));

      assertFalse(served.function.busMasterEnabled());
      assertEquals(0, client.write(CONFIG, 4, (byte) 6, (byte) 0).errno());
      assertTrue(served.function.busMasterEnabled());
      assertEquals(6, client.readLe(CONFIG, 4, 2));
      // Eight bytes at an odd place are taken apart as a bus would.
      byte[] bars = {0, 0, 0, (byte) 0xfe, 0, 0, 0, 0};
      client.write(CONFIG, 0x14, bars);
      assertEquals(0xfe000000L, client.readLe(CONFIG, 0x14, 4));

      assertEquals(0, client.ask(13, VfioUserClient.payload(0)).errno());
      assertEquals(0, client.readLe(CONFIG, 4, 2));
      assertEquals(List.of(ResetKind.FUNCTION_LEVEL), served.function.resets());
    }
  }

  @Test
  void barsAreReadAndWrittenInEveryWidthAndPlace() {
    try (VfioUserClient client = served.client()) {
      byte[] data = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
      for (int offset : new int[] {0, 1, 2, 3, 5, 8, 100, 16384 - data.length}) {
        VfioUserClient.Reply reply = client.write(4, offset, data);
        assertEquals(0, reply.errno());
        assertEquals(data.length, reply.u32(12));
        byte[] back = client.read(4, offset, data.length).payload().array();
        assertArrayEquals(data, Arrays.copyOfRange(back, 16, back.length));
      }
      for (int width : new int[] {1, 2, 4, 8}) {
        client.write(4, 64, Arrays.copyOf(data, width));
        assertEquals(0x0807060504030201L & -1L >>> 64 - 8 * width, client.readLe(4, 64, width));
      }
    }
  }

  @Test
  void whatIsNotInARegionIsRefused() {
    try (VfioUserClient client = served.client()) {
      long[][] accesses = {
        {4, 16384, 1},
        {4, 16383, 2},
        {4, -1, 1},
        {4, Long.MAX_VALUE, 8},
        {0, 0, 1},
        {5, 0, 1},
        {9, 0, 1},
        {-1, 0, 1},
        {CONFIG, 4093, 4},
        {CONFIG, 0, 4097},
        {4, 0, -1},
        {4, 0, 1 << 21}
      };
      for (long[] access : accesses) {
        VfioUserClient.Reply read = client.read((int) access[0], access[1], (int) access[2]);
        assertEquals(Errno.EINVAL, read.errno(), Arrays.toString(access));
        ByteBuffer write = VfioUserClient.payload(16);
        write.putLong(access[1]).putInt((int) access[0]).putInt((int) access[2]);
        assertEquals(Errno.EINVAL, client.ask(10, write).errno());
      }
      ByteBuffer cut = VfioUserClient.payload(19);
      cut.putLong(0).putInt(4).putInt(4);
      assertEquals(Errno.EINVAL, client.ask(10, cut).errno(), "less data than announced");
      assertEquals(0, client.read(4, 16384, 0).errno(), "nothing, at the end");
    }
  }

  @Test
  void severalWritesInOneMessage() {
    try (VfioUserClient client = served.client()) {
      ByteBuffer payload = VfioUserClient.payload(8 + 2 * 24);
      payload.putLong(2);
      payload.putLong(16).putInt(4).putInt(4).putLong(0x11223344L);
      payload.putLong(20).putInt(4).putInt(2).putLong(0x5566L);
      assertEquals(0, client.ask(15, payload).errno());
      assertEquals(0x556611223344L, client.readLe(4, 16, 8));

      payload.putLong(0, 3);
      assertEquals(Errno.EINVAL, client.ask(15, payload).errno(), "more than there are");
      payload.putLong(0, -1);
      assertEquals(Errno.EINVAL, client.ask(15, payload).errno());
      payload.putLong(0, 2).putInt(8 + 12, 9);
      assertEquals(Errno.EINVAL, client.ask(15, payload).errno(), "nine bytes in eight");
    }
  }

  // ---- memory

  @Test
  void theFunctionSeesTheClientsMemoryAndNothingElse() {
    try (MemFd file = MemFd.create("client", 4 * PAGE);
        Arena arena = Arena.ofShared();
        VfioUserClient client = served.client()) {
      MemorySegment guest = file.map(arena);
      MemorySegment local = Arena.ofAuto().allocate(2 * PAGE);
      DmaWindow window = new DmaWindow();
      served.enable(client);
      assertEquals(DmaFault.NOT_MAPPED, served.master.read(0x10000, local, 0, 8, window));

      assertEquals(0, client.map(0x10000, 2 * PAGE, READ | WRITE, PAGE, file.fd()).errno());
      guest.set(ValueLayout.JAVA_LONG, PAGE + 8, 42);
      assertEquals(DmaFault.NONE, served.master.read(0x10008, local, 0, 8, window));
      assertEquals(42, local.get(ValueLayout.JAVA_LONG, 0));
      window.clear();
      local.set(ValueLayout.JAVA_LONG, 0, 43);
      assertEquals(DmaFault.NONE, served.master.write(0x10000 + 2 * PAGE - 8, local, 0, 8, window));
      assertEquals(43, guest.get(ValueLayout.JAVA_LONG, 3 * PAGE - 8));

      // The window ends with the mapping, and the file's other pages are not seen through it.
      assertEquals(
          DmaFault.NOT_MAPPED, served.master.write(0x10000 + 2 * PAGE - 8, local, 0, 16, window));
      assertFalse(served.memory.resolve(0xffff, DmaAccess.READ, window));
      assertFalse(served.memory.resolve(-1, DmaAccess.READ, window));

      assertTrue(served.memory.resolve(0x10000, DmaAccess.READ, window));
      VfioUserClient.Reply unmapped = client.unmap(0x10000, 2 * PAGE, 0);
      assertEquals(0, unmapped.errno());
      assertEquals(0x10000, unmapped.u64(8));
      assertEquals(2 * PAGE, unmapped.u64(16));
      assertFalse(window.covers(0x10000, 1, served.memory.generation().acquire()));
      assertEquals(DmaFault.NOT_MAPPED, served.master.read(0x10000, local, 0, 8, window));
    }
  }

  @Test
  void mappingsPermitWhatTheySay() {
    try (MemFd file = MemFd.create("client", PAGE);
        VfioUserClient client = served.client()) {
      DmaWindow window = new DmaWindow();
      client.map(0, PAGE, READ, 0, file.fd());
      client.map(PAGE, PAGE, WRITE, 0, file.fd());
      assertTrue(served.memory.resolve(0, DmaAccess.READ, window));
      assertFalse(served.memory.resolve(0, DmaAccess.WRITE, window));
      assertEquals(DmaFault.NOT_PERMITTED, window.fault());
      assertFalse(served.memory.resolve(PAGE, DmaAccess.READ, window));
      assertEquals(DmaFault.NOT_PERMITTED, window.fault());
      assertTrue(served.memory.resolve(PAGE, DmaAccess.WRITE, window));
    }
  }

  @Test
  void mappingsThatCannotBeAreRefused() {
    try (MemFd file = MemFd.create("client", 4 * PAGE);
        VfioUserClient client = served.client()) {
      int fd = file.fd();
      assertEquals(0, client.map(0x10000, 2 * PAGE, 3, 0, fd).errno());
      long[][] over = {
        {0x10000, PAGE},
        {0x11000, PAGE},
        {0xf000, 2 * PAGE},
        {0x11000, 2 * PAGE},
        {0xf000, 4 * PAGE}
      };
      for (long[] range : over) {
        assertEquals(Errno.EEXIST, client.map(range[0], range[1], 3, 0, fd).errno());
      }
      long[][] none = {
        {1, PAGE}, {0, 1}, {0, 0}, {0, -PAGE}, {-PAGE, PAGE}, {PAGE, Long.MIN_VALUE}
      };
      for (long[] range : none) {
        assertEquals(Errno.EINVAL, client.map(range[0], range[1], 3, 0, fd).errno());
      }
      assertEquals(Errno.EINVAL, client.map(0, PAGE, 4, 0, fd).errno(), "flags");
      assertEquals(Errno.EINVAL, client.map(0, PAGE, 3, 4 * PAGE, fd).errno(), "behind the file");
      assertEquals(Errno.EINVAL, client.map(0, 5 * PAGE, 3, 0, fd).errno(), "over its end");
      assertEquals(Errno.EINVAL, client.map(0, PAGE, 3, -PAGE, fd).errno());
      assertEquals(Errno.EINVAL, client.map(0, PAGE, 3, 1, fd).errno());
      assertEquals(Errno.EINVAL, client.map(0, PAGE, 3, 0, fd, fd).errno(), "two descriptors");
      assertEquals(Errno.EINVAL, client.ask(2, VfioUserClient.payload(31), fd).errno());
      assertEquals(1, served.memory.mappings());
      assertEquals(0, client.map(0xf000, PAGE, 3, 0, fd).errno());
      assertEquals(0, client.map(0x12000, PAGE, 3, 0, fd).errno());
    }
  }

  @Test
  void memoryThatCouldShrinkIsTakenOnRequestOnly() throws IOException {
    Path unsealed = folder.resolve("memory");
    Files.write(unsealed, new byte[PAGE]);
    try (EventFd event = EventFd.create();
        FileChannel opened =
            FileChannel.open(unsealed, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
      assertTrue(opened.isOpen());
      int number = descriptorOf(unsealed);
      try (VfioUserClient client = served.client()) {
        assertEquals(Errno.EPERM, client.map(0, PAGE, 3, 0, number).errno());
        assertEquals(Errno.EINVAL, client.map(0, PAGE, 3, 0, event.fd()).errno());
        assertEquals(0, served.memory.files());
      }
      try (Served trusting = new Served(Files.createDirectory(folder.resolve("t")), true);
          VfioUserClient client = trusting.client()) {
        assertEquals(0, client.map(0, PAGE, 3, 0, number).errno());
        assertEquals(Errno.EINVAL, client.map(PAGE, PAGE, 3, 0, event.fd()).errno());
        assertEquals(1, trusting.memory.files());
      }
    }
  }

  private static int descriptorOf(Path file) throws IOException {
    try (var fds = Files.list(Path.of("/proc/self/fd"))) {
      return fds.filter(
              fd -> {
                try {
                  return Files.readSymbolicLink(fd).equals(file.toRealPath());
                } catch (IOException e) {
                  return false;
                }
              })
          .mapToInt(fd -> Integer.parseInt(fd.getFileName().toString()))
          .findFirst()
          .orElseThrow();
    }
  }

  @Test
  void aFileIsMappedOnceHoweverManyMappingsItHas() {
    try (MemFd file = MemFd.create("oncemapped", 64 * PAGE);
        VfioUserClient client = served.client()) {
      for (int i = 0; i < 64; i++) {
        assertEquals(
            0, client.map(0x100000 + 2L * i * PAGE, PAGE, 3, (long) i * PAGE, file.fd()).errno());
      }
      assertEquals(64, served.memory.mappings());
      assertEquals(1, served.memory.files());
      assertEquals(1, Served.maps("oncemapped"));
      // Its last mapping goes, and another comes: an IOMMU does that all the time.
      assertEquals(0, client.unmap(0, 1L << 40, 0).errno());
      assertEquals(0, served.memory.mappings());
      assertEquals(1, Served.maps("oncemapped"));
      client.map(0, PAGE, 3, 0, file.fd());
      assertEquals(1, served.memory.files());
    }
    served.awaitNoClient();
    assertEquals(0, Served.maps("oncemapped"));
  }

  @Test
  void filesThatNobodyUsesGoOldestFirst() {
    MemFd[] files = new MemFd[10];
    try (VfioUserClient client = served.client()) {
      for (int i = 0; i < files.length; i++) {
        files[i] = MemFd.create("idle" + i + "-", PAGE);
        client.map((long) i * PAGE, PAGE, 3, 0, files[i].fd());
      }
      assertEquals(10, served.memory.files());
      for (int i = 0; i < 8; i++) {
        client.unmap((long) i * PAGE, PAGE, 0);
      }
      assertEquals(6, served.memory.files(), "two in use, four kept");
      assertEquals(0, Served.maps("idle0-"));
      assertEquals(1, Served.maps("idle7-"));
    } finally {
      for (MemFd file : files) {
        file.close();
      }
    }
  }

  @Test
  void unmappingTakesWholeMappingsInARange() {
    try (MemFd file = MemFd.create("client", 8 * PAGE);
        VfioUserClient client = served.client()) {
      for (int i = 0; i < 4; i++) {
        client.map(0x10000 + 2L * i * PAGE, 2 * PAGE, 3, 0, file.fd());
      }
      assertEquals(Errno.EINVAL, client.unmap(0x10000, PAGE, 0).errno(), "the first half of one");
      assertEquals(Errno.EINVAL, client.unmap(0x11000, PAGE, 0).errno(), "the second half");
      assertEquals(Errno.EINVAL, client.unmap(0x11000, 3 * PAGE, 0).errno());
      assertEquals(Errno.EINVAL, client.unmap(0, 0, 0).errno());
      assertEquals(Errno.EINVAL, client.unmap(-PAGE, 2 * PAGE, 0).errno(), "beyond 2^64");
      assertEquals(0, client.unmap(-PAGE, PAGE, 0).errno(), "nothing up there");
      assertEquals(Errno.EINVAL, client.unmap(0x10000, 2 * PAGE, 1).errno(), "dirty bitmap");
      assertEquals(4, served.memory.mappings());
      assertEquals(0, client.unmap(0x12000, 4 * PAGE, 0).errno());
      assertEquals(2, served.memory.mappings());
      assertEquals(0, client.unmap(0x12000, 4 * PAGE, 0).errno(), "nothing there any more");
      assertTrue(served.memory.resolve(0x10000, DmaAccess.READ, new DmaWindow()));
      assertTrue(served.memory.resolve(0x16000, DmaAccess.READ, new DmaWindow()));
      assertEquals(Errno.EINVAL, client.unmap(0x11000, -0x11000, 0).errno(), "cut, up to 2^64");
      assertEquals(0, client.unmap(0x12000, -0x12000, 0).errno(), "all above, up to 2^64");
      assertEquals(1, served.memory.mappings());
      assertEquals(0, client.unmap(0, 0, 2).errno(), "all");
      assertEquals(0, served.memory.mappings());
      assertEquals(0, served.memory.files());
    }
  }

  // ---- interrupts

  @Test
  void messagesGoToTheEventfdsOfTheirVectors() {
    try (EventFd one = EventFd.create();
        EventFd three = EventFd.create();
        VfioUserClient client = served.client()) {
      served.enable(client);
      enableMsiX(client);
      // The client keeps the table: what stays masked in the function's own does not matter.
      served.function.msix().signal(1);
      assertEquals(0, client.setIrqs(EVENTFD_TRIGGER, MSIX, 1, 1, one.fd()).errno());
      assertTrue(one.drain(), "remembered until there was an eventfd");
      assertFalse(one.drain());
      assertEquals(0, client.setIrqs(EVENTFD_TRIGGER, MSIX, 3, 1, three.fd()).errno());
      served.function.msix().signal(3);
      assertTrue(three.drain());
      assertFalse(one.drain());
      served.function.msix().signal(99);
      assertEquals(2, served.interrupts.signals());

      assertEquals(0, client.setIrqs(NONE_TRIGGER, MSIX, 3, 1).errno());
      assertTrue(three.drain(), "triggered by the client");
      client.setIrqs(2 | 32, MSIX, 1, 3, new byte[] {0, 0, 1});
      assertTrue(three.drain());
      assertFalse(one.drain());

      assertEquals(0, client.setIrqs(EVENTFD_TRIGGER, MSIX, 3, 1).errno(), "taken away");
      served.function.msix().signal(3);
      assertFalse(three.drain());
      assertEquals(0, client.setIrqs(NONE_TRIGGER, MSIX, 0, 0).errno(), "all off");
      served.function.msix().signal(1);
      assertFalse(one.drain());
      client.setIrqs(EVENTFD_TRIGGER, MSIX, 3, 1, three.fd());
      assertFalse(three.drain(), "what was signalled before all went off is forgotten");
    }
  }

  private static void enableMsiX(VfioUserClient client) {
    client.write(CONFIG, 0xdc + 2, (byte) 0, (byte) 0x80);
  }

  @Test
  void noMessageLeavesAFunctionThatMayNotMasterTheBus() {
    try (EventFd zero = EventFd.create();
        VfioUserClient client = served.client()) {
      enableMsiX(client);
      client.setIrqs(EVENTFD_TRIGGER, MSIX, 0, 1, zero.fd());
      served.function.msix().signal(0);
      assertFalse(zero.drain());
    }
  }

  @Test
  void thePinMasksItselfUntilTheClientLooksAgain() {
    try (EventFd pin = EventFd.create();
        VfioUserClient client = served.client()) {
      int mask = 1 | 8;
      int unmask = 1 | 16;
      client.setIrqs(EVENTFD_TRIGGER, INTX, 0, 1, pin.fd());
      served.function.intx().raise();
      assertTrue(pin.drain());
      served.function.intx().raise();
      served.function.intx().lower();
      served.function.intx().raise();
      assertFalse(pin.drain(), "masked by itself");
      client.setIrqs(unmask, INTX, 0, 1);
      assertTrue(pin.drain(), "still asserted");
      served.function.intx().lower();
      client.setIrqs(unmask, INTX, 0, 1);
      assertFalse(pin.drain(), "lowered meanwhile");

      client.setIrqs(mask, INTX, 0, 1);
      served.function.intx().raise();
      assertFalse(pin.drain());
      client.setIrqs(2 | 16, INTX, 0, 1, new byte[] {0});
      assertFalse(pin.drain(), "not meant");
      client.setIrqs(2 | 16, INTX, 0, 1, new byte[] {1});
      assertTrue(pin.drain());
    }
  }

  private static boolean isSignalled(EventFd event) {
    try (Poll poll = new Poll(1)) {
      int index = poll.add(event.fd());
      poll.await(0);
      return poll.readable(index);
    }
  }

  /** As a hypervisor's kernel does when the guest has done with an interrupt. */
  @Test
  void thePinIsUnmaskedByAnEventfdAsWell() {
    try (EventFd pin = EventFd.create();
        EventFd unmask = EventFd.create();
        EventFd other = EventFd.create();
        VfioUserClient client = served.client()) {
      int unmaskBy = 4 | 16;
      client.setIrqs(EVENTFD_TRIGGER, INTX, 0, 1, pin.fd());
      assertEquals(0, client.setIrqs(unmaskBy, INTX, 0, 1, unmask.fd()).errno());
      served.function.intx().raise();
      assertTrue(pin.drain());
      for (int i = 0; i < 3; i++) {
        unmask.signal();
        Served.await(pin::drain, "the pin, which is still asserted");
      }
      served.function.intx().lower();
      unmask.signal();
      Served.await(() -> !isSignalled(unmask), "the server to take it");
      client.readLe(CONFIG, 0, 2);
      assertFalse(pin.drain(), "lowered meanwhile");

      // Another in its place, which its owner makes to block; then none.
      assertEquals(0, client.setIrqs(unmaskBy, INTX, 0, 1, other.fd()).errno());
      StuckEventFd.fill(other.fd());
      Served.await(() -> !isSignalled(other), "the server to take it");
      client.readLe(CONFIG, 0, 2);
      served.function.intx().raise();
      assertTrue(pin.drain());
      unmask.signal();
      client.readLe(CONFIG, 0, 2);
      assertFalse(pin.drain(), "replaced");
      other.signal();
      Served.await(pin::drain, "the pin");
      assertEquals(0, client.setIrqs(unmaskBy, INTX, 0, 1).errno());
      other.signal();
      client.readLe(CONFIG, 0, 2);
      assertFalse(pin.drain(), "taken away");
      assertTrue(other.take(), "and left alone");
    }
  }

  @Test
  void interruptsThatCannotBeSetAreRefusedAndNothingIsKept() {
    try (EventFd event = EventFd.create();
        MemFd file = MemFd.create("client", PAGE);
        VfioUserClient client = served.client()) {
      int fd = event.fd();
      assertEquals(0, client.irqInfo(MSIX).errno());
      long before = Served.openDescriptors();
      assertEquals(Errno.EINVAL, client.setIrqs(EVENTFD_TRIGGER, MSIX, 0, 2, fd).errno());
      assertEquals(Errno.EINVAL, client.setIrqs(EVENTFD_TRIGGER, MSIX, 0, 1, fd, fd).errno());
      assertEquals(Errno.EINVAL, client.setIrqs(EVENTFD_TRIGGER, MSIX, 3, 2, fd, fd).errno());
      assertEquals(Errno.EINVAL, client.setIrqs(EVENTFD_TRIGGER, MSIX, -1, 1, fd).errno());
      assertEquals(Errno.EINVAL, client.setIrqs(EVENTFD_TRIGGER, MSIX, 5, 0).errno());
      assertEquals(Errno.EINVAL, client.setIrqs(EVENTFD_TRIGGER, 1, 0, 1, fd).errno(), "no MSI");
      assertEquals(Errno.EINVAL, client.setIrqs(EVENTFD_TRIGGER, 5, 0, 1, fd).errno());
      assertEquals(Errno.EINVAL, client.setIrqs(EVENTFD_TRIGGER, -1, 0, 1, fd).errno());
      assertEquals(Errno.EINVAL, client.setIrqs(NONE_TRIGGER, MSIX, 0, 1, fd).errno());
      assertEquals(
          Errno.EINVAL, client.setIrqs(EVENTFD_TRIGGER, MSIX, 0, 2, fd, file.fd()).errno());
      for (int flags : new int[] {0, 1, 32, 7 | 32, 1 | 56, 1 | 64 | 32, -1}) {
        assertEquals(Errno.EINVAL, client.setIrqs(flags, INTX, 0, 1).errno(), "flags " + flags);
      }
      assertEquals(Errno.EINVAL, client.setIrqs(1 | 8, MSIX, 0, 1).errno(), "not maskable");
      assertEquals(Errno.EOPNOTSUPP, client.setIrqs(4 | 8, INTX, 0, 1, fd).errno());
      assertEquals(Errno.EINVAL, client.setIrqs(4 | 16, MSIX, 0, 1, fd).errno());
      assertEquals(Errno.EINVAL, client.setIrqs(4 | 16, INTX, 0, 1, file.fd()).errno());
      assertEquals(Errno.EINVAL, client.setIrqs(2 | 32, MSIX, 0, 4, new byte[3]).errno());
      assertEquals(Errno.EINVAL, client.ask(8, VfioUserClient.payload(19)).errno());
      assertEquals(before, Served.openDescriptors());
    }
  }

  // ---- the connection

  @Test
  void messagesInFlightAreAnsweredInOrderAndNoneThatWantsNoReply() {
    try (VfioUserClient client = served.client()) {
      int[] ids = new int[500];
      for (int i = 0; i < ids.length; i++) {
        ByteBuffer payload = VfioUserClient.payload(24);
        payload.putLong(8L * i).putInt(4).putInt(8).putLong(i);
        if (i % 2 == 0) {
          client.tell(10, 0x10, payload);
        } else {
          ids[i] = client.tell(10, 0, payload);
        }
      }
      // Also one that goes wrong says nothing.
      client.tell(9, 0x10, VfioUserClient.payload(1));
      for (int i = 1; i < ids.length; i += 2) {
        assertEquals(ids[i], client.reply().id());
      }
      assertEquals(498, client.readLe(4, 8 * 498, 8));
      assertEquals(1, served.server.counters().refused());
    }
  }

  @Test
  void oneThatIsUnknownOrNotForTheServerIsRefused() {
    try (VfioUserClient client = served.client()) {
      for (int command : new int[] {0, 11, 12, 14, 16, 17, 18, 19, 0x7fff, 0xffff}) {
        int id = client.tell(command, 0, VfioUserClient.payload(64));
        VfioUserClient.Reply reply = client.reply();
        assertEquals(id, reply.id());
        assertEquals(Errno.EOPNOTSUPP, reply.errno(), "command " + command);
      }
      // A reply that nobody asked for is not answered.
      client.tell(11, 1, VfioUserClient.payload(64));
      assertEquals(0, client.regionInfo(4).errno());
    }
  }

  @Test
  void descriptorsThatDoNotBelongAreClosed() {
    try (EventFd event = EventFd.create();
        VfioUserClient client = served.client()) {
      assertEquals(0, client.regionInfo(4).errno());
      long before = Served.openDescriptors();
      int fd = event.fd();
      assertEquals(Errno.EINVAL, client.ask(13, VfioUserClient.payload(0), fd).errno());
      int[] many = new int[100];
      Arrays.fill(many, fd);
      assertEquals(Errno.EINVAL, client.map(0, PAGE, 3, 0, many).errno());
      assertEquals(Errno.EINVAL, client.setIrqs(EVENTFD_TRIGGER, MSIX, 0, 4, many).errno());
      assertEquals(0, client.regionInfo(4).errno());
      assertEquals(before, Served.openDescriptors());
    }
  }

  @Test
  void oneThatIsTooLongIsSkippedAndOneShorterThanItsHeaderEndsTheConnection() {
    try (VfioUserClient client = served.client()) {
      int size = (1 << 20) + 33;
      ByteBuffer huge = VfioUserClient.payload(size);
      huge.putShort((short) 99).putShort((short) 10).putInt(size);
      client.send(huge.array());
      VfioUserClient.Reply reply = client.reply();
      assertEquals(99, reply.id());
      assertEquals(Errno.E2BIG, reply.errno());
      assertEquals(0, client.regionInfo(4).errno(), "the next message is found");

      ByteBuffer dwarf = VfioUserClient.payload(16);
      dwarf.putShort((short) 98).putShort((short) 4).putInt(15);
      client.send(dwarf.array());
      assertEquals(Errno.EINVAL, client.reply().errno());
      assertNull(client.replyOrEnd());
    }
    served.awaitNoClient();
    served.client().close();
  }

  @Test
  void whoDoesNotReadItsRepliesIsLetGo() {
    try (VfioUserClient client = served.client()) {
      ByteBuffer payload = VfioUserClient.payload(16);
      payload.putLong(0).putInt(4).putInt(16384);
      for (int i = 0; i < 1000 && served.server.occupied(); i++) {
        client.tell(9, 0, payload);
      }
      served.awaitNoClient();
    }
    served.client().close();
  }

  @Test
  void theSecondClientIsToldThatThereIsOneAndComesLater() {
    try (VfioUserClient first = served.client()) {
      try (VfioUserClient second = VfioUserClient.connect(served.path)) {
        assertEquals(Errno.EBUSY, second.version(0, 1, "{}\0").errno());
        assertNull(second.replyOrEnd());
      }
      // Who says nothing is not waited for, and too many are told nothing.
      VfioUserClient[] crowd = new VfioUserClient[20];
      for (int i = 0; i < crowd.length; i++) {
        crowd[i] = VfioUserClient.connect(served.path);
      }
      assertNull(crowd[crowd.length - 1].replyOrEnd());
      assertEquals(0, first.regionInfo(4).errno());
      for (VfioUserClient each : crowd) {
        each.close();
      }
      assertEquals(0, first.regionInfo(4).errno());
      assertEquals(21, served.server.counters().turnedAway());
    }
    served.awaitNoClient();
    served.client().close();
  }

  @Test
  void theNextClientFindsTheFunctionAsItCameUp() {
    try (MemFd file = MemFd.create("client", PAGE);
        EventFd event = EventFd.create();
        VfioUserClient client = served.client()) {
      served.enable(client);
      enableMsiX(client);
      client.map(0, PAGE, 3, 0, file.fd());
      client.setIrqs(EVENTFD_TRIGGER, MSIX, 0, 1, event.fd());
      client.send(new byte[] {1, 2, 3}); // and gone, in the midst of a header
    }
    served.awaitNoClient();
    assertEquals(0, served.memory.mappings());
    assertEquals(0, served.memory.files());
    assertFalse(served.function.busMasterEnabled());
    assertEquals(List.of(ResetKind.BUS), served.function.resets());
    try (VfioUserClient next = served.client()) {
      assertEquals(0, next.readLe(CONFIG, 4, 2));
    }
  }

  @Test
  void closingLetsTheClientGo() {
    try (MemFd file = MemFd.create("closing", PAGE);
        VfioUserClient client = served.client()) {
      client.map(0, PAGE, 3, 0, file.fd());
      served.server.close();
      assertNull(client.replyOrEnd());
      assertEquals(0, Served.maps("closing"));
      assertFalse(Files.exists(Path.of(served.path)));
    }
  }

  @Test
  void aThousandClientsLeaveNothing() {
    try (MemFd file = MemFd.create("thousand", 16 * PAGE);
        EventFd event = EventFd.create()) {
      int[] fds = {event.fd(), event.fd(), event.fd(), event.fd()};
      served.client().close();
      served.awaitNoClient();
      long before = Served.openDescriptors();
      for (int i = 0; i < 1000; i++) {
        try (VfioUserClient client = served.client()) {
          for (int page = 0; page < 4; page++) {
            client.map((long) page * PAGE, PAGE, 3, (long) page * PAGE, file.fd());
          }
          client.setIrqs(EVENTFD_TRIGGER, MSIX, 0, 4, fds);
          client.setIrqs(EVENTFD_TRIGGER, INTX, 0, 1, event.fd());
          client.setIrqs(4 | 16, INTX, 0, 1, event.fd());
          if (i % 3 == 0) {
            client.send(new byte[1 + i % 15], fds); // and gone in the midst of it
          }
        }
        served.awaitNoClient();
      }
      assertEquals(before, Served.openDescriptors());
      assertEquals(0, Served.maps("thousand"));
      assertEquals(1001, served.server.counters().clients());
    }
  }
}
