package dev.virtiolab.lab.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.firmware.iommu.BounceSlots;
import dev.virtiolab.iommu.PlatformKind;
import dev.virtiolab.lab.MachineConfig;
import dev.virtiolab.net.ForwardingBackend;
import dev.virtiolab.net.NetBackend;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

class PacketRunTest {
  private static final long NANOS = 5_000_000;

  @ParameterizedTest
  @CsvSource({"PC, TX, 1", "PC, RX, 1", "PC, BOTH, 2", "SEV, BOTH, 1", "SEV, RX, 2"})
  void everyFrameThatCrossesIsCounted(PlatformKind platform, Direction direction, int threads) {
    for (int frameBytes : new int[] {PacketRun.MIN_FRAME, PacketRun.MAX_FRAME}) {
      try (PacketRun run =
          new PacketRun(MachineConfig.of(platform), direction, threads, frameBytes)) {
        for (int i = 0; i < 3; i++) {
          PacketRun.Result result = run.run(NANOS);

          assertEquals(direction != Direction.RX, result.sent() > 0);
          assertEquals(direction != Direction.TX, result.received() > 0);
          assertTrue(result.nanos() >= NANOS, result::toString);
        }
      }
    }
  }

  @ParameterizedTest
  @EnumSource
  void aRunOverAWireWithAFaultHasNoResult(Fault fault) {
    try (PacketRun run =
        new PacketRun(
            MachineConfig.of(PlatformKind.PC),
            fault.direction,
            1,
            64,
            wire -> new FaultyWire(wire, fault))) {

      BrokenRunException broken =
          assertThrows(BrokenRunException.class, () -> run.run(NANOS), fault::name);

      assertTrue(broken.getMessage().contains(fault.word), broken.getMessage());
    }
  }

  @Test
  void aBrokenRunNamesItsCase() {
    SlotTable table = new SlotTable("ring", BounceSlots.OVMF);
    BenchCase one = new BenchCase(PlatformKind.SEV, table, Direction.TX, 2, 128);

    assertEquals("sev (ring) tx, threads 2, 128 bytes", one.toString());
  }

  /** What can happen to one frame of a thousand. */
  enum Fault {
    LOST_TO_WIRE(Direction.TX, "lost"),
    DOUBLED_TO_WIRE(Direction.TX, "doubled"),
    GARBLED_HEAD_TO_WIRE(Direction.TX, "garbled"),
    GARBLED_TAIL_TO_WIRE(Direction.BOTH, "garbled"),
    LOST_FROM_WIRE(Direction.RX, "lost"),
    LOST_FROM_WIRE_WHILE_SENDING(Direction.BOTH, "lost"),
    DOUBLED_FROM_WIRE(Direction.RX, "doubled"),
    NOTHING_FROM_WIRE(Direction.RX, "no frame crossed"),
    NOTHING_FROM_WIRE_WHILE_SENDING(Direction.BOTH, "no frame crossed");

    final Direction direction;
    final String word;

    Fault(Direction direction, String word) {
      this.direction = direction;
      this.word = word;
    }
  }

  /** Passes everything on, but for one frame of a thousand. */
  private static final class FaultyWire extends ForwardingBackend {
    private static final int ONE_IN = 1000;

    private final Fault fault;
    private int length;
    private int committed;
    private int released;

    FaultyWire(NetBackend wire, Fault fault) {
      super(wire);
      this.fault = fault;
    }

    @Override
    public boolean claim(int length) {
      this.length = length;
      return inner.claim(length);
    }

    @Override
    public void commit() {
      committed++;
      if (committed % ONE_IN != 0) {
        inner.commit();
        return;
      }
      switch (fault) {
        case LOST_TO_WIRE -> inner.abort();
        case DOUBLED_TO_WIRE -> {
          byte[] frame = claimed().asSlice(claimedOffset(), length).toArray(ValueLayout.JAVA_BYTE);
          inner.commit();
          inner.claim(length);
          MemorySegment.copy(
              frame, 0, claimed(), ValueLayout.JAVA_BYTE, claimedOffset(), frame.length);
          inner.commit();
        }
        case GARBLED_HEAD_TO_WIRE -> {
          flip(14);
          inner.commit();
        }
        case GARBLED_TAIL_TO_WIRE -> {
          flip(length - 1);
          inner.commit();
        }
        default -> inner.commit();
      }
    }

    private void flip(int at) {
      long offset = claimedOffset() + at;
      byte octet = claimed().get(ValueLayout.JAVA_BYTE, offset);
      claimed().set(ValueLayout.JAVA_BYTE, offset, (byte) ~octet);
    }

    @Override
    public int peek() {
      boolean silent =
          fault == Fault.NOTHING_FROM_WIRE || fault == Fault.NOTHING_FROM_WIRE_WHILE_SENDING;
      return silent ? 0 : inner.peek();
    }

    @Override
    public void release() {
      released++;
      boolean now = released % ONE_IN == 0;
      if (now && fault == Fault.DOUBLED_FROM_WIRE) {
        return;
      }
      inner.release();
      if (now && (fault == Fault.LOST_FROM_WIRE || fault == Fault.LOST_FROM_WIRE_WHILE_SENDING)) {
        inner.peek();
        inner.release();
      }
    }
  }
}
