package dev.virtiolab.firmware.net;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.virtiolab.firmware.core.DxeCore;
import dev.virtiolab.firmware.fixture.HandOffs;
import dev.virtiolab.firmware.fixture.VirtualClock;
import dev.virtiolab.firmware.fixture.device.FakeVirtioDevice;
import dev.virtiolab.firmware.fixture.device.SpyMemory;
import dev.virtiolab.firmware.uefi.AllocateType;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.Handle;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.MacAddress;
import dev.virtiolab.firmware.uefi.MemoryDescriptor;
import dev.virtiolab.firmware.uefi.MemoryType;
import dev.virtiolab.firmware.uefi.Ref;
import dev.virtiolab.firmware.uefi.SimpleNetwork;
import dev.virtiolab.firmware.uefi.SimpleNetworkMode.State;
import dev.virtiolab.firmware.uefi.VirtioDevice;
import dev.virtiolab.pci.fixture.FlatCpuMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;

/** A core, a fake network card, and the driver under test on top of it. */
final class NetBench {
  static final MacAddress STATION = MacAddress.parse("52:54:00:12:34:56");
  static final MacAddress PEER = MacAddress.parse("02:00:00:00:00:01");
  private static final long RAM_BYTES = 16L << 20;
  private static final int FRAMES = 1024;

  /** One RAM for all tests, which run one after the other: dirty, as RAM is. */
  private static final MemorySegment RAM = Arena.global().allocate(RAM_BYTES, 8);

  final FlatCpuMemory memory = new FlatCpuMemory(RAM);
  final VirtualClock clock = new VirtualClock();
  final DxeCore core = new DxeCore(memory, clock, HandOffs.withRam(RAM_BYTES));
  final FakeVirtioDevice card = new FakeVirtioDevice(core, memory);
  final Handle controller;
  final VirtioNetDxe driver;

  /** Memory as the driver, and nobody else, reaches it. */
  final SpyMemory driversMemory = new SpyMemory(memory);

  final long frames;
  private int nextFrame;

  SimpleNetwork snp;
  SnpCounters counters;

  NetBench() {
    this(false);
  }

  NetBench(boolean requireAccessPlatform) {
    LongRef page = new LongRef();
    ok(core.allocatePages(AllocateType.ANY_PAGES, MemoryType.BOOT_SERVICES_DATA, FRAMES / 2, page));
    frames = page.value;
    Ref<Handle> handle = new Ref<>();
    ok(core.installProtocolInterface(handle, VirtioDevice.PROTOCOL, card));
    controller = handle.value;
    driver = new VirtioNetDxe(core, driversMemory, requireAccessPlatform);
    ok(driver.install());
  }

  static void ok(EfiStatus status) {
    assertEquals(EfiStatus.SUCCESS, status);
  }

  /** Connects the driver and finds what it made. */
  NetBench connected() {
    ok(driver.start(controller));
    Ref<SimpleNetwork> found = new Ref<>();
    ok(core.locateProtocol(SimpleNetwork.PROTOCOL, found));
    snp = found.value;
    Ref<SnpCounters> foundCounters = new Ref<>();
    ok(core.locateProtocol(SnpCounters.PROTOCOL, foundCounters));
    counters = foundCounters.value;
    return this;
  }

  NetBench in(State state) {
    connected();
    if (state != State.STOPPED) {
      ok(snp.start());
    }
    if (state == State.INITIALIZED) {
      ok(snp.initialize(0, 0));
    }
    return this;
  }

  NetBench initialized() {
    return in(State.INITIALIZED);
  }

  /** A frame of its own, from the peer to {@code destination}; addresses repeat after 1024. */
  long frame(MacAddress destination, int length) {
    long at = frames + 2048L * (nextFrame++ % FRAMES);
    memory.fill(at, length, (byte) nextFrame);
    MacAddresses.write(memory, at, destination.bits());
    MacAddresses.write(memory, at + 6, PEER.bits());
    memory.putShort(at + 12, (short) 0x0008);
    return at;
  }

  EfiStatus send(long frame, int length) {
    return snp.transmit(0, length, frame, null, null, null);
  }

  /** The next buffer that GetStatus hands back, 0 for none. */
  long reclaim() {
    LongRef buffer = new LongRef();
    ok(snp.getStatus(null, buffer));
    return buffer.value;
  }

  EfiStatus receive(long target) {
    return snp.receive(null, new LongRef(2048), target, null, null, null);
  }

  long count(SnpCounter counter) {
    return counters.value(counter);
  }

  /** Pages of the memory map that are neither free nor belong to the bench. */
  long pagesInUse() {
    Ref<List<MemoryDescriptor>> map = new Ref<>();
    ok(core.getMemoryMap(new LongRef(1 << 20), map, new LongRef()));
    return map.value.stream()
        .filter(descriptor -> descriptor.type() == MemoryType.BOOT_SERVICES_DATA)
        .mapToLong(MemoryDescriptor::pages)
        .sum();
  }
}
