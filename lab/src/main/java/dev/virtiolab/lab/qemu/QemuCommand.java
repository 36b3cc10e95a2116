package dev.virtiolab.lab.qemu;

import dev.virtiolab.lab.MachineConfig;
import dev.virtiolab.pci.memory.PhysicalMemory;
import dev.virtiolab.pci.memory.RamRegion;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;

/**
 * The machine that QEMU is told to emulate: a q35 with the addresses of the lab's own board, one
 * virtio-net-pci of the same kind where that has it, and a CPU that does nothing.
 *
 * <p>Debian builds QEMU without the accelerator {@code qtest}, whose CPUs do not run. So the CPU is
 * TCG's, and its ROM, which begins at the reset vector, is {@link #rom()}.
 */
final class QemuCommand {
  /** An x86 starts so far below 4 GiB, which is the end of its ROM. */
  private static final int RESET_VECTOR = 0xfff0;

  private static final int ROM_BYTES = 0x1_0000;

  /** cli; hlt; jmp to hlt: whatever wakes it, it goes to sleep again. */
  private static final byte[] HALT = {(byte) 0xfa, (byte) 0xf4, (byte) 0xeb, (byte) 0xfd};

  private static final String NIC = "virtio-net-pci,netdev=wire,romfile=";

  private QemuCommand() {}

  /** What the CPU finds: 64 KiB, as few as QEMU takes. */
  static byte[] rom() {
    byte[] rom = new byte[ROM_BYTES];
    System.arraycopy(HALT, 0, rom, RESET_VECTOR, HALT.length);
    return rom;
  }

  /**
   * The command line, from the program on.
   *
   * @param memory what QEMU maps
   * @param mtu what VIRTIO_NET_F_MTU offers; empty: it is not offered
   * @param folder where {@code rom}, {@code qtest} and {@code wire} are
   */
  static List<String> of(
      QemuProgram program,
      MachineConfig config,
      PhysicalMemory memory,
      OptionalInt mtu,
      Path folder) {
    List<String> command = new ArrayList<>();
    command.add(program.path());
    command.addAll(List.of("-no-user-config", "-nodefaults", "-display", "none"));
    command.addAll(List.of("-machine", machine(memory), "-m", memory.bytes() / 1024 + "k"));
    command.addAll(List.of("-object", ram(memory)));
    command.addAll(List.of("-bios", folder.resolve("rom").toString()));
    command.addAll(List.of("-chardev", "socket,id=qtest,path=" + value(folder.resolve("qtest"))));
    command.addAll(List.of("-qtest", "chardev:qtest", "-qtest-log", "none"));
    command.addAll(List.of("-netdev", wire(folder)));
    if (config.slot() == MachineConfig.Slot.ROOT_PORT) {
      command.addAll(List.of("-device", "pcie-root-port,id=rootport,addr=1c.0,chassis=1,slot=1"));
    }
    command.addAll(List.of("-device", nic(config, mtu)));
    return command;
  }

  /** RAM above 4 GiB begins in the file where RAM below it ends, as in the lab's own. */
  private static String machine(PhysicalMemory memory) {
    String machine = "q35,accel=tcg,memory-backend=ram";
    RamRegion low = memory.regions().getFirst();
    return memory.regions().size() == 1
        ? machine
        : machine + ",max-ram-below-4g=" + low.segment().byteSize();
  }

  private static String ram(PhysicalMemory memory) {
    // The file has no other name; QEMU is this user's, and may look.
    String path =
        "/proc/" + ProcessHandle.current().pid() + "/fd/" + memory.fileDescriptor().orElseThrow();
    return "memory-backend-file,id=ram,share=on,mem-path=" + path + ",size=" + memory.bytes();
  }

  private static String wire(Path folder) {
    return "stream,id=wire,server=off,addr.type=unix,addr.path=" + value(folder.resolve("wire"));
  }

  private static String nic(MachineConfig config, OptionalInt mtu) {
    String place =
        switch (config.slot()) {
          case ROOT_BUS -> ",addr=04.0";
          case ROOT_PORT -> ",bus=rootport";
        };
    return NIC
        + (",disable-legacy=" + (config.nicKind().isLegacy() ? "off" : "on"))
        + (",disable-modern=" + (config.nicKind().isModern() ? "off" : "on"))
        + place
        + (",mac=" + config.mac())
        + (mtu.isPresent() ? ",host_mtu=" + mtu.getAsInt() : "");
  }

  /** In a list of options a comma is said twice. */
  private static String value(Path path) {
    return path.toString().replace(",", ",,");
  }
}
