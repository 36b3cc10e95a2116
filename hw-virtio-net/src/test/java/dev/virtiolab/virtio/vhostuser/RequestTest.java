package dev.virtiolab.virtio.vhostuser;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/** The table of requests against vhost-user.rst, "Front-end message types", stated again. */
class RequestTest {
  /**
   * Number, name, least and most bytes, least and most descriptors, protocol feature's bit or -1.
   */
  private static final String TABLE =
      """
      1 GET_FEATURES 0 0 0 0 -1
      2 SET_FEATURES 8 8 0 0 -1
      3 SET_OWNER 0 0 0 0 -1
      4 RESET_OWNER 0 0 0 0 -1
      5 SET_MEM_TABLE 40 264 1 8 -1
      6 SET_LOG_BASE 16 16 1 1 1
      7 SET_LOG_FD 0 8 1 1 -1
      8 SET_VRING_NUM 8 8 0 0 -1
      9 SET_VRING_ADDR 40 40 0 0 -1
      10 SET_VRING_BASE 8 8 0 0 -1
      11 GET_VRING_BASE 8 8 0 0 -1
      12 SET_VRING_KICK 8 8 0 1 -1
      13 SET_VRING_CALL 8 8 0 1 -1
      14 SET_VRING_ERR 8 8 0 1 -1
      15 GET_PROTOCOL_FEATURES 0 0 0 0 -1
      16 SET_PROTOCOL_FEATURES 8 8 0 0 -1
      17 GET_QUEUE_NUM 0 0 0 0 -1
      18 SET_VRING_ENABLE 8 8 0 0 -1
      21 SET_BACKEND_REQ_FD 0 8 1 1 5
      22 IOTLB_MSG 26 32 0 0 -1
      24 GET_CONFIG 12 268 0 0 9
      25 SET_CONFIG 12 268 0 0 9
      31 GET_INFLIGHT_FD 20 24 0 0 12
      32 SET_INFLIGHT_FD 20 24 1 1 12
      34 RESET_DEVICE 0 0 0 0 13
      36 GET_MAX_MEM_SLOTS 0 0 0 0 15
      37 ADD_MEM_REG 40 40 1 1 15
      38 REM_MEM_REG 40 40 0 1 15
      """;

  @Test
  void everyRowAndNoOther() {
    assertEquals(TABLE, Arrays.stream(Request.values()).map(RequestTest::row).collect(all()));
  }

  private static java.util.stream.Collector<CharSequence, ?, String> all() {
    return Collectors.joining("\n", "", "\n");
  }

  private static String row(Request request) {
    int least = 0;
    while (!request.takesPayload(least)) {
      least++;
    }
    int most = least;
    while (request.takesPayload(most + 1)) {
      most++;
    }
    int fewest = 0;
    while (!request.takesFds(fewest)) {
      fewest++;
    }
    int mostFds = fewest;
    while (request.takesFds(mostFds + 1)) {
      mostFds++;
    }
    int bit = request.needs() == 0 ? -1 : Long.numberOfTrailingZeros(request.needs());
    return "%d %s %d %d %d %d %d"
        .formatted(request.number(), request, least, most, fewest, mostFds, bit);
  }

  @Test
  void whatIsNotInTheTableIsNoRequest() {
    for (int number : new int[] {Integer.MIN_VALUE, -1, 0, 19, 20, 23, 33, 35, 39, 40, 41, 1000}) {
      assertNull(Request.of(number), "number " + number);
    }
    for (Request request : Request.values()) {
      assertEquals(request, Request.of(request.number()));
      assertTrue((request.needs() & ~ProtocolFeatures.OFFERED) == 0, request + " is offered");
    }
  }
}
