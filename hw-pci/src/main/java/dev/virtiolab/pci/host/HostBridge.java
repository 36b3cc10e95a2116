package dev.virtiolab.pci.host;

import static dev.virtiolab.pci.host.HostLayout.CONFIG_ADDRESS_BITS;
import static dev.virtiolab.pci.host.HostLayout.CONFIG_ADDRESS_PORT;
import static dev.virtiolab.pci.host.HostLayout.CONFIG_DATA_PORT;
import static dev.virtiolab.pci.host.HostLayout.CONFIG_ENABLE;
import static dev.virtiolab.pci.host.HostLayout.ECAM_BASE;
import static dev.virtiolab.pci.host.HostLayout.ECAM_BYTES;
import static dev.virtiolab.pci.host.HostLayout.PORTS_BASE;
import static dev.virtiolab.pci.host.HostLayout.PORTS_LIMIT;
import static dev.virtiolab.pci.host.HostLayout.WINDOW_32_BASE;
import static dev.virtiolab.pci.host.HostLayout.WINDOW_32_LIMIT;
import static dev.virtiolab.pci.host.HostLayout.WINDOW_64_ALIGNMENT;
import static dev.virtiolab.pci.host.HostLayout.WINDOW_64_BYTES;

import dev.virtiolab.pci.config.ConfigSpace;
import dev.virtiolab.pci.config.PciAddress;
import dev.virtiolab.pci.cpu.CpuBus;
import dev.virtiolab.pci.function.Bar;
import dev.virtiolab.pci.function.BarHandler;
import dev.virtiolab.pci.function.FunctionIdentity;
import dev.virtiolab.pci.function.InterruptPin;
import dev.virtiolab.pci.function.PciFunction;
import dev.virtiolab.pci.function.ResetKind;
import dev.virtiolab.pci.memory.PhysicalMemory;
import dev.virtiolab.pci.memory.RamRegion;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicLong;

/**
 * The board's host bridge, 8086:29c0 at 00:00.0: turns the CPU's port and memory accesses into
 * configuration cycles and accesses to BARs.
 *
 * <ul>
 *   <li>Ports CF8 and CFC reach the first 256 bytes of each function. CF8 is a register of 4 bytes
 *       and answers only as such; CFC to CFF are byte lanes, and an access that leaves them is
 *       answered by nobody.
 *   <li>The ports of a window of their own reach the BARs that decode ports in it.
 *   <li>ECAM reaches all 4096 bytes: 1, 2 or 4 bytes within an aligned doubleword, or an aligned
 *       quadword, which is two cycles.
 *   <li>Two windows reach the BARs that decode in them, see the package's description.
 *   <li>What is {@linkplain #attach attached} answers at a fixed address that is in neither.
 * </ul>
 *
 * <p>What nobody answers reads as all ones, is lost as a write, and is {@linkplain #unclaimed()
 * counted}.
 */
public final class HostBridge implements CpuBus {
  private final PciBus root = new PciBus(null, 32, this::rebuildRoutes);
  private final long window64Base;
  private final Object routesLock = new Object();
  private final AtomicLong unclaimed = new AtomicLong();
  private volatile Routes routes = Routes.NONE;
  private volatile Routes portRoutes = Routes.NONE;
  private volatile List<Attached> attached = List.of();
  private volatile int configAddress;

  /** Registers of the board's own, at {@code [base, limit)}. */
  private record Attached(long base, long limit, BarHandler registers) {
    boolean contains(long address, int width) {
      return address >= base && address <= limit - width;
    }

    boolean overlaps(long otherBase, long otherLimit) {
      return base < otherLimit && otherBase < limit;
    }
  }

  /** The bridge as a function: nothing to program, but it tells where ECAM is. */
  private static final class Self extends PciFunction {
    private static final FunctionIdentity IDENTITY =
        new FunctionIdentity(0x8086, 0x29c0, 0, 0x060000, 0x1af4, 0x1100, 0);

    Self() {
      super(
          IDENTITY,
          ConfigSpace.CONVENTIONAL_BYTES,
          (address, data) -> {},
          InterruptPin.UNCONNECTED);
      config().initialize(HostLayout.PCIEXBAR, 8, ECAM_BASE | HostLayout.PCIEXBAR_ENABLED_256_MIB);
    }
  }

  /**
   * A bridge beside {@code memory}, whose 64-bit window begins above it.
   *
   * @throws IllegalArgumentException if there is RAM between {@link HostLayout#ECAM_BASE} and 4 GiB
   */
  public HostBridge(PhysicalMemory memory) {
    this(memory, memory.limit());
  }

  /**
   * A bridge beside {@code memory}, whose 64-bit window begins above it, and above where bus
   * masters find it.
   *
   * @param inboundLimit one past the highest bus address of RAM
   * @throws IllegalArgumentException if there is RAM between {@link HostLayout#ECAM_BASE} and 4 GiB
   */
  public HostBridge(PhysicalMemory memory, long inboundLimit) {
    for (RamRegion region : memory.regions()) {
      if (region.base() < PhysicalMemory.HIGH_BASE && region.limit() > ECAM_BASE) {
        throw new IllegalArgumentException(
            "RAM where the board has registers: base=0x%x limit=0x%x"
                .formatted(region.base(), region.limit()));
      }
    }
    window64Base = window64Base(Math.max(memory.limit(), inboundLimit));
    root.plug(0, new Self());
  }

  /** Bus 0. Slot 0 is the bridge's own. */
  public PciBus rootBus() {
    return root;
  }

  /**
   * Where the 64-bit window of a board begins.
   *
   * @param limit one past the highest address of RAM
   */
  public static long window64Base(long limit) {
    long above = Math.max(limit, PhysicalMemory.HIGH_BASE);
    return (above + WINDOW_64_ALIGNMENT - 1) & -WINDOW_64_ALIGNMENT;
  }

  /** First address of the 64-bit window. */
  public long window64Base() {
    return window64Base;
  }

  /** One past the last address of the 64-bit window. */
  public long window64Limit() {
    return window64Base + WINDOW_64_BYTES;
  }

  /** Accesses that nobody answered, absent functions included. */
  public long unclaimed() {
    return unclaimed.get();
  }

  /**
   * Puts registers on the board that no BAR decodes, at {@code bytes} addresses from {@code base}
   * on. Before the machine runs.
   *
   * @throws IllegalArgumentException if RAM, ECAM, a window or something else is there
   */
  public void attach(long base, long bytes, BarHandler registers) {
    long limit = base + bytes;
    boolean outside =
        base >= WINDOW_32_LIMIT
            && bytes > 0
            && limit <= PhysicalMemory.HIGH_BASE
            && attached.stream().noneMatch(other -> other.overlaps(base, limit));
    if (!outside) {
      throw new IllegalArgumentException(
          "no room for registers: base=0x%x bytes=0x%x".formatted(base, bytes));
    }
    List<Attached> more = new ArrayList<>(attached);
    more.add(new Attached(base, limit, registers));
    attached = List.copyOf(more);
  }

  /** Every function that configuration cycles reach at present, by address. */
  public Map<PciAddress, PciFunction> functions() {
    Map<PciAddress, PciFunction> found = new TreeMap<>();
    for (int bus = 0; bus < 256; bus++) {
      for (int device = 0; device < 32; device++) {
        PciFunction function = functionAt(bus, device, 0);
        if (function != null) {
          found.put(new PciAddress(bus, device, 0), function);
        }
      }
    }
    return found;
  }

  /** Resets every function, as switching the machine on does. */
  public void powerOn() {
    configAddress = 0;
    for (int device = 0; device < root.slots(); device++) {
      PciFunction function = root.device(device);
      if (function != null) {
        function.reset(ResetKind.POWER_ON);
      }
    }
  }

  // ---- memory

  @Override
  public long mmioRead(long address, int width) {
    if (inEcam(address, width)) {
      return ecamRead((int) (address - ECAM_BASE), width);
    }
    Routes now = routes;
    int range = now.find(address, width);
    if (range < 0) {
      Attached device = attachedAt(address, width);
      return device == null ? nobody(width) : device.registers.read(address - device.base, width);
    }
    return now.bar(range).read(now.offset(range, address), width);
  }

  @Override
  public void mmioWrite(long address, int width, long value) {
    if (inEcam(address, width)) {
      ecamWrite((int) (address - ECAM_BASE), width, value);
      return;
    }
    Routes now = routes;
    int range = now.find(address, width);
    if (range < 0) {
      Attached device = attachedAt(address, width);
      if (device == null) {
        nobody(width);
      } else {
        device.registers.write(address - device.base, width, value);
      }
      return;
    }
    now.bar(range).write(now.offset(range, address), width, value);
  }

  private Attached attachedAt(long address, int width) {
    List<Attached> devices = attached;
    for (int i = 0; i < devices.size(); i++) {
      if (devices.get(i).contains(address, width)) {
        return devices.get(i);
      }
    }
    return null;
  }

  private static boolean inEcam(long address, int width) {
    return address >= ECAM_BASE && address <= ECAM_BASE + ECAM_BYTES - width;
  }

  private long ecamRead(int offset, int width) {
    PciFunction function = functionAt(offset >>> 20, offset >>> 15 & 0x1f, offset >>> 12 & 7);
    int register = offset & 0xfff;
    if (function == null || (width == 8 && (register & 7) != 0)) {
      return nobody(width);
    }
    if (width == 8) {
      return function.configRead(register, 4) | function.configRead(register + 4, 4) << 32;
    }
    return function.configRead(register, width);
  }

  private void ecamWrite(int offset, int width, long value) {
    PciFunction function = functionAt(offset >>> 20, offset >>> 15 & 0x1f, offset >>> 12 & 7);
    int register = offset & 0xfff;
    if (function == null || (width == 8 && (register & 7) != 0)) {
      nobody(width);
      return;
    }
    if (width == 8) {
      function.configWrite(register, 4, value & 0xffff_ffffL);
      function.configWrite(register + 4, 4, value >>> 32);
      return;
    }
    function.configWrite(register, width, value);
  }

  // ---- ports

  @Override
  public int portRead(int port, int width) {
    if (port == CONFIG_ADDRESS_PORT && width == 4) {
      return configAddress;
    }
    PciFunction function = functionBehindDataPort(port, width);
    if (function != null) {
      return (int) function.configRead(registerBehindDataPort(port), width);
    }
    Routes now = portRoutes;
    int range = now.find(port, width);
    return range < 0
        ? (int) nobody(width)
        : (int) now.bar(range).read(now.offset(range, port), width);
  }

  @Override
  public void portWrite(int port, int width, int value) {
    if (port == CONFIG_ADDRESS_PORT && width == 4) {
      configAddress = value & CONFIG_ADDRESS_BITS;
      return;
    }
    PciFunction function = functionBehindDataPort(port, width);
    if (function != null) {
      function.configWrite(registerBehindDataPort(port), width, value & 0xffff_ffffL);
      return;
    }
    Routes now = portRoutes;
    int range = now.find(port, width);
    if (range < 0) {
      nobody(width);
    } else {
      now.bar(range).write(now.offset(range, port), width, value & ConfigSpace.allOnes(width));
    }
  }

  private PciFunction functionBehindDataPort(int port, int width) {
    int lane = port - CONFIG_DATA_PORT;
    int address = configAddress;
    if (lane < 0 || lane + width > 4 || (address & CONFIG_ENABLE) == 0) {
      return null;
    }
    return functionAt(address >>> 16 & 0xff, address >>> 11 & 0x1f, address >>> 8 & 7);
  }

  private int registerBehindDataPort(int port) {
    return configAddress & 0xfc | port & 3;
  }

  // ---- routing

  private long nobody(int width) {
    unclaimed.incrementAndGet();
    return ConfigSpace.allOnes(width);
  }

  private PciFunction functionAt(int bus, int device, int function) {
    if (function != 0) {
      return null;
    }
    if (bus == 0) {
      return root.device(device);
    }
    for (int slot = 0; slot < root.slots(); slot++) {
      if (root.device(slot) instanceof RootPort port && port.leadsTo(bus)) {
        return bus == port.secondaryBus() ? port.secondary().device(device) : null;
      }
    }
    return null;
  }

  /** Called with the lock of the function that moved; takes no other function's. */
  private void rebuildRoutes() {
    synchronized (routesLock) {
      Routes.Builder memory = new Routes.Builder();
      Routes.Builder ports = new Routes.Builder();
      for (int slot = 0; slot < root.slots(); slot++) {
        PciFunction function = root.device(slot);
        if (function == null) {
          continue;
        }
        claim(memory, ports, function, null);
        if (function instanceof RootPort port && port.secondary().device(0) != null) {
          claim(memory, ports, port.secondary().device(0), port);
        }
      }
      routes = memory.build();
      portRoutes = ports.build();
    }
  }

  private void claim(
      Routes.Builder memory, Routes.Builder ports, PciFunction function, RootPort behind) {
    for (Bar bar : function.bars()) {
      long first = bar.address();
      if (first == Bar.UNMAPPED) {
        continue;
      }
      long last = first + bar.bytes() - 1;
      if (bar.type().isIo()) {
        // A root port forwards none.
        if (behind == null && first >= PORTS_BASE && last < PORTS_LIMIT) {
          ports.claim(first, bar);
        }
      } else if (inWindow(first, last) && (behind == null || behind.forwards(first, last))) {
        memory.claim(first, bar);
      }
    }
  }

  private boolean inWindow(long first, long last) {
    return first >= WINDOW_32_BASE && last < WINDOW_32_LIMIT && last >= first
        || first >= window64Base && last < window64Limit() && last >= first;
  }
}
