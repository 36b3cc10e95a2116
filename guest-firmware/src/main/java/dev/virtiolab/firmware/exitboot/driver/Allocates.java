package dev.virtiolab.firmware.exitboot.driver;

import dev.virtiolab.firmware.exitboot.StagedHandler;
import dev.virtiolab.firmware.smallnet.SmallNet;
import dev.virtiolab.firmware.uefi.AllocateType;
import dev.virtiolab.firmware.uefi.BootServices;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.EventGroups;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.MemoryType;
import dev.virtiolab.firmware.uefi.Tpl;

/**
 * {@code allocates}: resets its device in time, and then takes memory and gives it back, as a
 * handler must not: the operating system has the memory map already.
 */
public final class Allocates extends SmallNetDriver {
  private static final long POOL_BYTES = 64;

  /** Not started yet. */
  public Allocates() {
    super("allocates", "resets, then allocates and frees memory, in its handler at CALLBACK");
  }

  @Override
  protected EfiStatus arm(BootServices bootServices, SmallNet net) {
    return new StagedHandler(
            bootServices,
            EventGroups.EXIT_BOOT_SERVICES,
            () -> {
              net.quiesce();
              takeAndGiveBack(bootServices);
            },
            Tpl.CALLBACK)
        .arm();
  }

  private static void takeAndGiveBack(BootServices bootServices) {
    LongRef pages = new LongRef();
    LongRef pool = new LongRef();
    MemoryType type = MemoryType.BOOT_SERVICES_DATA;
    if (!bootServices.allocatePages(AllocateType.ANY_PAGES, type, 1, pages).isError()) {
      bootServices.freePages(pages.value, 1);
    }
    if (!bootServices.allocatePool(type, POOL_BYTES, pool).isError()) {
      bootServices.freePool(pool.value);
    }
  }
}
