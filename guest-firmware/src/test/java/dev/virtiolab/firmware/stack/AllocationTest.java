package dev.virtiolab.firmware.stack;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.posix.fixture.Allocation;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The steady state of an echo that is answered allocates nothing. */
class AllocationTest {
  private static final int EXCHANGES = 2_000;

  private final StackBench bench = new StackBench();

  @Test
  void answeredEchoAllocatesNothing() {
    measure(List.of(Packets.framesToGuest(Packets.icmpEcho(8, 1, 1, new byte[56]), 1).get(0)));
  }

  @Test
  void answeredEchoInFragmentsAllocatesNothing() {
    measure(Packets.framesToGuest(Packets.icmpEcho(8, 1, 1, new byte[4_000]), 1));
  }

  private void measure(List<byte[]> request) {
    bench.openWithPeer();
    bench.snp.repeat(request);
    long before = bench.count(StackCounter.ECHO_REPLIES_OUT);
    long bytes =
        Allocation.bytesOf(
            9,
            () -> {
              bench.snp.repeatTimes(EXCHANGES);
              while (bench.stack.poll() > 0) {
                // poll() has a bound of its own.
              }
            });
    assertEquals(10 * EXCHANGES, bench.count(StackCounter.ECHO_REPLIES_OUT) - before);
    assertTrue(bytes < EXCHANGES, bytes + " bytes for " + EXCHANGES + " echoes");
  }
}
