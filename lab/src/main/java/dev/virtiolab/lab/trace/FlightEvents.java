package dev.virtiolab.lab.trace;

import jdk.jfr.Category;
import jdk.jfr.DataAmount;
import jdk.jfr.Description;
import jdk.jfr.Enabled;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

/**
 * The events of a machine as the JDK's Flight Recorder knows them. A recording has those that it
 * enables, such as {@code virtiolab.DmaMap#enabled=true}: at the rate of frames they are no small
 * thing.
 */
final class FlightEvents {
  private FlightEvents() {}

  /** What all have in common. */
  @Category({"virtio-lab"})
  @Enabled(false)
  @StackTrace(false)
  abstract static class MachineEvent extends Event {
    @Label("NIC")
    String nic;
  }

  @Name("virtiolab.Kick")
  @Label("Kick")
  @Description("The driver rang a queue's doorbell")
  static final class Kick extends MachineEvent {
    @Label("Queue")
    int queue;
  }

  @Name("virtiolab.Interrupt")
  @Label("Interrupt")
  @Description("The device interrupted the driver for a batch of used buffers")
  static final class Interrupt extends MachineEvent {
    @Label("Queue")
    int queue;
  }

  @Name("virtiolab.Chain")
  @Label("Descriptor Chain")
  @Description("From the available to the used ring")
  static final class Chain extends MachineEvent {
    @Label("Queue")
    int queue;

    @Label("Head")
    int head;

    @Label("Readable")
    @DataAmount
    int readableBytes;

    @Label("Writable")
    @DataAmount
    int writableBytes;

    @Label("Written")
    @DataAmount
    int writtenBytes;
  }

  @Name("virtiolab.Status")
  @Label("Device Status")
  @Description("Drop, reset, NEEDS_RESET, change of configuration")
  static final class Status extends MachineEvent {
    @Label("What")
    String what;

    @Label("Why")
    String why;
  }

  @Name("virtiolab.DmaMap")
  @Label("DMA Map")
  @Description("PciIo.Map, successful or refused")
  static final class DmaMap extends MachineEvent {
    @Label("Function")
    String function;

    @Label("Operation")
    String operation;

    @Label("Host Address")
    long hostAddress;

    @Label("Device Address")
    long deviceAddress;

    @Label("Bytes")
    @DataAmount
    long bytes;

    @Label("Status")
    String status;
  }

  @Name("virtiolab.DmaUnmap")
  @Label("DMA Unmap")
  @Description("PciIo.Unmap, successful or refused")
  static final class DmaUnmap extends MachineEvent {
    @Label("Function")
    String function;

    @Label("Status")
    String status;
  }

  @Name("virtiolab.CBitFlip")
  @Label("C-bit Flip")
  @Description("Pages became shared or private")
  static final class CBitFlip extends MachineEvent {
    @Label("Address")
    long address;

    @Label("Pages")
    long pages;

    @Label("Shared")
    boolean shared;
  }

  @Name("virtiolab.Fault")
  @Label("DMA Fault")
  @Description("An access of a bus master was refused")
  static final class Fault extends MachineEvent {
    @Label("Seen By")
    @Description("device or platform")
    String seenBy;

    @Label("Bus Address")
    long address;

    @Label("Access")
    String access;

    @Label("Reason")
    String reason;
  }

  @Name("virtiolab.Maintenance")
  @Label("Maintenance")
  @Description("IOMMU invalidation, cache write-back or invalidation")
  static final class Maintenance extends MachineEvent {
    @Label("What")
    String what;

    @Label("Address")
    long address;

    @Label("Bytes")
    @DataAmount
    long bytes;
  }
}
