package dev.virtiolab.lab.trace;

import dev.virtiolab.firmware.uefi.DmaMapping;
import dev.virtiolab.firmware.uefi.DmaOperation;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.pci.config.PciAddress;
import dev.virtiolab.pci.memory.DmaAccess;
import dev.virtiolab.pci.memory.DmaFault;
import dev.virtiolab.virtio.net.Drop;
import dev.virtiolab.virtio.net.VirtioNet;

/** Makes Flight Recorder events of what happens in a machine. */
final class FlightRecord implements MachineObserver {
  private static final long PAGE_BYTES = 4096;

  private final String nic;
  private final FlightEvents.Chain[][] chains =
      new FlightEvents.Chain[VirtioNet.QUEUES][VirtioNet.MAX_QUEUE_SIZE];

  /**
   * @param nic what the device is called there
   */
  FlightRecord(String nic) {
    this.nic = nic;
  }

  private void commit(FlightEvents.MachineEvent event) {
    event.nic = nic;
    event.commit();
  }

  // ---- device

  @Override
  public void chainTaken(int queue, int head, int readableBytes, int writableBytes) {
    FlightEvents.Chain event = new FlightEvents.Chain();
    if (event.isEnabled()) {
      event.begin();
      event.readableBytes = readableBytes;
      event.writableBytes = writableBytes;
      chains[queue][head] = event;
    }
  }

  @Override
  public void chainUsed(int queue, int head, int writtenBytes) {
    FlightEvents.Chain event = chains[queue][head];
    if (event != null) {
      chains[queue][head] = null;
      event.queue = queue;
      event.head = head;
      event.writtenBytes = writtenBytes;
      commit(event);
    }
  }

  @Override
  public void chainLeft(int queue, int head) {
    chains[queue][head] = null;
  }

  @Override
  public void interrupted(int queue) {
    FlightEvents.Interrupt event = new FlightEvents.Interrupt();
    if (event.shouldCommit()) {
      event.queue = queue;
      commit(event);
    }
  }

  @Override
  public void configInterrupted() {
    status("configuration change", "");
  }

  @Override
  public void dropped(Drop reason) {
    status("drop", reason.text());
  }

  @Override
  public void brokeDown(String why) {
    status("DEVICE_NEEDS_RESET", why);
  }

  @Override
  public void wasReset() {
    status("reset", "");
  }

  private void status(String what, String why) {
    FlightEvents.Status event = new FlightEvents.Status();
    if (event.shouldCommit()) {
      event.what = what;
      event.why = why;
      commit(event);
    }
  }

  @Override
  public void faulted(long address, DmaAccess access, DmaFault reason) {
    fault("device", address, access, reason);
  }

  // ---- drivers

  @Override
  public void kicked(int queue) {
    FlightEvents.Kick event = new FlightEvents.Kick();
    if (event.shouldCommit()) {
      event.queue = queue;
      commit(event);
    }
  }

  @Override
  public void mapped(
      int requesterId,
      DmaOperation operation,
      long hostAddress,
      long bytesAsked,
      long bytesMapped,
      long deviceAddress,
      DmaMapping mapping) {
    map(requesterId, operation, hostAddress, bytesMapped, deviceAddress, EfiStatus.SUCCESS);
  }

  @Override
  public void mapFailed(
      int requesterId,
      DmaOperation operation,
      long hostAddress,
      long bytesAsked,
      EfiStatus status) {
    map(requesterId, operation, hostAddress, bytesAsked, 0, status);
  }

  private void map(
      int requesterId,
      DmaOperation operation,
      long hostAddress,
      long bytes,
      long deviceAddress,
      EfiStatus status) {
    FlightEvents.DmaMap event = new FlightEvents.DmaMap();
    if (event.shouldCommit()) {
      event.function = PciAddress.ofRequesterId(requesterId).toString();
      event.operation = operation.name();
      event.hostAddress = hostAddress;
      event.deviceAddress = deviceAddress;
      event.bytes = bytes;
      event.status = status.name();
      commit(event);
    }
  }

  @Override
  public void unmapped(int requesterId, DmaMapping mapping, EfiStatus status) {
    FlightEvents.DmaUnmap event = new FlightEvents.DmaUnmap();
    if (event.shouldCommit()) {
      event.function = PciAddress.ofRequesterId(requesterId).toString();
      event.status = status.name();
      commit(event);
    }
  }

  // ---- platform

  @Override
  public void flipped(long address, long pages, boolean shared) {
    FlightEvents.CBitFlip event = new FlightEvents.CBitFlip();
    if (event.shouldCommit()) {
      event.address = address;
      event.pages = pages;
      event.shared = shared;
      commit(event);
    }
  }

  @Override
  public void faulted(int requesterId, long address, DmaAccess access, DmaFault reason) {
    fault("platform", address, access, reason);
  }

  private void fault(String seenBy, long address, DmaAccess access, DmaFault reason) {
    FlightEvents.Fault event = new FlightEvents.Fault();
    if (event.shouldCommit()) {
      event.seenBy = seenBy;
      event.address = address;
      event.access = access.name();
      event.reason = reason.name();
      commit(event);
    }
  }

  @Override
  public void invalidated(String scope, long address, long pages) {
    maintenance("invalidate " + scope, address, pages * PAGE_BYTES);
  }

  @Override
  public void maintained(long address, long bytes, boolean writtenBack, boolean forgotten) {
    maintenance(
        writtenBack
            ? (forgotten ? "write back and invalidate lines" : "write back lines")
            : "invalidate lines",
        address,
        bytes);
  }

  private void maintenance(String what, long address, long bytes) {
    FlightEvents.Maintenance event = new FlightEvents.Maintenance();
    if (event.shouldCommit()) {
      event.what = what;
      event.address = address;
      event.bytes = bytes;
      commit(event);
    }
  }
}
