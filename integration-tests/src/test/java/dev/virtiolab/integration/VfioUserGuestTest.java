package dev.virtiolab.integration;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.posix.fixture.Requirements;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Unmodified guests drive the NIC that {@code vlab serve --vfio-user} hands to QEMU. */
class VfioUserGuestTest {
  private static final String NIC =
      "{\"driver\":\"vfio-user-pci\",\"addr\":\"5\",\"bootindex\":1,"
          + "\"socket\":{\"type\":\"unix\",\"path\":\"/lab/nic\"}}";
  private static final String QEMUS_OWN =
      "virtio-net-pci,addr=6,disable-legacy=on,netdev=hub,mac=52:54:00:12:34:56";

  private final ServedNic nic = new ServedNic();

  @BeforeEach
  void need() {
    Requirements.assumeRoot();
    Requirements.assumeTap();
    QemuGuest.assumeImage();
  }

  @AfterEach
  void close() {
    nic.close();
  }

  /** Ctrl-C; says what the server saw, none of which it had to refuse. */
  private void assertServedWithoutARefusal(int clients) {
    String out = nic.interrupt();
    assertTrue(out.contains("clients: " + clients + ", and 0 turned away"), out);
    assertTrue(out.contains("of them refused: 0"), out);
    assertFalse(Files.exists(nic.folder().resolve("nic")));
  }

  @Test
  void linuxDrivesItWithMessages() {
    nic.serve("--vfio-user");
    nic.startEcho();
    try (QemuGuest guest =
        QemuGuest.linux(
            nic.folder(),
            "",
            GuestChecks.script(
                GuestChecks.SLOT,
                "PCI-MSIX.*virtio0-input",
                true,
                """
                for slot in 05 06; do
                  echo "begin $slot"
                  lspci -xxxx -vv -s 00:$slot.0 2>/dev/null
                  echo "end $slot"
                done
                """),
            "-device",
            NIC,
            "-netdev",
            "hubport,id=hub,hubid=0",
            "-device",
            QEMUS_OWN)) {
      GuestChecks.follow(guest, nic);
      assertLooksLikeQemusOwn(GuestChecks.followReboot(guest, nic));
    }
    assertServedWithoutARefusal(1);
  }

  /**
   * Side by side in one guest, ours and QEMU's own differ in what the guest assigned, and in the
   * expansion ROM: docs/adr/0002-where-we-differ-from-qemu.md.
   */
  private static void assertLooksLikeQemusOwn(String console) {
    String ours = between(console, "begin 05\n", "end 05");
    String theirs = between(console, "begin 06\n", "end 06");
    assertEquals(described(theirs), described(ours));
    assertTrue(theirs.contains("Expansion ROM"), theirs);
    assertFalse(ours.contains("Expansion ROM"), ours);
    byte[] own = bytes(ours);
    byte[] qemus = bytes(theirs);
    assertEquals(256, own.length);
    assertEquals(qemus.length, own.length);
    Set<Integer> different = new TreeSet<>();
    for (int i = 0; i < own.length; i++) {
      if (own[i] != qemus[i]) {
        different.add(i & ~3);
      }
    }
    // BAR 1, BAR 4, the ROM, the interrupt line.
    different.removeAll(Set.of(0x14, 0x20, 0x30, 0x3c));
    assertEquals(Set.of(), different, console);
  }

  private static String between(String console, String begin, String end) {
    int from = console.indexOf(begin) + begin.length();
    return console.substring(from, console.indexOf(end, from));
  }

  /** What lspci says in words, without addresses and numbers that the guest has assigned. */
  private static String described(String lspci) {
    List<String> lines = new ArrayList<>();
    for (String line : lspci.split("\n")) {
      if (!line.matches("[0-9a-f]+: .*") && !line.contains("Expansion ROM")) {
        lines.add(
            line.replaceAll("^00:0.\\.0", "00:0x.0")
                .replaceAll("IRQ \\d+", "IRQ n")
                .replaceAll("Memory at [0-9a-f]+", "Memory at x"));
      }
    }
    return String.join("\n", lines);
  }

  private static byte[] bytes(String lspci) {
    Matcher row = Pattern.compile("(?m)^[0-9a-f]+:((?: [0-9a-f]{2}){16})").matcher(lspci);
    List<Byte> all = new ArrayList<>();
    while (row.find()) {
      Stream.of(row.group(1).trim().split(" "))
          .forEach(b -> all.add((byte) Integer.parseInt(b, 16)));
    }
    byte[] bytes = new byte[all.size()];
    for (int i = 0; i < bytes.length; i++) {
      bytes[i] = all.get(i);
    }
    return bytes;
  }

  @Test
  void linuxDrivesItByThePinAfterAnotherGuestWasKilledInMidTransfer() throws IOException {
    nic.serve("--vfio-user");
    nic.startEcho();
    long descriptors = descriptors();
    try (QemuGuest killed =
        QemuGuest.linux(
            nic.folder(),
            "",
            GuestChecks.TOOLS
                + """
                ok "pings" pings
                nc 192.0.2.1 5300 </dev/zero >/dev/null &
                until [ $(count tx_bytes) -gt 1000000 ]; do
                  usleep 100000
                done
                echo guest: transfers
                wait
                """,
            "-device",
            NIC)) {
      killed.await("guest: transfers");
      assertTrue(guestMemoryMaps() > 0);
      killed.kill();
    }
    long start = System.nanoTime();
    while (guestMemoryMaps() > 0 || descriptors() != descriptors) {
      assertTrue(
          System.nanoTime() - start < TimeUnit.SECONDS.toNanos(30),
          "left: " + guestMemoryMaps() + " maps, " + descriptors() + " of " + descriptors);
      Thread.onSpinWait();
    }

    try (QemuGuest guest =
        QemuGuest.linux(
            nic.folder(),
            "pci=nomsi",
            GuestChecks.script(GuestChecks.SLOT, "IO-APIC.*virtio0", true, ""),
            "-device",
            NIC)) {
      GuestChecks.follow(guest, nic);
      GuestChecks.followReboot(guest, nic);
    }
    assertServedWithoutARefusal(2);
  }

  private long descriptors() throws IOException {
    try (Stream<Path> fds = Files.list(Path.of("/proc", Long.toString(nic.vlab().pid()), "fd"))) {
      return fds.count();
    }
  }

  private long guestMemoryMaps() throws IOException {
    try (Stream<String> maps =
        Files.lines(Path.of("/proc", Long.toString(nic.vlab().pid()), "maps"))) {
      return maps.filter(line -> line.contains("memfd:memory-backend")).count();
    }
  }

  /**
   * A PCI Express function behind a port, whose addresses an IOMMU maps and unmaps all the time.
   */
  @Test
  void linuxDrivesItBehindARootPortAndAnIommu() {
    nic.serve("--vfio-user", "--slot", "root-port");
    nic.startEcho();
    try (QemuGuest guest =
        QemuGuest.linux(
            nic.folder(),
            "intel_iommu=on iommu.strict=1",
            GuestChecks.script(
                "0000:01:00.0",
                "PCI-MSIX.*virtio0-input",
                true,
                """
                ok "iommu" ls -d /sys/kernel/iommu_groups/*/devices/$nic
                ok "access platform" sh -c '[ $(cut -c 34 /sys/bus/virtio/devices/virtio0/features) = 1 ]'
                ok "endpoint" sh -c "lspci -vv -s $nic 2>/dev/null | grep 'Express.*Endpoint'"
                """),
            "-device",
            "intel-iommu,intremap=off,caching-mode=on",
            "-device",
            "pcie-root-port,id=below,slot=1,addr=4",
            "-device",
            NIC.replace("\"addr\":\"5\"", "\"bus\":\"below\""))) {
      GuestChecks.follow(guest, nic);
      String console = GuestChecks.followReboot(guest, nic, "iommu", "access platform", "endpoint");
      assertFalse(console.contains("vfio"), "QEMU complains:\n" + console);
    }
    assertServedWithoutARefusal(1);
  }

  @Test
  void ovmfBootsOverItByPxe() throws IOException {
    Requirements.assumeProgram("dnsmasq", "dnsmasq-base");
    nic.serve("--vfio-user");
    nic.inItsNetwork(
        "dnsmasq",
        "--no-daemon",
        "--conf-file=/dev/null",
        "--port=0",
        "--interface=nic0",
        "--bind-interfaces",
        "--dhcp-range=192.0.2.50,192.0.2.60,255.255.255.0,1h",
        "--dhcp-boot=shell.efi",
        "--enable-tftp",
        "--tftp-root=" + nic.folder(),
        "--user=root",
        "--leasefile-ro");
    QemuGuest.copyOut("/usr/share/efi-shell-x64/shellx64.efi", nic.folder().resolve("shell.efi"));
    try (QemuGuest guest = QemuGuest.ovmf(nic.folder(), "-device", NIC)) {
      guest.await("NBP file downloaded successfully");
      guest.await("UEFI Interactive Shell");
      guest.await("Shell>");
    }
    assertServedWithoutARefusal(1);
  }
}
