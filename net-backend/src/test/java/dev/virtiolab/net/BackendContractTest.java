package dev.virtiolab.net;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.net.fault.FaultRules;
import dev.virtiolab.net.fault.FaultyBackend;
import dev.virtiolab.net.fixture.ScriptedBackend;
import dev.virtiolab.net.netty.VxlanBackend;
import dev.virtiolab.net.netty.VxlanConfig;
import dev.virtiolab.posix.fixture.Requirements;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What {@link NetBackend} promises, asked of every back end. */
class BackendContractTest {
  private static final int MAX = 2048;

  @TempDir Path folder;

  private final List<NetBackend> peers = new ArrayList<>();

  @AfterEach
  void closePeers() {
    peers.forEach(NetBackend::close);
  }

  /** A back end, and a way to make a frame arrive at it; null where the test has none. */
  private record Subject(NetBackend backend, Consumer<byte[]> arrive) implements AutoCloseable {
    @Override
    public void close() {
      backend.close();
    }
  }

  private enum Kind {
    LOOPBACK_PAIR,
    LOOPBACK_SINGLE,
    SINK,
    SOURCE,
    TAP,
    DGRAM,
    VXLAN,
    CAPTURE,
    FAULTS_NONE,
    FAULTS_KEPT,
    SCRIPTED
  }

  private Subject make(Kind kind) {
    switch (kind) {
      case LOOPBACK_PAIR -> {
        LoopbackBackend.Pair pair = LoopbackBackend.pair(8, MAX);
        return new Subject(pair.left(), frame -> Frames.send(pair.right(), frame));
      }
      case LOOPBACK_SINGLE -> {
        LoopbackBackend single = LoopbackBackend.single(8, MAX);
        return new Subject(single, frame -> Frames.send(single, frame));
      }
      case SINK -> {
        return new Subject(new SinkBackend(8, MAX), null);
      }
      case SOURCE -> {
        return new Subject(new SourceBackend(new byte[6], new byte[6], 64), null);
      }
      case TAP -> {
        Requirements.assumeTap();
        return new Subject(TapBackend.open(""), null);
      }
      case DGRAM -> {
        Path here = folder.resolve("here");
        Path there = folder.resolve("there");
        DatagramBackend peer = DatagramBackend.unix(there, here);
        peers.add(peer);
        return new Subject(DatagramBackend.unix(here, there), frame -> Frames.send(peer, frame));
      }
      case VXLAN -> {
        InetSocketAddress[] ends = DatagramBackendTest.freePorts(2);
        VxlanConfig.Host here = new VxlanConfig.Host("127.0.0.1", ends[0].getPort());
        VxlanConfig.Host there = new VxlanConfig.Host("127.0.0.1", ends[1].getPort());
        // What arrives there is another thread's work: VxlanBackendTest waits for it.
        return new Subject(VxlanBackend.open(VxlanConfig.of(here, 7, List.of(there))), null);
      }
      case CAPTURE -> {
        LoopbackBackend.Pair pair = LoopbackBackend.pair(8, MAX);
        try {
          NetBackend capture = CapturingBackend.open(pair.left(), folder.resolve("c.pcapng"));
          return new Subject(capture, frame -> Frames.send(pair.right(), frame));
        } catch (IOException e) {
          throw new UncheckedIOException(e);
        }
      }
      case FAULTS_NONE -> {
        LoopbackBackend.Pair pair = LoopbackBackend.pair(8, MAX);
        NetBackend faults = FaultyBackend.open(pair.left(), 1);
        return new Subject(faults, frame -> Frames.send(pair.right(), frame));
      }
      case FAULTS_KEPT -> {
        LoopbackBackend.Pair pair = LoopbackBackend.pair(8, MAX);
        FaultyBackend faults = FaultyBackend.open(pair.left(), 1);
        // Every frame takes the way of those that are delayed, and is due at once.
        faults.rules(FaultRules.NONE.withDuplication(Double.MIN_VALUE));
        return new Subject(faults, frame -> Frames.send(pair.right(), frame));
      }
      case SCRIPTED -> {
        ScriptedBackend scripted = new ScriptedBackend(MAX);
        return new Subject(scripted, scripted::deliver);
      }
    }
    throw new AssertionError(kind);
  }

  @ParameterizedTest
  @EnumSource
  void claimHasRoomForTheLargestFrame(Kind kind) {
    try (Subject subject = make(kind)) {
      NetBackend backend = subject.backend;
      int max = backend.maxFrameLength();
      assertTrue(backend.claim(max));
      backend.claimed().asSlice(backend.claimedOffset(), max).fill((byte) 1);
      backend.abort();
    }
  }

  @ParameterizedTest
  @EnumSource
  void abortedClaimSendsNothing(Kind kind) {
    try (Subject subject = make(kind)) {
      NetBackend backend = subject.backend;
      assertTrue(backend.claim(60));
      backend.abort();
      backend.flush();
      assertEquals(0, backend.counters().framesOut());
      assertEquals(0, backend.counters().droppedOut());
      assertTrue(backend.claim(60));
      backend.abort();
    }
  }

  @ParameterizedTest
  @EnumSource
  void committedFrameIsCountedWithItsBytes(Kind kind) {
    try (Subject subject = make(kind)) {
      NetBackend backend = subject.backend;
      Frames.commit(backend, Frames.numbered(1, 60));
      Frames.commit(backend, Frames.numbered(2, 61));
      backend.flush();
      BackendCounters counters = backend.counters();
      if (kind == Kind.TAP) {
        // It is down: a wire that loses frames is no error.
        assertEquals(2, counters.droppedOut());
        assertEquals(0, counters.framesOut());
      } else {
        assertEquals(2, counters.framesOut());
        assertEquals(121, counters.bytesOut());
        assertEquals(0, counters.droppedOut());
      }
    }
  }

  @ParameterizedTest
  @EnumSource(mode = EnumSource.Mode.EXCLUDE, names = "SOURCE") // which is never quiet
  void peekFindsNothingOnAQuietWire(Kind kind) {
    try (Subject subject = make(kind)) {
      assertEquals(0, subject.backend.peek());
      assertEquals(0, subject.backend.peek());
      assertEquals(0, subject.backend.counters().framesIn());
    }
  }

  @ParameterizedTest
  @EnumSource(
      mode = EnumSource.Mode.EXCLUDE,
      names = {"SINK", "SOURCE", "TAP", "VXLAN"})
  void peekFindsTheSameFrameUntilItIsReleased(Kind kind) {
    try (Subject subject = make(kind)) {
      NetBackend backend = subject.backend;
      byte[] one = Frames.numbered(1, 60);
      byte[] two = Frames.numbered(2, 1514);
      subject.arrive.accept(one);
      subject.arrive.accept(two);
      assertArrayEquals(one, Frames.look(backend));
      assertArrayEquals(one, Frames.look(backend));
      // The counters of faults are the wire's, from which frames that are kept are taken at once.
      boolean taken = kind == Kind.FAULTS_KEPT;
      assertEquals(taken ? 2 : 0, backend.counters().framesIn());
      backend.release();
      assertEquals(taken ? 2 : 1, backend.counters().framesIn());
      assertEquals(taken ? 1574 : 60, backend.counters().bytesIn());
      assertArrayEquals(two, Frames.look(backend));
      backend.release();
      assertEquals(0, backend.peek());
    }
  }

  @ParameterizedTest
  @EnumSource
  void callsOutOfOrderAreTheDevicesBugAndLoud(Kind kind) {
    try (Subject subject = make(kind)) {
      NetBackend backend = subject.backend;
      assertThrows(IllegalStateException.class, backend::commit);
      assertThrows(IllegalStateException.class, backend::abort);
      assertThrows(IllegalStateException.class, backend::release);
      assertThrows(RuntimeException.class, () -> backend.claim(0));
      assertThrows(RuntimeException.class, () -> backend.claim(backend.maxFrameLength() + 1));
      assertTrue(backend.claim(1));
      assertThrows(IllegalStateException.class, () -> backend.claim(1));
      backend.abort();
    }
  }

  @ParameterizedTest
  @EnumSource
  void linkIsUpAndCloseMayBeRepeated(Kind kind) {
    Subject subject = make(kind);
    assertTrue(subject.backend.linkUp());
    subject.backend.close();
    subject.backend.close();
  }
}
