package dev.virtiolab.lab.cli;

import dev.virtiolab.lab.GuestMachine;
import dev.virtiolab.lab.LabException;
import dev.virtiolab.lab.Machine;
import dev.virtiolab.lab.qemu.QemuMachine;
import dev.virtiolab.lab.qemu.QemuProgram;
import picocli.CommandLine.Option;

/** Whose virtio-net device the guest drives. */
final class DeviceOptions {
  private static final String JAVA = "java";
  private static final String QEMU = "qemu";

  @Option(
      names = "--device",
      paramLabel = JAVA + "|" + QEMU,
      defaultValue = JAVA,
      description =
          "whose NIC the guest drives: the lab's own, or the virtio-net-pci of a QEMU that is started"
              + " for it (7.2 or later, driven by its qtest socket). The guest's firmware is the same,"
              + " and any --backend is joined with QEMU's. With qemu the platform is pc, and --feature,"
              + " --bounce-slots, --trace and --metrics are not to be had (default: ${DEFAULT-VALUE})")
  private String device;

  /** As on the command line. */
  String word() {
    return device;
  }

  /**
   * Looks whether the device can be had, and with the options that were given.
   *
   * @throws LabException if not
   */
  void check(MachineOptions machine, WireOptions wire) {
    switch (device) {
      case JAVA -> {
        // It has everything.
      }
      case QEMU -> {
        machine.refuseForQemu();
        wire.refuseForQemu();
        QemuProgram.require();
      }
      default -> throw LabException.usage("--device is java or qemu, not " + device);
    }
  }

  /** Makes machines with that device. */
  GuestMachine.Maker maker() {
    return device.equals(QEMU) ? QemuMachine::start : Machine::start;
  }
}
