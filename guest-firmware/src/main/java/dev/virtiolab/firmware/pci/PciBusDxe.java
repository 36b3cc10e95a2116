package dev.virtiolab.firmware.pci;

import static dev.virtiolab.firmware.pci.PciConfigLayout.*;

import dev.virtiolab.firmware.iommu.DmaObserver;
import dev.virtiolab.firmware.uefi.BootServices;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.Handle;
import dev.virtiolab.firmware.uefi.IoMmu;
import dev.virtiolab.firmware.uefi.PciIo;
import dev.virtiolab.firmware.uefi.Ref;
import java.util.ArrayList;
import java.util.List;

/**
 * The PCI bus driver: finds every function, gives it addresses, and installs its PciIo.
 *
 * <ol>
 *   <li><em>Scan.</em> Bus 0 and depth first what lies behind bridges, numbering their buses.
 *   <li><em>Size.</em> Each BAR, with the function's decoders off.
 *   <li><em>Allocate.</em> 64-bit prefetchable BARs above 4 GiB if there is a window and every
 *       bridge on the way lets them pass, everything else below. When the whole does not fit, the
 *       function with the largest BAR is left out, until it does.
 *   <li><em>Program</em> bridges and BARs, and read them back.
 *   <li><em>Install</em> a handle with PciIo for each, in the order of the scan. Bridges decode and
 *       pass on; endpoints stay off until their driver enables them.
 * </ol>
 *
 * <p>A function whose answers make no sense is left out and listed in {@link #skipped()}: an
 * unknown header, a capability list that does not end, a BAR of impossible size or that does not
 * keep its address. So is a BAR's function for which there is no room, and all behind a bridge that
 * is left out. I/O BARs get ports only on bus 0 and only if the platform has some to give: a
 * function that must do without is still of use, as every modern one is by memory alone. Expansion
 * ROMs, hot-plug padding, resizable BARs and CardBus are not supported: nothing on this board has
 * them.
 */
public final class PciBusDxe {
  private static final int DEVICES = 32;
  private static final int FUNCTIONS = 8;

  /** A capability takes 4 bytes at least, so between 40h and FFh there are no more than this. */
  private static final int MOST_CAPABILITIES = 48;

  /** More than any board has; a config space that answers everywhere is cut off here. */
  private static final int MOST_FUNCTIONS = 1024;

  /** A 16-bit decoder; the specification allows 256 bytes, older cards took more. */
  private static final long LARGEST_IO_BAR = 0x1_0000;

  private static final long SMALLEST_MEMORY_BAR = 16;
  private static final int DECODERS = COMMAND_IO | COMMAND_MEMORY | COMMAND_BUS_MASTER;

  private final BootServices bootServices;
  private final RootBridge rootBridge;
  private final DmaObserver dmaObserver;
  private final PciResources resources;
  private final List<PciFunction> functions = new ArrayList<>();
  private final List<SkippedFunction> skipped = new ArrayList<>();
  private final List<Handle> handles = new ArrayList<>();
  private int nextBus = 1;
  private int functionsSeen;

  public PciBusDxe(BootServices bootServices, RootBridge rootBridge) {
    this(bootServices, rootBridge, DmaObserver.NONE);
  }

  /**
   * @param dmaObserver who is told of every Map, Unmap, AllocateBuffer and FreeBuffer
   */
  public PciBusDxe(BootServices bootServices, RootBridge rootBridge, DmaObserver dmaObserver) {
    this.bootServices = bootServices;
    this.rootBridge = rootBridge;
    this.dmaObserver = dmaObserver;
    this.resources = rootBridge.resources();
  }

  /**
   * Enumerates, once. An IOMMU protocol must be installed before, if there is to be one.
   *
   * @return SUCCESS, also with functions skipped; OUT_OF_RESOURCES if a handle could not be made
   */
  public EfiStatus start() {
    Ref<IoMmu> ioMmu = new Ref<>();
    if (!bootServices.locateProtocol(IoMmu.PROTOCOL, ioMmu).isError()) {
      rootBridge.useIoMmu(ioMmu.value);
    }
    scanBus(0, null);
    allocate();
    program();
    return install();
  }

  /** Functions that were left out, and why. */
  public List<SkippedFunction> skipped() {
    return List.copyOf(skipped);
  }

  /** The handles that carry a PciIo, in the order of the scan. */
  public List<Handle> handles() {
    return List.copyOf(handles);
  }

  /** Clears the Bus Master Enable of every function that has a PciIo and is no bridge. */
  public void disableBusMasters() {
    for (PciFunction function : functions) {
      if (function.pciIo != null && !function.isBridge) {
        function.pciIo.attributes(
            PciIo.AttributeOperation.DISABLE, PciIo.ATTRIBUTE_BUS_MASTER, null);
      }
    }
  }

  // Scan

  private void scanBus(int bus, PciFunction parent) {
    for (int device = 0; device < DEVICES; device++) {
      for (int function = 0; function < FUNCTIONS; function++) {
        PciFunction found = new PciFunction(bus, device, function, parent);
        int vendor = (int) read(found, VENDOR_ID, 2);
        if (vendor == 0xffff || vendor == 0) {
          if (function == 0) {
            break; // a device has a function 0
          }
          continue;
        }
        if (functionsSeen == MOST_FUNCTIONS) {
          skip(found, "more than " + MOST_FUNCTIONS + " functions");
          return;
        }
        functionsSeen++;
        int headerType = (int) read(found, HEADER_TYPE, 1);
        String fault = examine(found, headerType & HEADER_TYPE_MASK);
        if (fault != null) {
          skip(found, fault);
        }
        if (function == 0 && (headerType & HEADER_TYPE_MULTI_FUNCTION) == 0) {
          break;
        }
      }
    }
  }

  /** Looks into a function and, behind a bridge, further; null, or why it is to be left out. */
  private String examine(PciFunction found, int headerType) {
    if (headerType != HEADER_TYPE_DEVICE && headerType != HEADER_TYPE_BRIDGE) {
      return "unknown header type 0x%02x".formatted(headerType);
    }
    found.isBridge = headerType == HEADER_TYPE_BRIDGE;
    write(found, COMMAND, 2, read(found, COMMAND, 2) & ~DECODERS);
    write(found, found.isBridge ? BRIDGE_EXPANSION_ROM : EXPANSION_ROM, 4, 0);
    String fault = walkCapabilities(found);
    if (fault == null) {
      fault = sizeBars(found);
    }
    if (fault == null && found.isBridge) {
      fault = openBridge(found);
    }
    if (fault != null) {
      return fault;
    }
    functions.add(found);
    if (found.parent != null) {
      found.parent.children.add(found);
    }
    if (found.isBridge) {
      scanBus(found.secondaryBus, found);
      write(found, BRIDGE_SUBORDINATE_BUS, 1, nextBus - 1);
    }
    return null;
  }

  private String walkCapabilities(PciFunction found) {
    if ((read(found, STATUS, 2) & STATUS_CAPABILITIES) == 0) {
      return null;
    }
    int pointer = (int) read(found, CAPABILITIES_POINTER, 1) & 0xfc;
    for (int i = 0; i < MOST_CAPABILITIES && pointer >= 0x40; i++) {
      int header = (int) read(found, pointer, 2);
      if ((header & 0xff) == CAPABILITY_PCI_EXPRESS) {
        found.isPciExpress = true;
      }
      pointer = header >>> 8 & 0xfc;
    }
    return pointer >= 0x40 ? "the capability list does not end" : null;
  }

  private String openBridge(PciFunction bridge) {
    if (nextBus > resources.lastBus()) {
      return "no bus number is left for the bridge";
    }
    int secondary = nextBus++;
    bridge.secondaryBus = secondary;
    // Everything that is not numbered yet may lie behind it, until its own scan is done.
    int numbers = bridge.bus | secondary << 8 | resources.lastBus() << 16;
    write(bridge, BRIDGE_BUS_NUMBERS, 4, numbers);
    if ((read(bridge, BRIDGE_BUS_NUMBERS, 4) & 0xff_ffff) != numbers) {
      return "the bridge does not keep its bus numbers";
    }
    write(bridge, BRIDGE_PREFETCHABLE_WINDOW, 4, 0xfff0_fff0L);
    int prefetchable = (int) read(bridge, BRIDGE_PREFETCHABLE_WINDOW, 4);
    bridge.hasPrefetchableWindow = (prefetchable & 0xfff0_fff0) == 0xfff0_fff0;
    bridge.prefetchableIs64 = (prefetchable & 0xf) == 1;
    // A base above the limit: closed.
    write(bridge, BRIDGE_IO_WINDOW, 2, 0x00f0);
    write(bridge, BRIDGE_MEMORY_WINDOW, 4, 0x0000_fff0L);
    write(bridge, BRIDGE_PREFETCHABLE_WINDOW, 4, 0x0000_fff0L);
    write(bridge, BRIDGE_PREFETCHABLE_BASE_UPPER, 4, 0);
    write(bridge, BRIDGE_PREFETCHABLE_LIMIT_UPPER, 4, 0);
    return null;
  }

  // Size

  private String sizeBars(PciFunction found) {
    int count = found.isBridge ? 2 : PciFunction.BARS;
    for (int i = 0; i < count; i++) {
      int offset = BASE_ADDRESS_0 + 4 * i;
      int low = probe(found, offset);
      if (low == 0) {
        continue;
      }
      if ((low & BAR_IO) != 0) {
        int mask = low & BAR_IO_ADDRESS_MASK;
        // A decoder of 16 bits leaves the upper half zero.
        long length = -(mask | ((mask & 0xffff_0000) == 0 ? 0xffff_0000 : 0)) & 0xffff_ffffL;
        if (Long.bitCount(length) != 1 || length > LARGEST_IO_BAR) {
          return "BAR %d has an impossible size: it reads 0x%08x".formatted(i, low);
        }
        found.bars[i] = new PciBar(offset, PciBar.Kind.IO, false, false, false, length);
        continue;
      }
      boolean prefetchable = (low & BAR_PREFETCHABLE) != 0;
      int type = low & BAR_TYPE_MASK;
      if (type == BAR_TYPE_32) {
        long length = -(low & BAR_MEMORY_ADDRESS_MASK) & 0xffff_ffffL;
        if (Long.bitCount(length) != 1) {
          return "BAR %d has an impossible size: it reads 0x%08x".formatted(i, low);
        }
        found.bars[i] = new PciBar(offset, PciBar.Kind.MEMORY, false, false, prefetchable, length);
      } else if (type == BAR_TYPE_64 && i + 1 < count) {
        int high = probe(found, offset + 4);
        if (high == 0 && (low & BAR_MEMORY_ADDRESS_MASK) == 0) {
          return "BAR %d has an impossible size: no bit of it can be set".formatted(i);
        }
        // Address bits that the function does not have read as zero, like those below its size.
        long filled = high == 0 ? -1 : -Integer.toUnsignedLong(Integer.highestOneBit(high)) | high;
        long length = -(filled << 32 | (low & BAR_MEMORY_ADDRESS_MASK & 0xffff_ffffL));
        if (Long.bitCount(length) != 1 || length < SMALLEST_MEMORY_BAR) {
          return "BAR %d has an impossible size: it reads 0x%08x%08x".formatted(i, high, low);
        }
        found.bars[i] =
            new PciBar(offset, PciBar.Kind.MEMORY, true, high != 0, prefetchable, length);
        i++;
      } else {
        return "BAR %d is of reserved type %d".formatted(i, type >> 1);
      }
      if (found.bars[offset - BASE_ADDRESS_0 >> 2].length > largestWindow()) {
        return "BAR %d is larger than any window".formatted(offset - BASE_ADDRESS_0 >> 2);
      }
    }
    return null;
  }

  /** Writes ones, reads what sticks, and leaves zero; the decoders are off. */
  private int probe(PciFunction found, int offset) {
    write(found, offset, 4, 0xffff_ffffL);
    int value = (int) read(found, offset, 4);
    write(found, offset, 4, 0);
    return value;
  }

  private long largestWindow() {
    long below = resources.memoryLimit() - resources.memoryBase() + 1;
    long above = resources.memoryAbove4GLimit() - resources.memoryAbove4GBase() + 1;
    return Math.max(below, above);
  }

  // Allocate

  private void allocate() {
    allocatePorts();
    while (true) {
      List<Resource> below = new ArrayList<>();
      List<Resource> above = new ArrayList<>();
      collect(below, above);
      boolean fitsBelow = fits(below, resources.memoryBase(), resources.memoryLimit());
      boolean fitsAbove =
          fits(above, resources.memoryAbove4GBase(), resources.memoryAbove4GLimit());
      if (fitsBelow && fitsAbove) {
        place(below, resources.memoryBase());
        place(above, resources.memoryAbove4GBase());
        return;
      }
      leaveOut(largest(!fitsBelow), "no room for its BARs");
    }
  }

  /** Sorts every BAR into its bridge's window, and what is on bus 0 into the two lists. */
  private void collect(List<Resource> below, List<Resource> above) {
    for (PciFunction function : functions) {
      function.memoryWindow = new BridgeWindow();
      function.prefetchableWindow = new BridgeWindow();
    }
    for (PciFunction function : functions) {
      for (PciBar bar : function.bars) {
        if (bar.kind != PciBar.Kind.MEMORY) {
          continue;
        }
        boolean prefetchable = goesToPrefetchable(function, bar);
        if (function.parent == null) {
          (goesAbove(function, bar) ? above : below).add(bar);
        } else if (prefetchable) {
          function.parent.prefetchableWindow.add(bar);
        } else {
          function.parent.memoryWindow.add(bar);
        }
      }
    }
    // Inner bridges come later in the scan than outer ones: go backwards, so that a window is
    // complete before it is put into the next.
    for (int i = functions.size() - 1; i >= 0; i--) {
      PciFunction bridge = functions.get(i);
      if (!bridge.memoryWindow.isEmpty()) {
        if (bridge.parent == null) {
          below.add(bridge.memoryWindow);
        } else {
          bridge.parent.memoryWindow.add(bridge.memoryWindow);
        }
      }
      if (!bridge.prefetchableWindow.isEmpty()) {
        if (bridge.parent == null) {
          (resources.hasMemoryAbove4G() ? above : below).add(bridge.prefetchableWindow);
        } else {
          bridge.parent.prefetchableWindow.add(bridge.prefetchableWindow);
        }
      }
    }
    BridgeWindow.sort(below);
    BridgeWindow.sort(above);
  }

  /** Whether the BAR ends up above 4 GiB. */
  private boolean goesAbove(PciFunction function, PciBar bar) {
    return resources.hasMemoryAbove4G()
        && bar.prefetchable
        && bar.reachesAbove4G
        && allBridges(function.parent, true);
  }

  /**
   * Whether the BAR goes through the prefetchable windows on its way. There is one for each bridge,
   * so it lies either above 4 GiB or below; what cannot follow goes with the ordinary BARs, which
   * is always allowed.
   */
  private boolean goesToPrefetchable(PciFunction function, PciBar bar) {
    if (resources.hasMemoryAbove4G()) {
      return goesAbove(function, bar);
    }
    return bar.prefetchable && allBridges(function.parent, false);
  }

  private static boolean allBridges(PciFunction bridge, boolean above4G) {
    for (PciFunction b = bridge; b != null; b = b.parent) {
      if (!b.hasPrefetchableWindow || above4G && !b.prefetchableIs64) {
        return false;
      }
    }
    return true;
  }

  private static boolean fits(List<Resource> resources, long base, long limit) {
    long next = base;
    for (Resource resource : resources) {
      next = BridgeWindow.alignUp(next, resource.alignment());
      if (next > limit || resource.size() - 1 > limit - next) {
        return false;
      }
      next += resource.size();
    }
    return true;
  }

  private static void place(List<Resource> resources, long base) {
    long next = base;
    for (Resource resource : resources) {
      next = BridgeWindow.alignUp(next, resource.alignment());
      resource.place(next);
      next += resource.size();
    }
  }

  /** The function with the largest BAR on one side of 4 GiB. */
  private PciFunction largest(boolean below) {
    PciFunction largest = null;
    long most = 0;
    for (PciFunction function : functions) {
      for (PciBar bar : function.bars) {
        if (bar.kind == PciBar.Kind.MEMORY
            && goesAbove(function, bar) != below
            && bar.length > most) {
          most = bar.length;
          largest = function;
        }
      }
    }
    if (largest == null) {
      throw new IllegalStateException("windows overflow without a BAR in them");
    }
    return largest;
  }

  private void allocatePorts() {
    long next = resources.ioBase();
    for (PciFunction function : functions) {
      for (PciBar bar : function.bars) {
        if (bar.kind != PciBar.Kind.IO || function.parent != null) {
          continue;
        }
        long port = BridgeWindow.alignUp(next, bar.alignment());
        if (resources.containsIo(port, bar.size())) {
          bar.place(port);
          next = port + bar.size();
        }
      }
    }
  }

  // Program

  private void program() {
    for (PciFunction function : List.copyOf(functions)) {
      if (!functions.contains(function)) {
        continue; // went with its bridge
      }
      if (!programBars(function) || function.isBridge && !programWindows(function)) {
        leaveOut(function, "it does not keep the addresses it was given");
      }
    }
  }

  private boolean programBars(PciFunction function) {
    for (PciBar bar : function.bars) {
      if (bar.kind == PciBar.Kind.NONE) {
        continue;
      }
      int flags = bar.kind == PciBar.Kind.IO ? ~BAR_IO_ADDRESS_MASK : ~BAR_MEMORY_ADDRESS_MASK;
      long low = bar.address() & 0xffff_ffffL;
      write(function, bar.offset, 4, low);
      if ((read(function, bar.offset, 4) & 0xffff_ffffL & ~flags) != low) {
        return false;
      }
      if (bar.is64) {
        long high = bar.address() >>> 32;
        write(function, bar.offset + 4, 4, high);
        if (read(function, bar.offset + 4, 4) != high) {
          return false;
        }
      }
    }
    return true;
  }

  private boolean programWindows(PciFunction bridge) {
    boolean kept = true;
    BridgeWindow window = bridge.memoryWindow;
    if (!window.isEmpty()) {
      kept = programWindow(bridge, BRIDGE_MEMORY_WINDOW, window);
    }
    window = bridge.prefetchableWindow;
    if (!window.isEmpty()) {
      kept &= programWindow(bridge, BRIDGE_PREFETCHABLE_WINDOW, window);
      write(bridge, BRIDGE_PREFETCHABLE_BASE_UPPER, 4, window.base() >>> 32);
      write(bridge, BRIDGE_PREFETCHABLE_LIMIT_UPPER, 4, window.limit() >>> 32);
    }
    write(bridge, COMMAND, 2, read(bridge, COMMAND, 2) | COMMAND_MEMORY | COMMAND_BUS_MASTER);
    return kept;
  }

  private boolean programWindow(PciFunction bridge, int offset, BridgeWindow window) {
    long value = window.base() >>> 16 & 0xfff0 | (window.limit() & 0xfff0_0000L);
    write(bridge, offset, 4, value);
    return (read(bridge, offset, 4) & 0xfff0_fff0L) == value;
  }

  // Install

  private EfiStatus install() {
    for (PciFunction function : functions) {
      PciIoInstance parent = function.parent == null ? null : function.parent.pciIo;
      Ref<Handle> handle = new Ref<>();
      function.pciIo = new PciIoInstance(rootBridge, function, parent, dmaObserver);
      EfiStatus status =
          bootServices.installProtocolInterface(handle, PciIo.PROTOCOL, function.pciIo);
      if (status.isError()) {
        return EfiStatus.OUT_OF_RESOURCES;
      }
      function.pciIo.installedOn(handle.value);
      handles.add(handle.value);
    }
    return EfiStatus.SUCCESS;
  }

  // Leaving out

  private void skip(PciFunction function, String reason) {
    skipped.add(new SkippedFunction(function.bus, function.device, function.function, reason));
  }

  /** Forgets a function and all behind it; their decoders are off. */
  private void leaveOut(PciFunction function, String reason) {
    write(function, COMMAND, 2, read(function, COMMAND, 2) & ~DECODERS);
    functions.remove(function);
    skip(function, reason);
    for (PciFunction child : function.children) {
      if (functions.contains(child)) {
        leaveOut(child, "its bridge was left out");
      }
    }
  }

  private long read(PciFunction function, int offset, int width) {
    return rootBridge.configRead(function.bus, function.device, function.function, offset, width);
  }

  private void write(PciFunction function, int offset, int width, long value) {
    rootBridge.configWrite(function.bus, function.device, function.function, offset, width, value);
  }
}
