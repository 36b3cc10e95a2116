package dev.virtiolab.firmware.pci;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/**
 * What lies behind a bridge in one of its two windows: PCI-to-PCI Bridge Architecture Specification
 * 1.2, 3.2.5.8 "Memory Base and Memory Limit Registers" and 3.2.5.9 "Prefetchable Memory...". Its
 * granularity is 1 MiB.
 */
final class BridgeWindow implements Resource {
  static final long GRANULARITY = 1 << 20;

  private final List<Resource> contents = new ArrayList<>();
  private long base;

  void add(Resource resource) {
    contents.add(resource);
  }

  boolean isEmpty() {
    return contents.isEmpty();
  }

  /** Largest alignment first: then nothing is lost between neighbours. */
  static void sort(List<Resource> resources) {
    resources.sort(Comparator.comparingLong(Resource::alignment).reversed());
  }

  static long alignUp(long address, long alignment) {
    return (address + alignment - 1) & -alignment;
  }

  @Override
  public long size() {
    sort(contents);
    long end = 0;
    for (Resource resource : contents) {
      end = alignUp(end, resource.alignment()) + resource.size();
    }
    return alignUp(end, GRANULARITY);
  }

  @Override
  public long alignment() {
    long alignment = GRANULARITY;
    for (Resource resource : contents) {
      alignment = Math.max(alignment, resource.alignment());
    }
    return alignment;
  }

  @Override
  public void place(long address) {
    base = address;
    sort(contents);
    long next = address;
    for (Resource resource : contents) {
      next = alignUp(next, resource.alignment());
      resource.place(next);
      next += resource.size();
    }
  }

  long base() {
    return base;
  }

  /** Last address of the window. */
  long limit() {
    return base + size() - 1;
  }
}
