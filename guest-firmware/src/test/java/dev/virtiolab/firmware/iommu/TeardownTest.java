package dev.virtiolab.firmware.iommu;

import static dev.virtiolab.firmware.uefi.DmaOperation.*;
import static org.junit.jupiter.api.Assertions.*;

import dev.virtiolab.firmware.core.DxeCore;
import dev.virtiolab.firmware.exitboot.policy.StagedTeardown;
import dev.virtiolab.firmware.fixture.FakeSevMemory;
import dev.virtiolab.firmware.fixture.FakeSevMemory.Flip;
import dev.virtiolab.firmware.fixture.TestSeat;
import dev.virtiolab.firmware.iommu.BounceSlots.SlotClass;
import dev.virtiolab.firmware.uefi.DmaMapping;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.EventType;
import dev.virtiolab.firmware.uefi.Ref;
import dev.virtiolab.firmware.uefi.Tpl;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** What is left of DMA after ExitBootServices under the policy that edk2 adopted. */
class TeardownTest {

  @Test
  void nothingIsMappedAndNothingSharedAfterwards() {
    IoMmuBench bench = new IoMmuBench(BounceSlots.OVMF);
    long client = bench.pages(20);
    long ring = bench.commonBuffer(3, 0);
    bench.mapped(BUS_MASTER_COMMON_BUFFER, ring, 9000);
    for (int i = 0; i < 8; i++) {
      bench.mapped(i % 2 == 0 ? BUS_MASTER_READ : BUS_MASTER_WRITE, client, 100 + i);
    }
    assertEquals(EfiStatus.SUCCESS, bench.exitBootServices());
    assertEquals(Set.of(), bench.memory.sharedPages());
    assertEquals(0, bench.ioMmu.openMappings());
    assertEquals(0, bench.counters.openMappings());
    assertEquals(0, bench.counters.pagesShared());
    assertEquals(0, bench.counters.slotsReserved());
    assertEquals(0, bench.counters.invalidUnmaps());
  }

  @Test
  void theMemoryMapStaysAsItWasAccepted() {
    IoMmuBench bench = new IoMmuBench(BounceSlots.NONE);
    long client = bench.pages(2);
    bench.mapped(BUS_MASTER_READ, client, 8000);
    long ring = bench.commonBuffer(1, 0);
    bench.mapped(BUS_MASTER_COMMON_BUFFER, ring, 100);
    // A member of the group that notifies when everything else is done: it sees the map last.
    List<Object> maps = new ArrayList<>();
    atExit(bench, Tpl.CALLBACK, () -> afterCallbacks(bench, 3, () -> maps.add(bench.memoryMap())));
    Object accepted = bench.memoryMap();
    assertEquals(EfiStatus.SUCCESS, bench.exitBootServices());
    assertEquals(List.of(accepted), maps);
    assertEquals(0, bench.ioMmu.openMappings());
  }

  @Test
  void mappingsOutliveEveryDriversHandlerAtCallbackAndNotify() {
    List<String> order = new ArrayList<>();
    Recorder recorder = new Recorder(order);
    IoMmuBench bench = new IoMmuBench(BounceSlots.NONE, recorder);
    // Created after the IOMMU driver's own, as drivers' events are, and one before.
    for (int tpl : new int[] {Tpl.NOTIFY, Tpl.CALLBACK, Tpl.CALLBACK}) {
      atExit(bench, tpl, () -> order.add("driver at " + tpl));
    }
    bench.mapped(BUS_MASTER_READ, bench.pages(1), 4);
    assertEquals(EfiStatus.SUCCESS, bench.exitBootServices());
    assertEquals(
        List.of("driver at 16", "driver at 8", "driver at 8", "unmapAll", "releaseSlots"), order);
  }

  @Test
  void evenOfADriverWhoseHandlerWasRegisteredBefore() {
    IoMmuBench first = new IoMmuBench(BounceSlots.NONE);
    List<String> order = new ArrayList<>();
    // edk2 queues a group's members in reverse: this one runs after the IOMMU driver's first event.
    atExit(first, Tpl.CALLBACK, () -> order.add("driver"));
    IoMmuDxe second =
        new IoMmuDxe(
            first.core,
            first.memory,
            IoMmuBench.HAND_OFF,
            first.memory,
            BounceSlots.NONE,
            first.counters,
            DmaObserver.NONE);
    assertEquals(EfiStatus.SUCCESS, second.start());
    TestSeat.arm(new Recorder(order), first.core, second);
    assertEquals(EfiStatus.SUCCESS, first.exitBootServices());
    assertEquals(List.of("driver", "unmapAll", "releaseSlots"), order);
  }

  @Test
  void whatTheDeviceWroteBeforeIsReadableAfterwards() {
    IoMmuBench bench = new IoMmuBench(BounceSlots.NONE);
    long client = bench.pages(1);
    bench.mapped(BUS_MASTER_WRITE, client, 4);
    bench.deviceWrites(bench.device.value, "rx 1");
    long ring = bench.commonBuffer(1, 0);
    bench.mapped(BUS_MASTER_COMMON_BUFFER, ring, 4);
    bench.deviceWrites(ring, "used");
    bench.exitBootServices();
    assertEquals("rx 1", bench.text(client, 4));
    assertEquals("used", bench.text(ring, 4));
    assertEquals(FakeSevMemory.encrypted(ring, (byte) 'u'), bench.memory.deviceByte(ring));
  }

  @Test
  void aSlotKeepsItsBytesInDramAndTheGuestCannotReadThem() {
    IoMmuBench bench = new IoMmuBench(new BounceSlots(List.of(new SlotClass(8192, 1))));
    long ring = bench.commonBuffer(1, 0);
    bench.putText(ring, "ring");
    bench.mapped(BUS_MASTER_COMMON_BUFFER, ring, 4);
    bench.exitBootServices();
    assertEquals("ring", bench.deviceText(ring, 4), "edk2 converts no byte");
    assertNotEquals("ring", bench.text(ring, 4));
    List<Flip> flips = bench.memory.flips();
    assertEquals(new Flip(false, ring, 2), flips.getLast());
    assertEquals(2, flips.size());
  }

  @Test
  void bouncedSecretsAreGoneFromASlot() {
    IoMmuBench bench = new IoMmuBench(new BounceSlots(List.of(new SlotClass(4096, 1))));
    long client = bench.pages(1);
    bench.putText(client, "secret");
    bench.mapped(BUS_MASTER_READ, client, 6);
    bench.exitBootServices();
    assertTrue(bench.deviceSeesZeros(bench.device.value, 4096));
  }

  @Test
  void aDriverThatUnmapsLateIsToldThatItIsTooLateAndNothingHappensTwice() {
    IoMmuBench bench = new IoMmuBench(BounceSlots.OVMF);
    DmaMapping mapping = bench.mapped(BUS_MASTER_READ, bench.pages(1), 6);
    bench.exitBootServices();
    int flips = bench.memory.flips().size();
    assertEquals(EfiStatus.INVALID_PARAMETER, bench.ioMmu.unmap(mapping));
    assertEquals(1, bench.counters.invalidUnmaps());
    assertEquals(flips, bench.memory.flips().size());
  }

  @Test
  void aFailedExitBootServicesTearsNothingDown() {
    IoMmuBench bench = new IoMmuBench(BounceSlots.OVMF);
    DmaMapping mapping = bench.mapped(BUS_MASTER_READ, bench.pages(1), 6);
    assertEquals(EfiStatus.INVALID_PARAMETER, bench.core.exitBootServices(-1));
    assertEquals(1, bench.ioMmu.openMappings());
    bench.unmap(mapping);
    assertEquals(0, bench.counters.slotsInUse());
  }

  @Test
  void onceTheMapIsLockedUnmapFreesNothingAndStillTakesTheDataBack() {
    IoMmuBench bench = new IoMmuBench(BounceSlots.NONE);
    long client = bench.pages(1);
    DmaMapping mapping = bench.mapped(BUS_MASTER_WRITE, client, 4);
    bench.deviceWrites(bench.device.value, "late");
    long free = bench.freePages();
    bench.ioMmu.lockMemoryMap();
    bench.unmap(mapping);
    assertEquals(free, bench.freePages());
    assertEquals("late", bench.text(client, 4));
    assertEquals(Set.of(), bench.memory.sharedPages());
    assertEquals(0, bench.memory.getByte(bench.device.value));
  }

  @Test
  void theLatestMappingIsTakenDownFirst() {
    IoMmuBench bench = new IoMmuBench(BounceSlots.NONE);
    long client = bench.pages(1);
    List<Flip> expected = new ArrayList<>();
    for (int i = 0; i < 3; i++) {
      bench.mapped(BUS_MASTER_READ, client, 6);
      expected.addFirst(new Flip(false, bench.device.value, 1));
    }
    bench.ioMmu.unmapAll();
    assertEquals(expected, bench.memory.flips().subList(3, 6));
  }

  @Test
  void thePolicyIsNamedAsInReports() {
    assertEquals("requeue-callback", StagedTeardown.requeueCallback().name());
  }

  private static void atExit(IoMmuBench bench, int tpl, Runnable handler) {
    assertEquals(
        EfiStatus.SUCCESS,
        bench.core.createEvent(
            EventType.SIGNAL_EXIT_BOOT_SERVICES,
            tpl,
            (event, context) -> handler.run(),
            null,
            new Ref<>()));
  }

  /** Runs {@code work} after {@code rounds} more passes through the queue at CALLBACK. */
  private static void afterCallbacks(IoMmuBench bench, int rounds, Runnable work) {
    if (rounds == 0) {
      work.run();
      return;
    }
    Ref<dev.virtiolab.firmware.uefi.Event> next = new Ref<>();
    bench.core.createEvent(
        EventType.NOTIFY_SIGNAL,
        Tpl.CALLBACK,
        (event, context) -> afterCallbacks(bench, rounds - 1, work),
        null,
        next);
    bench.core.signalEvent(next.value);
  }

  /** edk2's policy, with a note of when it does what. */
  private record Recorder(List<String> order) implements TeardownPolicy {
    @Override
    public String name() {
      return "recorder";
    }

    @Override
    public String title() {
      return "requeue-callback, watched";
    }

    @Override
    public EfiStatus arm(TeardownSeat seat) {
      MappingTeardown teardown = seat.mappings();
      return StagedTeardown.requeueCallback()
          .arm(
              new TestSeat(
                  (DxeCore) seat.bootServices(),
                  new MappingTeardown() {
                    @Override
                    public void lockMemoryMap() {
                      teardown.lockMemoryMap();
                    }

                    @Override
                    public void unmapAll() {
                      order.add("unmapAll");
                      teardown.unmapAll();
                    }

                    @Override
                    public void releaseSlots() {
                      order.add("releaseSlots");
                      teardown.releaseSlots();
                    }

                    @Override
                    public int openMappings() {
                      return teardown.openMappings();
                    }
                  }));
    }
  }
}
