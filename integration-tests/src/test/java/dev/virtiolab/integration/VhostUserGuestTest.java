package dev.virtiolab.integration;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.posix.fixture.Requirements;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * An unmodified Linux guest drives QEMU's PCI function, whose rings {@code vlab serve --vhost-user}
 * serves.
 */
class VhostUserGuestTest {
  private final ServedNic nic = new ServedNic();

  @BeforeEach
  void serve() {
    Requirements.assumeRoot();
    Requirements.assumeTap();
    QemuGuest.assumeImage();
    nic.serve("--vhost-user");
    nic.startEcho();
  }

  @AfterEach
  void close() {
    nic.close();
  }

  /**
   * Boots the guest.
   *
   * @param nicOptions of QEMU's for the NIC
   * @param more steps for the script
   * @param qemu options that come before the NIC
   */
  private QemuGuest boot(
      String kernelOptions, String interrupts, String nicOptions, String more, List<String> qemu) {
    List<String> options = new ArrayList<>(qemu);
    options.addAll(
        List.of(
            "-chardev",
            "socket,id=c,path=/lab/nic,reconnect-ms=200",
            "-netdev",
            "vhost-user,id=n,chardev=c",
            "-device",
            "virtio-net-pci,netdev=n,addr=5,mac=52:54:00:12:34:56" + nicOptions));
    // Whose the frames are the guest tells QEMU's control queue, and no message passes it on.
    String script = GuestChecks.script(GuestChecks.SLOT, interrupts, false, more);
    return QemuGuest.linux(nic.folder(), kernelOptions, script, options.toArray(String[]::new));
  }

  private void assertServedWithoutARefusal() {
    String out = nic.interrupt();
    assertTrue(out.contains("1 came, 0 were turned away"), out);
    assertTrue(out.contains(" 0 of them refused"), out);
    assertTrue(out.contains("; 0 dropped"), out);
  }

  @Test
  void linuxDrivesItWithMessagesWhileTheServerIsRestarted() {
    try (QemuGuest guest =
        boot(
            "",
            "PCI-MSIX.*virtio0-input",
            "",
            """
            # There are answers, then there are none for a while, then there are again.
            interrupted() {
              awk -F 'seq=' 'NF > 1 { if ($2 + 0 > last + 1) gap = 1; last = $2 + 0; after += gap }
                             END { exit !(after > 2) }' /tmp/pings
            }
            restart() {
              ping -i 0.2 192.0.2.1 >/tmp/pings 2>&1 &
              until grep -q seq=2 /tmp/pings; do usleep 100000; done
              echo guest: is in the middle of pings >/dev/console
              for time in $(seq 300); do
                usleep 200000
                # The host's new TAP has another address.
                ip neigh flush dev eth0
                if interrupted; then
                  kill $!
                  pings
                  return
                fi
              done
              cat /tmp/pings
              return 1
            }
            ok "restart in the middle of pings" restart
            """,
            List.of())) {
      GuestChecks.follow(guest, nic);
      guest.await("guest: is in the middle of pings");
      assertServedWithoutARefusal();
      nic.serve("--vhost-user");
      nic.startEcho();
      GuestChecks.followReboot(guest, nic, "restart in the middle of pings");
    }
    assertServedWithoutARefusal();
  }

  @Test
  void linuxDrivesItByThePin() {
    try (QemuGuest guest = boot("", "IO-APIC.*virtio0", ",vectors=0", "", List.of())) {
      GuestChecks.follow(guest, nic);
      GuestChecks.followReboot(guest, nic);
    }
    assertServedWithoutARefusal();
  }

  /** I/O virtual addresses come and go, each of which is asked for. */
  @Test
  void linuxDrivesItBehindAnIommu() {
    try (QemuGuest guest =
        boot(
            "intel_iommu=on iommu.strict=1",
            "PCI-MSIX.*virtio0-input",
            ",disable-legacy=on,iommu_platform=on,ats=on",
            """
            ok "iommu" ls -d /sys/kernel/iommu_groups/*/devices/$nic
            ok "access platform" sh -c '[ $(cut -c 34 /sys/bus/virtio/devices/virtio0/features) = 1 ]'
            """,
            List.of("-device", "intel-iommu,intremap=off,device-iotlb=on,caching-mode=on"))) {
      GuestChecks.follow(guest, nic);
      String console = GuestChecks.followReboot(guest, nic, "iommu", "access platform");
      assertFalse(console.contains("vhost lacks"), "QEMU complains:\n" + console);
    }
    String out = nic.interruptAfterIommuReboot();
    assertTrue(out.contains("1 came, 0 were turned away"), out);
    assertTrue(out.contains(" 0 of them refused"), out);
  }
}
