package dev.virtiolab.lab.trace;

import dev.virtiolab.firmware.uefi.DmaMapping;
import dev.virtiolab.firmware.uefi.DmaOperation;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.pci.memory.DmaAccess;
import dev.virtiolab.pci.memory.DmaFault;
import dev.virtiolab.virtio.net.Drop;

/** Tells two observers what one would be told. */
final class BothObservers implements MachineObserver {
  private final MachineObserver first;
  private final MachineObserver second;

  BothObservers(MachineObserver first, MachineObserver second) {
    this.first = first;
    this.second = second;
  }

  @Override
  public void faulted(long address, DmaAccess access, DmaFault reason) {
    first.faulted(address, access, reason);
    second.faulted(address, access, reason);
  }

  @Override
  public void noted(String actor, String what) {
    first.noted(actor, what);
    second.noted(actor, what);
  }

  @Override
  public void kicked(int queue) {
    first.kicked(queue);
    second.kicked(queue);
  }

  @Override
  public void chainTaken(int queue, int head, int readableBytes, int writableBytes) {
    first.chainTaken(queue, head, readableBytes, writableBytes);
    second.chainTaken(queue, head, readableBytes, writableBytes);
  }

  @Override
  public void chainLeft(int queue, int head) {
    first.chainLeft(queue, head);
    second.chainLeft(queue, head);
  }

  @Override
  public void chainUsed(int queue, int head, int writtenBytes) {
    first.chainUsed(queue, head, writtenBytes);
    second.chainUsed(queue, head, writtenBytes);
  }

  @Override
  public void interrupted(int queue) {
    first.interrupted(queue);
    second.interrupted(queue);
  }

  @Override
  public void configInterrupted() {
    first.configInterrupted();
    second.configInterrupted();
  }

  @Override
  public void dropped(Drop reason) {
    first.dropped(reason);
    second.dropped(reason);
  }

  @Override
  public void brokeDown(String why) {
    first.brokeDown(why);
    second.brokeDown(why);
  }

  @Override
  public void wasReset() {
    first.wasReset();
    second.wasReset();
  }

  @Override
  public void flipped(long address, long pages, boolean shared) {
    first.flipped(address, pages, shared);
    second.flipped(address, pages, shared);
  }

  @Override
  public void faulted(int requesterId, long address, DmaAccess access, DmaFault reason) {
    first.faulted(requesterId, address, access, reason);
    second.faulted(requesterId, address, access, reason);
  }

  @Override
  public void invalidated(String scope, long address, long pages) {
    first.invalidated(scope, address, pages);
    second.invalidated(scope, address, pages);
  }

  @Override
  public void maintained(long address, long bytes, boolean writtenBack, boolean forgotten) {
    first.maintained(address, bytes, writtenBack, forgotten);
    second.maintained(address, bytes, writtenBack, forgotten);
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
    first.mapped(
        requesterId, operation, hostAddress, bytesAsked, bytesMapped, deviceAddress, mapping);
    second.mapped(
        requesterId, operation, hostAddress, bytesAsked, bytesMapped, deviceAddress, mapping);
  }

  @Override
  public void mapFailed(
      int requesterId,
      DmaOperation operation,
      long hostAddress,
      long bytesAsked,
      EfiStatus status) {
    first.mapFailed(requesterId, operation, hostAddress, bytesAsked, status);
    second.mapFailed(requesterId, operation, hostAddress, bytesAsked, status);
  }

  @Override
  public void unmapped(int requesterId, DmaMapping mapping, EfiStatus status) {
    first.unmapped(requesterId, mapping, status);
    second.unmapped(requesterId, mapping, status);
  }

  @Override
  public void tornDown(DmaMapping mapping) {
    first.tornDown(mapping);
    second.tornDown(mapping);
  }

  @Override
  public void bufferAllocated(int requesterId, long pages, long hostAddress) {
    first.bufferAllocated(requesterId, pages, hostAddress);
    second.bufferAllocated(requesterId, pages, hostAddress);
  }

  @Override
  public void bufferFreed(int requesterId, long pages, long hostAddress, EfiStatus status) {
    first.bufferFreed(requesterId, pages, hostAddress, status);
    second.bufferFreed(requesterId, pages, hostAddress, status);
  }
}
