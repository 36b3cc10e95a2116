package dev.virtiolab.pci.cpu;

/**
 * Memory-mapped registers and I/O ports as the guest's CPU reaches them.
 *
 * <p>{@code width} is 1, 2, 4 or 8 bytes (ports: 1, 2 or 4). A value is unsigned and sits in the
 * low bytes. What nobody decodes reads as all ones, and a write to it is lost, as on a real bus.
 */
public interface CpuBus {

  long mmioRead(long address, int width);

  void mmioWrite(long address, int width, long value);

  int portRead(int port, int width);

  void portWrite(int port, int width, int value);
}
