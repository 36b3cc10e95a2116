package dev.virtiolab.firmware.exitboot.driver;

import dev.virtiolab.firmware.exitboot.NetworkCard;
import dev.virtiolab.firmware.uefi.AllocateType;
import dev.virtiolab.firmware.uefi.BootServices;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.MemoryType;
import dev.virtiolab.firmware.uefi.SimpleNetwork;
import dev.virtiolab.pci.cpu.CpuMemory;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Optional;

/**
 * A card by its Simple Network Protocol.
 *
 * <p>What was transmitted is never asked for again (GetStatus), so each buffer serves for one frame
 * and is left alone from then on:
 *
 * <pre>
 *   |0         |2048      |4096      |            4 pages
 *   | receive  | frame 1  | frame 2  | ...  frame 7 |
 * </pre>
 */
final class SnpCard implements NetworkCard {
  /** As the firmware's network stack has them. */
  private static final int FILTERS =
      SimpleNetwork.RECEIVE_UNICAST | SimpleNetwork.RECEIVE_BROADCAST;

  private static final int SLOT_BYTES = 2048;
  private static final int SLOTS = 8;
  private static final long PAGES = SLOTS * SLOT_BYTES / 4096;

  private final BootServices bootServices;
  private final CpuMemory memory;
  private final SimpleNetwork network;
  private final LongRef room = new LongRef();
  private long buffers;

  /** The next to transmit from; slot 0 is to receive into. */
  private int nextSlot = 1;

  SnpCard(BootServices bootServices, CpuMemory memory, SimpleNetwork network) {
    this.bootServices = bootServices;
    this.memory = memory;
    this.network = network;
  }

  /** Makes the interface ready for traffic. */
  EfiStatus open() {
    LongRef pages = new LongRef();
    EfiStatus status =
        bootServices.allocatePages(
            AllocateType.ANY_PAGES, MemoryType.BOOT_SERVICES_DATA, PAGES, pages);
    buffers = pages.value;
    if (!status.isError()) {
      status = network.start();
    }
    if (!status.isError()) {
      status = network.initialize(0, 0);
    }
    return status.isError() ? status : network.receiveFilters(FILTERS, 0, false, List.of());
  }

  @Override
  public EfiStatus transmit(byte[] frame) {
    if (nextSlot == SLOTS) {
      return EfiStatus.NOT_READY;
    }
    long buffer = buffers + (long) SLOT_BYTES * nextSlot;
    memory.write(buffer, MemorySegment.ofArray(frame), 0, frame.length);
    EfiStatus status = network.transmit(0, frame.length, buffer, null, null, null);
    if (!status.isError()) {
      nextSlot++;
    }
    return status;
  }

  @Override
  public Optional<byte[]> receive() {
    room.value = SLOT_BYTES;
    if (network.receive(null, room, buffers, null, null, null).isError()) {
      return Optional.empty();
    }
    byte[] frame = new byte[(int) room.value];
    memory.read(buffers, MemorySegment.ofArray(frame), 0, frame.length);
    return Optional.of(frame);
  }
}
