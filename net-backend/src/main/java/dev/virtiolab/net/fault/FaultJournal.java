package dev.virtiolab.net.fault;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.ArrayList;
import java.util.List;

/**
 * What befell which frame, in the order in which it did. Delay is no entry: it befalls every frame.
 *
 * <p>The device's thread writes, any may read at any time. The first {@link #CAPACITY} entries are
 * kept; {@link #missed()} counts those that came later.
 */
public final class FaultJournal {
  /** Entries that are kept. */
  public static final int CAPACITY = 1 << 16;

  private static final VarHandle SIZE = handle("size");
  private static final VarHandle MISSED = handle("missed");

  private static final Direction[] DIRECTIONS = Direction.values();
  private static final Fault[] FAULTS = Fault.values();

  /**
   * One entry.
   *
   * @param nanos when, since the back end was made
   * @param number of the frame in its direction, from 1
   * @param bit which was flipped, counted from the lowest of the first octet; -1 unless {@code
   *     fault} is {@link Fault#CORRUPTED}
   */
  public record Entry(long nanos, Direction direction, long number, Fault fault, long bit) {
    @Override
    public String toString() {
      return "%d ns: %s %d %s%s"
          .formatted(
              nanos, direction.word(), number, fault.word(), bit < 0 ? "" : " at bit " + bit);
    }
  }

  private final long[] nanos = new long[CAPACITY];
  private final long[] numbers = new long[CAPACITY];
  private final int[] bits = new int[CAPACITY];
  private final byte[] kinds = new byte[CAPACITY];

  private int size;
  private long missed;

  FaultJournal() {}

  /** How many entries there are. */
  public int size() {
    // Acquire: partner of the release in add(); what is before it is written for good.
    return (int) SIZE.getAcquire(this);
  }

  /** What befell frames and is not in the journal, for want of room. */
  public long missed() {
    return (long) MISSED.getOpaque(this);
  }

  /**
   * One entry.
   *
   * @param index from 0 to less than {@link #size()}
   */
  public Entry entry(int index) {
    if (index < 0 || index >= size()) {
      throw new IndexOutOfBoundsException(index);
    }
    int kind = kinds[index];
    return new Entry(
        nanos[index],
        DIRECTIONS[kind % DIRECTIONS.length],
        numbers[index],
        FAULTS[kind / DIRECTIONS.length],
        bits[index]);
  }

  /** All entries so far. */
  public List<Entry> entries() {
    int count = size();
    List<Entry> entries = new ArrayList<>(count);
    for (int i = 0; i < count; i++) {
      entries.add(entry(i));
    }
    return entries;
  }

  /** The numbers of the frames that {@code fault} befell, in the order in which it did. */
  public long[] numbers(Direction direction, Fault fault) {
    return entries().stream()
        .filter(entry -> entry.direction == direction && entry.fault == fault)
        .mapToLong(Entry::number)
        .toArray();
  }

  /** The device's thread. */
  void add(long atNanos, Direction direction, long number, Fault fault, int bit) {
    int index = size;
    if (index == CAPACITY) {
      MISSED.setOpaque(this, missed + 1);
      return;
    }
    nanos[index] = atNanos;
    numbers[index] = number;
    bits[index] = bit;
    kinds[index] = (byte) (fault.ordinal() * DIRECTIONS.length + direction.ordinal());
    // Release: the entry, to the acquire in size().
    SIZE.setRelease(this, index + 1);
  }

  private static VarHandle handle(String field) {
    try {
      MethodHandles.Lookup lookup = MethodHandles.lookup();
      Class<?> type = FaultJournal.class.getDeclaredField(field).getType();
      return lookup.findVarHandle(FaultJournal.class, field, type);
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }
}
