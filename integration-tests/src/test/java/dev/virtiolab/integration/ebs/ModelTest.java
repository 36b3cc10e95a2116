package dev.virtiolab.integration.ebs;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.List;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Cells checked by hand, each with its reason. In the pictures {@code p1, p2} are the stages of the
 * policy, of which the last unmaps, {@code d1, d2} those of the driver, of which the last resets,
 * and {@code [..]} is the queue at CALLBACK.
 */
class ModelTest {

  private static Model.Cell cell(String platform, String policy, String... drivers) {
    return Model.cell(platform, policy, List.of(drivers));
  }

  private static void assertCell(String outcome, int failing, int orders, Model.Cell cell) {
    assertAll(
        () -> assertEquals(outcome, cell.text()),
        () -> assertEquals(failing, cell.failing(), "failing orders"),
        () -> assertEquals(orders, cell.orders(), "orders"));
  }

  /** [p1 d1] -> [d1 p2] -> [p2], and [d1 p1] -> [p1] -> [p2]: the reset was before, both times. */
  @Test
  void whatEdk2AdoptedIsSafeForVirtioNetInEveryOrder() {
    assertCell("safe -", 0, 2, cell("sev", "requeue-callback", "virtio-net"));
  }

  /** [p1 d1] -> [d1 p2] -> [p2 d2] unmaps first; [d1 p1] -> [p1 d2] -> [d2 p2] resets first. */
  @Test
  void whatEdk2AdoptedIsDefeatedByADriverThatPlaysTheSameTrick() {
    assertCell(
        "order-dependent I1", 1, 2, cell("sev", "requeue-callback", "requeue-from-callback"));
  }

  /** [d1 p1] -> [p1 d2] -> [d2 p2] -> [p2 d3]: in its best order the driver is one round late. */
  @Test
  void whatEdk2AdoptedIsLostAgainstADriverThatQueuesTwice() {
    assertCell("unsafe I1", 2, 2, cell("sev", "requeue-callback", "requeue-twice"));
  }

  /** The driver's stage at NOTIFY queues d2 behind p1, which only then queues p2 behind d2. */
  @Test
  void aDriverThatQueuesFromNotifyIsInTimeForAPolicyThatQueuesFromCallback() {
    assertCell("safe -", 0, 1, cell("sev", "requeue-callback", "requeue-from-notify"));
  }

  /** p1 ran at NOTIFY: [d1 p2] -> [p2 d2]. Who queues early is early. */
  @Test
  void queuedFromNotifyTheTeardownIsAheadOfADriverThatQueuesFromCallback() {
    assertCell("unsafe I1", 1, 1, cell("sev", "requeue-from-notify", "requeue-from-callback"));
  }

  /** p1 runs the teardown nested, inside itself, as a handler at CALLBACK would. */
  @ParameterizedTest
  @ValueSource(strings = {"sev", "vtd"})
  void queuingToNotifyIsNoBetterThanUnmappingAtCallback(String platform) {
    for (String driver : Cast.DRIVERS) {
      assertEquals(
          cell(platform, "iommu-callback", driver),
          cell(platform, "requeue-to-notify", driver),
          driver);
    }
  }

  /** All members at NOTIFY run before the first at CALLBACK. */
  @Test
  void unmappingAtNotifyIsTooEarlyForEveryDriverThatResetsAtCallback() {
    assertAll(
        () -> assertCell("unsafe I1", 1, 1, cell("sev", "iommu-notify", "virtio-net")),
        () -> assertCell("order-dependent I1", 1, 2, cell("sev", "iommu-notify", "reset-notify")));
  }

  /**
   * The group's queue is empty, however often a driver queued itself, before the hook is called.
   */
  @Test
  void aHookThatIsCalledLastIsSafeForWhoeverStopsHisDevice() {
    assertAll(
        () -> assertCell("safe -", 0, 1, cell("sev", "core-hook", "requeue-twice")),
        () -> assertCell("safe -", 0, 1, cell("sev", "core-hook", "unmap-after-reset")),
        () -> assertCell("unsafe I1,I4", 1, 1, cell("sev", "core-hook", "no-handler")));
  }

  /**
   * p1 at NOTIFY stops all DMA, so nothing is live when mappings go, whoever takes them down and in
   * whatever order. A device that nobody resets is not quiet for all that.
   */
  @Test
  void withBusMasteringOffFirstTheOrderOfUnmapAndResetDoesNotMatter() {
    assertAll(
        () -> assertCell("safe -", 0, 2, cell("sev", "bus-master-off", "requeue-from-callback")),
        () -> assertCell("safe -", 0, 2, cell("sev", "bus-master-off", "unmap-before-reset")),
        () -> assertCell("unsafe I4", 1, 1, cell("sev", "bus-master-off", "no-handler")));
  }

  /** It is live when ExitBootServices is called, and what its queues hold was never mapped. */
  @Test
  void aDriverThatNeverMapsIsCaughtAtTheFirstGapUnderEveryPolicy() {
    for (String policy : Cast.POLICIES) {
      Model.Cell cell = cell("vtd", policy, "never-maps");
      assertEquals("unsafe I1", cell.text(), policy);
      assertEquals(cell.orders(), cell.failing(), policy);
    }
  }

  /** Only the policy or only the driver unmaps, or the driver does what the policy did already. */
  @Test
  void whoUnmapsForHimselfAfterThePolicyDidTearsDownTwice() {
    assertAll(
        () -> assertCell("safe -", 0, 1, cell("sev", "drivers-unmap", "unmap-after-reset")),
        () ->
            assertCell(
                "order-dependent I1,I9", 1, 2, cell("sev", "iommu-callback", "unmap-after-reset")),
        () -> assertCell("unsafe I1,I9", 1, 1, cell("sev", "iommu-notify", "unmap-after-reset")));
  }

  /** Both are members of the Before group: the one order that is possible is the driver first. */
  @Test
  void teardownBeforeExitIsInTimeForNobodyButWhoQuiescesThereToo() {
    assertAll(
        () ->
            assertCell(
                "order-dependent I1", 1, 2, cell("sev", "before-exit", "quiesce-before-exit")),
        () -> assertCell("unsafe I1", 1, 1, cell("sev", "before-exit", "reset-notify")),
        () -> assertCell("unsafe I1", 1, 1, cell("sev", "before-exit", "virtio-net")));
  }

  /**
   * Open mappings are I2, and I9 since they are never torn down; what is shared still is I5; what
   * the device wrote to a bounce buffer stays there, I6. virtio-net receives in place.
   */
  @Test
  void whereNobodyUnmapsEachPlatformShowsWhatIsLeftBehind() {
    assertAll(
        () -> assertEquals("unsafe I2,I5,I9", cell("sev", "drivers-unmap", "virtio-net").text()),
        () ->
            assertEquals("unsafe I2,I5,I6,I9", cell("sev", "drivers-unmap", "reset-notify").text()),
        () -> assertEquals("unsafe I2,I6,I9", cell("vtd", "drivers-unmap", "reset-notify").text()),
        () -> assertEquals("unsafe I1,I2,I9", cell("pc", "drivers-unmap", "reset-notify").text()));
  }

  /** With the tables kept there is a fault at worst; with translation off, all of memory. */
  @Test
  void vtdOffLosesWhatIsLiveAfterItAndVtdKeepDoesNot() {
    assertAll(
        () -> assertCell("unsafe I2,I9", 1, 1, cell("vtd", "vtd-keep", "virtio-net")),
        () -> assertCell("unsafe I1,I2,I9", 2, 2, cell("vtd", "vtd-off", "virtio-net")),
        () -> assertCell("order-dependent I1", 1, 2, cell("vtd", "vtd-off", "unmap-after-reset")),
        () -> assertCell("not-applicable -", 0, 0, cell("sev", "vtd-off", "virtio-net")));
  }

  /** I7 for the call, and I3 for what it did to the map, though it freed what it took. */
  @Test
  void whoAllocatesInAHandlerChangesTheAcceptedMap() {
    assertCell("unsafe I3,I7", 2, 2, cell("sev", "requeue-callback", "allocates"));
  }

  @ParameterizedTest
  @ValueSource(strings = {"pc", "noncoherent"})
  void whereNothingStandsBetweenALiveDeviceReachesEverythingInEveryOrder(String platform) {
    Model.Cell cell = cell(platform, "core-hook", "virtio-net");

    assertCell("unsafe I1", 1, 1, cell);
  }

  /** Three members at CALLBACK are six orders; the teardown must be after both resets. */
  @Test
  void aPairFailsWhereTheTeardownIsAheadOfEitherReset() {
    assertAll(
        () ->
            assertCell(
                "order-dependent I1",
                4,
                6,
                cell("sev", "iommu-callback", "reset-callback", "virtio-net")),
        () ->
            assertCell(
                "order-dependent I1",
                3,
                6,
                cell("sev", "requeue-callback", "requeue-from-callback", "virtio-net")),
        () ->
            assertCell(
                "safe -", 0, 6, cell("sev", "requeue-callback", "reset-callback", "virtio-net")));
  }

  /**
   * Drivers do not help or hinder one another: each is only before or after the policy, and no
   * invariant needs two devices.
   */
  @Test
  void aPairIsAsBadAsTheWorseOfTheTwo() {
    List<Verdict> worse = List.of(Verdict.SAFE, Verdict.ORDER_DEPENDENT, Verdict.UNSAFE);
    for (String policy : Cast.POLICIES) {
      for (String a : Cast.DRIVERS) {
        for (String b : Cast.DRIVERS) {
          Model.Cell ofA = cell("sev", policy, a);
          Model.Cell ofB = cell("sev", policy, b);
          Model.Cell ofBoth = cell("sev", policy, a, b);
          TreeSet<String> union = new TreeSet<>(ofA.invariants());
          union.addAll(ofB.invariants());
          int worst = Math.max(worse.indexOf(ofA.verdict()), worse.indexOf(ofB.verdict()));
          String pair = policy + " " + a + "+" + b;
          assertEquals(worst, worse.indexOf(ofBoth.verdict()), pair);
          assertEquals(List.copyOf(union), ofBoth.invariants(), pair);
        }
      }
    }
  }

  @Test
  void whoIsUnknownIsRefused() {
    assertAll(
        () ->
            assertThrows(IllegalArgumentException.class, () -> cell("sev", "prayer", "virtio-net")),
        () -> assertThrows(IllegalArgumentException.class, () -> cell("sev", "core-hook", "sloth")),
        () ->
            assertThrows(
                IllegalArgumentException.class, () -> cell("vax", "core-hook", "virtio-net")));
  }
}
