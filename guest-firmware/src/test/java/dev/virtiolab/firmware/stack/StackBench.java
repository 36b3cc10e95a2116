package dev.virtiolab.firmware.stack;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.virtiolab.firmware.core.DxeCore;
import dev.virtiolab.firmware.fixture.HandOffs;
import dev.virtiolab.firmware.fixture.VirtualClock;
import dev.virtiolab.firmware.stack.fixture.FakeSimpleNetwork;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.MacAddress;
import dev.virtiolab.firmware.uefi.MemoryDescriptor;
import dev.virtiolab.firmware.uefi.MemoryType;
import dev.virtiolab.firmware.uefi.Ref;
import dev.virtiolab.pci.fixture.FlatCpuMemory;
import java.lang.foreign.Arena;
import java.util.List;

/** A stack on an interface without a device, and a clock that stands still. */
final class StackBench {
  static final long SECOND = 1_000_000_000L;
  private static final long RAM_BYTES = 16L << 20;

  final FlatCpuMemory memory = new FlatCpuMemory(Arena.ofAuto().allocate(RAM_BYTES, 8));
  final VirtualClock clock = new VirtualClock();
  final DxeCore core = new DxeCore(memory, clock, HandOffs.withRam(RAM_BYTES));
  final FakeSimpleNetwork snp = new FakeSimpleNetwork(memory, new MacAddress(Packets.GUEST_MAC));
  final NetworkStack stack;

  /** A guest on a link with everyone. */
  StackBench() {
    this(new Ipv4Address(Packets.GUEST).toString());
  }

  /**
   * @param self the guest's interface
   */
  StackBench(String self) {
    stack = new NetworkStack(core, memory, clock, snp, Ipv4Interface.parse(self));
  }

  StackBench open() {
    assertEquals(EfiStatus.SUCCESS, stack.open());
    return this;
  }

  /** Opens, and has the guest know its peer. */
  StackBench openWithPeer() {
    open();
    snp.deliver(Packets.arpRequest());
    stack.poll();
    snp.takeSent();
    return this;
  }

  /** Delivers frames, polls until there is nothing to do, and gives what was sent. */
  List<byte[]> exchange(List<byte[]> frames) {
    frames.forEach(snp::deliver);
    while (stack.poll() > 0) {
      // poll() has a bound of its own.
    }
    return snp.takeSent();
  }

  List<byte[]> exchange(byte[] frame) {
    return exchange(List.of(frame));
  }

  /** Lets time pass in steps of 100 ms. */
  void pass(long nanos) {
    for (long step = 0; step < nanos; step += SECOND / 10) {
      clock.advance(SECOND / 10);
      stack.tick(clock.nanos());
      stack.poll();
    }
  }

  long count(StackCounter counter) {
    return stack.counters().value(counter);
  }

  long bootServicesDataPages() {
    LongRef size = new LongRef(1 << 20);
    Ref<List<MemoryDescriptor>> map = new Ref<>();
    assertEquals(EfiStatus.SUCCESS, core.getMemoryMap(size, map, new LongRef()));
    return map.value.stream()
        .filter(range -> range.type() == MemoryType.BOOT_SERVICES_DATA)
        .mapToLong(MemoryDescriptor::pages)
        .sum();
  }
}
