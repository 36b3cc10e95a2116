package dev.virtiolab.firmware.core;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.virtiolab.firmware.fixture.HandOffs;
import dev.virtiolab.firmware.fixture.VirtualClock;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.Event;
import dev.virtiolab.firmware.uefi.EventNotify;
import dev.virtiolab.firmware.uefi.EventType;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.MemoryDescriptor;
import dev.virtiolab.firmware.uefi.Ref;
import dev.virtiolab.pci.fixture.FlatCpuMemory;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;

/** A core on a virtual clock, and a log of what ran, in order. */
final class Bench {
  static final long RAM_BYTES = 16L << 20;

  final FlatCpuMemory memory = new FlatCpuMemory(Arena.ofAuto().allocate(RAM_BYTES, 8));
  final VirtualClock clock = new VirtualClock();
  final DxeCore core;
  final List<String> log = new ArrayList<>();

  Bench() {
    this(GroupOrder.EDK2);
  }

  Bench(GroupOrder order) {
    this(CoreSetup.of(order));
  }

  Bench(CoreSetup setup) {
    core = new DxeCore(memory, clock, HandOffs.withRam(RAM_BYTES), setup);
  }

  /** A notification that writes its name to the log. */
  EventNotify logs(String name) {
    return (event, context) -> log.add(name);
  }

  Event event(int type, int tpl, EventNotify notify) {
    return inGroup(null, type, tpl, notify);
  }

  /** An event that notifies on signal. */
  Event signal(int tpl, EventNotify notify) {
    return event(EventType.NOTIFY_SIGNAL, tpl, notify);
  }

  Event inGroup(UUID group, int tpl, EventNotify notify) {
    return inGroup(group, EventType.NOTIFY_SIGNAL, tpl, notify);
  }

  Event inGroup(UUID group, int type, int tpl, EventNotify notify) {
    Ref<Event> event = new Ref<>();
    assertEquals(EfiStatus.SUCCESS, core.createEventEx(type, tpl, notify, null, group, event));
    return event.value;
  }

  long mapKey() {
    LongRef key = new LongRef();
    assertEquals(EfiStatus.BUFFER_TOO_SMALL, core.getMemoryMap(new LongRef(), new Ref<>(), key));
    return key.value;
  }

  List<MemoryDescriptor> map() {
    Ref<List<MemoryDescriptor>> map = new Ref<>();
    assertEquals(EfiStatus.SUCCESS, core.getMemoryMap(new LongRef(1 << 20), map, new LongRef()));
    return map.value;
  }
}
