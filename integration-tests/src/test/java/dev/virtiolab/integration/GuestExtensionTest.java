package dev.virtiolab.integration;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.firmware.stack.Ipv4Address;
import dev.virtiolab.iommu.PlatformKind;
import dev.virtiolab.lab.MachineConfig;
import dev.virtiolab.net.NetBackend;
import dev.virtiolab.testkit.GuestExtension;
import java.lang.foreign.MemorySegment;
import java.util.HexFormat;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** The test kit's guest answers a frame that a test made by hand. */
class GuestExtensionTest {
  private static final HexFormat HEX = HexFormat.of();

  @RegisterExtension
  final GuestExtension guest =
      new GuestExtension(MachineConfig.of(PlatformKind.SEV), Ipv4Address.parse("192.0.2.2"));

  @Test
  void anArpRequestIsAnswered() {
    // RFC 826: who has 192.0.2.2? Tell 192.0.2.9, at 02:00:00:00:00:09.
    send(
        "ffffffffffff 020000000009 0806 0001 0800 06 04 0001 020000000009 c0000209 000000000000 c0000202");

    assertEquals(
        "020000000009 525400123456 0806 0001 0800 06 04 0002 525400123456 c0000202 020000000009 c0000209"
            .replace(" ", ""),
        receive());
  }

  private void send(String hex) {
    byte[] frame = HEX.parseHex(hex.replace(" ", ""));
    NetBackend wire = guest.wire();
    assertTrue(wire.claim(frame.length));
    MemorySegment.copy(
        MemorySegment.ofArray(frame), 0, wire.claimed(), wire.claimedOffset(), frame.length);
    wire.commit();
    wire.flush();
  }

  private String receive() {
    NetBackend wire = guest.wire();
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
    int length = wire.peek();
    while (length == 0) {
      assertTrue(System.nanoTime() - deadline < 0, "no answer");
      Thread.onSpinWait();
      length = wire.peek();
    }
    byte[] frame = new byte[length];
    MemorySegment.copy(wire.peeked(), wire.peekedOffset(), MemorySegment.ofArray(frame), 0, length);
    wire.release();
    return HEX.formatHex(frame);
  }
}
