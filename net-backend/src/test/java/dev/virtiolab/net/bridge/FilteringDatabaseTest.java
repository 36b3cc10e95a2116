package dev.virtiolab.net.bridge;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.virtiolab.net.bridge.FilteringDatabase.Learned;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class FilteringDatabaseTest {
  private static final long AGEING = 300;
  private static final int NOWHERE = FilteringDatabase.NOWHERE;
  private static final int WAYS = FilteringDatabase.WAYS;

  private final FilteringDatabase database = new FilteringDatabase(64, AGEING);

  @Test
  void stationIsKnownUntilItWasSilentForTheAgeingTime() {
    assertEquals(NOWHERE, database.portOf(0xabc, 0));
    assertEquals(Learned.NEW, database.learn(0xabc, 2, 1000));
    assertEquals(2, database.portOf(0xabc, 1000 + AGEING));
    assertEquals(NOWHERE, database.portOf(0xabc, 1001 + AGEING));
    assertEquals(Learned.NEW, database.learn(0xabc, 1, 1001 + AGEING));
    assertEquals(1, database.portOf(0xabc, 1001 + AGEING));
  }

  @Test
  void everyFrameMakesTheStationYoungAgain() {
    database.learn(0xabc, 2, 0);
    assertEquals(Learned.KNOWN, database.learn(0xabc, 2, AGEING));
    assertEquals(2, database.portOf(0xabc, 2 * AGEING));
  }

  @Test
  void stationMovesToThePortWhereItIsHeard() {
    database.learn(0xabc, 2, 0);
    assertEquals(Learned.MOVED, database.learn(0xabc, 0, 1));
    assertEquals(0, database.portOf(0xabc, 1));
  }

  @Test
  void aClockThatWrapsIsNoSilence() {
    database.learn(0xabc, 2, Long.MAX_VALUE);
    assertEquals(2, database.portOf(0xabc, Long.MIN_VALUE + 5));
  }

  @Test
  void addressOfZerosIsAStationLikeOthers() {
    assertEquals(NOWHERE, database.portOf(0, 0));
    database.learn(0, 3, 0);
    assertEquals(3, database.portOf(0, 0));
  }

  @Test
  void stationsOfOnePortAreForgottenAndNoOthers() {
    database.learn(1, 0, 0);
    database.learn(2, 1, 0);
    database.forget(0);
    assertEquals(NOWHERE, database.portOf(1, 0));
    assertEquals(1, database.portOf(2, 0));
  }

  @Test
  void portThatInventsStationsReplacesItsOwn() {
    FilteringDatabase oneBucket = new FilteringDatabase(WAYS, AGEING);
    oneBucket.learn(1, 0, 0);
    oneBucket.learn(2, 1, 0);
    for (int invented = 0; invented < 10_000; invented++) {
      oneBucket.learn(1000 + invented, 7, 0);
    }
    assertEquals(0, oneBucket.portOf(1, 0));
    assertEquals(1, oneBucket.portOf(2, 0));
    assertEquals(7, oneBucket.portOf(1000 + 9999, 0));
  }

  @Test
  void capacityIsAPowerOfTwoAndOneBucketAtLeast() {
    assertThrows(IllegalArgumentException.class, () -> new FilteringDatabase(4, AGEING));
    assertThrows(IllegalArgumentException.class, () -> new FilteringDatabase(24, AGEING));
  }

  /** Against lists of entries, one per bucket, searched and sorted. */
  @Test
  void randomHistoriesAreThoseOfALists() {
    long seed = Long.getLong("virtiolab.seed", System.nanoTime());
    SplittableRandom random = new SplittableRandom(seed);
    for (int history = 0; history < 50; history++) {
      String hint = "-Dvirtiolab.seed=" + seed + ", history " + history;
      FilteringDatabase real = new FilteringDatabase(4 * WAYS, AGEING);
      Model model = new Model(real);
      int ports = random.nextInt(1, 12);
      int stations = random.nextInt(1, 100);
      long now = random.nextLong();
      for (int step = 0; step < 2_000; step++) {
        // No two entries of a bucket are of one age: which of them goes is then defined.
        now += random.nextInt(1, 20);
        long station = random.nextInt(stations);
        int port = random.nextInt(ports);
        if (random.nextInt(200) == 0) {
          real.forget(port);
          model.forget(port);
        } else {
          assertEquals(model.learn(station, port, now), real.learn(station, port, now), hint);
        }
        long asked = random.nextInt(stations);
        assertEquals(model.portOf(asked, now), real.portOf(asked, now), hint);
      }
    }
  }

  private static final class Model {
    private record Entry(long station, int port, long heard) {}

    private final FilteringDatabase real;
    private final List<List<Entry>> buckets = new ArrayList<>();

    Model(FilteringDatabase real) {
      this.real = real;
      for (int i = 0; i < 4; i++) {
        buckets.add(new ArrayList<>());
      }
    }

    private List<Entry> bucket(long station, long now) {
      List<Entry> bucket = buckets.get(real.bucketOf(station));
      bucket.removeIf(entry -> now - entry.heard > AGEING);
      return bucket;
    }

    int portOf(long station, long now) {
      return bucket(station, now).stream()
          .filter(entry -> entry.station == station)
          .mapToInt(Entry::port)
          .findAny()
          .orElse(NOWHERE);
    }

    Learned learn(long station, int port, long now) {
      List<Entry> bucket = bucket(station, now);
      int before = portOf(station, now);
      bucket.removeIf(entry -> entry.station == station);
      Learned learned =
          before == NOWHERE ? Learned.NEW : before == port ? Learned.KNOWN : Learned.MOVED;
      if (bucket.size() == WAYS) {
        long most = bucket.stream().mapToLong(entry -> count(bucket, entry.port)).max().orElse(0);
        boolean own = count(bucket, port) == most;
        Entry victim =
            bucket.stream()
                .filter(entry -> own ? entry.port == port : count(bucket, entry.port) == most)
                .min(Comparator.comparingLong(entry -> entry.heard - now))
                .orElseThrow();
        bucket.remove(victim);
        learned = Learned.REPLACED;
      }
      bucket.add(new Entry(station, port, now));
      return learned;
    }

    void forget(int port) {
      buckets.forEach(bucket -> bucket.removeIf(entry -> entry.port == port));
    }

    private static long count(List<Entry> bucket, int port) {
      return bucket.stream().filter(entry -> entry.port == port).count();
    }
  }
}
