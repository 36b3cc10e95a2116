package dev.virtiolab.firmware.stack.tcp;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.firmware.fixture.VirtualClock;
import dev.virtiolab.firmware.stack.Ipv4Address;
import dev.virtiolab.posix.fixture.Allocation;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.Test;

/** Data that is sent, acknowledged, received and read allocates nothing. */
class TcpAllocationTest {
  private static final int SEGMENTS = 2_000;
  private static final int BYTES = 1460;

  private final VirtualClock clock = new VirtualClock();
  private final FakeIp ip = new FakeIp();
  private final TcpHost host = new TcpHost(clock, ScriptedPeer.GUEST_MAC, "10.0.0.2", 1);
  private final Tcp tcp = new Tcp(ip, host.stack.counters(), clock, 1);
  private final MemorySegment arriving = MemorySegment.ofArray(new byte[20 + BYTES]);
  private final MemorySegment user = MemorySegment.ofArray(new byte[BYTES]);
  private TcpConnection connection;
  private int theirs = 5_000;

  @Test
  void aStreamBothWaysAllocatesNothing() {
    connection = tcp.connect(new Ipv4Address(ScriptedPeer.PEER), 9);
    tcp.pump(0);
    arrive(TcpLayout.SYN | TcpLayout.ACK, 0);
    theirs++;
    assertEquals(TcpState.ESTABLISHED, connection.state());
    long bytes = Allocation.bytesOf(9, this::exchange);
    assertEquals(TcpState.ESTABLISHED, connection.state());
    assertTrue(bytes < SEGMENTS, bytes + " bytes for " + SEGMENTS + " segments each way");
    assertTrue(ip.sent >= 10L * SEGMENTS);
  }

  private void exchange() {
    for (int i = 0; i < SEGMENTS; i++) {
      if (connection.send(user, 0, BYTES) != BYTES) {
        throw new AssertionError("no room");
      }
      tcp.pump(clock.nanos());
      arrive(TcpLayout.ACK, BYTES);
      theirs += BYTES;
      if (connection.receive(user, 0, BYTES) != BYTES) {
        throw new AssertionError("nothing there");
      }
      clock.advance(100_000);
      tcp.tick(clock.nanos());
    }
  }

  /** A segment from the peer, which acknowledges all that was sent. */
  private void arrive(int flags, int data) {
    TcpSegment.put(
        arriving,
        0,
        data,
        9,
        connection.localPort(),
        theirs,
        connection.sender().next(),
        flags,
        60_000,
        ScriptedPeer.PEER,
        ScriptedPeer.GUEST);
    tcp.receive(ScriptedPeer.PEER, arriving, 0, 20 + data, clock.nanos());
  }
}
