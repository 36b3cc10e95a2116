package dev.virtiolab.lab.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** What {@code vlab serve} refuses: one line, exit code 2. */
class ServeCommandTest {

  @Test
  void thePlatformIsTheHypervisors() {
    assertRefused("the hypervisor", "--vfio-user", "sock", "--platform", "sev");
    assertRefused("the hypervisor", "--vhost-user", "sock", "--platform", "pc");
  }

  @Test
  void oneDoorNoMoreNoLess() {
    assertRefused("Missing required argument");
    assertRefused("mutually exclusive", "--vfio-user", "one", "--vhost-user", "two");
  }

  @Test
  void aTimelineIsOfAMachineThatRunsHere() {
    assertRefused("--trace is of", "--vfio-user", "sock", "--trace", "file");
  }

  @Test
  void numbersAndWordsAreLookedAtFirst() {
    assertRefused("--mac ff:ff:ff:ff:ff:ff", "--vfio-user", "s", "--mac", "ff:ff:ff:ff:ff:ff");
    assertRefused("--mtu is from", "--vfio-user", "s", "--mtu", "9");
    assertRefused("no-such", "--vfio-user", "s", "--backend", "no-such");
    assertRefused("no feature 'no-such'", "--vfio-user", "s", "--feature", "-no-such");
    assertRefused("no feature 'host_no'", "--vfio-user", "s", "--feature", "-host_uso,-host_no");
    assertRefused("no feature 'host_no'", "--vfio-user", "s", "--feature=-host_no");
    assertRefused("parameter for option '--feature'", "--vfio-user", "s", "--feature");
    assertRefused(
        "the first of several", "--vfio-user", "s", "--backend", "sink", "--backend", "tap");
  }

  @Test
  void queuesAreBoundedAndNeedAWireThatHasAsMany() {
    assertRefused("--queues is from 1 to 16, not 0", "--vfio-user", "s", "--queues", "0");
    assertRefused("--queues is from 1 to 16, not 17", "--vhost-user", "s", "--queues", "17");
    assertRefused("--queues takes a whole number", "--vfio-user", "s", "--queues", "two");
    assertRefused(
        "--queues 2: --backend sink has one queue only; a TAP alone can have more",
        "--vfio-user",
        "s",
        "--queues",
        "2",
        "--backend",
        "sink");
    assertRefused(
        "--backend dgram:127.0.0.1:1,127.0.0.1:2 has one queue",
        "--vhost-user",
        "s",
        "--queues",
        "2",
        "--backend",
        "dgram:127.0.0.1:1,127.0.0.1:2");
    String[] tap = {"--vfio-user", "s", "--queues", "2", "--here", "--backend", "tap:mq0"};
    assertRefused("the switch of several --backend has one", and(tap, "--backend", "sink"));
    assertRefused("--fault is for one queue", and(tap, "--fault", "loss=1%"));
    assertRefused("--pcap is of one queue", and(tap, "--pcap", "file"));
    assertRefused(
        "without --backend or --queues",
        "--vhost-user",
        "s",
        "--queues",
        "2",
        "--round-trips",
        "1");
  }

  private static String[] and(String[] arguments, String... more) {
    return Stream.concat(Stream.of(arguments), Stream.of(more)).toArray(String[]::new);
  }

  @Test
  void aLegacyInterfaceNeedsAFunctionThatIsOurs() {
    assertRefused("--virtio is modern", "--vfio-user", "s", "--virtio", "new");
    assertRefused("the hypervisor's", "--vhost-user", "s", "--virtio", "transitional");
    assertRefused(
        "no PCI Express function", "--vfio-user", "s", "--virtio", "legacy", "--slot", "root-port");
  }

  private static void assertRefused(String words, String... arguments) {
    StringWriter err = new StringWriter();
    String[] line = new String[arguments.length + 1];
    line[0] = "serve";
    System.arraycopy(arguments, 0, line, 1, arguments.length);
    StringWriter out = new StringWriter();
    int exitCode = Main.execute(new PrintWriter(out), new PrintWriter(err), line);
    assertEquals(2, exitCode, err.toString());
    assertTrue(err.toString().contains(words), err.toString());
    assertEquals(1, err.toString().lines().count(), err.toString());
    assertEquals("", out.toString());
  }
}
