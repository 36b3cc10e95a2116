package dev.virtiolab.integration;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;

import dev.virtiolab.firmware.DriverHost;
import dev.virtiolab.firmware.core.CoreDefect;
import dev.virtiolab.firmware.core.CoreSetup;
import dev.virtiolab.firmware.core.DispatchObserver;
import dev.virtiolab.firmware.core.GroupOrder;
import dev.virtiolab.firmware.exitboot.StagedHandler;
import dev.virtiolab.firmware.exitboot.policy.DriversUnmap;
import dev.virtiolab.firmware.iommu.BounceSlots;
import dev.virtiolab.firmware.iommu.DmaObserver;
import dev.virtiolab.firmware.uefi.AllocateType;
import dev.virtiolab.firmware.uefi.DmaMapping;
import dev.virtiolab.firmware.uefi.DmaOperation;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.EventGroups;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.MemoryType;
import dev.virtiolab.firmware.uefi.PciIo;
import dev.virtiolab.firmware.uefi.Ref;
import dev.virtiolab.firmware.uefi.Tpl;
import dev.virtiolab.iommu.PlatformKind;
import dev.virtiolab.lab.MachineConfig;
import dev.virtiolab.lab.Mainboard;
import dev.virtiolab.net.LoopbackBackend;
import dev.virtiolab.pci.memory.PhysicalMemory;
import java.util.EnumSet;
import java.util.Optional;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Once ExitBootServices has accepted the map key, Unmap frees nothing, whoever calls it and whoever
 * made the mapping: the root bridge, or one of the three IOMMU drivers. The mapping is one that
 * each of them bounces, and too large for a pool of theirs to keep.
 */
class AcceptedMapTest {
  private static final int PAGES = 40;
  private static final long BYTES = (long) PAGES * PhysicalMemory.PAGE_BYTES - 100;
  private static final long MIB = 1L << 20;

  private Mainboard board;
  private DriverHost host;
  private PciIo pciIo;

  private void boot(PlatformKind platform, EnumSet<CoreDefect> defects) {
    LoopbackBackend.Pair wire = LoopbackBackend.pair(64, 1514);
    board = new Mainboard(MachineConfig.of(platform).withRam(16 * MIB, 16 * MIB), wire.left());
    host =
        new DriverHost(
            board.toBoard(new SteppedClock(board)),
            new DriverHost.Setup(
                BounceSlots.NONE,
                DmaObserver.NONE,
                Optional.of(new DriversUnmap()),
                new CoreSetup(GroupOrder.EDK2, DispatchObserver.NONE, defects),
                UnaryOperator.identity()));
    host.connect();
    Ref<PciIo> found = new Ref<>();
    host.bootServices().handleProtocol(host.networkControllers().getFirst(), PciIo.PROTOCOL, found);
    pciIo = found.value;
    // A card of 32 bits, which cannot reach what lies above 4 GiB.
    pciIo.attributes(PciIo.AttributeOperation.DISABLE, PciIo.ATTRIBUTE_DUAL_ADDRESS_CYCLE, null);
  }

  @AfterEach
  void switchOff() {
    board.close();
  }

  private DmaMapping mapped() {
    LongRef pages = new LongRef();
    host.bootServices()
        .allocatePages(AllocateType.ANY_PAGES, MemoryType.BOOT_SERVICES_DATA, PAGES, pages);
    Ref<DmaMapping> mapping = new Ref<>();
    long before = key();
    assertEquals(
        EfiStatus.SUCCESS,
        pciIo.map(
            DmaOperation.BUS_MASTER_WRITE,
            pages.value + 50,
            new LongRef(BYTES),
            new LongRef(),
            mapping));
    assertNotEquals(before, key(), "bounced");
    return mapping.value;
  }

  private long key() {
    return host.core().memoryMapKey();
  }

  private void assertUnmapFrees(boolean frees, DmaMapping mapping) {
    long before = key();
    assertEquals(EfiStatus.SUCCESS, pciIo.unmap(mapping));
    assertEquals(frees, before != key());
  }

  private void atExit(int tpl, Runnable action) {
    assertEquals(
        EfiStatus.SUCCESS,
        new StagedHandler(host.bootServices(), EventGroups.EXIT_BOOT_SERVICES, action, tpl).arm());
  }

  @ParameterizedTest
  @EnumSource(PlatformKind.class)
  void unmapInAHandlerFreesNothing(PlatformKind platform) {
    boot(platform, EnumSet.noneOf(CoreDefect.class));
    DmaMapping first = mapped();
    DmaMapping second = mapped();
    int[] handlers = {0};
    atExit(
        Tpl.NOTIFY,
        () -> {
          assertUnmapFrees(false, first);
          handlers[0]++;
        });
    atExit(
        Tpl.CALLBACK,
        () -> {
          host.mappings().unmapAll();
          assertEquals(EfiStatus.INVALID_PARAMETER, pciIo.unmap(second));
          handlers[0]++;
        });
    long accepted = key();
    assertEquals(EfiStatus.SUCCESS, host.bootServices().exitBootServices(accepted));
    assertEquals(2, handlers[0]);
    assertEquals(accepted, key());
    assertEquals(0, host.mappings().openMappings());
  }

  @ParameterizedTest
  @EnumSource(PlatformKind.class)
  void unmapFreesAsEverBeforeItAndAfterAFailedCall(PlatformKind platform) {
    boot(platform, EnumSet.noneOf(CoreDefect.class));
    assertUnmapFrees(true, mapped());
    DmaMapping open = mapped();
    assertEquals(EfiStatus.INVALID_PARAMETER, host.bootServices().exitBootServices(key() - 1));
    assertUnmapFrees(true, open);
    assertUnmapFrees(true, mapped());
  }

  @ParameterizedTest
  @EnumSource(PlatformKind.class)
  void unmapInAHandlerOfTheBeforeGroupFreesAsEver(PlatformKind platform) {
    boot(platform, EnumSet.noneOf(CoreDefect.class));
    DmaMapping open = mapped();
    new StagedHandler(
            host.bootServices(),
            EventGroups.BEFORE_EXIT_BOOT_SERVICES,
            () -> assertUnmapFrees(true, open),
            Tpl.CALLBACK)
        .arm();
    assertEquals(EfiStatus.INVALID_PARAMETER, host.bootServices().exitBootServices(key()));
    assertEquals(0, host.mappings().openMappings());
  }

  @ParameterizedTest
  @EnumSource(PlatformKind.class)
  void aCoreThatTellsNobodyLetsUnmapFree(PlatformKind platform) {
    boot(platform, EnumSet.of(CoreDefect.MAP_NOT_LOCKED));
    DmaMapping open = mapped();
    atExit(Tpl.CALLBACK, () -> assertUnmapFrees(true, open));
    assertEquals(EfiStatus.SUCCESS, host.bootServices().exitBootServices(key()));
    assertEquals(0, host.mappings().openMappings());
  }
}
