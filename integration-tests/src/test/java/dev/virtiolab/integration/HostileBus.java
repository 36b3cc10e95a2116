package dev.virtiolab.integration;

import dev.virtiolab.pci.config.PciAddress;
import dev.virtiolab.pci.cpu.CpuBus;
import dev.virtiolab.pci.host.HostLayout;
import dev.virtiolab.virtio.transport.VirtioPciFunction;
import java.util.HashMap;
import java.util.Map;

/**
 * The bus of a host that lies about one function: what is read of its configuration space and its
 * virtio registers goes through a {@link Lie}. Writes reach the device as they are.
 */
final class HostileBus implements CpuBus {
  /** Reads before a guest is said to hang; a boot takes some thousands. */
  private static final long MOST_READS = 20_000_000;

  private static final int BAR_0 = 0x10;
  private static final int CONFIG_BYTES = 4096;
  private static final long REGISTER_BYTES = 0x4000;

  /** What the guest is told. */
  interface Lie {

    /**
     * @param offset in configuration space
     * @param honest the byte that is there
     */
    default int config(int offset, int honest) {
      return honest;
    }

    /**
     * @param offset in the BAR of the virtio structures
     * @param honest what is there
     * @param written what was last written, by offset
     */
    default long register(long offset, int width, long honest, Map<Long, Long> written) {
      return honest;
    }
  }

  /** The truth. */
  static final Lie HONEST = new Lie() {};

  private final CpuBus bus;
  private final long config;
  private final Map<Long, Long> written = new HashMap<>();
  private Lie lie = HONEST;
  private long reads;

  HostileBus(CpuBus bus, PciAddress victim) {
    this.bus = bus;
    this.config = HostLayout.ECAM_BASE + ((long) victim.requesterId() << 12);
  }

  void tell(Lie newLie) {
    lie = newLie;
  }

  /** Guest-physical address of a register, once the guest has placed the BAR. */
  long register(long offset) {
    int at = BAR_0 + 4 * VirtioPciFunction.REGISTER_BAR;
    return (bus.mmioRead(config + at, 4) & ~0xfL | bus.mmioRead(config + at + 4, 4) << 32) + offset;
  }

  /** A byte of configuration space as it is. */
  int configByte(int offset) {
    return (int) bus.mmioRead(config + offset, 1);
  }

  @Override
  public long mmioRead(long address, int width) {
    if (++reads > MOST_READS) {
      throw new AssertionError("the guest reads for ever");
    }
    long honest = bus.mmioRead(address, width);
    long offset = address - config;
    if (offset >= 0 && offset <= CONFIG_BYTES - width) {
      long told = 0;
      for (int i = width - 1; i >= 0; i--) {
        int octet = (int) (honest >>> 8 * i) & 0xff;
        told = told << 8 | lie.config((int) offset + i, octet) & 0xff;
      }
      return told;
    }
    offset = address - register(0);
    return offset >= 0 && offset <= REGISTER_BYTES - width
        ? lie.register(offset, width, honest, written) & -1L >>> 64 - 8 * width
        : honest;
  }

  @Override
  public void mmioWrite(long address, int width, long value) {
    written.put(address - register(0), value);
    bus.mmioWrite(address, width, value);
  }

  @Override
  public int portRead(int port, int width) {
    return bus.portRead(port, width);
  }

  @Override
  public void portWrite(int port, int width, int value) {
    bus.portWrite(port, width, value);
  }
}
