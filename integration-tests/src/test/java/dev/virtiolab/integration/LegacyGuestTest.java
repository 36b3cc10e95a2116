package dev.virtiolab.integration;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.posix.fixture.Requirements;
import java.io.IOException;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * Unmodified Linux drives the transitional device through its ports: {@code vlab serve --vfio-user
 * --virtio transitional} in QEMU 11.1, beside QEMU's own with {@code disable-legacy=off}. And
 * unmodified OVMF a device that has nothing but ports.
 */
class LegacyGuestTest {
  private static final String NIC =
      "{\"driver\":\"vfio-user-pci\",\"addr\":\"5\","
          + "\"socket\":{\"type\":\"unix\",\"path\":\"/lab/nic\"}}";
  private static final String QEMUS_OWN =
      "virtio-net-pci,addr=6,disable-legacy=off,netdev=hub,mac=52:54:00:12:34:56";

  /**
   * What every script begins with. The legacy driver of Linux accepts GSO and ANY_LAYOUT, and can
   * accept nothing from bit 32 on.
   */
  private static final String TOOLS =
      GuestChecks.TOOLS
          + """
      large() {
        answered -c 2 -s 60000 192.0.2.1
      }
      accepted() {
        bits=$(cat /sys/bus/virtio/devices/virtio0/features)
        echo $bits
        [ $(echo $bits | cut -c 7) = 1 ] && [ $(echo $bits | cut -c 28) = 1 ] || return 1
        [ $(echo $bits | cut -c 33-64) = 00000000000000000000000000000000 ]
      }
      address() {
        ip link set eth0 down
        ip link set eth0 address 52:54:00:12:34:99
        pings
      }
      ok "ports" grep virtio-pci-legacy /proc/ioports
      ok "features" accepted
      ok "pings" pings
      """;

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

  @Test
  void linuxDrivesItThroughPortsByMessagesAndByThePin() {
    nic.serve("--vfio-user", "--virtio", "transitional");
    try (QemuGuest guest =
        QemuGuest.linux(
            nic.folder(),
            "virtio_pci.force_legacy=1",
            Lspci.BOTH
                + TOOLS
                + """
                ok "messages" grep PCI-MSIX.*virtio0-input /proc/interrupts
                ok "answers" host_pings 3
                ok "large" large
                ok "address" address
                ok "down and up" down_and_up
                ok "unbind and bind" rebinds pci virtio-pci 0000:00:05.0
                """,
            "-device",
            NIC,
            "-netdev",
            "hubport,id=hub,hubid=0",
            "-device",
            QEMUS_OWN)) {
      guest.await("guest: asks for pings");
      assertEquals(0, nic.run("ping", "-c", "3", "-q", "192.0.2.2"));
      String console = guest.awaitDone();
      GuestChecks.assertAllWell(
          console,
          "ports",
          "features",
          "pings",
          "messages",
          "answers",
          "large",
          "address",
          "down and up",
          "unbind and bind");
      // Three BARs, the ROM, the interrupt line.
      Lspci.assertBothLookAlike(console, Set.of(0x10, 0x14, 0x20, 0x30, 0x3c));
    }
    try (QemuGuest guest =
        QemuGuest.linux(
            nic.folder(),
            "virtio_pci.force_legacy=1 pci=nomsi",
            TOOLS
                + """
                ok "pin" grep IO-APIC.*virtio0 /proc/interrupts
                ok "large" large
                ok "down and up" down_and_up
                """,
            "-device",
            NIC)) {
      GuestChecks.assertAllWell(
          guest.awaitDone(), "ports", "features", "pings", "pin", "large", "down and up");
    }
    assertServedWithoutARefusal(2);
  }

  /** By edk2's own VirtioPciDeviceDxe: there is no other way into this device. */
  @Test
  void ovmfBootsThroughPortsByPxe() throws IOException {
    Requirements.assumeProgram("dnsmasq", "dnsmasq-base");
    nic.serve("--vfio-user", "--virtio", "legacy");
    nic.startBootServer();
    String bootable = NIC.replace("\"addr\":\"5\"", "\"addr\":\"5\",\"bootindex\":1");
    try (QemuGuest guest = QemuGuest.ovmf(nic.folder(), "-device", bootable)) {
      guest.await("NBP file downloaded successfully");
      guest.await("UEFI Interactive Shell");
    }
    assertServedWithoutARefusal(1);
  }

  private void assertServedWithoutARefusal(int clients) {
    String out = nic.interrupt();
    assertTrue(out.contains("clients: " + clients + ", and 0 turned away"), out);
    assertTrue(out.contains("of them refused: 0"), out);
  }
}
