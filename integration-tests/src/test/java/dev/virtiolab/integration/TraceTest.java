package dev.virtiolab.integration;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.firmware.stack.Ipv4Address;
import dev.virtiolab.firmware.stack.Ping;
import dev.virtiolab.firmware.uefi.MacAddress;
import dev.virtiolab.iommu.PlatformKind;
import dev.virtiolab.iommu.sev.SevPlatform;
import dev.virtiolab.lab.Machine;
import dev.virtiolab.lab.MachineConfig;
import dev.virtiolab.lab.trace.Trace;
import dev.virtiolab.net.LoopbackBackend;
import dev.virtiolab.posix.fixture.Requirements;
import dev.virtiolab.virtio.net.NetCounters;
import dev.virtiolab.virtio.net.VirtioNet;
import java.io.IOException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.stream.StreamSupport;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * What a timeline and a recording show of a machine is what its counters counted, each for itself.
 */
class TraceTest {
  private static final Ipv4Address NEAR = Ipv4Address.parse("192.0.2.2");
  private static final Ipv4Address FAR = Ipv4Address.parse("192.0.2.3");
  private static final String OTHER_MAC = "52:54:00:00:00:03";
  private static final int REQUESTS = 20;

  @TempDir private Path folder;

  /** What the counters of a machine said at its end, seen from outside. */
  private record Counted(
      long kicks, long framesSent, long framesReceived, long maps, long unmaps, long flips) {}

  @ParameterizedTest
  @EnumSource
  void timelineAgreesWithTheCounters(PlatformKind platform) throws IOException {
    Path file = folder.resolve("trace.json");
    Counted counted;
    try (Trace trace = Trace.open(file)) {
      counted = pingAround(platform, Optional.of(trace));
    }
    List<JsonNode> events =
        StreamSupport.stream(JsonMapper.shared().readTree(file.toFile()).spliterator(), false)
            .toList();

    assertEquals(counted.kicks, count(events, "i", "kick receive", "kick transmit"));
    assertEquals(counted.maps, count(events, "b"));
    assertEquals(counted.unmaps, count(events, "e"));
    assertEquals(counted.framesSent, chains(events, "transmit queue"));
    assertEquals(counted.framesReceived, chains(events, "receive queue"));
    if (platform == PlatformKind.SEV) {
      assertEquals(counted.flips, pages(events));
      assertTrue(counted.flips > 0);
    }
    everyMappingEndsAfterItBegan(events);
  }

  @Test
  void recordingAgreesWithTheCountersAndHasOnlyWhatItEnabled() throws IOException {
    Path file = folder.resolve("flight.jfr");
    Counted counted;
    try (Recording recording = new Recording()) {
      for (String name : List.of("Kick", "Chain", "DmaMap", "DmaUnmap", "CBitFlip")) {
        recording.enable("virtiolab." + name);
      }
      recording.start();
      counted = pingAround(PlatformKind.SEV, Optional.empty());
      recording.stop();
      recording.dump(file);
    }
    Map<String, Long> events = new HashMap<>();
    long flips = 0;
    for (RecordedEvent event : RecordingFile.readAllEvents(file)) {
      String name = event.getEventType().getName();
      if (name.startsWith("virtiolab.") && event.getString("nic").endsWith(OTHER_MAC)) {
        continue;
      }
      events.merge(name, 1L, Long::sum);
      if (name.equals("virtiolab.CBitFlip")) {
        flips += event.getLong("pages");
      }
    }
    assertEquals(counted.kicks, events.get("virtiolab.Kick"));
    assertEquals(counted.framesSent + counted.framesReceived, events.get("virtiolab.Chain"));
    assertEquals(counted.maps, events.get("virtiolab.DmaMap"));
    assertEquals(counted.unmaps, events.get("virtiolab.DmaUnmap"));
    assertEquals(counted.flips, flips);
    assertEquals(null, events.get("virtiolab.Status"));
  }

  @Test
  void pingWritesATimelineAndARecording() throws IOException {
    assumeSystemPing();
    try (Vlab vlab = Vlab.asMyself()) {
      Path timeline = vlab.out("trace.json");
      Path recording = vlab.out("nic.jfr");
      Vlab.Ended ended =
          vlab.java(
                  "-XX:StartFlightRecording:settings="
                      + Path.of("..", "lab", "virtiolab.jfc").toAbsolutePath().normalize()
                      + ",filename="
                      + recording,
                  "-Xlog:disable")
              .run("ping", "-c", "2", "--platform", "sev", "--trace", timeline.toString());
      assertEquals(0, ended.exitCode(), ended::err);
      JsonNode events = JsonMapper.shared().readTree(timeline.toFile());
      long kicks =
          StreamSupport.stream(events.spliterator(), false)
              .filter(event -> event.get("name").asString().startsWith("kick"))
              .count();
      assertTrue(kicks > 0);
      assertEquals(
          kicks,
          RecordingFile.readAllEvents(recording).stream()
              .filter(event -> event.getEventType().getName().equals("virtiolab.Kick"))
              .count());
      vlab.assertNothingLeft();
    }
  }

  @Test
  void aFullDiskUnderTheTimelineIsOneLineAndNoHarm() {
    assumeSystemPing();
    try (Vlab vlab = Vlab.asMyself()) {
      Vlab.Ended ended = vlab.run("ping", "-c", "2", "--trace", "/dev/full");
      assertEquals(0, ended.exitCode(), ended::err);
      assertEquals(
          "vlab: /dev/full: the trace ends here: No space left on device", ended.err().strip());
      vlab.assertNothingLeft();
    }
  }

  /** Runs a ping between two machines, one of them on the timeline, to the end of both. */
  private static Counted pingAround(PlatformKind platform, Optional<Trace> trace) {
    LoopbackBackend.Pair wire = LoopbackBackend.pair(64, 1514);
    Machine seen;
    try (Machine other = Machine.start(otherConfig(), wire.right(), FAR)) {
      seen = Machine.start(MachineConfig.of(platform), wire.left(), NEAR, trace);
      try (seen) {
        assertEquals(REQUESTS, replies(seen));
        assertTrue(other.report().frames().fromGuest() >= REQUESTS);
      }
    }
    NetCounters nic = seen.board().nic().counters();
    var dma = seen.report().dma();
    return new Counted(
        nic.kicks(VirtioNet.RECEIVE_QUEUE) + nic.kicks(VirtioNet.TRANSMIT_QUEUE),
        nic.framesSent(),
        nic.framesReceived(),
        dma.maps(),
        dma.unmaps(),
        seen.board().platform() instanceof SevPlatform sev
            ? sev.counters().flipsToShared() + sev.counters().flipsToPrivate()
            : 0);
  }

  private static MachineConfig otherConfig() {
    MachineConfig usual = MachineConfig.of(PlatformKind.PC);
    return new MachineConfig(
        usual.platform(),
        usual.slot(),
        MacAddress.parse(OTHER_MAC),
        usual.mtu(),
        usual.bounceSlots(),
        usual.seed());
  }

  private static long replies(Machine machine) {
    return machine
        .guest()
        .ask(
            firmware -> {
              try (Ping ping = firmware.stack().ping(FAR, 56)) {
                while (ping.sent() < REQUESTS) {
                  if (ping.send(TimeUnit.SECONDS.toNanos(5))) {
                    while (ping.state() == Ping.State.WAITING) {
                      firmware.turn();
                    }
                  } else {
                    firmware.turn();
                  }
                }
                return ping.replies();
              }
            });
  }

  private static void assumeSystemPing() {
    Requirements.assumeTap();
    Requirements.assumeProgram("ping", "iputils-ping");
    Requirements.assumeProgram("ip", "iproute2");
  }

  private static long count(List<JsonNode> events, String phase, String... names) {
    return events.stream()
        .filter(event -> event.get("ph").asString().equals(phase))
        .filter(event -> names.length == 0 || List.of(names).contains(event.get("name").asString()))
        .count();
  }

  /** Bars on the track of that name, found by its metadata. */
  private static long chains(List<JsonNode> events, String track) {
    JsonNode meta =
        events.stream()
            .filter(event -> event.get("name").asString().equals("thread_name"))
            .filter(event -> event.get("args").get("name").asString().equals(track))
            .findFirst()
            .orElseThrow();
    return events.stream()
        .filter(event -> event.get("ph").asString().equals("X"))
        .filter(event -> event.get("pid").equals(meta.get("pid")))
        .filter(event -> event.get("tid").equals(meta.get("tid")))
        .filter(event -> event.get("name").asString().equals("chain"))
        .count();
  }

  private static long pages(List<JsonNode> events) {
    return events.stream()
        .filter(event -> event.get("name").asString().startsWith("C-bit"))
        .mapToLong(event -> event.get("args").get("pages").asLong())
        .sum();
  }

  private static void everyMappingEndsAfterItBegan(List<JsonNode> events) {
    Map<String, JsonNode> open = new HashMap<>();
    for (JsonNode event : events) {
      String phase = event.get("ph").asString();
      if (phase.equals("b")) {
        assertEquals(null, open.put(event.get("id").asString(), event), event::toString);
      } else if (phase.equals("e")) {
        JsonNode begin = open.remove(event.get("id").asString());
        assertEquals(begin.get("name"), event.get("name"));
        assertTrue(begin.get("ts").asDouble() <= event.get("ts").asDouble(), event::toString);
      }
    }
  }
}
