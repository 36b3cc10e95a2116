package dev.virtiolab.iommu.vtd;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.pci.cpu.CpuMemory;
import dev.virtiolab.pci.function.BarHandler;
import dev.virtiolab.pci.memory.BusMemory;
import dev.virtiolab.pci.memory.DmaAccess;
import dev.virtiolab.pci.memory.DmaFault;
import dev.virtiolab.pci.memory.DmaWindow;
import dev.virtiolab.pci.memory.PhysicalMemory;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;

/**
 * A platform of 1 MiB below and 1 MiB above 4 GiB, and a guest that builds tables in it, in numbers
 * as the specification has them: nothing of {@link VtdLayout} is used.
 *
 * <p>Every page of RAM holds its own number in its first 8 bytes until a table is put there.
 */
final class VtdBench implements AutoCloseable {
  static final long MIB = 1L << 20;
  static final long HIGH = 1L << 32;
  static final int PAGE = 4096;

  static final long ROOT = 0x1_0000;
  static final long FIRST_TABLE = 0x2_0000;
  static final long FIRST_TABLE_HIGH = HIGH + 0x8_0000;

  static final int NIC = 0x0020; // 00:04.0
  static final int OTHER = 0x0108; // 01:01.0

  final PhysicalMemory memory = PhysicalMemory.allocate(MIB, MIB);
  final List<String> messages = new ArrayList<>();
  final VtdPlatform platform =
      new VtdPlatform(
          memory, (address, data) -> messages.add(Long.toHexString(address) + "=" + data));
  final BarHandler registers = platform.registers();
  final CpuMemory cpu = platform.cpuMemory();
  final DmaWindow window = new DmaWindow();
  private long nextTable = FIRST_TABLE;

  VtdBench() {
    memory
        .regions()
        .forEach(
            region -> {
              for (long at = region.base(); at < region.limit(); at += PAGE) {
                cpu.putLong(at, at >>> 12);
              }
            });
  }

  // ---- the guest's registers

  int read32(int register) {
    return (int) registers.read(register, 4);
  }

  long read64(int register) {
    return registers.read(register, 8);
  }

  void write32(int register, long value) {
    registers.write(register, 4, value & 0xffff_ffffL);
  }

  void write64(int register, long value) {
    registers.write(register, 8, value);
  }

  /** Root table set, every cache empty, translation on. */
  void translate() {
    cpu.fill(ROOT, PAGE, (byte) 0);
    switchOn();
  }

  void switchOn() {
    write64(0x20, ROOT);
    write32(0x18, 1L << 30);
    assertEquals(1 << 30, read32(0x1c) & 1 << 30);
    forgetContexts();
    forgetEverything();
    write32(0x18, 1L << 31);
    assertEquals(0xc000_0000, read32(0x1c));
  }

  void switchOff() {
    write32(0x18, 0);
  }

  void forgetContexts() {
    write64(0x28, 1L << 63 | 1L << 61);
    assertEquals(1L << 59, read64(0x28) & (1L << 63 | 3L << 59));
  }

  void forgetEverything() {
    write64(0x108, 1L << 63 | 1L << 60);
    assertEquals(1L << 57, read64(0x108) & (1L << 63 | 3L << 57));
  }

  void forgetDomain(int domain) {
    write64(0x108, 1L << 63 | 2L << 60 | (long) domain << 32);
    assertEquals(2L << 57, read64(0x108) & (1L << 63 | 3L << 57));
  }

  /** Forgets 2 to the power of {@code mask} pages. */
  void forgetPages(int domain, long address, int mask) {
    write64(0x100, address & -PAGE | mask);
    write64(0x108, 1L << 63 | 3L << 60 | (long) domain << 32);
  }

  // ---- the guest's tables

  long table() {
    long table = nextTable;
    nextTable += PAGE;
    if (nextTable == FIRST_TABLE + 32 * PAGE) {
      nextTable = FIRST_TABLE_HIGH; // tables may lie anywhere
    }
    cpu.fill(table, PAGE, (byte) 0);
    return table;
  }

  /** Where the context entry of {@code source} is; its table is made if need be. */
  long contextEntry(int source) {
    long rootEntry = ROOT + (source >>> 8) * 16L;
    if (cpu.getLong(rootEntry) == 0) {
      cpu.putLong(rootEntry, table() | 1);
    }
    return (cpu.getLong(rootEntry) & -PAGE) + (source & 0xff) * 16L;
  }

  /** A context with empty tables of so many levels; returns the uppermost. */
  long context(int source, int domain, int levels) {
    long entry = contextEntry(source);
    long top = table();
    cpu.putLong(entry + 8, (long) domain << 8 | levels - 2);
    cpu.putLong(entry, top | 1);
    return top;
  }

  /** Where the last-level entry of {@code address} is; tables between are made if need be. */
  long leaf(long top, int levels, long address) {
    long table = top;
    for (int level = levels; level > 1; level--) {
      long at = table + (address >>> 12 + 9 * (level - 1) & 0x1ff) * 8;
      if (cpu.getLong(at) == 0) {
        cpu.putLong(at, table() | 3);
      }
      table = cpu.getLong(at) & -PAGE;
    }
    return table + (address >>> 12 & 0x1ff) * 8;
  }

  void map(long top, int levels, long address, long to, long permissions) {
    cpu.putLong(leaf(top, levels, address), to | permissions);
  }

  // ---- a device

  BusMemory bus(int source) {
    return platform.busMemory(source);
  }

  /** The number of the page that {@code address} is in, as the device reads it. */
  long reads(int source, long address) {
    assertTrue(
        bus(source).resolve(address, DmaAccess.READ, window),
        () -> "0x%x: %s %s".formatted(address, window.fault(), platform.faults()));
    return number(address);
  }

  long writes(int source, long address) {
    assertTrue(bus(source).resolve(address, DmaAccess.WRITE, window), () -> "" + window.fault());
    return number(address);
  }

  private long number(long address) {
    assertTrue(window.covers(address, 1, memory.generation().acquire()));
    return window.segment().get(ValueLayout.JAVA_LONG, window.offset(address & -PAGE));
  }

  void refused(int source, long address, DmaAccess access, DmaFault why) {
    assertFalse(bus(source).resolve(address, access, window));
    assertEquals(why, window.fault());
    assertEquals(0, window.length());
  }

  /** The access is refused, and leaves a record; returns its reason. */
  int fault(int source, long address, DmaAccess access) {
    int before = platform.faults().size();
    assertFalse(bus(source).resolve(address, access, window));
    List<FaultRecord> faults = platform.faults();
    assertEquals(before + 1, faults.size());
    FaultRecord last = faults.getLast();
    assertEquals(source, last.sourceId());
    assertEquals(address, last.address());
    assertEquals(access, last.access());
    return last.reason().code();
  }

  @Override
  public void close() {
    platform.close();
    memory.close();
  }
}
