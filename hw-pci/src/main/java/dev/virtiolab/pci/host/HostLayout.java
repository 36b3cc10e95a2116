package dev.virtiolab.pci.host;

/**
 * The board's address map, as on QEMU's q35.
 *
 * <pre>
 * ports   0cf8  configuration address        | E | reserved | bus | dev | fn | register | 00 |
 *         0cfc  configuration data             31  30    24  23 16 15 11 10 8 7        2  1 0
 *         6000  window of the BARs that are ports, to the last port
 *
 * memory  b000_0000  ECAM                    | bus | dev | fn | register |
 *         c000_0000  32-bit MMIO window        27 20 19 15 14 12 11     0
 *         fec0_0000  (interrupt controllers: not here)
 *         fed9_0000  DMA remapping unit, on a platform that has one
 *         above RAM  64-bit MMIO window
 * </pre>
 */
public final class HostLayout {
  public static final int CONFIG_ADDRESS_PORT = 0xcf8;
  public static final int CONFIG_DATA_PORT = 0xcfc;

  /** Bit 31 of the configuration address: the data port reaches configuration space. */
  public static final int CONFIG_ENABLE = 1 << 31;

  /** The bits of the configuration address that exist; the others read as zero. */
  public static final int CONFIG_ADDRESS_BITS = 0x80ff_fffc;

  /** The ports that BARs get; OVMF's choice on q35. */
  public static final int PORTS_BASE = 0x6000;

  /** One past the last port. */
  public static final int PORTS_LIMIT = 0x1_0000;

  public static final long ECAM_BASE = 0xb000_0000L;

  /** 256 buses of 1 MiB. */
  public static final long ECAM_BYTES = 0x1000_0000L;

  public static final long WINDOW_32_BASE = 0xc000_0000L;
  public static final long WINDOW_32_LIMIT = 0xfec0_0000L;

  /** Where q35 has the registers of its DMA remapping unit: a page. */
  public static final long REMAPPING_BASE = 0xfed9_0000L;

  public static final long REMAPPING_BYTES = 0x1000;

  /** The 64-bit window begins at the first multiple of this above RAM and 4 GiB. */
  public static final long WINDOW_64_ALIGNMENT = 0x4000_0000L;

  /** 512 GiB. */
  public static final long WINDOW_64_BYTES = 0x80_0000_0000L;

  /** In the host bridge's configuration space: where ECAM is (Intel 3 Series MCH, PCIEXBAR). */
  public static final int PCIEXBAR = 0x60;

  /** Low bits of {@link #PCIEXBAR}: enabled, 256 MiB. */
  public static final int PCIEXBAR_ENABLED_256_MIB = 0x1;

  private HostLayout() {}
}
