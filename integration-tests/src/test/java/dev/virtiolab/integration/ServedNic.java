package dev.virtiolab.integration;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/** A {@code vlab serve} behind a TAP nic0, and programs in the network of that TAP. */
final class ServedNic implements AutoCloseable {
  private final Vlab vlab = Vlab.asMyself();
  private final List<Process> helpers = new ArrayList<>();

  /** A line that is no complaint. */
  private String expected = "";

  /** Where guests find it: the folder that they have as /lab, for sockets and consoles. */
  Path folder() {
    return vlab.out("");
  }

  /**
   * Starts it, again if it has ended: then with a network of its own anew, and nobody in there.
   *
   * @param door {@code --vfio-user} or {@code --vhost-user}; the socket is {@code nic}
   */
  void serve(String door, String... more) {
    List<String> command =
        new ArrayList<>(
            List.of("serve", door, vlab.out("nic").toString(), "--backend", "tap:nic0"));
    command.addAll(List.of("--metrics", "0"));
    command.addAll(List.of(more));
    helpers.forEach(Process::destroy);
    helpers.clear();
    vlab.start(command.toArray(String[]::new));
    vlab.awaitOutput("Ctrl-C ends it.");
  }

  Vlab vlab() {
    return vlab;
  }

  /** Starts a program in the network of the TAP. */
  Process inItsNetwork(String... command) {
    List<String> entered = new ArrayList<>();
    entered.addAll(List.of("nsenter", "--target", Long.toString(vlab.pid()), "--net", "--"));
    entered.addAll(List.of(command));
    try {
      Process helper =
          new ProcessBuilder(entered)
              .redirectErrorStream(true)
              .redirectOutput(Files.createTempFile(folder(), "helper", "").toFile())
              .start();
      helpers.add(helper);
      return helper;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Runs a program there to its end. */
  int run(String... command) {
    return vlab.inItsNetwork(command);
  }

  /** Sends back what comes by TCP to port 5300. */
  void startEcho() {
    java(TcpEcho.class, "servers");
  }

  /** Answers pings to {@code address} that carry the tag of VLAN {@value VlanEnd#VLAN}. */
  void startVlan(String address) {
    java(VlanEnd.class, "answer", address);
  }

  /** Gives who boots over the network an address, and the EFI shell to start. */
  void startBootServer() throws IOException {
    QemuGuest.copyOut("/usr/share/efi-shell-x64/shellx64.efi", folder().resolve("shell.efi"));
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
  }

  private void java(Class<?> program, String... arguments) {
    List<String> command =
        new ArrayList<>(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:-UsePerfData",
                "-XX:TieredStopAtLevel=1",
                "--enable-native-access=ALL-UNNAMED",
                "-cp",
                System.getProperty("java.class.path"),
                program.getName()));
    command.addAll(List.of(arguments));
    inItsNetwork(command.toArray(String[]::new));
  }

  /** Packets with a wrong checksum that the host has found in that network. */
  long wrongChecksums() {
    try {
      long wrong = 0;
      List<String> lines =
          Files.readAllLines(Path.of("/proc", Long.toString(vlab.pid()), "net", "snmp"));
      for (int i = 0; i + 1 < lines.size(); i += 2) {
        List<String> names = List.of(lines.get(i).split(" "));
        int at = names.indexOf("InCsumErrors");
        wrong += at < 0 ? 0 : Long.parseLong(lines.get(i + 1).split(" ")[at]);
      }
      return wrong;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** What it has counted up to now, and what it has complained of. */
  String counted() {
    return page()
            .lines()
            .filter(line -> line.startsWith("virtiolab_") && !line.endsWith(" 0"))
            .collect(Collectors.joining("\n"))
        + "\n"
        + vlab.printedToErr();
  }

  /** Up to now no frame was dropped, whoever would have had it, and nothing complained of. */
  void assertNothingDropped() {
    String page = page();
    assertTrue(page.contains("\nvirtiolab_nic_drops_total{"), page);
    page.lines()
        .filter(line -> line.startsWith("virtiolab_nic_drops_total{"))
        .forEach(line -> assertTrue(line.endsWith(" 0"), line));
    assertNothingSaid(vlab.printedToErr());
  }

  private String page() {
    return Vlab.get(metrics(vlab.printedToErr()).replaceFirst(".* at ", ""));
  }

  /** Its first line, which says where they are. */
  private static String metrics(String err) {
    String first = err.lines().findFirst().orElse("");
    assertTrue(first.startsWith("vlab: metrics at http://"), err);
    return first;
  }

  /** It may say something that begins so; what it says beside is a complaint. */
  void mayComplainOf(String something) {
    expected = "(?m)^vlab: " + Pattern.quote(something) + ".*\n";
  }

  private void assertNothingSaid(String err) {
    assertEquals(metrics(err) + "\n", expected.isEmpty() ? err : err.replaceFirst(expected, ""));
  }

  /** Ctrl-C; what it has printed by its end, when it had nothing to complain of. */
  String interrupt() {
    Vlab.Ended ended = end();
    assertNothingSaid(ended.err());
    return ended.out();
  }

  /**
   * Ctrl-C, likewise when it may have had to complain of {@code something}, and of nothing else.
   */
  String interruptAfter(String something) {
    mayComplainOf(something);
    return interrupt();
  }

  /**
   * Ctrl-C, likewise after a guest with an IOMMU has rebooted and gone: on its way down Linux
   * switches the translation off while the device is still running, and a frame that comes then is
   * lost.
   */
  String interruptAfterIommuReboot() {
    return end().out();
  }

  private Vlab.Ended end() {
    vlab.interrupt();
    Vlab.Ended ended = vlab.await();
    assertEquals(130, ended.exitCode(), ended.err());
    return ended;
  }

  /** What it has complained of is printed: a guest that stands still does not know why. */
  @Override
  public void close() {
    helpers.forEach(Process::destroy);
    vlab.printedToErr().lines().skip(1).forEach(line -> System.out.println("vlab serve: " + line));
    vlab.close();
  }
}
