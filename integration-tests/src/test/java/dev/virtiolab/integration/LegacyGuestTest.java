package dev.virtiolab.integration;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.posix.fixture.Requirements;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
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
      """
      ok() {
        what=$1
        shift
        if "$@" >/tmp/log 2>&1; then echo "ok: $what"; else echo "BAD: $what"; cat /tmp/log; fi
      }
      up() {
        ip link set eth0 up
        ip addr add 192.0.2.2/24 dev eth0 2>/dev/null
      }
      pings() {
        up
        ping -c 3 -A -q 192.0.2.1 | grep ' 0% packet loss'
      }
      large() {
        ping -c 2 -A -q -s 60000 192.0.2.1 | grep ' 0% packet loss'
      }
      answers() {
        echo guest: asks for pings >/dev/console
        for second in $(seq 60); do
          echos=$(awk '$1 == "Icmp:" && $2 != "InMsgs" { print $10 }' /proc/net/snmp)
          [ "$echos" -ge 3 ] && return
          sleep 1
        done
        return 1
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
      down_and_up() {
        ip link set eth0 down
        pings
      }
      rebinds() {
        echo 0000:00:05.0 >/sys/bus/pci/drivers/virtio-pci/unbind
        ! ip link show eth0 2>/dev/null || return 1
        echo 0000:00:05.0 >/sys/bus/pci/drivers/virtio-pci/bind
        pings
      }
      ok "ports" grep virtio-pci-legacy /proc/ioports
      ok "features" accepted
      ok "pings" pings
      """;

  private final Vlab vlab = Vlab.asMyself();

  @BeforeEach
  void need() {
    Requirements.assumeRoot();
    Requirements.assumeTap();
    QemuGuest.assumeImage();
  }

  private void serve(String kind) {
    String socket = vlab.out("nic").toString();
    vlab.start("serve", "--vfio-user", socket, "--virtio", kind, "--backend", "tap:nic0");
    vlab.awaitOutput("Ctrl-C ends it.");
  }

  @AfterEach
  void close() {
    vlab.close();
  }

  private Path folder() {
    return vlab.out("");
  }

  private static void assertAllWell(String console, String... steps) {
    assertFalse(console.contains("BAD: "), console);
    for (String step : steps) {
      assertTrue(console.contains("ok: " + step), step + " is missing:\n" + console);
    }
  }

  @Test
  void linuxDrivesItThroughPortsByMessagesAndByThePin() {
    serve("transitional");
    try (QemuGuest guest =
        QemuGuest.linux(
            folder(),
            "virtio_pci.force_legacy=1",
            Lspci.BOTH
                + TOOLS
                + """
                ok "messages" grep PCI-MSIX.*virtio0-input /proc/interrupts
                ok "answers" answers
                ok "large" large
                ok "address" address
                ok "down and up" down_and_up
                ok "unbind and bind" rebinds
                """,
            "-device",
            NIC,
            "-netdev",
            "hubport,id=hub,hubid=0",
            "-device",
            QEMUS_OWN)) {
      guest.await("guest: asks for pings");
      assertEquals(0, vlab.inItsNetwork("ping", "-c", "3", "-q", "192.0.2.2"));
      String console = guest.awaitDone();
      assertAllWell(
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
            folder(),
            "virtio_pci.force_legacy=1 pci=nomsi",
            TOOLS
                + """
                ok "pin" grep IO-APIC.*virtio0 /proc/interrupts
                ok "large" large
                ok "down and up" down_and_up
                """,
            "-device",
            NIC)) {
      assertAllWell(guest.awaitDone(), "ports", "features", "pings", "pin", "large", "down and up");
    }
    assertServedWithoutARefusal(2);
  }

  /** By edk2's own VirtioPciDeviceDxe: there is no other way into this device. */
  @Test
  void ovmfBootsThroughPortsByPxe() throws IOException {
    Requirements.assumeProgram("dnsmasq", "dnsmasq-base");
    serve("legacy");
    Process dhcpAndTftp =
        new ProcessBuilder(
                "nsenter",
                "--target",
                Long.toString(vlab.pid()),
                "--net",
                "--",
                "dnsmasq",
                "--no-daemon",
                "--conf-file=/dev/null",
                "--port=0",
                "--interface=nic0",
                "--bind-interfaces",
                "--dhcp-range=192.0.2.50,192.0.2.60,255.255.255.0,1h",
                "--dhcp-boot=shell.efi",
                "--enable-tftp",
                "--tftp-root=" + folder(),
                "--user=root",
                "--leasefile-ro")
            .redirectErrorStream(true)
            .redirectOutput(Files.createTempFile(folder(), "dnsmasq", "").toFile())
            .start();
    try {
      QemuGuest.copyOut("/usr/share/efi-shell-x64/shellx64.efi", folder().resolve("shell.efi"));
      String bootable = NIC.replace("\"addr\":\"5\"", "\"addr\":\"5\",\"bootindex\":1");
      try (QemuGuest guest = QemuGuest.ovmf(folder(), "-device", bootable)) {
        guest.await("NBP file downloaded successfully");
        guest.await("UEFI Interactive Shell");
      }
    } finally {
      dhcpAndTftp.destroy();
    }
    assertServedWithoutARefusal(1);
  }

  private void assertServedWithoutARefusal(int clients) {
    vlab.interrupt();
    Vlab.Ended ended = vlab.await();
    assertEquals(130, ended.exitCode(), ended.err());
    assertEquals("", ended.err());
    assertTrue(ended.out().contains("clients: " + clients + ", and 0 turned away"), ended.out());
    assertTrue(ended.out().contains("of them refused: 0"), ended.out());
  }
}
