package dev.virtiolab.iommu.sev;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.iommu.PageAttributes;
import dev.virtiolab.pci.cpu.CpuMemory;
import dev.virtiolab.pci.memory.DmaAccess;
import dev.virtiolab.pci.memory.DmaFault;
import dev.virtiolab.pci.memory.DmaWindow;
import dev.virtiolab.pci.memory.MappingGeneration;
import dev.virtiolab.pci.memory.PhysicalMemory;
import dev.virtiolab.pci.memory.RamRegion;
import dev.virtiolab.pci.memory.RawDram;
import dev.virtiolab.posix.fixture.Allocation;
import java.lang.foreign.MemorySegment;
import java.security.GeneralSecurityException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicReference;
import javax.crypto.Cipher;
import javax.crypto.spec.SecretKeySpec;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class SevPlatformTest {
  private static final int PAGE = 4096;
  private static final int PAGES = 16;
  private static final long LOW_PAGES = 10;
  private static final HexFormat HEX = HexFormat.of();

  private final PhysicalMemory memory =
      PhysicalMemory.allocate(LOW_PAGES * PAGE, (PAGES - LOW_PAGES) * PAGE);
  private final SevPlatform platform =
      new SevPlatform(
          memory,
          new SevKeys(
              HEX.parseHex("000102030405060708090a0b0c0d0e0f"),
              HEX.parseHex("f0e1d2c3b4a5968778695a4b3c2d1e0f")),
          new SplittableRandom(7));
  private final CpuMemory cpu = platform.cpuMemory();
  private final PageAttributes attributes = platform.pageAttributes().orElseThrow();
  private final RawDram dram = platform.dram();
  private final TestDevice device = new TestDevice(platform.busMemory(8));
  private final MappingGeneration generation = memory.generation();

  @AfterEach
  void close() {
    platform.close();
    memory.close();
  }

  /** Guest-physical address of the page that lies at {@code systemPhysical}. */
  private long guestPhysical(long systemPhysical) {
    for (long page : pages()) {
      if (dram.systemPhysical(page) == systemPhysical) {
        return page;
      }
    }
    throw new AssertionError("nothing lies there");
  }

  /** Guest-physical address of every page. */
  private List<Long> pages() {
    List<Long> pages = new ArrayList<>();
    for (RamRegion region : memory.regions()) {
      for (long page = region.base(); page < region.limit(); page += PAGE) {
        pages.add(page);
      }
    }
    return pages;
  }

  private byte[] cpuRead(long address, int length) {
    byte[] bytes = new byte[length];
    cpu.read(address, MemorySegment.ofArray(bytes), 0, length);
    return bytes;
  }

  private void cpuWrite(long address, byte[] bytes) {
    cpu.write(address, MemorySegment.ofArray(bytes), 0, bytes.length);
  }

  private byte[] dramRead(long systemPhysical, int length) {
    byte[] bytes = new byte[length];
    dram.read(systemPhysical, MemorySegment.ofArray(bytes), 0, length);
    return bytes;
  }

  private void dramWrite(long systemPhysical, byte[] bytes) {
    dram.write(systemPhysical, MemorySegment.ofArray(bytes), 0, bytes.length);
  }

  private static byte[] random(int length, long seed) {
    byte[] bytes = new byte[length];
    new SplittableRandom(seed).nextBytes(bytes);
    return bytes;
  }

  @Test
  void ciphertextIsWhatTheConstructionGivesWhenComputedByOpenssl() {
    // Each xor by hand; T from `openssl enc -aes-128-ecb -nopad -K f0e1...1e0f` of the block number
    // (0x500 and 0x5ff, 16 bytes little-endian), then the same with -K 0001...0e0f.
    long page = guestPhysical(0x5000);
    byte[] plain = HEX.parseHex("000102030405060708090a0b0c0d0e0f");
    cpuWrite(page, plain);
    cpuWrite(page + 0xff0, plain);
    assertEquals("f2f5a84340585ddb413c4a660d880bf7", HEX.formatHex(dramRead(0x5000, 16)));
    assertEquals("2d14e88862d40562421df64c6e63ed86", HEX.formatHex(dramRead(0x5ff0, 16)));
    assertArrayEquals(dramRead(0x5000, 16), device.read(0, page, 16));
    assertArrayEquals(plain, cpuRead(page, 16));
  }

  @Test
  void aPrivatePageAsADeviceSeesItDecryptsAtItsAddressAndAtNoOther()
      throws GeneralSecurityException {
    long page = 3 * PAGE;
    byte[] plain = random(PAGE, 1);
    cpuWrite(page, plain);
    byte[] seen = device.read(0, page, PAGE);
    for (long guest : pages()) {
      long systemPhysical = dram.systemPhysical(guest);
      byte[] opened = decrypt(seen, systemPhysical);
      if (guest == page) {
        assertArrayEquals(plain, opened);
      } else {
        for (int block = 0; block < PAGE; block += 16) {
          assertFalse(
              Arrays.equals(plain, block, block + 16, opened, block, block + 16),
              "page " + guest + " block " + block);
        }
      }
    }
  }

  /** With the JDK's cipher, as if {@code page} lay at {@code systemPhysical}. */
  private byte[] decrypt(byte[] page, long systemPhysical) throws GeneralSecurityException {
    Cipher tweak = Cipher.getInstance("AES/ECB/NoPadding", "SunJCE");
    tweak.init(Cipher.ENCRYPT_MODE, new SecretKeySpec(platform.keys().tweak(), "AES"));
    Cipher cipher = Cipher.getInstance("AES/ECB/NoPadding", "SunJCE");
    cipher.init(Cipher.DECRYPT_MODE, new SecretKeySpec(platform.keys().data(), "AES"));
    byte[] plain = new byte[page.length];
    for (int block = 0; block < page.length; block += 16) {
      long number = (systemPhysical + block) / 16;
      byte[] t = new byte[16];
      for (int i = 0; i < 8; i++) {
        t[i] = (byte) (number >>> 8 * i);
      }
      t = tweak.doFinal(t);
      byte[] x = new byte[16];
      for (int i = 0; i < 16; i++) {
        x[i] = (byte) (page[block + i] ^ t[i]);
      }
      x = cipher.doFinal(x);
      for (int i = 0; i < 16; i++) {
        plain[block + i] = (byte) (x[i] ^ t[i]);
      }
    }
    return plain;
  }

  @Test
  void equalPlaintextsDifferInDramWhereverTheyLie() {
    Set<String> blocks = new HashSet<>();
    for (long page : pages()) {
      cpu.fill(page, PAGE, (byte) 0x11);
      byte[] raw = dramRead(dram.systemPhysical(page), PAGE);
      for (int block = 0; block < PAGE; block += 16) {
        blocks.add(HEX.formatHex(raw, block, block + 16));
      }
    }
    assertEquals(PAGES * PAGE / 16, blocks.size());
  }

  @Test
  void noPageLiesInDramWhereTheGuestSeesItAndEveryFrameIsUsed() {
    for (long seed = 0; seed < 200; seed++) {
      try (SevPlatform other = new SevPlatform(memory, new SplittableRandom(seed))) {
        Set<Long> frames = new HashSet<>();
        for (long page : pages()) {
          long system = other.dram().systemPhysical(page);
          assertNotEquals(page, system);
          assertEquals(system + 77, other.dram().systemPhysical(page + 77));
          assertTrue(pages().contains(system));
          frames.add(system);
        }
        assertEquals(PAGES, frames.size());
      }
    }
  }

  @Test
  void freshDramIsZerosAndAPrivateReadOfItIsNot() {
    assertArrayEquals(new byte[PAGE], dramRead(0, PAGE));
    assertArrayEquals(new byte[PAGE], device.read(0, 0, PAGE));
    assertFalse(Arrays.equals(new byte[16], cpuRead(0, 16)));
    attributes.setShared(PAGE, 1);
    assertArrayEquals(new byte[PAGE], cpuRead(PAGE, PAGE));
  }

  @Test
  void aFlipKeepsTheRawBytesAndChangesHowTheGuestReadsThem() {
    byte[] plain = random(PAGE, 2);
    cpuWrite(PAGE, plain);
    byte[] raw = dramRead(dram.systemPhysical(PAGE), PAGE);
    cpu.getByte(PAGE); // open again: the flip itself must seal it
    attributes.setShared(PAGE, 1);
    assertTrue(attributes.isShared(PAGE + 5));
    assertArrayEquals(raw, cpuRead(PAGE, PAGE));
    assertArrayEquals(raw, dramRead(dram.systemPhysical(PAGE), PAGE));
    attributes.setPrivate(PAGE, 1);
    assertFalse(attributes.isShared(PAGE));
    assertArrayEquals(plain, cpuRead(PAGE, PAGE));
  }

  @Test
  void plaintextOfASharedPageStaysInDramWhenThePageTurnsPrivate() {
    attributes.setShared(PAGE, 1);
    byte[] bytes = random(PAGE, 3);
    cpuWrite(PAGE, bytes);
    attributes.setPrivate(PAGE, 1);
    assertArrayEquals(bytes, dramRead(dram.systemPhysical(PAGE), PAGE));
    assertFalse(Arrays.equals(bytes, cpuRead(PAGE, PAGE)));
    assertArrayEquals(bytes, device.read(0, PAGE, PAGE), "a look of the CPU changes nothing");
  }

  @Test
  void aDevicesWriteOfOneByteGarblesTheWholeBlockAndNoOther() {
    byte[] plain = random(PAGE, 4);
    cpuWrite(2 * PAGE, plain);
    byte[] before = device.read(0, 2 * PAGE + 37, 1);
    device.write(0, 2 * PAGE + 37, new byte[] {(byte) (before[0] + 1)});
    byte[] after = cpuRead(2 * PAGE, PAGE);
    assertArrayEquals(Arrays.copyOf(plain, 32), Arrays.copyOf(after, 32));
    assertArrayEquals(Arrays.copyOfRange(plain, 48, PAGE), Arrays.copyOfRange(after, 48, PAGE));
    int differing = 0;
    for (int i = 32; i < 48; i++) {
      differing += plain[i] == after[i] ? 0 : 1;
    }
    assertTrue(differing > 8, "bytes that differ: " + differing);
  }

  @Test
  void rawBytesAreAcceptedInTheirPlaceAndGarbageElsewhere() {
    byte[] plain = random(64, 5);
    cpuWrite(4 * PAGE, plain);
    byte[] raw = dramRead(dram.systemPhysical(4 * PAGE), 64);
    cpuWrite(4 * PAGE, new byte[64]);
    dramWrite(dram.systemPhysical(4 * PAGE), raw);
    assertArrayEquals(plain, cpuRead(4 * PAGE, 64), "replayed");
    dramWrite(dram.systemPhysical(5 * PAGE), raw);
    assertFalse(Arrays.equals(plain, cpuRead(5 * PAGE, 64)), "moved");
  }

  @Test
  void aFlipMovesTheGenerationAndOneThatChangesNothingDoesNot() {
    long at = generation.acquire();
    attributes.setShared(0, 2);
    assertNotEquals(at, at = generation.acquire());
    attributes.setShared(0, 2);
    assertEquals(at, generation.acquire());
    attributes.setPrivate(PAGE, 1);
    assertNotEquals(at, at = generation.acquire());
    attributes.setPrivate(PAGE, 3);
    assertEquals(at, generation.acquire());
  }

  @Test
  void openingAPageUnderAWindowMakesItsHolderComeBack() {
    cpu.putLong(PAGE, 1);
    byte[] first = device.read(0, PAGE, 16);
    assertEquals(1, device.resolutions());
    assertArrayEquals(first, device.read(0, PAGE, 16));
    assertEquals(1, device.resolutions());
    cpu.putLong(PAGE, 2);
    assertFalse(Arrays.equals(first, device.read(0, PAGE, 16)));
    assertEquals(2, device.resolutions());
    long at = generation.acquire();
    cpu.getByte(3 * PAGE);
    assertEquals(at, generation.acquire(), "no window was on that page");
  }

  @Test
  void aWindowIsARunOfSharedPagesOrOnePrivatePage() {
    attributes.setShared(3 * PAGE, 4);
    DmaWindow window = new DmaWindow();
    assertTrue(platform.busMemory(8).resolve(5 * PAGE + 9, DmaAccess.WRITE, window));
    assertEquals(3 * PAGE, window.base());
    assertEquals(4 * PAGE, window.length());
    assertTrue(platform.busMemory(8).resolve(7 * PAGE + 9, DmaAccess.WRITE, window));
    assertEquals(7 * PAGE, window.base());
    assertEquals(PAGE, window.length());
    assertFalse(platform.busMemory(8).resolve(LOW_PAGES * PAGE, DmaAccess.READ, window));
    assertEquals(DmaFault.NO_MEMORY, window.fault());
  }

  @Test
  void aRunIsFollowedSoFarAndNoFurther() {
    try (PhysicalMemory large = PhysicalMemory.allocate(600L * PAGE);
        SevPlatform other = new SevPlatform(large, new SplittableRandom(3))) {
      other.pageAttributes().orElseThrow().setShared(0, 600);
      DmaWindow window = new DmaWindow();
      long middle = 300L * PAGE + 5;
      assertTrue(other.busMemory(8).resolve(middle, DmaAccess.READ, window));
      assertTrue(window.covers(middle, 100 * PAGE, large.generation().acquire()));
      assertTrue(window.length() <= 256 * PAGE, "length " + window.length());
      long end = window.base() + window.length();
      assertTrue(other.busMemory(8).resolve(end, DmaAccess.READ, window));
      assertTrue(window.covers(end, PAGE, large.generation().acquire()));
    }
  }

  @Test
  void sealingOpeningFlippingAndResolvingAllocateNothing() {
    DmaWindow window = new DmaWindow();
    attributes.setShared(2 * PAGE, 2);
    long bytes =
        Allocation.bytesOf(
            2000,
            () -> {
              for (int i = 0; i < 50; i++) {
                cpu.putInt(0, i);
                platform.busMemory(8).resolve(0, DmaAccess.READ, window);
                attributes.setShared(PAGE, 1);
                platform.busMemory(8).resolve(3 * PAGE, DmaAccess.READ, window);
                attributes.setPrivate(PAGE, 1);
                platform.busMemory(8).resolve(3 * PAGE, DmaAccess.READ, window);
              }
            });
    assertTrue(bytes < 1024, "bytes of 50 rounds: " + bytes);
  }

  @Test
  void twoThreadsOnPagesOfTheirOwnDoNotDisturbOneAnother() throws InterruptedException {
    AtomicReference<Throwable> failure = new AtomicReference<>();
    List<Thread> threads = new ArrayList<>();
    for (int t = 0; t < 2; t++) {
      long page = (long) t * PAGE;
      DmaWindow window = new DmaWindow();
      Thread thread =
          new Thread(
              () -> {
                for (int i = 0; i < 20_000; i++) {
                  cpu.putLong(page + i % 500 * 8, i);
                  platform.busMemory(8).resolve(page, DmaAccess.READ, window); // seals
                  assertEquals(i, cpu.getLong(page + i % 500 * 8)); // opens
                }
              });
      thread.setUncaughtExceptionHandler((who, why) -> failure.set(why));
      threads.add(thread);
      thread.start();
    }
    for (Thread thread : threads) {
      thread.join();
    }
    assertNull(failure.get(), () -> String.valueOf(failure.get()));
  }

  @Test
  void accessesThatStraddlePagesOfDifferentStateArePutTogether() {
    attributes.setShared(PAGE, 1);
    cpu.fill(0, PAGE, (byte) 0);
    cpu.putLong(PAGE - 3, 0x0807060504030201L);
    assertEquals(0x0807060504030201L, cpu.getLong(PAGE - 3));
    assertArrayEquals(new byte[] {4, 5, 6, 7, 8}, device.read(0, PAGE, 5));
    device.read(0, 0, 1); // seals the first page
    assertEquals(0x0807060504030201L, cpu.getLong(PAGE - 3));
    device.read(0, 0, 1);
    cpu.putInt(PAGE - 1, 0x55443322);
    assertEquals(0x22, cpu.getByte(PAGE - 1));
    assertArrayEquals(new byte[] {0x33, 0x44, 0x55}, device.read(0, PAGE, 3));
  }

  @Test
  void anAccessThatLeavesRamThrowsAndChangesNothing() {
    long end = memory.regions().getLast().limit();
    cpu.fill(end - PAGE, PAGE, (byte) 7);
    byte[] raw = dramRead(dram.systemPhysical(end - PAGE), PAGE);
    MemorySegment bytes = MemorySegment.ofArray(new byte[2 * PAGE]);
    assertThrows(IndexOutOfBoundsException.class, () -> cpu.getLong(end - 7));
    assertThrows(IndexOutOfBoundsException.class, () -> cpu.putShort(end - 1, (short) 1));
    assertThrows(IndexOutOfBoundsException.class, () -> cpu.getByte(end));
    assertThrows(IndexOutOfBoundsException.class, () -> cpu.getByte(-1));
    assertThrows(IndexOutOfBoundsException.class, () -> cpu.write(end - PAGE, bytes, 0, PAGE + 1));
    assertThrows(
        IndexOutOfBoundsException.class, () -> cpu.write(end - PAGE, bytes, PAGE + 1, PAGE));
    assertThrows(IndexOutOfBoundsException.class, () -> cpu.fill(end - PAGE, PAGE + 1, (byte) 0));
    assertThrows(IndexOutOfBoundsException.class, () -> cpu.fill(end - PAGE, -1, (byte) 0));
    assertThrows(IndexOutOfBoundsException.class, () -> cpu.copy(0, end - 8, 9));
    assertThrows(IndexOutOfBoundsException.class, () -> cpu.read(end - 8, bytes, 0, 9));
    assertArrayEquals(raw, dramRead(dram.systemPhysical(end - PAGE), PAGE));
  }

  @Test
  void attributesAreChangedForWholePagesOfRamOnly() {
    long end = memory.regions().getLast().limit();
    assertThrows(IllegalArgumentException.class, () -> attributes.setShared(1, 1));
    assertThrows(IllegalArgumentException.class, () -> attributes.setShared(end - PAGE, 2));
    assertThrows(IllegalArgumentException.class, () -> attributes.setPrivate(end, 1));
    assertThrows(IllegalArgumentException.class, () -> attributes.setPrivate(0, -1));
    assertThrows(IllegalArgumentException.class, () -> attributes.setShared(0, Long.MAX_VALUE));
    assertThrows(IllegalArgumentException.class, () -> attributes.isShared(end));
    assertFalse(attributes.isShared(end - PAGE), "a range that was refused changed nothing");
    assertEquals(0, platform.counters().cacheFlushes());
  }

  @Test
  void countersSayWhatHappened() {
    assertEquals(new SevCounters(0, 0, 0, 0, 0, 0, 0, 0, 0, 0), platform.counters());
    cpu.getByte(0); // opens
    cpu.fill(PAGE, PAGE, (byte) 0); // opens, with nothing to decrypt
    device.read(0, 0, 1); // seals
    attributes.setShared(0, 4); // seals one more
    attributes.setPrivate(PAGE, 2);
    attributes.setPrivate(PAGE, 2); // flushes, flips nothing
    attributes.setShared(5 * PAGE, 1); // three shared now, fewer than there were
    assertEquals(new SevCounters(5, 2, 3, 4, 2, 2, 2 * PAGE, PAGE, 4, 4), platform.counters());
  }

  @Test
  void theSameSeedMakesTheSameGuest() {
    try (PhysicalMemory other = PhysicalMemory.allocate((long) PAGES * PAGE);
        PhysicalMemory third = PhysicalMemory.allocate((long) PAGES * PAGE);
        SevPlatform one = new SevPlatform(other, new SplittableRandom(42));
        SevPlatform two = new SevPlatform(third, new SplittableRandom(42))) {
      assertArrayEquals(one.keys().data(), two.keys().data());
      assertArrayEquals(one.keys().tweak(), two.keys().tweak());
      assertFalse(Arrays.equals(one.keys().data(), one.keys().tweak()));
      assertEquals(one.dram().systemPhysical(0), two.dram().systemPhysical(0));
      assertEquals(one.cpuMemory().getLong(8), two.cpuMemory().getLong(8));
    }
  }
}
