package dev.virtiolab.pci.qtest;

import dev.virtiolab.pci.cpu.CpuBus;
import dev.virtiolab.pci.host.HostLayout;

/**
 * What has to be done to QEMU's q35 before it looks like the board of {@link HostLayout}, and what
 * is there all the same.
 */
public final class Q35 {
  /** Where RAM is hidden behind video memory and ROMs, until a firmware says otherwise. */
  public static final long LEGACY_BASE = 0xa_0000;

  /** One past the last hidden byte. */
  public static final long LEGACY_LIMIT = 0x10_0000;

  private static final long IDENTITY = 0x29c0_8086L;

  private Q35() {}

  /**
   * Has the host bridge decode ECAM at {@link HostLayout#ECAM_BASE}, as OVMF's PlatformPei does
   * (Intel 3 Series MCH, 5.1.16 "PCIEXBAR"); on a board of this project it does so from the start.
   *
   * @throws QtestException if there is no such bridge, or it does not keep what is written
   */
  public static void decodeEcam(CpuBus bus) {
    long identity = configRead(bus, 0);
    if (identity != IDENTITY) {
      throw new QtestException("00:00.0 is %08x, not the host bridge of a q35".formatted(identity));
    }
    long wanted = HostLayout.ECAM_BASE | HostLayout.PCIEXBAR_ENABLED_256_MIB;
    // The upper half first: the lower one has the bit that enables.
    configWrite(bus, HostLayout.PCIEXBAR + 4, wanted >>> 32);
    configWrite(bus, HostLayout.PCIEXBAR, wanted & 0xffff_ffffL);
    long kept = configRead(bus, HostLayout.PCIEXBAR);
    if (kept != wanted) {
      throw new QtestException(
          "the host bridge keeps %08x as PCIEXBAR, not %08x".formatted(kept, wanted));
    }
  }

  private static long configRead(CpuBus bus, int offset) {
    bus.portWrite(HostLayout.CONFIG_ADDRESS_PORT, 4, HostLayout.CONFIG_ENABLE | offset);
    return bus.portRead(HostLayout.CONFIG_DATA_PORT, 4) & 0xffff_ffffL;
  }

  private static void configWrite(CpuBus bus, int offset, long value) {
    bus.portWrite(HostLayout.CONFIG_ADDRESS_PORT, 4, HostLayout.CONFIG_ENABLE | offset);
    bus.portWrite(HostLayout.CONFIG_DATA_PORT, 4, (int) value);
  }
}
