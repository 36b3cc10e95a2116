package dev.virtiolab.lab.ebs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.firmware.iommu.TeardownSeat;
import dev.virtiolab.firmware.uefi.AllocateType;
import dev.virtiolab.firmware.uefi.BootServices;
import dev.virtiolab.firmware.uefi.DmaMapping;
import dev.virtiolab.firmware.uefi.DmaOperation;
import dev.virtiolab.firmware.uefi.IoMmu;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.MemoryType;
import dev.virtiolab.firmware.uefi.Ref;
import dev.virtiolab.firmware.uefi.Tpl;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** To leave out orders that come to the same leaves out nothing else. */
class ReductionTest {
  private static final Effort EVERY_ORDER =
      new Effort(true, Effort.USUAL.lanes(), Duration.ofSeconds(60));

  private static final int CELLS = Integer.getInteger("virtiolab.cells", 40);

  /** More take too long to be run one by one. */
  private static final int MOST_ORDERS = 130;

  @Test
  void theReducedExplorationFindsWhatAFullOneFinds() {
    long seed = Long.getLong("virtiolab.seed", System.nanoTime());
    System.out.println("ReductionTest -Dvirtiolab.seed=" + seed);
    SplittableRandom random = new SplittableRandom(seed);
    Trials trials = new Trials();
    List<Explorer.Task> tasks = new ArrayList<>();
    List<String> scripts = new ArrayList<>();
    for (int i = 0; i < CELLS; i++) {
      scripts.add(addCell(trials, random, i, tasks));
    }
    List<Cell> reduced = trials.explorer().explore(tasks, Explorer.Progress.NONE);
    List<Integer> small = new ArrayList<>();
    for (int i = 0; i < CELLS; i++) {
      if (reduced.get(i).orders() <= MOST_ORDERS) {
        small.add(i);
      }
    }
    List<Cell> full =
        trials
            .with(EVERY_ORDER)
            .explorer()
            .explore(small.stream().map(tasks::get).toList(), Explorer.Progress.NONE);
    List<String> differences = new ArrayList<>();
    for (int i = 0; i < full.size(); i++) {
      Cell expected = full.get(i);
      assertEquals(expected.orders(), expected.histories().size(), "a full one runs them all");
      String found = summary(reduced.get(small.get(i)));
      if (!found.equals(summary(expected))) {
        differences.add(
            "%s: expected %s, found %s, of %s"
                .formatted(
                    tasks.get(small.get(i)), summary(expected), found, scripts.get(small.get(i))));
      }
    }

    assertEquals(List.of(), differences);
    long run = reduced.stream().mapToLong(cell -> cell.histories().size()).sum();
    long orders = reduced.stream().mapToLong(Cell::orders).sum();
    assertTrue(run < orders, "something is left out: " + run + " of " + orders);
    assertTrue(small.size() > CELLS / 2, "most are run in full: " + small.size());
  }

  @Test
  void handlersOfOneMakerMayKnowOfEachOtherWithoutACall() {
    boolean[] told = new boolean[1];
    Trials trials =
        new Trials()
            .policy(
                seat -> {
                  told[0] = false;
                  Trials.armed(seat.bootServices(), () -> told[0] = true);
                  Runnable teardown = () -> unmapIf(told[0], seat);
                  return Trials.armed(seat.bootServices(), teardown, Tpl.CALLBACK);
                })
            .with(new Effort(false, 1, Duration.ofSeconds(20)));

    Cell cell = trials.cell("sev", Trials.MY_POLICY, "reset-notify");

    assertEquals("order-dependent [I2, I5, I6, I9]", Trials.outcome(cell));
  }

  private static void unmapIf(boolean told, TeardownSeat seat) {
    if (told) {
      seat.mappings().unmapAll();
    }
  }

  @Test
  void aHandlerMayLookAtItsMemoryWithoutACall() {
    Trials trials =
        new Trials()
            .armedDriver(
                rig -> {
                  LongRef page = new LongRef();
                  Ref<DmaMapping> mapping = new Ref<>();
                  allocate(rig.bootServices(), page);
                  rig.memory().putLong(page.value, 0);
                  rig.seat
                      .device()
                      .mapSharedBuffer(
                          DmaOperation.BUS_MASTER_WRITE,
                          page.value,
                          new LongRef(4096),
                          new LongRef(),
                          mapping);
                  rig.memory().putLong(page.value, 1);
                  Trials.armed(rig.bootServices(), rig.net::quiesce, Tpl.NOTIFY);
                  Trials.armed(
                      rig.bootServices(),
                      () -> {
                        if (rig.memory().getLong(page.value) == 1) {
                          allocate(rig.bootServices(), new LongRef());
                        }
                      });
                });

    // On sev a teardown brings the device's page: what was there is gone.
    Cell cell = trials.cell("sev", "iommu-callback", Trials.MY_DRIVER);

    assertEquals("order-dependent [I3, I7]", Trials.outcome(cell));
  }

  private static void allocate(BootServices bootServices, LongRef page) {
    bootServices.allocatePages(AllocateType.ANY_PAGES, MemoryType.BOOT_SERVICES_DATA, 1, page);
  }

  @Test
  void whoGoesAroundPciIoMeetsEverybody() {
    Trials trials =
        new Trials()
            .afterReset(
                rig -> {
                  Ref<IoMmu> ioMmu = new Ref<>();
                  Ref<DmaMapping> mapping = new Ref<>();
                  LongRef page = new LongRef();
                  rig.bootServices().locateProtocol(IoMmu.PROTOCOL, ioMmu);
                  ioMmu.value.map(
                      DmaOperation.BUS_MASTER_WRITE, 0x10_0000, new LongRef(4096), page, mapping);
                  ioMmu.value.unmap(mapping.value);
                });

    Cell cell = trials.cell("sev", "requeue-callback", Trials.MY_DRIVER, "virtio-net");

    assertEquals("unsafe [I1, I3, I7]", Trials.outcome(cell));
    assertTrue(Trials.why(cell, Invariant.I1).contains("no mapping declares"));
  }

  /** A cell of one, two or three drivers, each of which, or the policy, may be a random one. */
  private static String addCell(
      Trials trials, SplittableRandom random, int number, List<Explorer.Task> tasks) {
    Catalogue builtIn = Catalogue.builtIn();
    String scripts = "";
    int cards = random.nextInt(1, 4);
    String policy = pick(random, builtIn.policies());
    if (random.nextInt(3) > 0) {
      Script script = Script.of("p" + number, random.split(), cards == 1 ? 2 : 1);
      trials.catalogue().addPolicy(script::policy);
      policy = script.name();
      scripts += script;
    }
    List<String> drivers = new ArrayList<>();
    for (int card = 0; card < cards; card++) {
      if (random.nextInt(3) > 0) {
        Script script = Script.of("d" + number + "-" + card, random.split(), 4 - cards);
        trials.catalogue().addDriver(script::driver);
        drivers.add(script.name());
        scripts += script;
      } else {
        drivers.add(pick(random, builtIn.drivers()));
      }
    }
    String platform = Stream.of("sev", "vtd", "sev", "noncoherent").toList().get(random.nextInt(4));
    tasks.add(Trials.task(platform, policy, drivers.stream().sorted().toArray(String[]::new)));
    return scripts;
  }

  private static String pick(SplittableRandom random, List<String> names) {
    return names.get(random.nextInt(names.size()));
  }

  private static String summary(Cell cell) {
    return "%s in %d orders, failing after %s"
        .formatted(
            Trials.outcome(cell),
            cell.orders(),
            cell.shortestFailure().map(History::stepsToFailure).orElse(null));
  }
}
