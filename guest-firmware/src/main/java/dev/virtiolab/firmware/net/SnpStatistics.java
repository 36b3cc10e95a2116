package dev.virtiolab.firmware.net;

import static dev.virtiolab.firmware.net.SnpCounter.*;

import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.NetworkStatistics;
import dev.virtiolab.firmware.uefi.Ref;

/**
 * SNP's view of the counters: what was counted since they were last reset. What only the device
 * could know (collisions, CRC errors, frames dropped for want of a buffer) is -1.
 */
final class SnpStatistics {
  private static final long NOT_KEPT = -1;

  private final SnpCounters counters;
  private final long[] baseline = new long[SnpCounter.values().length];

  SnpStatistics(SnpCounters counters) {
    this.counters = counters;
  }

  /**
   * Statistics without the state check: UEFI Specification 2.10, 24.1.9. Reset and collected in one
   * call, the table has what was counted until now. Room for some of the counters only gets those,
   * -1 for the rest, and BUFFER_TOO_SMALL.
   */
  EfiStatus collect(boolean reset, LongRef size, Ref<NetworkStatistics> table) {
    if (size == null ? table != null : size.value != 0 && table == null) {
      return EfiStatus.INVALID_PARAMETER;
    }
    EfiStatus status = EfiStatus.SUCCESS;
    if (size != null) {
      long room = size.value;
      size.value = NetworkStatistics.SIZE;
      boolean all = Long.compareUnsigned(room, NetworkStatistics.SIZE) >= 0;
      if (table != null) {
        table.value = table(all ? Integer.MAX_VALUE : (int) room / Long.BYTES);
      }
      status = all ? EfiStatus.SUCCESS : EfiStatus.BUFFER_TOO_SMALL;
    }
    if (reset) {
      for (SnpCounter counter : SnpCounter.values()) {
        baseline[counter.ordinal()] = counters.value(counter);
      }
    }
    return status;
  }

  private long since(SnpCounter counter) {
    return counters.value(counter) - baseline[counter.ordinal()];
  }

  private NetworkStatistics table(int roomFor) {
    long rxDropped = since(RX_FILTERED) + since(RX_SHORT) + since(RX_GIANT);
    long[] values = {
      since(RX_FRAMES) + rxDropped,
      since(RX_FRAMES),
      since(RX_SHORT),
      since(RX_GIANT),
      NOT_KEPT,
      since(RX_UNICAST),
      since(RX_BROADCAST),
      since(RX_MULTICAST),
      NOT_KEPT,
      since(RX_BYTES) + since(RX_FILTERED_BYTES) + since(RX_SHORT_BYTES) + since(RX_GIANT_BYTES),
      since(TX_QUEUED),
      since(TX_DONE),
      NOT_KEPT,
      NOT_KEPT,
      since(TX_LOST),
      since(TX_UNICAST),
      since(TX_BROADCAST),
      since(TX_MULTICAST),
      NOT_KEPT,
      since(TX_QUEUED_BYTES),
      NOT_KEPT,
      NOT_KEPT,
      NOT_KEPT,
      NOT_KEPT,
      NOT_KEPT,
      NOT_KEPT
    };
    for (int i = roomFor; i < values.length; i++) {
      values[i] = NOT_KEPT;
    }
    return new NetworkStatistics(
        values[0],
        values[1],
        values[2],
        values[3],
        values[4],
        values[5],
        values[6],
        values[7],
        values[8],
        values[9],
        values[10],
        values[11],
        values[12],
        values[13],
        values[14],
        values[15],
        values[16],
        values[17],
        values[18],
        values[19],
        values[20],
        values[21],
        values[22],
        values[23],
        values[24],
        values[25]);
  }
}
