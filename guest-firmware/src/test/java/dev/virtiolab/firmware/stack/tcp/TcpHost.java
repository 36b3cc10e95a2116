package dev.virtiolab.firmware.stack.tcp;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.virtiolab.firmware.core.DxeCore;
import dev.virtiolab.firmware.fixture.HandOffs;
import dev.virtiolab.firmware.fixture.VirtualClock;
import dev.virtiolab.firmware.stack.Ipv4Interface;
import dev.virtiolab.firmware.stack.NetworkStack;
import dev.virtiolab.firmware.stack.StackCounter;
import dev.virtiolab.firmware.stack.fixture.FakeSimpleNetwork;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.MacAddress;
import dev.virtiolab.pci.fixture.FlatCpuMemory;
import java.lang.foreign.Arena;

/** A host: a stack with TCP on an interface without a device. */
final class TcpHost {
  static final long SECOND = 1_000_000_000L;
  private static final long RAM_BYTES = 16L << 20;

  final long mac;
  final VirtualClock clock;
  final FakeSimpleNetwork snp;
  final NetworkStack stack;
  final Tcp tcp;

  TcpHost(VirtualClock clock, long mac, String self, long seed) {
    this.mac = mac;
    this.clock = clock;
    FlatCpuMemory memory = new FlatCpuMemory(Arena.ofAuto().allocate(RAM_BYTES, 8));
    DxeCore core = new DxeCore(memory, clock, HandOffs.withRam(RAM_BYTES));
    snp = new FakeSimpleNetwork(memory, new MacAddress(mac));
    stack = new NetworkStack(core, memory, clock, snp, Ipv4Interface.parse(self));
    tcp = new Tcp(stack.sender(), stack.counters(), clock, seed);
    stack.add(tcp);
    assertEquals(EfiStatus.SUCCESS, stack.open());
  }

  /** One turn, as the firmware's loop has it. */
  void turn() {
    stack.tick(clock.nanos());
    while (stack.poll() > 0) {
      // poll() has a bound of its own.
    }
  }

  long count(StackCounter counter) {
    return stack.counters().value(counter);
  }
}
