package dev.virtiolab.firmware.handoff;

import dev.virtiolab.pci.cpu.CpuMemory;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * The hand-off as a value that has been checked: every range is what its name says, and none
 * overlaps another that it must not.
 *
 * @param ram ranges of RAM, ascending, disjoint, whole pages
 * @param firmware the firmware's own image, whole pages, in RAM
 * @param ecam PCI Express configuration space, 1 MiB per bus from bus 0 on
 * @param mmio32 where 32-bit BARs go, below 4 GiB
 * @param mmio64 where 64-bit BARs may go, at or above 4 GiB
 * @param inbound the bus addresses by which bus masters reach the CPU's addresses from 0 on, whole
 *     pages; empty where the two are the same
 * @param remapping registers of the DMA remapping unit that all devices are behind, whole pages;
 *     empty where there is none. Stands for a hardware unit definition of ACPI's DMAR table (Intel
 *     VT-d Architecture Specification, 8.3 "DMA Remapping Hardware Unit Definition Structure")
 * @param ports the I/O ports that BARs may get; empty where there are none
 */
public record HandOff(
    List<Range> ram,
    Range firmware,
    Range ecam,
    Range mmio32,
    Range mmio64,
    Optional<Range> inbound,
    Optional<Range> remapping,
    Optional<Range> ports) {
  private static final long PAGE = 4096;
  private static final long FOUR_GIB = 1L << 32;
  private static final long BUS_BYTES = 1L << 20;
  private static final int MAX_BUSES = 256;
  private static final int OTHER_BLOCKS = 7;
  private static final long PORTS = 0x1_0000;

  /** Above every address that a page table of this guest could map. */
  private static final long ADDRESS_LIMIT = 1L << 52;

  /**
   * A range of guest-physical addresses.
   *
   * @param base first address
   * @param length bytes, at least 1
   */
  public record Range(long base, long length) {

    public Range {
      if (base < 0 || length <= 0 || base > ADDRESS_LIMIT - length || length > ADDRESS_LIMIT) {
        throw new HandOffException(
            "no range of addresses: base=0x%x length=0x%x".formatted(base, length));
      }
    }

    /** One past the last address. */
    public long limit() {
      return base + length;
    }

    public boolean contains(Range other) {
      return base <= other.base && other.limit() <= limit();
    }

    public boolean overlaps(Range other) {
      return base < other.limit() && other.base < limit();
    }

    private boolean isWhole(long unit) {
      return base % unit == 0 && length % unit == 0;
    }

    @Override
    public String toString() {
      return "[0x%x, 0x%x)".formatted(base, limit());
    }
  }

  /**
   * @throws HandOffException if the ranges do not fit together; the message names the one at fault
   */
  public HandOff {
    ram = List.copyOf(ram);
    require(!ram.isEmpty(), "no RAM");
    require(
        ram.size() <= HandOffLayout.MAX_BLOCKS - OTHER_BLOCKS,
        "too many ranges: ram=" + ram.size());
    for (int i = 0; i < ram.size(); i++) {
      require(ram.get(i).isWhole(PAGE), "not whole pages: ram=" + ram.get(i));
      require(
          i == 0 || ram.get(i - 1).limit() <= ram.get(i).base(),
          "not ascending: ram=" + ram.get(i));
    }
    require(firmware.isWhole(PAGE), "not whole pages: firmware=" + firmware);
    require(isIn(ram, firmware), "not in RAM: firmware=" + firmware);
    Range own = ownPages(ram.size());
    require(isIn(ram, own), "not in RAM: hand-off=" + own);
    require(!firmware.overlaps(own), "overlaps the hand-off: firmware=" + firmware);
    require(
        ecam.isWhole(BUS_BYTES) && ecam.length() <= MAX_BUSES * BUS_BYTES,
        "not whole buses: ecam=" + ecam);
    require(mmio32.limit() <= FOUR_GIB, "not below 4 GiB: mmio32=" + mmio32);
    require(mmio64.base() >= FOUR_GIB, "not above 4 GiB: mmio64=" + mmio64);
    require(!ecam.overlaps(mmio32), "overlaps mmio32: ecam=" + ecam);
    require(!ecam.overlaps(mmio64), "overlaps mmio64: ecam=" + ecam);
    for (Range device : List.of(ecam, mmio32, mmio64)) {
      require(ram.stream().noneMatch(device::overlaps), "overlaps RAM: " + device);
    }
    if (inbound.isPresent()) {
      checkInbound(inbound.get(), ram, List.of(ecam, mmio32, mmio64));
    }
    if (remapping.isPresent()) {
      Range unit = remapping.get();
      require(unit.isWhole(PAGE), "not whole pages: remapping=" + unit);
      require(ram.stream().noneMatch(unit::overlaps), "overlaps RAM: remapping=" + unit);
      require(
          Stream.of(ecam, mmio32, mmio64).noneMatch(unit::overlaps),
          "overlaps other registers: remapping=" + unit);
    }
    if (ports.isPresent()) {
      require(ports.get().limit() <= PORTS, "no such ports: ports=" + ports.get());
    }
  }

  /** All RAM is within bus masters' reach, and nowhere on the bus where a BAR could be. */
  private static void checkInbound(Range inbound, List<Range> ram, List<Range> registers) {
    require(inbound.isWhole(PAGE), "not whole pages: inbound=" + inbound);
    for (Range range : ram) {
      require(range.limit() <= inbound.length(), "out of bus masters' reach: ram=" + range);
      Range onTheBus = new Range(inbound.base() + range.base(), range.length());
      require(
          registers.stream().noneMatch(onTheBus::overlaps),
          "meets registers on the bus: ram=" + range + " inbound=" + inbound);
    }
  }

  /** Of a board where bus masters use the CPU's addresses. */
  public HandOff(List<Range> ram, Range firmware, Range ecam, Range mmio32, Range mmio64) {
    this(ram, firmware, ecam, mmio32, mmio64, Optional.empty());
  }

  /** Of a board without a DMA remapping unit. */
  public HandOff(
      List<Range> ram,
      Range firmware,
      Range ecam,
      Range mmio32,
      Range mmio64,
      Optional<Range> inbound) {
    this(ram, firmware, ecam, mmio32, mmio64, inbound, Optional.empty(), Optional.empty());
  }

  /** The same board with a DMA remapping unit whose registers are there. */
  public HandOff withRemapping(Range registers) {
    return new HandOff(ram, firmware, ecam, mmio32, mmio64, inbound, Optional.of(registers), ports);
  }

  /** The same board with I/O ports for BARs. */
  public HandOff withPorts(Range forBars) {
    return new HandOff(
        ram, firmware, ecam, mmio32, mmio64, inbound, remapping, Optional.of(forBars));
  }

  /**
   * Whether there is RAM at each of so many addresses, of which there is one at least. Ranges that
   * touch are as good as one.
   */
  public boolean isRam(long address, long bytes) {
    if (address < 0 || bytes <= 0) {
      return false;
    }
    long reached = address;
    for (int i = 0; i < ram.size(); i++) {
      Range range = ram.get(i);
      if (range.base() <= reached && reached < range.limit()) {
        reached = range.limit();
      }
    }
    return reached - address >= bytes;
  }

  /** The pages that the hand-off itself takes in guest memory. */
  public Range pages() {
    return ownPages(ram.size());
  }

  /**
   * Writes the hand-off as it shall lie at {@link HandOffLayout#ADDRESS}.
   *
   * @param target of at least {@code pages().length()} bytes; what follows the last block is zeroed
   */
  public void write(MemorySegment target) {
    HandOffCodec.write(this, target.asSlice(0, pages().length()));
  }

  /**
   * Reads the hand-off from guest memory, once.
   *
   * @param address normally {@link HandOffLayout#ADDRESS}
   * @throws HandOffException if anything about it is not as {@link HandOffLayout} says
   */
  public static HandOff read(CpuMemory memory, long address) {
    return HandOffCodec.read(memory, address);
  }

  private static Range ownPages(int ramRanges) {
    long bytes =
        HandOffLayout.HEADER_LENGTH + (long) (ramRanges + OTHER_BLOCKS) * HandOffLayout.BLOCK_BYTES;
    return new Range(HandOffLayout.ADDRESS, (bytes + PAGE - 1) / PAGE * PAGE);
  }

  private static boolean isIn(List<Range> ram, Range range) {
    return ram.stream().anyMatch(each -> each.contains(range));
  }

  private static void require(boolean condition, String message) {
    if (!condition) {
      throw new HandOffException(message);
    }
  }
}
