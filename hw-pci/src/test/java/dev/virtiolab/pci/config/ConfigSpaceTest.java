package dev.virtiolab.pci.config;

import static dev.virtiolab.pci.config.AccessKind.READ_ONLY;
import static dev.virtiolab.pci.config.AccessKind.READ_WRITE;
import static dev.virtiolab.pci.config.AccessKind.WRITE_1_TO_CLEAR;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class ConfigSpaceTest {
  private final ConfigSpace space = new ConfigSpace(ConfigSpace.CONVENTIONAL_BYTES);

  @Test
  void aBitThatNoRuleNamesIsReadOnly() {
    space.initialize(0x40, 4, 0x12345678);
    space.write(0x40, 4, 0xffffffffL);
    assertEquals(0x12345678, space.read(0x40, 4));
  }

  @Test
  void aWriteStoresOnlyTheReadWriteBits() {
    space.initialize(0x44, 2, 0xa00a);
    space.declare(new RegisterRule("r", 0x44, 2, READ_WRITE, 0x0ff0));
    space.write(0x44, 2, 0x1231);
    assertEquals(0xa23a, space.read(0x44, 2));
  }

  @Test
  void writingOneClearsAndWritingZeroLeaves() {
    space.declare(new RegisterRule("r", 0x06, 2, WRITE_1_TO_CLEAR, 0xf900));
    space.store(0x06, 2, 0xf910);
    space.write(0x06, 2, 0x8010);
    assertEquals(0x7910, space.read(0x06, 2));
    space.write(0x07, 1, 0x70);
    assertEquals(0x0910, space.read(0x06, 2));
  }

  @Test
  void theLastRuleForABitHolds() {
    space.declare(new RegisterRule("r", 0x40, 1, READ_WRITE, 0xff));
    space.declare(new RegisterRule("r", 0x40, 1, READ_ONLY, 0x0f));
    space.write(0x40, 1, 0xff);
    assertEquals(0xf0, space.read(0x40, 1));
  }

  @Test
  void anAccessThatLeavesItsDoublewordOrTheSpaceReadsAllOnesAndIsLost() {
    space.declare(new RegisterRule("r", 0x40, 4, READ_WRITE, 0xffffffffL));
    space.declare(new RegisterRule("r", 0x44, 4, READ_WRITE, 0xffffffffL));
    for (int[] odd : new int[][] {{0x43, 2}, {0x41, 4}, {0x42, 4}, {0x40, 3}, {0x40, 8}}) {
      assertEquals(ConfigSpace.allOnes(odd[1]), space.read(odd[0], odd[1]));
      space.write(odd[0], odd[1], 0x5555);
    }
    assertEquals(0, space.read(0x40, 4));
    assertEquals(0, space.read(0x44, 4));
    assertEquals(0xffff, space.read(0x100, 2));
    assertEquals(0xff, space.read(-1, 1));
    space.write(0x100, 4, 1);
  }

  @Test
  void anUnalignedWordWithinADoublewordIsTwoByteLanes() {
    space.initialize(0x40, 4, 0x44332211);
    assertEquals(0x3322, space.read(0x41, 2));
  }

  @Test
  void aResetRestoresWhatWasInitialisedAndForgetsWhatWasStored() {
    space.initialize(0x40, 4, 0x11111111);
    space.declare(new RegisterRule("r", 0x40, 4, READ_WRITE, 0xffffffffL));
    space.write(0x40, 4, 0x22222222);
    space.store(0x50, 4, 3);
    space.reset();
    assertEquals(0x11111111, space.read(0x40, 4));
    assertEquals(0, space.read(0x50, 4));
  }

  @Test
  void impossibleSizesAndRulesAreRefused() {
    assertThrows(IllegalArgumentException.class, () -> new ConfigSpace(512));
    assertThrows(
        IllegalArgumentException.class, () -> new RegisterRule("r", 0x41, 2, READ_WRITE, 0));
    assertThrows(
        IllegalArgumentException.class, () -> new RegisterRule("r", 0x40, 3, READ_WRITE, 0));
    assertThrows(
        IllegalArgumentException.class, () -> new RegisterRule("r", 0x40, 1, READ_WRITE, 0x100));
  }

  /** A slow model, one bit at a time, agrees on any history of writes. */
  @Test
  void bitByBitAModelAgreesOnRandomWrites() {
    long seed = Long.getLong("virtiolab.seed", 0x5eed_0001L);
    System.out.println("ConfigSpaceTest -Dvirtiolab.seed=" + seed);
    SplittableRandom random = new SplittableRandom(seed);
    boolean[] value = new boolean[2048];
    AccessKind[] kind = new AccessKind[2048];
    for (int at = 0; at < 256; at++) {
      int initial = random.nextInt(256);
      space.initialize(at, 1, initial);
      int writable = random.nextInt(256);
      int clearable = random.nextInt(256) & ~writable;
      space.declare(new RegisterRule("w", at, 1, READ_WRITE, writable));
      space.declare(new RegisterRule("c", at, 1, WRITE_1_TO_CLEAR, clearable));
      for (int bit = 0; bit < 8; bit++) {
        value[at * 8 + bit] = (initial >> bit & 1) != 0;
        kind[at * 8 + bit] =
            (writable >> bit & 1) != 0
                ? READ_WRITE
                : (clearable >> bit & 1) != 0 ? WRITE_1_TO_CLEAR : READ_ONLY;
      }
    }
    for (int step = 0; step < 20_000; step++) {
      int width = 1 << random.nextInt(3);
      int offset = random.nextInt(256 / width) * width;
      long written = random.nextLong() & ConfigSpace.allOnes(width);
      space.write(offset, width, written);
      long expected = 0;
      for (int i = 0; i < width * 8; i++) {
        int bit = offset * 8 + i;
        boolean one = (written >>> i & 1) != 0;
        value[bit] =
            switch (kind[bit]) {
              case READ_ONLY -> value[bit];
              case READ_WRITE -> one;
              case WRITE_1_TO_CLEAR -> value[bit] && !one;
            };
        expected |= value[bit] ? 1L << i : 0;
      }
      assertEquals(expected, space.read(offset, width));
    }
  }
}
