package dev.virtiolab.virtio.feature;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;

class NegotiationTest {
  private static final Features OFFERED =
      Features.of(
              FeatureBits.VIRTIO_F_VERSION_1
                  | FeatureBits.VIRTIO_NET_F_MAC
                  | FeatureBits.VIRTIO_F_RING_RESET)
          .with(FeatureBits.VIRTIO_NET_F_HOST_UDP_TUNNEL_GSO)
          .with(Features.bit(127));

  private final Negotiation negotiation = new Negotiation(OFFERED, FeatureBits.VIRTIO_F_VERSION_1);

  @Test
  void anyOfferedSubsetWithVersion1Settles() {
    write(FeatureBits.VIRTIO_F_VERSION_1);
    assertTrue(negotiation.settle());
    assertEquals(Features.of(FeatureBits.VIRTIO_F_VERSION_1), negotiation.negotiated());
    assertFalse(negotiation.negotiated(FeatureBits.VIRTIO_NET_F_MAC));
  }

  @Test
  void version1IsRequired() {
    write(FeatureBits.VIRTIO_NET_F_MAC);
    assertFalse(negotiation.settle());
    assertEquals(Features.NONE, negotiation.negotiated());
  }

  @Test
  void everyBitThatIsNotOfferedIsRefused() {
    for (int bit = 0; bit < 128; bit++) {
      boolean offered = List.of(5, 32, 40, 67, 127).contains(bit);
      assertEquals(
          offered, (negotiation.offeredWord(bit / 32) >>> bit % 32 & 1) != 0, "bit " + bit);
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
    assertEquals(
        "[bit 64, VIRTIO_NET_F_HOST_UDP_TUNNEL_GSO, bit 127]",
        new Features(0, 1L << 63 | 9).toString());
  }

  @Test
  void wordsAreTheNamesOfTheirBits() {
    assertEquals(Features.bit(15), FeatureBits.ofWord("mrg_rxbuf"));
    assertEquals(Features.bit(29), FeatureBits.ofWord("event_idx"));
    assertEquals(Features.bit(66), FeatureBits.ofWord("guest_udp_tunnel_gso_csum"));
    assertEquals("ctrl_rx_extra", FeatureBits.word(Features.bit(20)));
    assertEquals(Features.NONE, FeatureBits.ofWord("mrg"));
    assertEquals(Features.NONE, FeatureBits.ofWord(""));
  }

  @Test
  void bitsBeyondSixtyFourAreAgreedLikeTheOthers() {
    Features wanted = Features.of(FeatureBits.VIRTIO_F_VERSION_1).with(Features.bit(67));
    write(wanted);
    assertEquals(wanted, negotiation.wanted());
    assertTrue(negotiation.settle());
    assertEquals(wanted, negotiation.negotiated());
    negotiation.writeDriverWord(2, 0);
    assertFalse(negotiation.settle(), "what was agreed holds");
    assertEquals(wanted, negotiation.wanted());
    negotiation.reset();
    assertEquals(0, negotiation.driverWord(2));
  }

  @Test
  void wordsOfASetAreItsBits() {
    for (int bit = 0; bit < 128; bit++) {
      for (int select = 0; select < 4; select++) {
        int expected = bit / 32 == select ? 1 << bit % 32 : 0;
        assertEquals(expected, Features.bit(bit).word(select), "bit " + bit);
      }
    }
  }

  private void write(long features) {
    write(Features.of(features));
  }

  private void write(Features features) {
    for (int select = 0; select < Negotiation.WORDS; select++) {
      negotiation.writeDriverWord(select, features.word(select));
    }
  }
}
