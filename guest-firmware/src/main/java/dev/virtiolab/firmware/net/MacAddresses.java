package dev.virtiolab.firmware.net;

import dev.virtiolab.firmware.uefi.MacAddress;
import dev.virtiolab.pci.cpu.CpuMemory;

/**
 * Ethernet addresses in frames: 48 bits as {@link MacAddress#bits()}, and values of addresses seen
 * before, so that a frame from a known station makes no new one.
 */
final class MacAddresses {
  static final long GROUP_BIT = 1L << 40;
  static final long BROADCAST = MacAddress.BROADCAST.bits();

  private static final int SLOTS = 64;

  private final MacAddress[] seen = new MacAddress[SLOTS];

  /** The address in the 6 bytes at {@code address}; reads 8, which every frame has. */
  static long read(CpuMemory memory, long address) {
    return Long.reverseBytes(memory.getLong(address)) >>> 16;
  }

  static void write(CpuMemory memory, long address, long bits) {
    memory.putInt(address, Integer.reverseBytes((int) (bits >>> 16)));
    memory.putShort(address + 4, Short.reverseBytes((short) bits));
  }

  MacAddress of(long bits) {
    int slot = (int) (bits ^ bits >>> 6 ^ bits >>> 24) & SLOTS - 1;
    MacAddress mac = seen[slot];
    if (mac == null || mac.bits() != bits) {
      mac = new MacAddress(bits);
      seen[slot] = mac;
    }
    return mac;
  }
}
