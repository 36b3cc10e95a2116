package dev.virtiolab.lab.qemu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.iommu.PlatformKind;
import dev.virtiolab.lab.MachineConfig;
import dev.virtiolab.pci.memory.PhysicalMemory;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;

/** What QEMU is told. */
class QemuCommandTest {
  private static final MachineConfig CONFIG = MachineConfig.of(PlatformKind.PC);
  private static final int MIB = 1 << 20;

  @Test
  void ramIsOneFileSharedWithItsHalvesWhereTheBoardHasThem() {
    try (PhysicalMemory memory = PhysicalMemory.allocate(128 * MIB, 64 * MIB)) {
      List<String> command = command(memory, CONFIG, OptionalInt.empty(), "/tmp/x");
      assertEquals("196608k", after(command, "-m"));
      assertTrue(after(command, "-machine").endsWith("max-ram-below-4g=" + 128 * MIB));
      assertEquals(
          "memory-backend-file,id=ram,share=on,mem-path=/proc/%d/fd/%d,size=%d"
              .formatted(
                  ProcessHandle.current().pid(), memory.fileDescriptor().orElseThrow(), 192 * MIB),
          after(command, "-object"));
    }
  }

  @Test
  void withoutRamAbove4GibNothingIsSaidOfIt() {
    try (PhysicalMemory memory = PhysicalMemory.allocate(32 * MIB)) {
      List<String> command = command(memory, CONFIG, OptionalInt.empty(), "/tmp/x");
      assertEquals("q35,accel=tcg,memory-backend=ram", after(command, "-machine"));
      assertEquals("32768k", after(command, "-m"));
    }
  }

  @Test
  void aCommaInThePathIsNoEndOfAnOption() {
    try (PhysicalMemory memory = PhysicalMemory.allocate(32 * MIB)) {
      List<String> command = command(memory, CONFIG, OptionalInt.of(9000), "/tmp/a,b");
      assertEquals("socket,id=qtest,path=/tmp/a,,b/qtest", after(command, "-chardev"));
      assertTrue(after(command, "-netdev").endsWith(",addr.path=/tmp/a,,b/wire"));
      assertEquals("/tmp/a,b/rom", after(command, "-bios"), "which is no list of options");
      assertTrue(command.getLast().endsWith(",mac=52:54:00:12:34:56,host_mtu=9000"));
    }
  }

  /** At FFFF_FFF0h an x86 begins: it is to stop there, and to stop again if it is woken. */
  @Test
  void theCpuStopsAtItsResetVector() {
    byte[] rom = QemuCommand.rom();
    assertEquals(0x1_0000, rom.length);
    byte[] first = Arrays.copyOfRange(rom, 0xfff0, 0xfff4);
    assertArrayEquals(new byte[] {(byte) 0xfa, (byte) 0xf4, (byte) 0xeb, -3}, first);
  }

  private static List<String> command(
      PhysicalMemory memory, MachineConfig config, OptionalInt mtu, String folder) {
    QemuProgram program = new QemuProgram("/usr/bin/qemu", "7.2.0");
    return QemuCommand.of(program, config, memory, mtu, Path.of(folder));
  }

  private static String after(List<String> command, String option) {
    return command.get(command.indexOf(option) + 1);
  }
}
