package dev.virtiolab.integration;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.posix.fixture.Requirements;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** An unmodified Linux with two processors uses two pairs of queues, by either door. */
class MultiqueueGuestTest {
  private static final String[] STEPS = {
    "driver has two pairs",
    "pings",
    "commands one after the other",
    "iperf out by both",
    "iperf in by both",
    "one pair",
    "iperf in by one",
    "two again and again during a transfer",
    "three are too many",
    "down and up",
    "both after the driver came back",
  };

  private static final String SCRIPT =
      """
      ok() {
        what=$1
        shift
        if "$@" >/tmp/log 2>&1; then echo "ok: $what"; else echo "BAD: $what"; cat /tmp/log; fi
        grep -E 'SUM.*(sender|receiver)' /tmp/log
      }
      pings() {
        ip link set eth0 up
        ip addr add 192.0.2.2/24 dev eth0 2>/dev/null
        ping -c 3 -q 192.0.2.1 | grep ' 0% packet loss'
      }
      # The interface's flags: each time the driver sends up to three commands, each as soon as the
      # one before is answered, for which it waits with its processor busy and for ever.
      commands() {
        ip link set eth0 down
        ip link set eth0 up
        for round in $(seq 1000); do
          echo 0x1103 >/sys/class/net/eth0/flags || return 1
          echo 0x1003 >/sys/class/net/eth0/flags || return 1
        done
        # It goes by a worker, and this waits for that.
        ethtool -L eth0 combined 1 && ethtool -L eth0 combined 2
      }
      pairs() {
        ethtool -l eth0
        [ "$(ethtool -l eth0 | awk '/Combined/ { print $2 }' | tr '\\n' ' ')" = "2 $1 " ]
      }
      interrupts() {
        awk -v name="virtio0-$1" '$NF == name { print $2 + $3 }' /proc/interrupts
      }
      # Runs iperf3 until both receive queues have interrupted by that: with data of the flows that
      # were steered to them, or with acknowledgements. Which flow meets which queue is a matter of
      # hashing, and now and then all of a run's meet the same.
      by_both() {
        first=$(interrupts input.0)
        second=$(interrupts input.1)
        for run in $(seq 5); do
          iperf3 -c 192.0.2.1 -t 2 -P 4 "$@" || return 1
          echo "interrupts: $first $second before, $(interrupts input.0) $(interrupts input.1) after"
          [ $(interrupts input.0) -gt $first ] && [ $(interrupts input.1) -gt $second ] && return
        done
        return 1
      }
      by_one() {
        second=$(interrupts input.1)
        iperf3 -c 192.0.2.1 -t 2 -P 4 -R && [ $(interrupts input.1) = $second ]
      }
      back_and_forth() {
        iperf3 -c 192.0.2.1 -t 4 -P 4 $1 >/tmp/iperf &
        transfer=$!
        for pairs in 1 2 1 2 1 2; do
          ethtool -L eth0 combined $pairs || return 1
          usleep 300000
        done
        wait $transfer && cat /tmp/iperf && pairs 2
      }
      again_and_again() {
        back_and_forth && back_and_forth -R
      }
      three() {
        ! ethtool -L eth0 combined 3 && pairs 2
      }
      down_and_up() {
        ip link set eth0 down
        pings
      }
      comes_back() {
        driver=/sys/bus/virtio/drivers/virtio_net
        echo virtio0 >$driver/unbind
        echo virtio0 >$driver/bind
        pings && pairs 2 && by_both
      }
      ok "driver has two pairs" pairs 2
      ok "pings" pings
      ok "commands one after the other" commands
      grep virtio0 /proc/interrupts
      ok "iperf out by both" by_both
      ok "iperf in by both" by_both -R
      ethtool -L eth0 combined 1
      ok "one pair" pairs 1
      ok "iperf in by one" by_one
      ok "two again and again during a transfer" again_and_again
      ok "three are too many" three
      ok "down and up" down_and_up
      ok "both after the driver came back" comes_back
      """;

  /** Many times what the longest step takes. */
  private static final Duration SILENCE = Duration.ofSeconds(150);

  private final ServedNic nic = new ServedNic();

  @BeforeEach
  void look() {
    Requirements.assumeRoot();
    Requirements.assumeTap();
    Requirements.assumeProgram("iperf3", "iperf3");
    QemuGuest.assumeImage();
  }

  @AfterEach
  void close() {
    nic.close();
  }

  @Test
  void linuxUsesBothByVfioUser() {
    String console =
        run(
            "--vfio-user",
            "-device",
            "{\"driver\":\"vfio-user-pci\",\"socket\":{\"type\":\"unix\",\"path\":\"/lab/nic\"}}");
    for (String queue : List.of("input.0", "output.0", "input.1", "output.1")) {
      assertTrue(console.contains("virtio0-" + queue), queue + " has no vector:\n" + console);
    }
  }

  @Test
  void linuxUsesBothByVhostUser() {
    run(
        "--vhost-user",
        "-chardev",
        "socket,id=c,path=/lab/nic",
        "-netdev",
        "vhost-user,id=n,chardev=c,queues=2",
        "-device",
        "virtio-net-pci,netdev=n,mq=on,vectors=6,disable-legacy=on,mac=52:54:00:12:34:56");
  }

  private String run(String door, String... qemu) {
    nic.serve(door, "--queues", "2");
    nic.inItsNetwork("iperf3", "-s");
    String console;
    String[] options =
        Stream.concat(Stream.of("-smp", "2", "-no-reboot"), Arrays.stream(qemu))
            .toArray(String[]::new);
    try (QemuGuest guest = QemuGuest.linux(nic.folder(), "", SCRIPT, options)) {
      console = guest.awaitDone(SILENCE, nic::counted);
    }
    assertFalse(console.contains("BAD: "), console);
    for (String step : STEPS) {
      assertTrue(console.contains("ok: " + step), step + " is missing:\n" + console);
    }
    console.lines().filter(line -> line.contains("SUM")).forEach(System.out::println);
    // By vhost-user a pair is switched off with what is still in it; by a command it is not.
    String out =
        door.equals("--vhost-user")
            ? nic.interruptAfter("dropped: a frame was sent through a queue that is disabled")
            : nic.interrupt();
    Matcher pair =
        Pattern.compile("queue pair \\d: (\\d+) frames to the driver, (\\d+) from it").matcher(out);
    for (int i = 0; i < 2; i++) {
      assertTrue(pair.find(), out);
      assertTrue(Long.parseLong(pair.group(1)) > 1000, out);
      assertTrue(Long.parseLong(pair.group(2)) > 1000, out);
    }
    return console;
  }
}
