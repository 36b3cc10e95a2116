package dev.virtiolab.virtio.net;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;

/** Offsets against the structs as the specification writes them down. */
class NetLayoutTest {
  @Test
  void headerIsTheSpecificationsStruct() {
    int at = 0;
    assertEquals(at, NetHeaderLayout.FLAGS);
    assertEquals(at += 1, NetHeaderLayout.GSO_TYPE);
    assertEquals(at += 1, NetHeaderLayout.HDR_LEN);
    assertEquals(at += 2, NetHeaderLayout.GSO_SIZE);
    assertEquals(at += 2, NetHeaderLayout.CSUM_START);
    assertEquals(at += 2, NetHeaderLayout.CSUM_OFFSET);
    assertEquals(at += 2, NetHeaderLayout.NUM_BUFFERS);
    assertEquals(at += 2, NetHeaderLayout.BYTES);
    at += 4 + 2 + 2; // hash_value, hash_report, padding_reserved
    assertEquals(at, NetHeaderLayout.OUTER_TH_OFFSET);
    assertEquals(at += 2, NetHeaderLayout.INNER_NH_OFFSET);
    assertEquals(at + 2, NetHeaderLayout.TUNNEL_BYTES);
    assertEquals(24, NetHeaderLayout.TUNNEL_BYTES, "5.1.6.3.1");
  }

  @Test
  void configurationIsTheSpecificationsStruct() {
    int at = 0;
    assertEquals(at, NetConfigLayout.MAC);
    assertEquals(at += NetConfigLayout.MAC_BYTES, NetConfigLayout.STATUS);
    assertEquals(at += 2, NetConfigLayout.MAX_VIRTQUEUE_PAIRS);
    assertEquals(at += 2, NetConfigLayout.MTU);
    assertEquals(at += 2, NetConfigLayout.SPEED);
    assertEquals(at += 4, NetConfigLayout.DUPLEX);
    assertEquals(at + 1, NetConfigLayout.BYTES);
  }
}
