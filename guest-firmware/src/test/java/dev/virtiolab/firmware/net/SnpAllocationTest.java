package dev.virtiolab.firmware.net;

import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.IntRef;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.MacAddress;
import dev.virtiolab.firmware.uefi.Ref;
import dev.virtiolab.firmware.uefi.SimpleNetwork;
import dev.virtiolab.posix.fixture.Allocation;
import org.junit.jupiter.api.Test;

class SnpAllocationTest {
  private static final long TARGET = 0x10_000;
  private static final int ROUNDS = 2_000;

  private final NetBench bench = new NetBench().initialized();
  private final LongRef txBuf = new LongRef();
  private final LongRef size = new LongRef();
  private final IntRef interrupts = new IntRef();
  private final IntRef protocol = new IntRef();
  private final IntRef sentProtocol = new IntRef(0x0800);
  private final Ref<MacAddress> source = new Ref<>();
  private final Ref<MacAddress> destination = new Ref<>();
  private final long frame = bench.frame(NetBench.STATION, 64);

  private void round() {
    SimpleNetwork snp = bench.snp;
    for (int i = 0; i < ROUNDS; i++) {
      EfiStatus status = snp.transmit(14, 64, frame, null, NetBench.STATION, sentProtocol);
      bench.card.transmitAll();
      bench.card.deliver(frame, 64);
      if (status.isError()
          || snp.getStatus(interrupts, txBuf).isError()
          || snp.getStatus(interrupts, txBuf).isError()) {
        throw new AssertionError("transmit or getStatus");
      }
      size.value = 2048;
      if (snp.receive(null, size, TARGET, source, destination, protocol).isError()) {
        throw new AssertionError("receive");
      }
    }
  }

  @Test
  void transmitGetStatusAndReceiveAllocateNothing() {
    long bytes = Allocation.bytesOf(20, this::round);
    assertTrue(bytes < ROUNDS / 2, "bytes for " + ROUNDS + " frames each way: " + bytes);
  }
}
