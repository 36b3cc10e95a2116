package dev.virtiolab.iommu.sev.launch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.iommu.sev.SevPlatform;
import dev.virtiolab.pci.memory.PhysicalMemory;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class LaunchTest {
  private static final int PAGE = 4096;
  private static final HexFormat HEX = HexFormat.of();

  private final PhysicalMemory memory = PhysicalMemory.allocate(16 * PAGE);
  private final SevPlatform platform = new SevPlatform(memory, new SplittableRandom(1));
  private final LaunchSession session = LaunchSession.generate(new SplittableRandom(2));
  private final byte[] firmware = digest("the firmware's classes");

  @AfterEach
  void close() {
    platform.close();
    memory.close();
  }

  private static byte[] digest(String text) {
    return Launch.sha256().digest(text.getBytes(StandardCharsets.US_ASCII));
  }

  private static LaunchImage image(byte[] firmware, long address, String handOff) {
    return new LaunchImage(
        PAGE,
        firmware,
        List.of(
            new LaunchImage.Block(address, handOff.getBytes(StandardCharsets.US_ASCII)),
            new LaunchImage.Block(6 * PAGE, new byte[32])));
  }

  private LaunchMeasurement launch(LaunchImage image, LaunchSession session) {
    Launch launch = Launch.start(platform, SevApi.CURRENT, session);
    launch.load(image);
    return launch.measure(new SplittableRandom(3));
  }

  @Test
  void aMeasurementIsWhatAmdsOwnToolCalculates() {
    // The example of `sevtool --calc_measurement` in the description of AMD's SEV-Tool.
    LaunchSession known = new LaunchSession(HEX.parseHex("66320db73158a35a255d051758e95ed4"), 0);
    LaunchMeasurement measurement =
        LaunchMeasurement.of(
            new SevApi(0, 0x12, 0x0f),
            known,
            HEX.parseHex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            HEX.parseHex("4fbe0bedbad6c86ae8f68971d103e554"));
    assertEquals(
        "6faab2daae389bcd3405a05d6cafe33c0414f7bedd0bae19ba5f38b7fd1664ea",
        HEX.formatHex(measurement.measure()));
  }

  @Test
  void thePolicyIsMeasuredAs32BitsLittleEndian() {
    // By Python's hmac over 04 00 18 00, 03 00 18 00, SHA-256 of nothing, and the nonce.
    LaunchSession known =
        new LaunchSession(HEX.parseHex("66320db73158a35a255d051758e95ed4"), 0x00180003);
    LaunchMeasurement measurement =
        LaunchMeasurement.of(
            new SevApi(0, 24, 0),
            known,
            Launch.sha256().digest(),
            HEX.parseHex("4fbe0bedbad6c86ae8f68971d103e554"));
    assertEquals(
        "47c6811a31bb1653b981409f460a6f7addb0abb38d3e8bf7da38a88dd3f68a26",
        HEX.formatHex(measurement.measure()));
  }

  @Test
  void theOwnerAcceptsTheImageThatWasLaunchedAndNoOther() {
    LaunchImage image = image(firmware, 4 * PAGE, "hand-off");
    LaunchMeasurement measurement = launch(image, session);
    assertTrue(new GuestOwner(SevApi.CURRENT, session, image).accepts(measurement));
    for (LaunchImage other :
        List.of(
            image(firmware, 4 * PAGE, "hand-ofF"),
            image(firmware, 4 * PAGE + 16, "hand-off"),
            image(digest("other classes"), 4 * PAGE, "hand-off"))) {
      assertFalse(new GuestOwner(SevApi.CURRENT, session, other).accepts(measurement));
    }
    LaunchSession otherKey = LaunchSession.generate(new SplittableRandom(9));
    LaunchSession otherPolicy = new LaunchSession(session.transportIntegrityKey(), 0);
    assertFalse(new GuestOwner(SevApi.CURRENT, otherKey, image).accepts(measurement));
    assertFalse(new GuestOwner(SevApi.CURRENT, otherPolicy, image).accepts(measurement));
    assertFalse(new GuestOwner(new SevApi(0, 23, 0), session, image).accepts(measurement));
  }

  @Test
  void everyBitOfMeasureAndNonceCounts() {
    LaunchImage image = image(firmware, 4 * PAGE, "hand-off");
    LaunchMeasurement good = launch(image, session);
    GuestOwner owner = new GuestOwner(SevApi.CURRENT, session, image);
    for (int bit = 0; bit < 48 * 8; bit++) {
      byte[] measure = good.measure();
      byte[] nonce = good.nonce();
      byte[] which = bit < 256 ? measure : nonce;
      which[bit % 256 / 8] ^= (byte) (1 << bit % 8);
      assertFalse(owner.accepts(new LaunchMeasurement(measure, nonce)), "bit " + bit);
    }
  }

  @Test
  void whatIsLaunchedIsCiphertextInDramAndPlaintextToTheGuest() {
    LaunchImage image = image(firmware, 4 * PAGE, "hand-off");
    launch(image, session);
    for (LaunchImage.Block block : image.blocks()) {
      byte[] expected = block.bytes();
      byte[] guest = new byte[expected.length];
      platform.cpuMemory().read(block.address(), MemorySegment.ofArray(guest), 0, guest.length);
      assertArrayEquals(expected, guest);
      byte[] raw = new byte[expected.length];
      long system = platform.dram().systemPhysical(block.address());
      platform.dram().read(system, MemorySegment.ofArray(raw), 0, raw.length);
      assertFalse(Arrays.equals(expected, raw));
    }
  }

  @Test
  void theHeaderNamesEveryBlock() {
    LaunchImage image = image(firmware, 4 * PAGE, "hand-off");
    byte[] header = image.blocks().getFirst().bytes();
    assertEquals(PAGE, header.length);
    assertEquals("VLABSEV1", new String(Arrays.copyOf(header, 8), StandardCharsets.US_ASCII));
    assertEquals("0100000002000000", HEX.formatHex(header, 8, 16));
    assertArrayEquals(firmware, Arrays.copyOfRange(header, 16, 48));
    assertEquals("0040000000000000" + "1000000000000000", HEX.formatHex(header, 48, 64));
    assertEquals("0060000000000000" + "2000000000000000", HEX.formatHex(header, 64, 80));
    assertArrayEquals(new byte[PAGE - 80], Arrays.copyOfRange(header, 80, PAGE));
  }

  @Test
  void commandsOutOfOrderAreRefused() {
    Launch launch = Launch.start(platform, SevApi.CURRENT, session);
    assertThrows(IllegalStateException.class, launch::finish);
    launch.updateData(0, new byte[16]);
    launch.measure(new SplittableRandom(3));
    assertEquals(LaunchState.MEASURED, launch.state());
    assertThrows(IllegalStateException.class, () -> launch.updateData(0, new byte[16]));
    assertThrows(IllegalStateException.class, () -> launch.measure(new SplittableRandom(3)));
    launch.finish();
    assertEquals(LaunchState.RUNNING, launch.state());
    assertThrows(IllegalStateException.class, launch::finish);
  }

  @Test
  void dataIsAlignedPrivateAndDoesNotOverlap() {
    Launch launch = Launch.start(platform, SevApi.CURRENT, session);
    assertThrows(IllegalArgumentException.class, () -> launch.updateData(8, new byte[16]));
    assertThrows(IllegalArgumentException.class, () -> launch.updateData(0, new byte[15]));
    platform.pageAttributes().orElseThrow().setShared(2 * PAGE, 1);
    assertThrows(IllegalStateException.class, () -> launch.updateData(2 * PAGE - 16, new byte[32]));
    LaunchImage.Block one = new LaunchImage.Block(0, new byte[17]);
    assertEquals(32, one.bytes().length);
    assertThrows(
        IllegalArgumentException.class,
        () ->
            new LaunchImage(PAGE, firmware, List.of(one, new LaunchImage.Block(16, new byte[1]))));
    assertThrows(
        IllegalArgumentException.class,
        () ->
            new LaunchImage(
                PAGE, firmware, List.of(new LaunchImage.Block(2 * PAGE - 16, new byte[16]))));
    assertThrows(IllegalArgumentException.class, () -> new LaunchImage.Block(3, new byte[16]));
    assertThrows(IllegalArgumentException.class, () -> new LaunchImage(16, firmware, List.of()));
  }
}
