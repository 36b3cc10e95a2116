package dev.virtiolab.integration;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.posix.fixture.Requirements;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
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
    assertServedWithoutARefusal(clients, nic.interrupt());
  }

  private void assertServedWithoutARefusal(int clients, String out) {
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
            GuestChecks.script(GuestChecks.SLOT, "PCI-MSIX.*virtio0-input", true, Lspci.BOTH),
            "-device",
            NIC,
            "-netdev",
            "hubport,id=hub,hubid=0",
            "-device",
            QEMUS_OWN)) {
      GuestChecks.follow(guest, nic);
      // BAR 1, BAR 4, the ROM, the interrupt line.
      Lspci.assertBothLookAlike(
          GuestChecks.followReboot(guest, nic), Set.of(0x14, 0x20, 0x30, 0x3c));
    }
    assertServedWithoutARefusal(1);
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
      LockSupport.parkNanos(10_000_000);
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

  /**
   * RAM that QEMU gives no descriptor of: the device's every access to it is a message. By the pin,
   * so that the guest reads registers all the time, which put such accesses off.
   */
  @Test
  void linuxDrivesItInMemoryThatIsNotShared() {
    nic.serve("--vfio-user");
    nic.mayComplainOf("vfio-user: the memory at 0x");
    nic.startEcho();
    try (QemuGuest guest =
        QemuGuest.linux(
            nic.folder(),
            "pci=nomsi",
            GuestChecks.script(GuestChecks.SLOT, "IO-APIC.*virtio0", true, ""),
            "-object",
            "memory-backend-ram,id=private,size=512M",
            "-machine",
            "memory-backend=private",
            "-device",
            NIC)) {
      GuestChecks.follow(guest, nic);
      GuestChecks.followReboot(guest, nic);
    }
    String out = nic.interrupt();
    assertServedWithoutARefusal(1, out);
    assertTrue(out.matches("(?s).*\nDMA by messages: \\d+ reads, \\d+ writes, 0 of them.*"), out);
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
    assertServedWithoutARefusal(1, nic.interruptAfterIommuReboot());
  }

  @Test
  void ovmfBootsOverItByPxe() throws IOException {
    Requirements.assumeProgram("dnsmasq", "dnsmasq-base");
    nic.serve("--vfio-user");
    nic.startBootServer();
    try (QemuGuest guest = QemuGuest.ovmf(nic.folder(), "-device", NIC)) {
      guest.await("NBP file downloaded successfully");
      guest.await("UEFI Interactive Shell");
      guest.await("Shell>");
    }
    assertServedWithoutARefusal(1);
  }
}
