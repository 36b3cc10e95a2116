package dev.virtiolab.pci.vfiouser;

import static dev.virtiolab.pci.vfiouser.VfioUserLayout.ARGSZ;

import dev.virtiolab.pci.function.Bar;
import dev.virtiolab.pci.function.PciFunction;
import dev.virtiolab.pci.function.ResetKind;
import dev.virtiolab.posix.BadDescriptorException;
import dev.virtiolab.posix.Errno;
import dev.virtiolab.posix.EventFd;
import dev.virtiolab.posix.OwnedFd;
import dev.virtiolab.posix.PassedFds;
import dev.virtiolab.posix.Uninterruptibly;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;

/**
 * What each command does to the function. A message goes in, and is its own reply when it comes
 * out. The server's thread.
 */
final class Commands {
  /** How long the device may keep the lock before it is looked whether the client keeps it. */
  private static final long RELIEF_NANOS = TimeUnit.MILLISECONDS.toNanos(500);

  private final PciFunction function;
  private final ReentrantLock lock;
  private final ClientMemory memory;
  private final ClientInterrupts interrupts;

  /** By BAR index; null where there is none. */
  private final Bar[] bars = new Bar[VfioUserLayout.BARS];

  private final int configBytes;

  Commands(PciFunction function, ClientMemory memory, ClientInterrupts interrupts) {
    this.function = function;
    lock = function.lock();
    this.memory = memory;
    this.interrupts = interrupts;
    function.bars().forEach(bar -> bars[bar.index()] = bar);
    byte[] config = function.configDump();
    configBytes = config.length;
    interrupts.vectors(function.msixVectors());
  }

  /**
   * Carries a command out.
   *
   * @param fds that came with it; what is not taken is closed by the caller
   * @return bytes of the reply's payload, which is in the message
   * @throws Refusal to be answered
   */
  int execute(Message message, PassedFds fds) throws Refusal {
    int command = message.command();
    boolean takesFds =
        command == VfioUserLayout.DMA_MAP || command == VfioUserLayout.DEVICE_SET_IRQS;
    if (fds.overflowed() || fds.count() > 0 && !takesFds) {
      throw Refusal.invalid("descriptors that do not belong to command " + command);
    }
    return switch (command) {
      case VfioUserLayout.DMA_MAP -> map(message, fds);
      case VfioUserLayout.DMA_UNMAP -> unmap(message);
      case VfioUserLayout.DEVICE_GET_INFO -> deviceInfo(message);
      case VfioUserLayout.DEVICE_GET_REGION_INFO -> regionInfo(message);
      case VfioUserLayout.DEVICE_GET_REGION_IO_FDS -> regionIoFds(message);
      case VfioUserLayout.DEVICE_GET_IRQ_INFO -> irqInfo(message);
      case VfioUserLayout.DEVICE_SET_IRQS -> setIrqs(message, fds);
      case VfioUserLayout.REGION_READ -> readRegion(message);
      case VfioUserLayout.REGION_WRITE -> writeRegion(message);
      case VfioUserLayout.REGION_WRITE_MULTI -> writeRegions(message);
      case VfioUserLayout.DEVICE_RESET -> reset();
      default -> throw new Refusal(Errno.EOPNOTSUPP, "command " + command);
    };
  }

  /**
   * Takes the function's lock, with it not held. The device may hold it in the midst of a wait for
   * the client: for an answer to a DMA message, which it puts off on account of this, or in
   * write(2), since a client can make its eventfds block again and fill their counters: so they are
   * emptied.
   */
  private void enter() {
    while (!Uninterruptibly.tryLock(lock, RELIEF_NANOS)) {
      interrupts.relieve();
    }
  }

  /** The client is gone: nothing of it is kept, and the next finds the function as it came up. */
  void forgetClient() {
    enter();
    try {
      // Its rings are in the memory of this client: what goes on would write into the next one's.
      function.reset(ResetKind.BUS);
      interrupts.disableAll();
      memory.unmapAll();
    } finally {
      lock.unlock();
    }
  }

  // ---- memory

  private int map(Message message, PassedFds fds) throws Refusal {
    message.needPayload(VfioUserLayout.MAP_BYTES);
    if (fds.count() > 1) {
      throw Refusal.invalid(fds.count() + " descriptors for one mapping");
    }
    try (OwnedFd fd = fds.count() == 0 ? null : fds.take(0)) {
      memory.map(
          message.u64(VfioUserLayout.MAP_ADDRESS),
          message.u64(VfioUserLayout.MAP_SIZE),
          message.u32(VfioUserLayout.MAP_FLAGS),
          fd,
          message.u64(VfioUserLayout.MAP_OFFSET));
    }
    return 0;
  }

  private int unmap(Message message) throws Refusal {
    message.needPayload(VfioUserLayout.UNMAP_BYTES);
    int flags = message.u32(VfioUserLayout.UNMAP_FLAGS);
    if ((flags & ~VfioUserLayout.UNMAP_ALL) != 0) {
      throw Refusal.invalid("unknown flags of an unmapping");
    }
    // The reply says that no access is under way any more: no batch is while this is held.
    enter();
    try {
      if (flags == VfioUserLayout.UNMAP_ALL) {
        memory.unmapAll();
      } else {
        memory.unmap(
            message.u64(VfioUserLayout.UNMAP_ADDRESS), message.u64(VfioUserLayout.UNMAP_SIZE));
      }
    } finally {
      lock.unlock();
    }
    return VfioUserLayout.UNMAP_BYTES;
  }

  // ---- what there is

  private static void query(Message message, int bytes) throws Refusal {
    message.needPayload(bytes);
    if (Integer.compareUnsigned(message.u32(ARGSZ), bytes) < 0) {
      throw Refusal.invalid("no room for a reply of " + bytes + " bytes");
    }
    message.u32(ARGSZ, bytes);
  }

  private static int deviceInfo(Message message) throws Refusal {
    query(message, VfioUserLayout.INFO_BYTES);
    message.u32(
        VfioUserLayout.INFO_FLAGS,
        VfioUserLayout.DEVICE_FLAG_RESET | VfioUserLayout.DEVICE_FLAG_PCI);
    message.u32(VfioUserLayout.INFO_REGIONS, VfioUserLayout.REGIONS);
    message.u32(VfioUserLayout.INFO_IRQS, VfioUserLayout.IRQS);
    return VfioUserLayout.INFO_BYTES;
  }

  private int regionInfo(Message message) throws Refusal {
    query(message, VfioUserLayout.REGION_BYTES);
    long bytes = regionBytes(region(message, VfioUserLayout.REGION_INDEX));
    message.u32(
        VfioUserLayout.REGION_FLAGS,
        bytes == 0 ? 0 : VfioUserLayout.REGION_FLAG_READ | VfioUserLayout.REGION_FLAG_WRITE);
    message.u32(VfioUserLayout.REGION_CAP_OFFSET, 0);
    message.u64(VfioUserLayout.REGION_SIZE, bytes);
    message.u64(VfioUserLayout.REGION_OFFSET, 0);
    return VfioUserLayout.REGION_BYTES;
  }

  /** No descriptor stands for a part of a region: each access is a message. */
  private static int regionIoFds(Message message) throws Refusal {
    query(message, VfioUserLayout.IO_FDS_BYTES);
    region(message, VfioUserLayout.IO_FDS_INDEX);
    message.u32(VfioUserLayout.IO_FDS_COUNT, 0);
    return VfioUserLayout.IO_FDS_BYTES;
  }

  private static int region(Message message, int offset) throws Refusal {
    int region = message.u32(offset);
    if (region < 0 || region >= VfioUserLayout.REGIONS) {
      throw Refusal.invalid("region " + Integer.toUnsignedString(region));
    }
    return region;
  }

  private long regionBytes(int region) {
    if (region == VfioUserLayout.CONFIG_REGION) {
      return configBytes;
    }
    return region < VfioUserLayout.BARS && bars[region] != null ? bars[region].bytes() : 0;
  }

  // ---- registers

  private int readRegion(Message message) throws Refusal {
    int region = access(message, 0);
    long offset = message.u64(VfioUserLayout.ACCESS_OFFSET);
    int count = message.u32(VfioUserLayout.ACCESS_COUNT);
    for (int done = 0; done < count; ) {
      int width = width(region, offset + done, count - done);
      message.le(VfioUserLayout.ACCESS_BYTES + done, width, read(region, offset + done, width));
      done += width;
    }
    return VfioUserLayout.ACCESS_BYTES + count;
  }

  private int writeRegion(Message message) throws Refusal {
    int region = access(message, 0);
    int count = message.u32(VfioUserLayout.ACCESS_COUNT);
    message.needPayload(VfioUserLayout.ACCESS_BYTES + (long) count);
    write(message, 0, region, count);
    return VfioUserLayout.ACCESS_BYTES;
  }

  private int writeRegions(Message message) throws Refusal {
    message.needPayload(VfioUserLayout.MULTI_BYTES);
    long writes = message.u64(VfioUserLayout.MULTI_COUNT);
    if (writes < 0 || writes > Message.MAX_DATA_BYTES / VfioUserLayout.MULTI_WRITE_BYTES) {
      throw Refusal.invalid(Long.toUnsignedString(writes) + " writes");
    }
    message.needPayload(VfioUserLayout.MULTI_BYTES + writes * VfioUserLayout.MULTI_WRITE_BYTES);
    int end = (int) (VfioUserLayout.MULTI_BYTES + writes * VfioUserLayout.MULTI_WRITE_BYTES);
    for (int at = VfioUserLayout.MULTI_BYTES; at < end; at += VfioUserLayout.MULTI_WRITE_BYTES) {
      int region = access(message, at);
      int count = message.u32(at + VfioUserLayout.ACCESS_COUNT);
      if (count > VfioUserLayout.MULTI_WRITE_BYTES - VfioUserLayout.ACCESS_BYTES) {
        throw Refusal.invalid(count + " bytes in one of several writes");
      }
      write(message, at, region, count);
    }
    return VfioUserLayout.MULTI_BYTES;
  }

  /**
   * Checks an access that is described at {@code at}.
   *
   * @return its region; its bytes are in it, and no more than one message takes
   */
  private int access(Message message, int at) throws Refusal {
    message.needPayload(at + (long) VfioUserLayout.ACCESS_BYTES);
    int region = region(message, at + VfioUserLayout.ACCESS_REGION);
    long offset = message.u64(at + VfioUserLayout.ACCESS_OFFSET);
    int count = message.u32(at + VfioUserLayout.ACCESS_COUNT);
    long bytes = regionBytes(region);
    if (count < 0
        || count > Message.MAX_DATA_BYTES
        || offset < 0
        || count > bytes
        || offset > bytes - count) {
      throw Refusal.invalid(
          "access to %s bytes at 0x%x of region %d"
              .formatted(Integer.toUnsignedString(count), offset, region));
    }
    return region;
  }

  private void write(Message message, int at, int region, int count) {
    long offset = message.u64(at + VfioUserLayout.ACCESS_OFFSET);
    for (int done = 0; done < count; ) {
      int width = width(region, offset + done, count - done);
      long value = message.le(at + VfioUserLayout.ACCESS_BYTES + done, width);
      write(region, offset + done, width, value);
      done += width;
    }
  }

  private void write(int region, long offset, int width, long value) {
    boolean config = region == VfioUserLayout.CONFIG_REGION;
    if (!config && !bars[region].mayWait(offset, width, true)) {
      bars[region].write(offset, width, value);
      return;
    }
    enter();
    try {
      if (config) {
        function.configWrite((int) offset, width, value);
      } else {
        bars[region].write(offset, width, value);
      }
    } finally {
      lock.unlock();
    }
  }

  private long read(int region, long offset, int width) {
    boolean config = region == VfioUserLayout.CONFIG_REGION;
    if (!config && !bars[region].mayWait(offset, width, false)) {
      return bars[region].read(offset, width);
    }
    enter();
    try {
      return config ? function.configRead((int) offset, width) : bars[region].read(offset, width);
    } finally {
      lock.unlock();
    }
  }

  /**
   * Bytes of the largest naturally aligned access at {@code offset}, within what is left: as a bus
   * takes an access apart. A bus knows none of 8 bytes to configuration space, nor to ports.
   */
  private int width(int region, long offset, int left) {
    boolean narrow = region == VfioUserLayout.CONFIG_REGION || bars[region].type().isIo();
    int widest = narrow ? 4 : 8;
    int aligned = (int) Long.lowestOneBit(offset | widest);
    return Math.min(aligned, Integer.highestOneBit(left));
  }

  private int reset() {
    enter();
    try {
      function.reset(ResetKind.FUNCTION_LEVEL);
    } finally {
      lock.unlock();
    }
    return 0;
  }

  // ---- interrupts

  private int irqInfo(Message message) throws Refusal {
    query(message, VfioUserLayout.IRQ_INFO_BYTES);
    int index = message.u32(VfioUserLayout.IRQ_INFO_INDEX);
    if (index < 0 || index >= VfioUserLayout.IRQS) {
      throw Refusal.invalid("interrupt index " + Integer.toUnsignedString(index));
    }
    int count = interrupts.count(index);
    message.u32(
        VfioUserLayout.IRQ_INFO_FLAGS, count == 0 ? 0 : ClientInterrupts.capabilities(index));
    message.u32(VfioUserLayout.IRQ_INFO_COUNT, count);
    return VfioUserLayout.IRQ_INFO_BYTES;
  }

  private int setIrqs(Message message, PassedFds fds) throws Refusal {
    message.needPayload(VfioUserLayout.SET_IRQS_BYTES);
    int flags = message.u32(VfioUserLayout.SET_IRQS_FLAGS);
    int index = message.u32(VfioUserLayout.SET_IRQS_INDEX);
    int start = message.u32(VfioUserLayout.SET_IRQS_START);
    int count = message.u32(VfioUserLayout.SET_IRQS_COUNT);
    int has = interrupts.count(index);
    if (has == 0 || start < 0 || count < 0 || start > has || count > has - start) {
      throw Refusal.invalid("no such interrupts");
    }
    EventFd[] eventFds = eventFds(flags, count, fds);
    enter();
    try {
      act(message, flags, index, start, count, eventFds);
    } catch (Refusal e) {
      close(eventFds);
      throw e;
    } finally {
      lock.unlock();
    }
    return 0;
  }

  /** With the function's lock held: no interrupt is under way. */
  private void act(Message message, int flags, int index, int start, int count, EventFd... eventFds)
      throws Refusal {
    switch (flags) {
      case VfioUserLayout.DATA_NONE | VfioUserLayout.ACTION_TRIGGER -> {
        if (count == 0) {
          interrupts.disable(index);
        }
        for (int i = 0; i < count; i++) {
          interrupts.trigger(index, start + i);
        }
      }
      case VfioUserLayout.DATA_BOOL | VfioUserLayout.ACTION_TRIGGER -> {
        message.needPayload(VfioUserLayout.SET_IRQS_BYTES + (long) count);
        for (int i = 0; i < count; i++) {
          if (message.u8(VfioUserLayout.SET_IRQS_BYTES + i) != 0) {
            interrupts.trigger(index, start + i);
          }
        }
      }
      case VfioUserLayout.DATA_EVENTFD | VfioUserLayout.ACTION_TRIGGER -> {
        for (int i = 0; i < count; i++) {
          interrupts.assign(index, start + i, eventFds.length == 0 ? null : eventFds[i]);
        }
      }
      case VfioUserLayout.DATA_NONE | VfioUserLayout.ACTION_MASK -> maskPin(index, count, true);
      case VfioUserLayout.DATA_NONE | VfioUserLayout.ACTION_UNMASK -> maskPin(index, count, false);
      case VfioUserLayout.DATA_BOOL | VfioUserLayout.ACTION_MASK,
          VfioUserLayout.DATA_BOOL | VfioUserLayout.ACTION_UNMASK -> {
        message.needPayload(VfioUserLayout.SET_IRQS_BYTES + (long) count);
        boolean meant = count == 1 && message.u8(VfioUserLayout.SET_IRQS_BYTES) != 0;
        maskPin(index, meant ? 1 : 0, (flags & VfioUserLayout.ACTION_MASK) != 0);
      }
      case VfioUserLayout.DATA_EVENTFD | VfioUserLayout.ACTION_UNMASK -> {
        needPin(index);
        if (count == 1) {
          interrupts.unmaskPinBy(eventFds.length == 0 ? null : eventFds[0]);
        }
      }
      case VfioUserLayout.DATA_EVENTFD | VfioUserLayout.ACTION_MASK ->
          throw new Refusal(Errno.EOPNOTSUPP, "an eventfd for masking"); // as Linux' VFIO
      default -> throw Refusal.invalid("flags of SET_IRQS: " + Integer.toHexString(flags));
    }
  }

  private void maskPin(int index, int count, boolean masked) throws Refusal {
    needPin(index);
    if (count != 0) {
      interrupts.maskPin(masked);
    }
  }

  private static void needPin(int index) throws Refusal {
    if (index != VfioUserLayout.INTX_IRQ) {
      throw Refusal.invalid("interrupts that cannot be masked here");
    }
  }

  /** The client has said so by an eventfd. */
  void unmaskPin() {
    enter();
    try {
      interrupts.unmaskPinIfSignalled();
    } finally {
      lock.unlock();
    }
  }

  /** One for each interrupt, or none where none came; whoever gets them closes them. */
  private static EventFd[] eventFds(int flags, int count, PassedFds fds) throws Refusal {
    boolean takesFds = (flags & VfioUserLayout.DATA_EVENTFD) != 0;
    if (fds.count() != 0 && (!takesFds || fds.count() != count)) {
      throw Refusal.invalid(fds.count() + " descriptors for " + count + " interrupts");
    }
    EventFd[] eventFds = new EventFd[fds.count()];
    for (int i = 0; i < eventFds.length; i++) {
      try {
        eventFds[i] = EventFd.adopt(fds.take(i));
      } catch (BadDescriptorException e) {
        close(eventFds);
        throw new Refusal(e.errno(), e.getMessage());
      }
    }
    return eventFds;
  }

  private static void close(EventFd... eventFds) {
    for (EventFd each : eventFds) {
      if (each != null) {
        each.close();
      }
    }
  }
}
