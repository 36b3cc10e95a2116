package dev.virtiolab.virtio.feature;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;

class NegotiationTest {
  private static final long OFFERED =
      FeatureBits.VIRTIO_F_VERSION_1
          | FeatureBits.VIRTIO_NET_F_MAC
          | FeatureBits.VIRTIO_F_RING_RESET;

  private final Negotiation negotiation = new Negotiation(OFFERED, FeatureBits.VIRTIO_F_VERSION_1);

  @Test
  void anyOfferedSubsetWithVersion1Settles() {
    write(FeatureBits.VIRTIO_F_VERSION_1);
    assertTrue(negotiation.settle());
    assertEquals(FeatureBits.VIRTIO_F_VERSION_1, negotiation.negotiated());
    assertFalse(negotiation.negotiated(FeatureBits.VIRTIO_NET_F_MAC));
  }

  @Test
  void version1IsRequired() {
    write(FeatureBits.VIRTIO_NET_F_MAC);
    assertFalse(negotiation.settle());
    assertEquals(0, negotiation.negotiated());
  }

  @Test
  void everyBitThatIsNotOfferedIsRefused() {
    for (int bit = 0; bit < 128; bit++) {
      boolean offered = bit < 64 && (OFFERED >>> bit & 1) != 0;
      negotiation.reset();
      write(FeatureBits.VIRTIO_F_VERSION_1);
      int word = bit / 32;
      negotiation.writeDriverWord(word, negotiation.driverWord(word) | 1 << bit % 32);
      assertEquals(offered, negotiation.settle(), "bit " + bit);
    }
  }

  @Test
  void whatWasAgreedHoldsUntilReset() {
    write(OFFERED);
    assertTrue(negotiation.settle());
    write(FeatureBits.VIRTIO_F_VERSION_1);
    assertFalse(negotiation.settle(), "another set must not be accepted");
    assertEquals(OFFERED, negotiation.negotiated());
    write(OFFERED);
    assertTrue(negotiation.settle(), "the same set is");
    negotiation.reset();
    write(FeatureBits.VIRTIO_F_VERSION_1);
    assertTrue(negotiation.settle());
  }

  @Test
  void wordsBeyondTheLastReadZeroAndAreLost() {
    for (int select : new int[] {4, 5, Integer.MAX_VALUE, Integer.MIN_VALUE, -1}) {
      negotiation.writeDriverWord(select, -1);
      assertEquals(0, negotiation.driverWord(select));
      assertEquals(0, negotiation.offeredWord(select));
    }
  }

  @Test
  void cannotRequireWhatIsNotOffered() {
    assertThrows(
        IllegalArgumentException.class,
        () -> new Negotiation(OFFERED, FeatureBits.VIRTIO_F_ACCESS_PLATFORM));
  }

  @Test
  void namesKnowWhatTheyKnow() {
    assertEquals(
        List.of("VIRTIO_NET_F_MAC", "bit 25", "VIRTIO_F_VERSION_1"),
        FeatureBits.names(1L << 5 | 1L << 25 | 1L << 32));
  }

  @Test
  void wordsAreTheNamesOfTheirBits() {
    assertEquals(FeatureBits.VIRTIO_NET_F_MRG_RXBUF, FeatureBits.ofWord("mrg_rxbuf"));
    assertEquals(FeatureBits.VIRTIO_F_EVENT_IDX, FeatureBits.ofWord("event_idx"));
    assertEquals("ctrl_rx_extra", FeatureBits.word(FeatureBits.VIRTIO_NET_F_CTRL_RX_EXTRA));
    assertEquals(0, FeatureBits.ofWord("mrg"));
    assertEquals(0, FeatureBits.ofWord(""));
  }

  private void write(long features) {
    negotiation.writeDriverWord(0, (int) features);
    negotiation.writeDriverWord(1, (int) (features >>> 32));
  }
}
