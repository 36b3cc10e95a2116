package dev.virtiolab.firmware.stack;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.firmware.fixture.Seed;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class Ipv4ReassemblerTest {
  private static final int ROUNDS = 4_000;

  private final StackCounters counters = new StackCounters();
  private final Ipv4Reassembler reassembler = new Ipv4Reassembler(counters);
  private long now;

  /** A fragment as the wire has it. */
  private record Fragment(int offset, boolean more, byte[] payload) {
    int end() {
      return offset + payload.length;
    }
  }

  @Test
  void fragmentsInAnyOrderMakeTheDatagramOnce() {
    SplittableRandom random = Seed.random("Ipv4ReassemblerTest");
    for (int round = 0; round < ROUNDS; round++) {
      byte[] data = Packets.data(round, random.nextInt(9, round % 50 == 0 ? 65_516 : 4_000));
      List<Fragment> fragments = cut(data, random);
      Collections.shuffle(fragments, new Random(random.nextLong()));
      for (int i = 0; i < fragments.size(); i++) {
        boolean complete = add(1, round, fragments.get(i));
        assertEquals(i == fragments.size() - 1, complete);
      }
      assertArrayEquals(data, result());
    }
    assertEquals(ROUNDS, counters.value(StackCounter.DATAGRAMS_REASSEMBLED));
  }

  /** Random histories against a model that keeps one owner per byte and looks at all of them. */
  @Test
  void duplicatesAndOverlapsAreJudgedAsTheModelDoes() {
    SplittableRandom random = Seed.random("Ipv4ReassemblerTest");
    int whole = 0;
    int poisoned = 0;
    for (int round = 0; round < ROUNDS; round++) {
      byte[] data = Packets.data(round, random.nextInt(9, 400));
      List<Fragment> fragments = cut(data, random);
      int extras = random.nextInt(4);
      for (int i = 0; i < extras; i++) {
        fragments.add(random.nextInt(3) == 0 ? stranger(data, random) : copy(fragments, random));
      }
      Collections.shuffle(fragments, new Random(random.nextLong()));
      Model model = new Model();
      for (Fragment fragment : fragments) {
        boolean expected = model.add(fragment);
        assertEquals(expected, add(2, round, fragment), () -> "after " + fragment);
        if (expected) {
          assertArrayEquals(model.datagram(), result());
          whole++;
          break;
        }
      }
      poisoned += model.poisoned ? 1 : 0;
      forgetAll();
    }
    assertTrue(whole > ROUNDS / 4, whole + " datagrams");
    assertTrue(poisoned > ROUNDS / 20, poisoned + " poisoned");
  }

  @Test
  void manyAtOnceDoNotMix() {
    SplittableRandom random = Seed.random("Ipv4ReassemblerTest");
    for (int round = 0; round < 200; round++) {
      List<byte[]> datagrams = new ArrayList<>();
      List<List<Fragment>> left = new ArrayList<>();
      for (int i = 0; i < Ipv4Reassembler.DATAGRAMS; i++) {
        byte[] data = Packets.data(round * 16 + i, random.nextInt(16, 3_000));
        datagrams.add(data);
        left.add(cut(data, random));
      }
      int open = datagrams.size();
      while (left.stream().anyMatch(fragments -> !fragments.isEmpty())) {
        int i = random.nextInt(datagrams.size());
        if (left.get(i).isEmpty()) {
          continue;
        }
        // Same identification: two peers tell them apart, or the protocol does not matter.
        if (add(100 + i, 7, left.get(i).removeLast())) {
          assertArrayEquals(datagrams.get(i), result());
          open--;
        }
      }
      assertEquals(0, open);
    }
    assertEquals(0, counters.value(StackCounter.REASSEMBLY_EVICTED));
  }

  @Test
  void malformedFragmentsAreDroppedAndHarmNothing() {
    assertFalse(add(1, 1, new Fragment(8, false, new byte[0])));
    assertFalse(add(1, 1, new Fragment(8, true, new byte[9])));
    assertFalse(add(1, 1, new Fragment(65_512, false, new byte[4])));
    assertFalse(add(1, 1, new Fragment(65_528, true, new byte[8])));
    assertEquals(4, counters.value(StackCounter.FRAGMENT_MALFORMED));
    assertFalse(add(1, 1, new Fragment(0, true, Packets.data(1, 8))));
    assertTrue(add(1, 1, new Fragment(8, false, Packets.data(2, 3))));
  }

  @Test
  void largestDatagramIsTaken() {
    byte[] data = Packets.data(3, Ipv4Layout.MAX_PAYLOAD_BYTES);
    assertFalse(add(1, 1, new Fragment(65_512, false, Arrays.copyOfRange(data, 65_512, 65_515))));
    assertFalse(add(1, 1, new Fragment(0, true, Arrays.copyOfRange(data, 0, 40_000))));
    assertTrue(add(1, 1, new Fragment(40_000, true, Arrays.copyOfRange(data, 40_000, 65_512))));
    assertArrayEquals(data, result());
  }

  @Test
  void poisonedDatagramStaysSoUntilItsTimeIsOver() {
    assertFalse(add(1, 1, new Fragment(0, true, Packets.data(1, 16))));
    assertFalse(add(1, 1, new Fragment(8, true, Packets.data(9, 16))));
    assertEquals(1, counters.value(StackCounter.FRAGMENT_OVERLAP));
    assertFalse(add(1, 1, new Fragment(16, false, Packets.data(1, 8))));
    assertFalse(add(1, 1, new Fragment(0, true, Packets.data(1, 16))));
    now = Ipv4Reassembler.TIMEOUT_NANOS;
    reassembler.expire(now);
    assertFalse(add(1, 1, new Fragment(0, true, Packets.data(1, 16))));
    assertTrue(add(1, 1, new Fragment(16, false, Packets.data(1, 8))));
  }

  @Test
  void endInTheMiddleOfWhatIsThereContradictsIt() {
    byte[] data = Packets.data(1, 16);
    assertFalse(add(1, 1, new Fragment(0, true, data)));
    // The same bytes, but as the last: no fragment that came again.
    assertFalse(add(1, 1, new Fragment(8, false, Arrays.copyOfRange(data, 8, 16))));
    assertEquals(1, counters.value(StackCounter.FRAGMENT_OVERLAP));
    assertEquals(0, counters.value(StackCounter.FRAGMENT_DUPLICATE));
  }

  @Test
  void bytesPastTheEndContradictIt() {
    assertFalse(add(1, 1, new Fragment(8, false, Packets.data(1, 8))));
    assertFalse(add(1, 1, new Fragment(16, true, Packets.data(1, 8))));
    assertEquals(1, counters.value(StackCounter.FRAGMENT_OVERLAP));
    assertFalse(add(1, 1, new Fragment(0, true, Packets.data(1, 8))));
  }

  @Test
  void unfinishedDatagramIsGivenUpAfterThirtySeconds() {
    assertFalse(add(1, 1, new Fragment(0, true, Packets.data(1, 16))));
    now = 30_000_000_000L - 1;
    reassembler.expire(now);
    assertEquals(0, counters.value(StackCounter.REASSEMBLY_TIMEOUT));
    now++;
    reassembler.expire(now);
    assertEquals(1, counters.value(StackCounter.REASSEMBLY_TIMEOUT));
    assertFalse(add(1, 1, new Fragment(16, false, Packets.data(2, 8))));
  }

  @Test
  void oldestMakesWayWhenThereAreTooMany() {
    for (int i = 0; i <= Ipv4Reassembler.DATAGRAMS; i++) {
      now = i;
      assertFalse(add(1, i, new Fragment(0, true, Packets.data(i, 8))));
    }
    assertEquals(1, counters.value(StackCounter.REASSEMBLY_EVICTED));
    for (int i = 1; i <= Ipv4Reassembler.DATAGRAMS; i++) {
      assertTrue(add(1, i, new Fragment(8, false, Packets.data(i, 8))), "datagram " + i);
    }
    assertFalse(add(1, 0, new Fragment(8, false, Packets.data(0, 8))));
  }

  private void forgetAll() {
    now += Ipv4Reassembler.TIMEOUT_NANOS;
    reassembler.expire(now);
  }

  private boolean add(int source, int id, Fragment fragment) {
    byte[] bytes =
        Packets.ipv4(
            0x0a000000 + source,
            Packets.GUEST,
            1,
            id,
            fragment.offset,
            fragment.more,
            fragment.payload);
    Ipv4Packet packet = new Ipv4Packet();
    assertTrue(packet.wrap(MemorySegment.ofArray(bytes), 0, bytes.length));
    return reassembler.add(packet, MemorySegment.ofArray(bytes), now);
  }

  private byte[] result() {
    return reassembler.bytes().asSlice(0, reassembler.length()).toArray(ValueLayout.JAVA_BYTE);
  }

  private static List<Fragment> cut(byte[] data, SplittableRandom random) {
    List<Fragment> fragments = new ArrayList<>();
    int at = 0;
    while (at < data.length) {
      int most = (data.length - at + 7) / 8;
      int bytes = 8 * random.nextInt(1, Math.max(2, Math.min(most + 1, data.length / 24 + 2)));
      int end = Math.min(at + bytes, data.length);
      fragments.add(new Fragment(at, end < data.length, Arrays.copyOfRange(data, at, end)));
      at = end;
    }
    return fragments;
  }

  private static Fragment copy(List<Fragment> fragments, SplittableRandom random) {
    return fragments.get(random.nextInt(fragments.size()));
  }

  /** Some part of the datagram or past it, with its bytes or others. */
  private static Fragment stranger(byte[] data, SplittableRandom random) {
    int offset = 8 * random.nextInt(data.length / 8 + 2);
    boolean more = random.nextInt(4) != 0;
    int length = more ? 8 * random.nextInt(1, 6) : random.nextInt(1, 40);
    byte[] payload = new byte[length];
    for (int i = 0; i < length; i++) {
      payload[i] = offset + i < data.length ? data[offset + i] : 0;
    }
    if (random.nextInt(3) == 0) {
      payload[random.nextInt(length)] ^= 1;
    }
    return new Fragment(offset, more, payload);
  }

  /**
   * Every byte on its own; units of 8 count as wholes, as the wire counts them. A fragment whose
   * units are all there, with the same bytes and the same end, came again; any other that meets a
   * unit that is there, or an end that does not fit, poisons.
   */
  private static final class Model {
    final Integer[] bytes = new Integer[70_000];
    int total = -1;
    boolean poisoned;

    boolean add(Fragment fragment) {
      if (poisoned) {
        return false;
      }
      int end = fragment.end();
      boolean last = !fragment.more;
      boolean met = false;
      boolean same = true;
      for (int i = fragment.offset / 8 * 8; i < (end + 7) / 8 * 8; i++) {
        met |= bytes[i] != null;
      }
      for (int i = fragment.offset; i < end; i++) {
        same &= bytes[i] != null && bytes[i] == fragment.payload[i - fragment.offset];
      }
      for (int i = end; i < bytes.length; i++) {
        poisoned |= last && bytes[i] != null;
      }
      poisoned |= last && total >= 0 && total != end;
      poisoned |= !last && total >= 0 && end > total;
      boolean again = same && (!last || total == end);
      poisoned |= met && !again;
      if (poisoned || met) {
        return false;
      }
      for (int i = fragment.offset; i < end; i++) {
        bytes[i] = (int) fragment.payload[i - fragment.offset];
      }
      if (last) {
        total = end;
      }
      if (total < 0) {
        return false;
      }
      for (int i = 0; i < total; i++) {
        if (bytes[i] == null) {
          return false;
        }
      }
      return true;
    }

    byte[] datagram() {
      byte[] datagram = new byte[total];
      for (int i = 0; i < total; i++) {
        datagram[i] = bytes[i].byteValue();
      }
      return datagram;
    }
  }
}
