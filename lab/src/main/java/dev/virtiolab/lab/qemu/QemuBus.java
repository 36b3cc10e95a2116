package dev.virtiolab.lab.qemu;

import dev.virtiolab.pci.cpu.CpuBus;
import dev.virtiolab.pci.qtest.QtestBus;
import dev.virtiolab.pci.qtest.QtestException;
import java.util.function.Function;

/** The registers of QEMU's machine; where they cannot be reached the user is told why. */
final class QemuBus implements CpuBus {
  private final QtestBus qtest;
  private final Function<QtestException, RuntimeException> explanation;

  /**
   * @param explanation what is thrown instead
   */
  QemuBus(QtestBus qtest, Function<QtestException, RuntimeException> explanation) {
    this.qtest = qtest;
    this.explanation = explanation;
  }

  @Override
  public long mmioRead(long address, int width) {
    try {
      return qtest.mmioRead(address, width);
    } catch (QtestException e) {
      throw explanation.apply(e);
    }
  }

  @Override
  public void mmioWrite(long address, int width, long value) {
    try {
      qtest.mmioWrite(address, width, value);
    } catch (QtestException e) {
      throw explanation.apply(e);
    }
  }

  @Override
  public int portRead(int port, int width) {
    try {
      return qtest.portRead(port, width);
    } catch (QtestException e) {
      throw explanation.apply(e);
    }
  }

  @Override
  public void portWrite(int port, int width, int value) {
    try {
      qtest.portWrite(port, width, value);
    } catch (QtestException e) {
      throw explanation.apply(e);
    }
  }
}
