package dev.virtiolab.firmware.stack;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.virtiolab.firmware.fixture.Seed;
import dev.virtiolab.firmware.stack.bytes.InternetChecksum;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class InternetChecksumTest {
  @Test
  void exampleOfRfc1071() {
    byte[] bytes = Packets.hex("0001 f203 f4f5 f6f7");
    assertEquals(0xffff - 0xddf2, of(bytes, 0, 8));
  }

  @Test
  void everyByteSetHasACarryIntoEveryFold() {
    byte[] bytes = new byte[65_535];
    Arrays.fill(bytes, (byte) 0xff);
    assertEquals(Packets.slowChecksum(bytes), of(bytes, 0, 65_535));
    assertEquals(0, of(bytes, 1, 65_534));
    assertEquals(0xffff, of(bytes, 0, 0));
  }

  @Test
  void agreesWithTheSlowModelAtEveryLengthAndAlignment() {
    SplittableRandom random = Seed.random("InternetChecksumTest");
    byte[] bytes = new byte[70_000];
    for (int round = 0; round < 3_000; round++) {
      random.nextBytes(bytes);
      int length = round < 300 ? round : random.nextInt(round % 10 == 0 ? 65_536 : 2_000);
      int offset = random.nextInt(64);
      byte[] part = Arrays.copyOfRange(bytes, offset, offset + length);
      assertEquals(Packets.slowChecksum(part), of(bytes, offset, length), "length=" + length);
    }
  }

  private static int of(byte[] bytes, int offset, int length) {
    return InternetChecksum.of(MemorySegment.ofArray(bytes), offset, length);
  }
}
