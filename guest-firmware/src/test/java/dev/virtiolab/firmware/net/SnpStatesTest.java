package dev.virtiolab.firmware.net;

import static dev.virtiolab.firmware.uefi.EfiStatus.*;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.IntRef;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.MacAddress;
import dev.virtiolab.firmware.uefi.NetworkStatistics;
import dev.virtiolab.firmware.uefi.Ref;
import dev.virtiolab.firmware.uefi.SimpleNetwork;
import dev.virtiolab.firmware.uefi.SimpleNetworkMode.State;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.function.Function;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/** Every call in every state: UEFI 2.10, 24.1, in the order in which edk2's driver checks. */
class SnpStatesTest {
  private static final MacAddress GROUP = MacAddress.parse("01:00:5e:00:00:01");
  private static final long BUFFER = 0x8000;

  /**
   * What a call answers when STOPPED, STARTED, INITIALIZED, and INITIALIZED with a broken device.
   */
  private record Row(
      String call,
      Function<SimpleNetwork, EfiStatus> action,
      EfiStatus stopped,
      EfiStatus started,
      EfiStatus initialized,
      EfiStatus broken) {}

  private static final List<Row> ROWS =
      List.of(
          new Row(
              "start", s -> s.start(), SUCCESS, ALREADY_STARTED, ALREADY_STARTED, ALREADY_STARTED),
          new Row("stop", s -> s.stop(), NOT_STARTED, SUCCESS, NOT_STARTED, NOT_STARTED),
          new Row(
              "initialize",
              s -> s.initialize(0, 0),
              NOT_STARTED,
              SUCCESS,
              NOT_STARTED,
              NOT_STARTED),
          always("initialize with more room to receive", s -> s.initialize(1, 0), UNSUPPORTED),
          always("initialize with more room to send", s -> s.initialize(0, 1), UNSUPPORTED),
          inUse("reset", s -> s.reset(false), SUCCESS, SUCCESS),
          inUse("reset with verification", s -> s.reset(true), SUCCESS, SUCCESS),
          inUse("shutdown", s -> s.shutdown(), SUCCESS, SUCCESS),
          setting("no change of filters", s -> s.receiveFilters(0, 0, false, null), SUCCESS),
          setting(
              "a filter beyond the mask",
              s -> s.receiveFilters(0x20, 0, false, null),
              INVALID_PARAMETER),
          setting(
              "a filter beyond the mask off",
              s -> s.receiveFilters(0, 0x20, false, null),
              INVALID_PARAMETER),
          setting(
              "multicast without a list",
              s -> s.receiveFilters(2, 0, false, null),
              INVALID_PARAMETER),
          setting(
              "multicast with a list", s -> s.receiveFilters(2, 0, false, List.of(GROUP)), SUCCESS),
          setting("multicast on and off", s -> s.receiveFilters(2, 2, false, null), SUCCESS),
          setting(
              "multicast with a unicast address",
              s -> s.receiveFilters(2, 0, false, List.of(NetBench.PEER)),
              INVALID_PARAMETER),
          setting(
              "multicast with 17 addresses",
              s -> s.receiveFilters(2, 0, false, Collections.nCopies(17, GROUP)),
              INVALID_PARAMETER),
          setting("multicast reset", s -> s.receiveFilters(2, 0, true, null), SUCCESS),
          setting("station address", s -> s.stationAddress(false, NetBench.PEER), SUCCESS),
          setting("station address back", s -> s.stationAddress(true, null), SUCCESS),
          setting("no station address", s -> s.stationAddress(false, null), INVALID_PARAMETER),
          setting("a group as station", s -> s.stationAddress(false, GROUP), INVALID_PARAMETER),
          setting("statistics of nothing", s -> s.statistics(false, null, null), SUCCESS),
          setting("statistics reset", s -> s.statistics(true, null, null), SUCCESS),
          setting(
              "statistics without a size",
              s -> s.statistics(false, null, new Ref<NetworkStatistics>()),
              INVALID_PARAMETER),
          setting(
              "statistics without a table",
              s -> s.statistics(false, new LongRef(208), null),
              INVALID_PARAMETER),
          setting(
              "statistics' size", s -> s.statistics(false, new LongRef(0), null), BUFFER_TOO_SMALL),
          setting(
              "statistics into too little",
              s -> s.statistics(false, new LongRef(207), new Ref<>()),
              BUFFER_TOO_SMALL),
          setting("statistics", s -> s.statistics(false, new LongRef(208), new Ref<>()), SUCCESS),
          setting("IPv4 multicast", s -> s.mCastIpToMac(false, ip4(224), new Ref<>()), SUCCESS),
          always(
              "IPv4 unicast", s -> s.mCastIpToMac(false, ip4(192), new Ref<>()), INVALID_PARAMETER),
          always(
              "IPv4 of 16 bytes",
              s -> s.mCastIpToMac(false, new byte[16], new Ref<>()),
              INVALID_PARAMETER),
          always(
              "IPv6 unicast",
              s -> s.mCastIpToMac(true, new byte[16], new Ref<>()),
              INVALID_PARAMETER),
          always("no IP", s -> s.mCastIpToMac(false, null, new Ref<>()), INVALID_PARAMETER),
          always("no MAC", s -> s.mCastIpToMac(false, ip4(224), null), INVALID_PARAMETER),
          always("nvData", s -> s.nvData(true, 0, 1, BUFFER), UNSUPPORTED),
          inUse("getStatus", s -> s.getStatus(new IntRef(), new LongRef()), SUCCESS, DEVICE_ERROR),
          inUse("getStatus of nothing", s -> s.getStatus(null, null), SUCCESS, DEVICE_ERROR),
          inUse(
              "transmit", s -> s.transmit(0, 60, BUFFER, null, null, null), SUCCESS, DEVICE_ERROR),
          always(
              "transmit of 0 bytes",
              s -> s.transmit(0, 0, BUFFER, null, null, null),
              INVALID_PARAMETER),
          always(
              "transmit of null", s -> s.transmit(0, 60, 0, null, null, null), INVALID_PARAMETER),
          inUse(
              "transmit of 13 bytes",
              s -> s.transmit(0, 13, BUFFER, null, null, null),
              BUFFER_TOO_SMALL,
              DEVICE_ERROR),
          inUse(
              "transmit of 1515 bytes",
              s -> s.transmit(0, 1515, BUFFER, null, null, null),
              INVALID_PARAMETER,
              DEVICE_ERROR),
          inUse(
              "transmit of -1 bytes",
              s -> s.transmit(0, -1, BUFFER, null, null, null),
              INVALID_PARAMETER,
              DEVICE_ERROR),
          inUse(
              "transmit with header",
              s -> s.transmit(14, 60, BUFFER, null, NetBench.PEER, new IntRef(0x800)),
              SUCCESS,
              DEVICE_ERROR),
          inUse(
              "transmit with a header of 13",
              s -> s.transmit(13, 60, BUFFER, null, NetBench.PEER, new IntRef()),
              INVALID_PARAMETER,
              DEVICE_ERROR),
          inUse(
              "transmit to nobody",
              s -> s.transmit(14, 60, BUFFER, null, null, new IntRef()),
              INVALID_PARAMETER,
              DEVICE_ERROR),
          inUse(
              "transmit of no protocol",
              s -> s.transmit(14, 60, BUFFER, null, NetBench.PEER, null),
              INVALID_PARAMETER,
              DEVICE_ERROR),
          inUse(
              "receive",
              s -> s.receive(null, new LongRef(2048), BUFFER, null, null, null),
              NOT_READY,
              DEVICE_ERROR),
          always(
              "receive without a size",
              s -> s.receive(null, null, BUFFER, null, null, null),
              INVALID_PARAMETER),
          always(
              "receive into null",
              s -> s.receive(null, new LongRef(2048), 0, null, null, null),
              INVALID_PARAMETER));

  private static Row always(
      String call, Function<SimpleNetwork, EfiStatus> action, EfiStatus answer) {
    return new Row(call, action, answer, answer, answer, answer);
  }

  private static Row inUse(
      String call, Function<SimpleNetwork, EfiStatus> action, EfiStatus working, EfiStatus broken) {
    return new Row(call, action, NOT_STARTED, DEVICE_ERROR, working, broken);
  }

  private static Row setting(
      String call, Function<SimpleNetwork, EfiStatus> action, EfiStatus answer) {
    return inUse(call, action, answer, answer);
  }

  private static byte[] ip4(int first) {
    return new byte[] {(byte) first, 0, 0, 1};
  }

  @TestFactory
  Stream<DynamicTest> everyCallInEveryStateAnswersAsDocumented() {
    List<DynamicTest> tests = new ArrayList<>();
    for (Row row : ROWS) {
      tests.add(test(row, "stopped", new Bench(State.STOPPED, false), row.stopped));
      tests.add(test(row, "started", new Bench(State.STARTED, false), row.started));
      tests.add(test(row, "initialized", new Bench(State.INITIALIZED, false), row.initialized));
      tests.add(test(row, "broken", new Bench(State.INITIALIZED, true), row.broken));
    }
    return tests.stream();
  }

  private record Bench(State state, boolean broken) {
    NetBench make() {
      NetBench bench = new NetBench().in(state);
      if (broken) {
        bench.card.publishUsed(0, 1000);
        assertEquals(DEVICE_ERROR, bench.receive(BUFFER));
      }
      return bench;
    }
  }

  private static DynamicTest test(Row row, String state, Bench bench, EfiStatus expected) {
    return DynamicTest.dynamicTest(
        row.call + " when " + state,
        () -> {
          NetBench made = bench.make();
          int tpl = made.core.currentTpl();
          assertEquals(expected, row.action.apply(made.snp));
          assertEquals(tpl, made.core.currentTpl(), "task priority level afterwards");
        });
  }
}
