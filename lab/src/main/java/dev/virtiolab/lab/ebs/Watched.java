package dev.virtiolab.lab.ebs;

import dev.virtiolab.firmware.core.CoreEvent;
import dev.virtiolab.firmware.core.DxeCore;
import dev.virtiolab.firmware.iommu.MappingTeardown;
import dev.virtiolab.firmware.iommu.TeardownSeat;
import dev.virtiolab.firmware.uefi.BootServices;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.IntRef;
import dev.virtiolab.firmware.uefi.IoMmu;
import dev.virtiolab.firmware.uefi.PciIo;
import dev.virtiolab.firmware.uefi.Ref;
import dev.virtiolab.pci.config.PciAddress;
import dev.virtiolab.pci.cpu.CpuBus;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.util.IdentityHashMap;
import java.util.Map;
import java.util.Set;

/**
 * Stands between the firmware's parts: before and after every call of boot services, PciIo, the
 * IOMMU protocol and the bus there is a gap, and calls that a handler must not make are noted.
 *
 * <p>Boot services are watched where the core hands them out; PciIo and the IOMMU protocol where
 * they are installed, which is by boot services.
 */
final class Watched {
  /** What uses memory allocation: not from the moment on at which the map is accepted. */
  private static final Set<String> ALLOCATING =
      Set.of(
          "allocatePages",
          "freePages",
          "allocatePool",
          "freePool",
          "createEvent",
          "createEventEx",
          "closeEvent",
          "installProtocolInterface",
          "uninstallProtocolInterface",
          "openProtocol",
          "closeProtocol",
          "locateHandleBuffer",
          "connectController",
          "disconnectController");

  /** What says which interface is on a handle: the watched one, then. */
  private static final Set<String> INSTALLING =
      Set.of("installProtocolInterface", "uninstallProtocolInterface");

  /** What waits, or depends on a timer: not in the group before either. */
  private static final Set<String> WAITING = Set.of("setTimer", "waitForEvent", "stall");

  /** What is no step worth telling. */
  private static final Set<String> QUIET =
      Set.of(
          "raiseTpl",
          "restoreTpl",
          "currentTpl",
          "checkEvent",
          "getMemoryMap",
          "handleProtocol",
          "locateProtocol",
          "exitBootServices",
          "memRead",
          "ioRead",
          "pciRead",
          "getLocation",
          "attributes",
          "getBarAttributes");

  private final Log log;
  private final Gaps gaps;
  private final Handlers handlers;
  private final Footprints footprints;

  /** A watched protocol, by the one that is behind it. */
  private final Map<Object, Object> watchedProtocols = new IdentityHashMap<>();

  private final Map<PciIo, String> functions = new IdentityHashMap<>();

  /** How deep the firmware is inside PciIo: what happens on the bus then is that function's. */
  private int inPciIo;

  Watched(Log log, Gaps gaps, Handlers handlers, Footprints footprints) {
    this.log = log;
    this.gaps = gaps;
    this.handlers = handlers;
    this.footprints = footprints;
  }

  /** Runs {@code work}; events that are created meanwhile are {@code owner}'s. */
  void createdBy(String owner, Runnable work) {
    log.enter(owner);
    try {
      work.run();
    } finally {
      log.leave();
    }
  }

  // ---- what is handed out

  BootServices bootServices(BootServices core) {
    return proxy(
        BootServices.class, (proxy, method, arguments) -> bootService(core, method, arguments));
  }

  private static <T> T proxy(Class<T> type, InvocationHandler handler) {
    return type.cast(Proxy.newProxyInstance(type.getClassLoader(), new Class<?>[] {type}, handler));
  }

  private Object bootService(BootServices core, Method method, Object[] arguments)
      throws Throwable {
    if (method.getDeclaringClass() == Object.class) {
      return call(core, method, arguments);
    }
    String name = method.getName();
    Object[] passed = arguments;
    if (INSTALLING.contains(name)) {
      passed = arguments.clone();
      passed[2] = watched(arguments[2]);
    }
    if (!gaps.areOpen()) {
      gaps.outside();
      Object result = call(core, method, passed);
      noteCreated(name, passed, result);
      return result;
    }
    noteCall(core, name, arguments);
    gaps.before();
    Object result = call(core, method, passed);
    noteCreated(name, passed, result);
    gaps.after();
    return result;
  }

  private void noteCall(BootServices core, String name, Object[] arguments) {
    noteTouched(name);
    if (name.equals("signalEvent") && arguments[0] instanceof CoreEvent event) {
      log.step(Step.Kind.SIGNAL, () -> "signals " + handlers.named(event));
    } else if (!QUIET.contains(name)) {
      log.step(Step.Kind.CALL, () -> "calls " + title(name));
    }
    boolean gone = core instanceof DxeCore dxe && dxe.bootServicesGone();
    boolean afterKey = handlers.isPastKeyCheck() && (footprints.isAnyRunning() || gone);
    if (gone
        || afterKey && ALLOCATING.contains(name)
        || (afterKey || footprints.isAnyRunning()) && WAITING.contains(name)) {
      log.breach(
          Invariant.I7,
          () ->
              "%s calls %s %s"
                  .formatted(
                      log.actor(),
                      title(name),
                      gone ? "when boot services are gone" : "in its handler"));
    }
  }

  private void noteTouched(String name) {
    if (ALLOCATING.contains(name) || name.equals("getMemoryMap")) {
      footprints.touch(Footprints.MEMORY_MAP);
    }
    switch (name) {
      case "createEvent", "createEventEx", "closeEvent", "signalEvent", "checkEvent" ->
          footprints.touch(Footprints.EVENTS);
      case "setTimer", "waitForEvent", "stall" -> footprints.touch(Footprints.EVERYTHING);
      case "connectController", "disconnectController", "exitBootServices" ->
          footprints.touch(Footprints.EVERYTHING);
      default -> {
        if (name.contains("rotocol") || name.contains("Handle")) {
          footprints.touch(Footprints.HANDLES);
        }
      }
    }
  }

  private void noteCreated(String name, Object[] arguments, Object result) {
    if (name.startsWith("createEvent")
        && result == EfiStatus.SUCCESS
        && arguments[arguments.length - 1] instanceof Ref<?> ref
        && ref.value instanceof CoreEvent event) {
      handlers.created(event, log.actor());
    }
  }

  /** {@code allocatePages}, as UEFI writes it. */
  private static String title(String name) {
    return Character.toUpperCase(name.charAt(0)) + name.substring(1);
  }

  // ---- a policy's seat

  /** The seat, with what the policy does to mappings and bus masters noted. */
  TeardownSeat seat(TeardownSeat real, String policy) {
    MappingTeardown mappings =
        proxy(
            MappingTeardown.class,
            (proxy, method, arguments) -> {
              String name = method.getName();
              boolean takesDown = name.equals("unmapAll") || name.equals("openMappings");
              footprints.touch(takesDown ? Footprints.MAPPINGS : Footprints.EVERYTHING);
              return call(real.mappings(), method, arguments);
            });
    return new TeardownSeat() {
      @Override
      public BootServices bootServices() {
        return real.bootServices();
      }

      @Override
      public MappingTeardown mappings() {
        return mappings;
      }

      @Override
      public void atReturn(Runnable last) {
        real.atReturn(
            () -> {
              log.enter(policy);
              log.step(Step.Kind.ENTER, () -> "is called: ExitBootServices is about to return");
              gaps.after();
              last.run();
              log.step(Step.Kind.LEAVE, () -> "returns");
              log.leave();
              gaps.after();
            });
      }

      @Override
      public void disableBusMasters() {
        footprints.touch(Footprints.EVERYTHING);
        real.disableBusMasters();
      }
    };
  }

  // ---- what is installed

  private Object watched(Object protocol) {
    if (protocol instanceof PciIo pciIo && !Proxy.isProxyClass(protocol.getClass())) {
      return watchedProtocols.computeIfAbsent(protocol, any -> pciIo(pciIo));
    }
    if (protocol instanceof IoMmu ioMmu && !Proxy.isProxyClass(protocol.getClass())) {
      return watchedProtocols.computeIfAbsent(protocol, any -> ioMmu(ioMmu));
    }
    return protocol;
  }

  private PciIo pciIo(PciIo real) {
    return proxy(
        PciIo.class,
        (proxy, method, arguments) -> {
          if (!gaps.areOpen() || method.getDeclaringClass() == Object.class) {
            return call(real, method, arguments);
          }
          String name = method.getName();
          footprints.touch(functions.computeIfAbsent(real, Watched::address));
          if (name.equals("map") || name.equals("unmap")) {
            footprints.touch(Footprints.MAPPINGS);
          }
          if (name.equals("memWrite") || name.equals("ioWrite") || name.equals("pciWrite")) {
            log.step(Step.Kind.REGISTER, () -> registerWrite(name, arguments));
          }
          gaps.before();
          inPciIo++;
          try {
            return call(real, method, arguments);
          } finally {
            inPciIo--;
            gaps.after();
          }
        });
  }

  /** Where the function is, as the bus driver numbered it. */
  private static String address(PciIo pciIo) {
    IntRef segment = new IntRef();
    IntRef bus = new IntRef();
    IntRef device = new IntRef();
    IntRef function = new IntRef();
    pciIo.getLocation(segment, bus, device, function);
    return new PciAddress(bus.value, device.value, function.value).toString();
  }

  private static String registerWrite(String name, Object[] arguments) {
    return name.equals("pciWrite")
        ? "writes configuration 0x%x = 0x%x".formatted((int) arguments[1], (long) arguments[2])
        : "writes BAR %d + 0x%x = 0x%x"
            .formatted((int) arguments[1], (long) arguments[2], (long) arguments[3]);
  }

  private IoMmu ioMmu(IoMmu real) {
    return proxy(
        IoMmu.class,
        (proxy, method, arguments) -> {
          if (!gaps.areOpen() || method.getDeclaringClass() == Object.class) {
            return call(real, method, arguments);
          }
          if (inPciIo == 0) {
            // Around PciIo, of which nobody is told whose mapping it is.
            footprints.touch(Footprints.EVERYTHING);
          }
          gaps.before();
          try {
            return call(real, method, arguments);
          } finally {
            // What Unmap has taken down is told of when PciIo's Unmap is through: the gap after the
            // one is the gap after the other.
            if (!method.getName().equals("unmap")) {
              gaps.after();
            }
          }
        });
  }

  private static Object call(Object real, Method method, Object[] arguments) throws Throwable {
    try {
      return method.invoke(real, arguments);
    } catch (InvocationTargetException e) {
      throw e.getCause();
    }
  }

  // ---- the bus

  /** Registers of the chipset and configuration space, and what PciIo does to a function's. */
  CpuBus bus(CpuBus real) {
    return new CpuBus() {
      @Override
      public long mmioRead(long address, int width) {
        gaps.before();
        long value = real.mmioRead(address, width);
        gaps.after();
        return value;
      }

      @Override
      public void mmioWrite(long address, int width, long value) {
        noteWrite("0x%x", address, value);
        gaps.before();
        real.mmioWrite(address, width, value);
        gaps.after();
      }

      @Override
      public int portRead(int port, int width) {
        gaps.before();
        int value = real.portRead(port, width);
        gaps.after();
        return value;
      }

      @Override
      public void portWrite(int port, int width, int value) {
        noteWrite("port 0x%x", port, value);
        gaps.before();
        real.portWrite(port, width, value);
        gaps.after();
      }
    };
  }

  /**
   * Words are made of it only where somebody reads them: the firmware boots by thousands of these.
   */
  private void noteWrite(String where, long address, long value) {
    if (gaps.areOpen() && inPciIo == 0) {
      footprints.touch(Footprints.EVERYTHING);
      log.step(
          Step.Kind.REGISTER,
          () -> ("writes register " + where + " = 0x%x").formatted(address, value));
    }
  }
}
