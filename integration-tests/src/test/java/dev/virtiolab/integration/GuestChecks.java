package dev.virtiolab.integration;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;

/**
 * What a Linux guest is asked to do with its NIC, whichever way that is connected: a script for
 * {@link QemuGuest#linux}, which boots twice, and what its host does meanwhile.
 *
 * <p>The guest has 192.0.2.2 and its host 192.0.2.1. Each step says {@code ok: STEP} or {@code BAD:
 * STEP}, and after the latter why.
 */
final class GuestChecks {
  /** Where the guest's NIC is to be found if it is not behind a bridge. */
  static final String SLOT = "0000:00:05.0";

  /** What every script begins with. */
  static final String TOOLS =
      """
      # Fragments of a ping that wait long are no reason to drop them, as fq_codel does.
      echo pfifo_fast >/proc/sys/net/core/default_qdisc
      ok() {
        what=$1
        shift
        if "$@" >/tmp/log 2>&1; then echo "ok: $what"; else echo "BAD: $what"; cat /tmp/log; fi
      }
      up() {
        ip link set eth0 up
        ip addr add 192.0.2.2/24 dev eth0 2>/dev/null
      }
      answered() {
        ping -A -q "$@" | grep ' 0% packet loss'
      }
      pings() {
        up
        answered -c 3 192.0.2.1
      }
      echoes() {
        head -c 1000000 /dev/urandom >/tmp/sent
        nc 192.0.2.1 5300 </tmp/sent >/tmp/back
        cmp /tmp/sent /tmp/back
      }
      host_pings() {
        echo guest: asks for pings >/dev/console
        for time in $(seq 300); do
          got=$(awk '$1 == "Icmp:" && $2 != "InMsgs" { print $10 }' /proc/net/snmp)
          [ $got -ge $1 ] && return
          usleep 200000
        done
        return 1
      }
      down_and_up() {
        ip link set eth0 down
        ! ping -c 1 -W 1 192.0.2.1 || return 1
        pings
      }
      rebinds() {
        driver=/sys/bus/$1/drivers/$2
        echo "$3" >$driver/unbind
        ! ip link show eth0 2>/dev/null || return 1
        echo "$3" >$driver/bind
        pings
      }
      count() {
        cat /sys/class/net/eth0/statistics/$1
      }
      """;

  /** The guest does without offloads for a moment, too: then the host looks at each checksum. */
  private static final String STEPS =
      """
      offloads() {
        for each in rx-checksumming tx-checksum-ip-generic scatter-gather tx-tcp-segmentation \\
            tx-tcp-ecn-segmentation tx-tcp6-segmentation rx-gro-hw rx-vlan-filter; do
          ethtool -k eth0 | grep -E "^[[:space:]]*$each: on" || return 1
        done
      }
      sizes() {
        for size in 0 1472 1473 9000 65000; do
          answered -c 2 -s $size 192.0.2.1 || return 1
        done
      }
      sums() {
        awk '$1 != last { split($0, names); last = $1; next }
             { for (i = 2; i <= NF; i++) if (names[i] == "InCsumErrors") wrong += $i }
             END { exit wrong > 0 }' /proc/net/snmp
      }
      # Sets mean: bytes of a packet as the driver sees it. With offloads that is no frame.
      transfers() {
        way=$1
        shift
        bytes=$(count ${way}_bytes)
        packets=$(count ${way}_packets)
        iperf3 -c 192.0.2.1 -t 1 -f m "$@" || return 1
        mean=$((($(count ${way}_bytes) - bytes) / ($(count ${way}_packets) - packets)))
        echo "bytes of a packet: $mean"
        sums
      }
      large() {
        transfers "$@" && [ $mean -gt 1514 ]
      }
      without_offloads() {
        ethtool -K eth0 tx off || return 1
        transfers tx && [ $mean -le 1514 ] || return 1
        ethtool -K eth0 tx on
      }
      says() {
        grep receiver /tmp/log
        tail -n 1 /tmp/log
      }
      statistics() {
        ethtool -S eth0 | awk '{ seen[$1] = $2 } END { exit !(seen["tx_kicks:"] > 0 && seen["rx_kicks:"] > 0) }'
      }
      # The host sends frames to an address that is not the guest's, 50 in a second.
      promiscuous() {
        ip link set eth0 promisc on
        before=$(count rx_packets)
        echo guest: listens to everything >/dev/console
        for time in $(seq 600); do
          [ $(count rx_packets) -ge $((before + 20)) ] && return
          usleep 100000
        done
        return 1
      }
      quiet() {
        ip link set eth0 promisc off
        usleep 200000
        before=$(count rx_packets)
        usleep 500000
        [ $(count rx_packets) -lt $((before + 5)) ]
      }
      vlan() {
        ip link add link eth0 name eth0.7 type vlan id 7 || return 1
        ip link set eth0.7 up
        ip addr add 198.51.100.2/24 dev eth0.7
        answered -c 3 198.51.100.1 || return 1
        ip link del eth0.7
        pings
      }

      up
      if nc -w 1 192.0.2.1 5202 </dev/null; then
        ok "pings after the reboot" pings
        ok "echo after the reboot" echoes
        return
      fi
      ok "driver" sh -c "ethtool -i eth0 | grep 'driver: virtio_net' && ethtool -i eth0 | grep $nic"
      ok "offloads" offloads
      ok "pings" pings
      ok "interrupts" grep "$interrupts" /proc/interrupts
      ok "pings of all sizes" sizes
      ok "pings of the host's" host_pings 10
      ok "echo" echoes
      ok "iperf out" large tx
      says
      ok "iperf in" large rx -R
      says
      ok "iperf without offloads" without_offloads
      says
      ok "statistics" statistics
      ok "promiscuous" promiscuous
      [ $filters = no ] || ok "not promiscuous" quiet
      echo guest: has heard enough
      ok "vlan" vlan
      ok "down and up" down_and_up
      ok "virtio unbind and bind" rebinds virtio virtio_net virtio0
      ok "pci unbind and bind" rebinds pci virtio-pci $nic
      """;

  /** The host has a look before, and says so by serving at the port that is there afterwards. */
  private static final String REBOOT =
      """
      echo guest: would reboot
      until nc -w 1 192.0.2.1 5202 </dev/null; do
        usleep 200000
      done
      reboot -f
      """;

  private static final List<String> NAMES =
      List.of(
          "driver",
          "offloads",
          "pings",
          "interrupts",
          "pings of all sizes",
          "pings of the host's",
          "echo",
          "iperf out",
          "iperf in",
          "iperf without offloads",
          "statistics",
          "promiscuous",
          "vlan",
          "down and up",
          "virtio unbind and bind",
          "pci unbind and bind",
          "pings after the reboot",
          "echo after the reboot");

  private GuestChecks() {}

  /**
   * The script.
   *
   * @param nic PCI address of the NIC
   * @param interrupts what /proc/interrupts says of it
   * @param filters whether the NIC does what the driver says of addresses
   * @param more further steps, before the guest reboots
   */
  static String script(String nic, String interrupts, boolean filters, String more) {
    String settings = "nic=%s\ninterrupts='%s'\nfilters=%s\n";
    return TOOLS
        + settings.formatted(nic, interrupts, filters ? "yes" : "no")
        + STEPS
        + more
        + REBOOT;
  }

  /**
   * Does what the host has to while the script runs, up to the further steps.
   *
   * @param nic whose TCP echo runs
   */
  static void follow(QemuGuest guest, ServedNic nic) {
    nic.inItsNetwork("iperf3", "-s");
    nic.startVlan("198.51.100.1");
    guest.await("guest: asks for pings");
    for (String bytes : List.of("0", "1472", "1473", "9000", "65000")) {
      assertEquals(
          0,
          nic.run("ping", "-c", "2", "-i", "0.2", "-q", "-s", bytes, "192.0.2.2"),
          () -> "pings of " + bytes + " bytes; the guest:\n" + guest.console());
    }
    guest.await("guest: listens to everything");
    String foreign = "192.0.2.77";
    assertEquals(
        0, nic.run("ip", "neigh", "add", foreign, "lladdr", "52:54:00:00:00:77", "dev", "nic0"));
    Process frames = nic.inItsNetwork("ping", "-i", "0.02", "-q", foreign);
    guest.await("guest: has heard enough");
    frames.destroy();
  }

  /**
   * Does what the host has to for the reboot, and looks at what the guest has said.
   *
   * @param more what the further steps are called
   * @return all that the guest has said
   */
  static String followReboot(QemuGuest guest, ServedNic nic, String... more) {
    guest.await("guest: would reboot");
    assertEquals(0, nic.wrongChecksums(), "checksums that the host found wrong");
    nic.assertNothingDropped();
    nic.inItsNetwork("iperf3", "-s", "-p", "5202");
    String console = guest.awaitDone();
    console.lines().filter(line -> line.contains("bits/sec")).forEach(System.out::println);
    assertAllWell(console, NAMES.toArray(String[]::new));
    assertAllWell(console, more);
    return console;
  }

  /** Everything that a guest was asked to do went well, and it did all of it. */
  static void assertAllWell(String console, String... steps) {
    assertFalse(console.contains("BAD: "), console);
    for (String step : steps) {
      assertTrue(console.contains("ok: " + step + "\n"), step + " is missing:\n" + console);
    }
  }
}
