package dev.virtiolab.integration;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.posix.fixture.Requirements;
import java.io.IOException;
import java.io.UncheckedIOException;
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

  /** What every script begins with. */
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
        ping -c 3 -q 192.0.2.1 | grep ' 0% packet loss'
      }
      echoes() {
        head -c 3000000 /dev/urandom >/tmp/sent
        nc 192.0.2.1 5300 </tmp/sent >/tmp/back
        cmp /tmp/sent /tmp/back
      }
      down_and_up() {
        ip link set eth0 down
        pings
      }
      rebinds() {
        driver=/sys/bus/$1/drivers/$2
        echo "$3" >$driver/unbind
        ! ip link show eth0 2>/dev/null || return 1
        echo "$3" >$driver/bind
        pings
      }
      """;

  private final Vlab vlab = Vlab.asMyself();
  private final List<Process> helpers = new ArrayList<>();

  @BeforeEach
  void serve() {
    Requirements.assumeRoot();
    Requirements.assumeTap();
    QemuGuest.assumeImage();
    vlab.start("serve", "--vfio-user", vlab.out("nic").toString(), "--backend", "tap:nic0");
    vlab.awaitOutput("Ctrl-C ends it.");
  }

  @AfterEach
  void close() {
    helpers.forEach(Process::destroy);
    vlab.close();
  }

  private Path folder() {
    return vlab.out("");
  }

  /** Starts a program in the network of the TAP. */
  private void inItsNetwork(String... command) {
    List<String> entered = new ArrayList<>();
    entered.addAll(List.of("nsenter", "--target", Long.toString(vlab.pid()), "--net", "--"));
    entered.addAll(List.of(command));
    try {
      helpers.add(
          new ProcessBuilder(entered)
              .redirectErrorStream(true)
              .redirectOutput(Files.createTempFile(folder(), "helper", "").toFile())
              .start());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private void startEcho() {
    inItsNetwork(
        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
        "-XX:-UsePerfData",
        "-XX:TieredStopAtLevel=1",
        "-cp",
        System.getProperty("java.class.path"),
        TcpEcho.class.getName(),
        "servers");
  }

  /** Everything that a guest was asked to do went well, and it did all of it. */
  private static void assertAllWell(String console, String... steps) {
    assertFalse(console.contains("BAD: "), console);
    for (String step : steps) {
      assertTrue(console.contains("ok: " + step), step + " is missing:\n" + console);
    }
  }

  /** Ctrl-C; says what the server saw, none of which it had to refuse. */
  private void assertServedWithoutARefusal(int clients) {
    vlab.interrupt();
    Vlab.Ended ended = vlab.await();
    assertEquals(130, ended.exitCode(), ended.err());
    assertEquals("", ended.err());
    assertTrue(ended.out().contains("clients: " + clients + ", and 0 turned away"), ended.out());
    assertTrue(ended.out().contains("of them refused: 0"), ended.out());
    assertFalse(Files.exists(vlab.out("nic")));
  }

  @Test
  void linuxDrivesItWithMessagesAndComesBackFromAReboot() {
    startEcho();
    inItsNetwork("iperf3", "-s");
    try (QemuGuest guest =
        QemuGuest.linux(
            folder(),
            "",
            TOOLS
                + """
                up
                if ping -c 1 -W 1 -q 192.0.2.3 >/dev/null; then
                  ok "after the reboot" pings
                  return
                fi
                for nic in 05 06; do
                  echo "begin $nic"
                  lspci -xxxx -vv -s 00:$nic.0 2>/dev/null
                  echo "end $nic"
                done
                ok "driver" sh -c 'ethtool -i eth0 | grep "driver: virtio_net"'
                ok "pings" pings
                ok "messages" grep PCI-MSIX.*virtio0-input /proc/interrupts
                echo guest: asks for pings
                for second in $(seq 60); do
                  received=$(awk '/^Icmp:/ { echos = $9 } END { print echos }' /proc/net/snmp)
                  [ "$received" -ge 3 ] && break
                  sleep 1
                done
                ok "echo" echoes
                ok "iperf out" iperf3 -c 192.0.2.1 -t 2
                grep -E 'sender|receiver' /tmp/log
                ok "iperf in" iperf3 -c 192.0.2.1 -t 2 -R
                grep -E 'sender|receiver' /tmp/log
                ok "down and up" down_and_up
                ok "virtio unbind and bind" rebinds virtio virtio_net virtio0
                ok "pci unbind and bind" rebinds pci virtio-pci 0000:00:05.0
                ok "statistics" ethtool -S eth0
                echo guest: reboots
                reboot -f
                """,
            "-device",
            NIC,
            "-netdev",
            "hubport,id=hub,hubid=0",
            "-device",
            QEMUS_OWN)) {
      guest.await("guest: asks for pings");
      assertEquals(0, vlab.inItsNetwork("ping", "-c", "3", "-q", "192.0.2.2"));
      guest.await("guest: reboots");
      assertEquals(0, vlab.inItsNetwork("ip", "addr", "add", "192.0.2.3/24", "dev", "nic0"));
      String console = guest.awaitDone();
      assertAllWell(
          console,
          "driver",
          "pings",
          "messages",
          "echo",
          "iperf out",
          "iperf in",
          "down and up",
          "virtio unbind and bind",
          "pci unbind and bind",
          "statistics",
          "after the reboot");
      assertLooksLikeQemusOwn(console);
      console.lines().filter(line -> line.contains("bits/sec")).forEach(System.out::println);
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
    startEcho();
    long descriptors = descriptors();
    try (QemuGuest killed =
        QemuGuest.linux(
            folder(),
            "",
            TOOLS
                + """
                ok "pings" pings
                nc 192.0.2.1 5300 </dev/zero >/dev/null &
                until [ $(cat /sys/class/net/eth0/statistics/tx_bytes) -gt 3000000 ]; do
                  sleep 1
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
            folder(),
            "pci=nomsi",
            TOOLS
                + """
                ok "pings" pings
                ok "pin" grep IO-APIC.*virtio0 /proc/interrupts
                ok "echo" echoes
                ok "down and up" down_and_up
                ok "pci unbind and bind" rebinds pci virtio-pci 0000:00:05.0
                """,
            "-device",
            NIC)) {
      assertAllWell(
          guest.awaitDone(), "pings", "pin", "echo", "down and up", "pci unbind and bind");
    }
    assertServedWithoutARefusal(2);
  }

  private long descriptors() throws IOException {
    try (Stream<Path> fds = Files.list(Path.of("/proc", Long.toString(vlab.pid()), "fd"))) {
      return fds.count();
    }
  }

  private long guestMemoryMaps() throws IOException {
    try (Stream<String> maps = Files.lines(Path.of("/proc", Long.toString(vlab.pid()), "maps"))) {
      return maps.filter(line -> line.contains("memfd:memory-backend")).count();
    }
  }

  @Test
  void linuxDrivesItBehindAnIommuThatMapsAndUnmapsAllTheTime() {
    startEcho();
    try (QemuGuest guest =
        QemuGuest.linux(
            folder(),
            "intel_iommu=on iommu.strict=1",
            TOOLS
                + """
                ok "iommu" ls -d /sys/kernel/iommu_groups/*/devices/0000:00:05.0
                ok "access platform" sh -c '[ $(cut -c 34 /sys/bus/virtio/devices/virtio0/features) = 1 ]'
                ok "pings" pings
                ok "echo" echoes
                ok "down and up" down_and_up
                ok "pci unbind and bind" rebinds pci virtio-pci 0000:00:05.0
                """,
            "-device",
            "intel-iommu,intremap=off,caching-mode=on",
            "-device",
            NIC)) {
      String console = guest.awaitDone();
      assertAllWell(
          console,
          "iommu",
          "access platform",
          "pings",
          "echo",
          "down and up",
          "pci unbind and bind");
      assertFalse(console.contains("vfio"), "QEMU complains:\n" + console);
    }
    assertServedWithoutARefusal(1);
  }

  @Test
  void ovmfBootsOverItByPxe() throws IOException {
    Requirements.assumeProgram("dnsmasq", "dnsmasq-base");
    inItsNetwork(
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
        "--leasefile-ro");
    QemuGuest.copyOut("/usr/share/efi-shell-x64/shellx64.efi", folder().resolve("shell.efi"));
    try (QemuGuest guest = QemuGuest.ovmf(folder(), "-device", NIC)) {
      guest.await("NBP file downloaded successfully");
      guest.await("UEFI Interactive Shell");
      guest.await("Shell>");
    }
    assertServedWithoutARefusal(1);
  }
}
