package dev.virtiolab.pci.cpu;

import java.lang.foreign.MemorySegment;

/**
 * RAM as the guest's CPU reads and writes it: through the page attributes in force, so that a
 * private page under SEV reads as plaintext.
 *
 * <p>Addresses are guest-physical, values little-endian. An access need not be aligned, except
 * where its name says acquire or release. An access outside RAM is a bug in the firmware and throws
 * {@link IndexOutOfBoundsException}; there is no bus error to handle.
 *
 * <p>The access mode is in the method's name. A plain access orders nothing; a firmware that shares
 * memory with a device publishes with a release store and looks with an acquire load.
 */
public interface CpuMemory {

  byte getByte(long address);

  short getShort(long address);

  int getInt(long address);

  long getLong(long address);

  void putByte(long address, byte value);

  void putShort(long address, short value);

  void putInt(long address, int value);

  void putLong(long address, long value);

  /** Loads a 2-byte aligned value; what was stored before its release store is visible after it. */
  short getShortAcquire(long address);

  /** Stores a 2-byte aligned value after everything that was stored before it. */
  void putShortRelease(long address, short value);

  /** Copies {@code length} bytes of RAM to {@code target}. */
  void read(long address, MemorySegment target, long targetOffset, long length);

  /** Copies {@code length} bytes of {@code source} to RAM. */
  void write(long address, MemorySegment source, long sourceOffset, long length);

  /** Copies within RAM; the ranges may overlap. */
  void copy(long source, long target, long length);

  /** Sets {@code length} bytes to {@code value}. */
  void fill(long address, long length, byte value);
}
