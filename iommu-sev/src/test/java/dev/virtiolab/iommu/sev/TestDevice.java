package dev.virtiolab.iommu.sev;

import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.pci.memory.BusMemory;
import dev.virtiolab.pci.memory.DmaAccess;
import dev.virtiolab.pci.memory.DmaWindow;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * A bus master as a careful one works: it keeps its windows from access to access and resolves
 * again only when one does not cover the address or the generation has moved.
 */
final class TestDevice {
  private final BusMemory memory;
  private final DmaWindow[] windows = new DmaWindow[4];
  private int resolutions;

  TestDevice(BusMemory memory) {
    this.memory = memory;
    for (int i = 0; i < windows.length; i++) {
      windows[i] = new DmaWindow();
    }
  }

  int windows() {
    return windows.length;
  }

  int resolutions() {
    return resolutions;
  }

  byte[] read(int which, long address, int length) {
    byte[] bytes = new byte[length];
    move(windows[which], address, bytes, DmaAccess.READ);
    return bytes;
  }

  void write(int which, long address, byte[] bytes) {
    move(windows[which], address, bytes, DmaAccess.WRITE);
  }

  private void move(DmaWindow window, long address, byte[] bytes, DmaAccess access) {
    int done = 0;
    while (done < bytes.length) {
      long at = address + done;
      if (!window.covers(at, 1, memory.generation().acquire())) {
        resolutions++;
        assertTrue(memory.resolve(at, access, window), () -> "resolves: " + window.fault());
      }
      int take = (int) Math.min(window.remaining(at), bytes.length - done);
      MemorySegment segment = window.segment();
      if (access == DmaAccess.READ) {
        MemorySegment.copy(segment, ValueLayout.JAVA_BYTE, window.offset(at), bytes, done, take);
      } else {
        MemorySegment.copy(bytes, done, segment, ValueLayout.JAVA_BYTE, window.offset(at), take);
      }
      done += take;
    }
  }
}
