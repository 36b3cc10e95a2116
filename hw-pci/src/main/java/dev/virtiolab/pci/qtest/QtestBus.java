package dev.virtiolab.pci.qtest;

import dev.virtiolab.pci.cpu.CpuBus;

/**
 * Registers and ports of a machine that another process emulates. Each access is a request and its
 * answer, so that what it sets off has been seen by the device when it returns.
 *
 * <p>A register that nobody decodes reads as QEMU has it: zero in memory, ones in configuration
 * space. Every method throws {@link QtestException} where the machine is gone or does not answer as
 * it must.
 */
public final class QtestBus implements CpuBus {
  private final QtestClient client;

  /** The bus behind {@code client}, which stays the caller's to close. */
  public QtestBus(QtestClient client) {
    this.client = client;
  }

  @Override
  public long mmioRead(long address, int width) {
    return client.read(address, width);
  }

  @Override
  public void mmioWrite(long address, int width, long value) {
    client.write(address, width, value);
  }

  @Override
  public int portRead(int port, int width) {
    return (int) client.in(port, width);
  }

  @Override
  public void portWrite(int port, int width, int value) {
    client.out(port, width, value);
  }
}
