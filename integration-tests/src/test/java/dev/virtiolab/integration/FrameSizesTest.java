package dev.virtiolab.integration;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.firmware.Firmware;
import dev.virtiolab.firmware.fixture.Seed;
import dev.virtiolab.firmware.iommu.BounceSlots;
import dev.virtiolab.firmware.net.SnpCounter;
import dev.virtiolab.firmware.stack.Ipv4Address;
import dev.virtiolab.firmware.uefi.AllocateType;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.MemoryType;
import dev.virtiolab.firmware.uefi.SimpleNetwork;
import dev.virtiolab.iommu.PlatformKind;
import dev.virtiolab.lab.MachineConfig;
import dev.virtiolab.lab.Mainboard;
import dev.virtiolab.net.LoopbackBackend;
import dev.virtiolab.net.NetBackend;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.OptionalInt;
import java.util.SplittableRandom;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Frames at the edges of what an MTU allows, both ways, between a wire and the driver's client:
 * what fits arrives byte for byte, and what is a byte too long does not, on every platform.
 */
class FrameSizesTest {
  private static final int NOT_OFFERED = 0;
  private static final int[] EDGES = {NOT_OFFERED, 68, 1280, 1500, 1501, 9000, 9216, 9217, 65_535};
  private static final int CAP = 9216;
  private static final int FRAMES = 150;
  private static final int PAGE_BYTES = 4096;
  private static final int ROOM_PAGES = 4;
  private static final int ROOM = ROOM_PAGES * PAGE_BYTES;
  private static final Ipv4Address GUEST = Ipv4Address.parse("192.0.2.2");

  private final SplittableRandom random = Seed.random("FrameSizesTest");

  private Mainboard hardware;
  private SimpleNetwork snp;
  private NetBackend far;
  private byte[] station;
  private long buffer;

  @ParameterizedTest
  @EnumSource(PlatformKind.class)
  void whatFitsArrivesAndAByteMoreDoesNot(PlatformKind platform) {
    for (int edge : EDGES) {
      cross(platform, edge);
    }
    for (int i = 0; i < 4; i++) {
      cross(platform, 68 + random.nextInt(CAP - 68));
    }
  }

  private void cross(PlatformKind platform, int offered) {
    MachineConfig any = MachineConfig.of(platform);
    MachineConfig config =
        new MachineConfig(
            platform,
            any.slot(),
            any.mac(),
            offered == NOT_OFFERED ? OptionalInt.empty() : OptionalInt.of(offered),
            any.bounceSlots(),
            any.seed());
    LoopbackBackend.Pair wire = LoopbackBackend.pair(64, NetBackend.LARGEST_FRAME);
    try (Mainboard board = new Mainboard(config, wire.left())) {
      hardware = board;
      far = wire.right();
      station = octets(config.mac().bits());
      Firmware firmware =
          new Firmware(board.toBoard(new SteppedClock(board)), GUEST, BounceSlots.OVMF);
      firmware.stack().close();
      snp = firmware.network();
      assertEquals(EfiStatus.SUCCESS, snp.start());
      assertEquals(EfiStatus.SUCCESS, snp.initialize(0, 0));
      int mtu = offered == NOT_OFFERED ? 1500 : Math.min(offered, CAP);
      assertEquals(mtu, snp.mode().maxPacketSize);
      LongRef pages = new LongRef();
      assertEquals(
          EfiStatus.SUCCESS,
          firmware
              .bootServices()
              .allocatePages(
                  AllocateType.ANY_PAGES, MemoryType.BOOT_SERVICES_DATA, ROOM_PAGES, pages));
      buffer = pages.value;
      int lost = 0;
      for (int i = 0; i < FRAMES; i++) {
        boolean tagged = random.nextBoolean();
        int length = length(mtu);
        boolean fits = length <= 14 + mtu + (tagged ? 4 : 0);
        String at = platform + " mtu=" + offered + " length=" + length + " tagged=" + tagged;
        byte[] frame = frame(length, tagged);
        if (random.nextBoolean()) {
          toGuest(frame, fits, at);
          lost += fits ? 0 : 1;
        } else {
          fromGuest(frame, fits, at);
        }
      }
      long kept =
          board.nic().counters().drops() + firmware.networkCounters().value(SnpCounter.RX_GIANT);
      assertEquals(lost, kept, "each is counted once");
      assertTrue(lost > 0);
      assertEquals(0, board.nic().counters().breakdowns());
      assertEquals(EfiStatus.SUCCESS, snp.shutdown());
      assertEquals(0, firmware.dmaCounters().openMappings());
    }
  }

  /** Mostly within a few bytes of what just fits. */
  private int length(int mtu) {
    return switch (random.nextInt(4)) {
      case 0 -> 14 + random.nextInt(mtu + 1);
      case 1 -> 14 + mtu + random.nextInt(200);
      default -> 14 + mtu - 3 + random.nextInt(10);
    };
  }

  private byte[] frame(int length, boolean tagged) {
    byte[] frame = new byte[length];
    for (int i = 0; i < length; i++) {
      frame[i] = (byte) random.nextInt();
    }
    System.arraycopy(station, 0, frame, 0, 6);
    System.arraycopy(new byte[] {2, 0, 0, 0, 0, 1}, 0, frame, 6, 6);
    frame[12] = (byte) (tagged ? 0x81 : 0x08);
    frame[13] = 0;
    return frame;
  }

  private void toGuest(byte[] frame, boolean fits, String at) {
    assertTrue(far.claim(frame.length));
    MemorySegment.copy(
        MemorySegment.ofArray(frame), 0, far.claimed(), far.claimedOffset(), frame.length);
    far.commit();
    far.flush();
    hardware.nic().poll(8);
    LongRef size = new LongRef(ROOM);
    EfiStatus status = snp.receive(null, size, buffer, null, null, null);
    assertEquals(fits ? EfiStatus.SUCCESS : EfiStatus.NOT_READY, status, at);
    if (fits) {
      assertEquals(frame.length, size.value, at);
      byte[] got = new byte[frame.length];
      hardware.platform().cpuMemory().read(buffer, MemorySegment.ofArray(got), 0, got.length);
      assertEquals(-1, Arrays.mismatch(frame, got), at);
    }
  }

  private void fromGuest(byte[] frame, boolean fits, String at) {
    hardware.platform().cpuMemory().write(buffer, MemorySegment.ofArray(frame), 0, frame.length);
    EfiStatus status = snp.transmit(0, frame.length, buffer, null, null, null);
    assertEquals(fits ? EfiStatus.SUCCESS : EfiStatus.INVALID_PARAMETER, status, at);
    hardware.nic().poll(8);
    assertEquals(fits ? frame.length : 0, far.peek(), at);
    if (fits) {
      byte[] got = new byte[frame.length];
      MemorySegment.copy(
          far.peeked(), far.peekedOffset(), MemorySegment.ofArray(got), 0, got.length);
      far.release();
      assertEquals(-1, Arrays.mismatch(frame, got), at);
      LongRef back = new LongRef();
      assertEquals(EfiStatus.SUCCESS, snp.getStatus(null, back), at);
      assertEquals(buffer, back.value, at);
    }
  }

  private static byte[] octets(long mac) {
    byte[] octets = new byte[6];
    for (int i = 0; i < octets.length; i++) {
      octets[i] = (byte) (mac >>> 40 - 8 * i);
    }
    return octets;
  }
}
