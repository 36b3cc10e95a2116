package dev.virtiolab.firmware.pci;

import dev.virtiolab.pci.cpu.CpuBus;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * A bus of functions that are nothing but bytes and a mask of those that can be written; behind
 * bridges too, whose numbers and windows count. ECAM at {@link #ECAM}, and ports CF8h and CFCh.
 */
final class FakePci implements CpuBus {
  static final long ECAM = 0xb000_0000L;
  private static final long ECAM_BYTES = 256L << 20;
  static final int MEMORY_SPACE = 0x0002;

  /** A function, or a bridge if it is given children. */
  static class Function {
    final byte[] config = new byte[4096];
    final byte[] writable = new byte[4096];
    final Map<Long, Byte> registers = new HashMap<>();
    final List<Function> children = new ArrayList<>();
    final int device;
    final int number;

    Function(int device, int number) {
      this.device = device;
      this.number = number;
      set(0x00, 4, 0x1041_1af4L);
      writable[0x04] = 0x07;
    }

    final Function set(int offset, int width, long value) {
      for (int i = 0; i < width; i++) {
        config[offset + i] = (byte) (value >>> 8 * i);
      }
      return this;
    }

    final Function mask(int offset, int width, long bits) {
      for (int i = 0; i < width; i++) {
        writable[offset + i] = (byte) (bits >>> 8 * i);
      }
      return this;
    }

    Function multiFunction() {
      config[0x0e] |= (byte) 0x80;
      return this;
    }

    /** A 32-bit memory BAR. */
    Function memory32(int bar, long size, boolean prefetchable) {
      set(0x10 + 4 * bar, 4, prefetchable ? 8 : 0);
      return mask(0x10 + 4 * bar, 4, -size);
    }

    Function memory64(int bar, long size, boolean prefetchable) {
      set(0x10 + 4 * bar, 4, prefetchable ? 12 : 4);
      return mask(0x10 + 4 * bar, 8, -size);
    }

    Function io(int bar, int size) {
      set(0x10 + 4 * bar, 4, 1);
      return mask(0x10 + 4 * bar, 4, -size);
    }

    /** Makes it a bridge; {@code prefetchable} is 0 without that window, else 32 or 64. */
    Function bridge(int prefetchable) {
      config[0x0e] |= 1;
      mask(0x18, 4, 0x00ff_ffff);
      mask(0x1c, 2, 0xf0f0);
      mask(0x20, 4, 0xfff0_fff0L);
      if (prefetchable != 0) {
        mask(0x24, 4, 0xfff0_fff0L);
      }
      if (prefetchable == 64) {
        set(0x24, 4, 0x0001_0001);
        mask(0x28, 8, -1);
      }
      return this;
    }

    Function capability(int at, int id, int next) {
      config[0x06] |= 0x10;
      return set(at, 2, id | next << 8);
    }

    Function add(Function child) {
      children.add(child);
      return this;
    }

    long get(int offset, int width) {
      long value = 0;
      for (int i = width - 1; i >= 0; i--) {
        value = value << 8 | config[offset + i] & 0xff;
      }
      return value;
    }

    void put(int offset, int width, long value) {
      for (int i = 0; i < width; i++) {
        byte bits = writable[offset + i];
        byte old = config[offset + i];
        config[offset + i] = (byte) (old & ~bits | (byte) (value >>> 8 * i) & bits);
      }
    }

    boolean isBridge() {
      return (config[0x0e] & 0x7f) == 1;
    }

    private boolean memoryEnabled() {
      return (get(4, 2) & MEMORY_SPACE) != 0;
    }

    /** Where in {@link #registers} the address is, or -1. */
    private long decode(long address) {
      if (!memoryEnabled()) {
        return -1;
      }
      for (int bar = 0; bar < (isBridge() ? 2 : 6); bar++) {
        int offset = 0x10 + 4 * bar;
        long low = get(offset, 4);
        boolean wide = (low & 7) == 4;
        long bits = 0;
        for (int i = (wide ? 8 : 4) - 1; i >= 0; i--) {
          bits = bits << 8 | writable[offset + i] & 0xff;
        }
        long size = wide ? -bits : -bits & 0xffff_ffffL;
        long base = wide ? get(offset, 8) & ~0xfL : low & 0xffff_fff0L;
        if (bits != 0 && (low & 1) == 0 && address >= base && address < base + size) {
          return (long) bar << 40 | address - base;
        }
        if (wide) {
          bar++;
        }
      }
      return -1;
    }

    private boolean passes(long address) {
      long memory = get(0x20, 4);
      long prefetchable = get(0x24, 4);
      long base = (prefetchable & 0xfff0) << 16 | get(0x28, 4) << 32;
      long limit = prefetchable & 0xfff0_0000L | 0xf_ffff | get(0x2c, 4) << 32;
      return memoryEnabled()
          && (address >= (memory & 0xfff0) << 16 && address <= (memory & 0xfff0_0000L | 0xf_ffff)
              || address >= base && address <= limit && base != 0);
    }
  }

  final List<Function> root = new ArrayList<>();
  int configReads;
  private int configAddress;

  FakePci add(Function function) {
    root.add(function);
    return this;
  }

  private Function find(List<Function> onBus, int present, int bus, int device, int number) {
    for (Function function : onBus) {
      if (present == bus && function.device == device && function.number == number) {
        return function;
      }
      int secondary = (int) function.get(0x19, 1);
      int subordinate = (int) function.get(0x1a, 1);
      if (function.isBridge()
          && present != bus
          && secondary != 0
          && bus >= secondary
          && bus <= subordinate) {
        Function found = find(function.children, secondary, bus, device, number);
        if (found != null) {
          return found;
        }
      }
    }
    return null;
  }

  private Function decoder(List<Function> onBus, long address) {
    for (Function function : onBus) {
      if (function.decode(address) >= 0) {
        return function;
      }
      if (function.isBridge() && function.passes(address)) {
        Function found = decoder(function.children, address);
        if (found != null) {
          return found;
        }
      }
    }
    return null;
  }

  private static long ones(int width) {
    return -1L >>> (64 - 8 * width);
  }

  private long config(int bdf, int offset, int width) {
    configReads++;
    Function function = find(root, 0, bdf >> 8, bdf >> 3 & 31, bdf & 7);
    return function == null ? ones(width) : function.get(offset, width);
  }

  private void putConfig(int bdf, int offset, int width, long value) {
    Function function = find(root, 0, bdf >> 8, bdf >> 3 & 31, bdf & 7);
    if (function != null) {
      function.put(offset, width, value);
    }
  }

  @Override
  public long mmioRead(long address, int width) {
    if (address >= ECAM && address < ECAM + ECAM_BYTES) {
      int offset = (int) (address - ECAM);
      return config(offset >>> 12, offset & 0xfff, width);
    }
    Function function = decoder(root, address);
    if (function == null) {
      return ones(width);
    }
    long at = function.decode(address);
    long value = 0;
    for (int i = width - 1; i >= 0; i--) {
      value = value << 8 | function.registers.getOrDefault(at + i, (byte) 0) & 0xff;
    }
    return value;
  }

  @Override
  public void mmioWrite(long address, int width, long value) {
    if (address >= ECAM && address < ECAM + ECAM_BYTES) {
      int offset = (int) (address - ECAM);
      putConfig(offset >>> 12, offset & 0xfff, width, value);
      return;
    }
    Function function = decoder(root, address);
    if (function != null) {
      long at = function.decode(address);
      for (int i = 0; i < width; i++) {
        function.registers.put(at + i, (byte) (value >>> 8 * i));
      }
    }
  }

  @Override
  public int portRead(int port, int width) {
    if (port >= 0xcfc && port + width <= 0xd00 && configAddress < 0) {
      int offset = (configAddress & 0xfc) + (port & 3);
      return (int) config(configAddress >>> 8 & 0xffff, offset, width);
    }
    return port == 0x6000 ? (int) (0x8765_4321L & ones(width)) : -1;
  }

  @Override
  public void portWrite(int port, int width, int value) {
    if (port == 0xcf8 && width == 4) {
      configAddress = value;
    } else if (port >= 0xcfc && port + width <= 0xd00 && configAddress < 0) {
      int offset = (configAddress & 0xfc) + (port & 3);
      putConfig(configAddress >>> 8 & 0xffff, offset, width, value);
    }
  }
}
