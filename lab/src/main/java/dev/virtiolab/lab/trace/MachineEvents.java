package dev.virtiolab.lab.trace;

import dev.virtiolab.firmware.iommu.DmaObserver;
import dev.virtiolab.firmware.uefi.DmaMapping;
import dev.virtiolab.firmware.uefi.DmaOperation;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.iommu.Platform;
import dev.virtiolab.pci.function.PciFunction;
import dev.virtiolab.virtio.net.VirtioNet;
import java.util.ArrayList;
import java.util.List;

/**
 * Where whoever wants to see a machine says so, before it starts or while it runs. Any thread may
 * come and go.
 */
public final class MachineEvents {
  private final VirtioNet nic;
  private final PciFunction function;
  private final Platform platform;
  private final DmaRelay dma = new DmaRelay();
  private final List<MachineObserver> observers = new ArrayList<>();

  /**
   * @param function the {@code nic} as a function on the bus
   */
  public MachineEvents(VirtioNet nic, PciFunction function, Platform platform) {
    this.nic = nic;
    this.function = function;
    this.platform = platform;
  }

  /** What the firmware is to tell of its drivers: it takes an observer once, when it boots. */
  public DmaObserver dmaObserver() {
    return dma;
  }

  /** Tells {@code observer} what happens from now on. */
  public synchronized void add(MachineObserver observer) {
    observers.add(observer);
    changed();
  }

  /** Tells {@code observer} nothing more; a call under way may still reach it. */
  public synchronized void remove(MachineObserver observer) {
    observers.remove(observer);
    changed();
  }

  private void changed() {
    MachineObserver all =
        observers.stream().reduce(BothObservers::new).orElse(MachineObserver.NONE);
    nic.observe(all);
    function.observeDmaFaults(all);
    platform.observe(all);
    dma.to = all;
  }

  /** Passes on what drivers map, to whoever listens at the time. */
  private static final class DmaRelay implements DmaObserver {
    private volatile DmaObserver to = DmaObserver.NONE;

    @Override
    public void mapped(
        int requesterId,
        DmaOperation operation,
        long hostAddress,
        long bytesAsked,
        long bytesMapped,
        long deviceAddress,
        DmaMapping mapping) {
      to.mapped(
          requesterId, operation, hostAddress, bytesAsked, bytesMapped, deviceAddress, mapping);
    }

    @Override
    public void mapFailed(
        int requesterId,
        DmaOperation operation,
        long hostAddress,
        long bytesAsked,
        EfiStatus status) {
      to.mapFailed(requesterId, operation, hostAddress, bytesAsked, status);
    }

    @Override
    public void unmapped(int requesterId, DmaMapping mapping, EfiStatus status) {
      to.unmapped(requesterId, mapping, status);
    }

    @Override
    public void tornDown(DmaMapping mapping) {
      to.tornDown(mapping);
    }

    @Override
    public void bufferAllocated(int requesterId, long pages, long hostAddress) {
      to.bufferAllocated(requesterId, pages, hostAddress);
    }

    @Override
    public void bufferFreed(int requesterId, long pages, long hostAddress, EfiStatus status) {
      to.bufferFreed(requesterId, pages, hostAddress, status);
    }
  }
}
