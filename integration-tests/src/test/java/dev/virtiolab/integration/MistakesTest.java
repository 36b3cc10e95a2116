package dev.virtiolab.integration;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.posix.fixture.Requirements;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What a user does wrong is one line on standard error and exit code 2, and leaves nothing. */
class MistakesTest {

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "pong                               | pong",
        "ping --colour                      | --colour",
        "ping --platform vax                | vax",
        "ping --slot cellar                 | cellar",
        "ping --mac 52:54:00                | 52:54:00",
        "ping --mac 01:00:5e:00:00:01       | does not name one station",
        "ping --mtu 67                      | 68",
        "ping --mtu 9217                    | 9216",
        "ping --count 0                     | --count",
        "ping --count many                  | many",
        "ping --size 65508                  | 65507",
        "ping --size -1                     | --size",
        "ping --from nowhere                | nowhere",
        "ping --from guest -- -i 1          | -i",
        "ping --backend pigeon              | pigeon",
        "ping --backend sink                | sink",
        "ping --backend stream:             | HOST:PORT",
        "ping --backend stream:4444         | HOST:PORT",
        "ping --backend stream:h:65536      | 65535",
        "ping --backend stream:::1:4444     | brackets",
        "ping --backend stream:unix:        | path",
        "ping --backend stream:h:1,tls      | tls=DIR",
        "ping --backend stream:h:1,tls=/nowhere | /nowhere/ca-cert.pem",
        "ping --backend stream:h:1,timeout=0 | timeout",
        "ping --backend stream:h:1,colour=red | colour=red",
        "ping --backend stream:listen:h:1,reconnect=1 | reconnect",
        "ping --backend stream:listen:unix:/proc/version | no socket",
        "ping --backend stream:listen:192.0.2.99:0 | cannot listen",
        "ping --backend stream:h:1 --from host | no host",
        "ping --backend stream:h:1 --to somewhere | --to",
        "ping --backend stream:h:1 --guest-address 1.2.3 | --guest-address",
        "ping --backend stream:h:1 --backend tap | once",
        "ping --backend stream:h:1 -- -i 1  | -i",
        "up --backend stream:listen:h:port  | port",
        "ping --backend tap:a-name-that-is-too-long | 15",
        "ping --bounce-slots many           | many",
        "ping --bounce-slots 0              | 4096",
        "dump --at midnight                 | midnight",
        "dma-check --mistake sloth          | no-map",
        "dma-check --platform vax           | vax",
        "dma-check --bounce-slots many      | many",
        "dma-check --seed today             | --seed",
        "test                               | ./vlab test",
      })
  void isOneLineThatNamesIt(String arguments, String named) {
    try (Vlab vlab = Vlab.asMyself()) {
      Vlab.Ended ended = vlab.run(arguments.split(" "));

      List<String> lines = ended.err().lines().toList();
      assertAll(
          () -> assertEquals(2, ended.exitCode()),
          () -> assertEquals(1, lines.size(), ended.err()),
          () -> assertTrue(lines.getFirst().startsWith("vlab: "), ended.err()),
          () -> assertTrue(lines.getFirst().contains(named), ended.err()),
          () -> assertEquals("", ended.out()));
      vlab.assertNothingLeft();
    }
  }

  @Test
  void anOrdinaryUserWhoAsksForATapAndMayHaveNoneIsToldHowToMendIt() {
    Requirements.assumeRoot();
    Requirements.assumeProgram("setpriv", "util-linux");
    try (Vlab vlab = Vlab.asOrdinaryUser("600")) {
      Vlab.Ended ended = vlab.run("ping", "--backend", "tap");

      assertEquals(2, ended.exitCode(), ended.err());
      assertEquals(1, ended.err().lines().count(), ended.err());
      assertTrue(ended.err().contains("sudo chmod 666 /dev/net/tun"), ended.err());
      vlab.assertNothingLeft();
    }
  }

  @Test
  void whoAsksForATapWhereNoNamespaceIsAllowedIsToldWhatIsMissing() {
    Requirements.assumeRoot();
    Requirements.assumeProgram("setpriv", "util-linux");
    try (Vlab vlab = Vlab.asRootWithoutNamespaces()) {
      Vlab.Ended ended = vlab.run("ping", "--backend", "tap");

      assertEquals(2, ended.exitCode(), ended.err());
      assertEquals(1, ended.err().lines().count(), ended.err());
      assertTrue(ended.err().contains("CAP_SYS_ADMIN"), ended.err());
      vlab.assertNothingLeft();
    }
  }

  @Test
  void aNameThatIsTakenIsOneLine() {
    Requirements.assumeTap();
    Requirements.assumeProgram("ip", "iproute2");
    try (Vlab vlab = Vlab.asMyself()) {
      // Every network namespace has it, and it is no TAP.
      Vlab.Ended ended = vlab.run("ping", "--backend", "tap:lo");

      assertEquals(2, ended.exitCode(), ended.err());
      assertEquals(1, ended.err().lines().count(), ended.err());
      assertTrue(ended.err().contains("lo"), ended.err());
      vlab.assertNothingLeft();
    }
  }

  @Test
  void aCaptureThatCannotBeWrittenIsSaidBeforeAnythingRuns() {
    Requirements.assumeTap();
    try (Vlab vlab = Vlab.asMyself()) {
      Vlab.Ended ended = vlab.run("ping", "--pcap", "/nowhere/at/all.pcapng");

      assertEquals(2, ended.exitCode(), ended.err());
      assertTrue(ended.err().contains("/nowhere/at/all.pcapng"), ended.err());
      vlab.assertNothingLeft();
    }
  }
}
