package dev.virtiolab.testkit;

import dev.virtiolab.net.NetBackend;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.concurrent.ThreadLocalRandom;
import java.util.stream.IntStream;

/**
 * Guests that run, and what joins them. Every lab stands for itself: there may be any number of
 * them in one process, at the same time.
 *
 * <p>In a JUnit test a {@link LabExtension} starts and ends it. Any thread may call.
 */
public final class Lab implements AutoCloseable {
  /** The property that overrules every other seed, so that a run that failed is run again. */
  public static final String SEED_PROPERTY = "virtiolab.seed";

  /** A seed that nobody chose is one that is easily typed. */
  private static final long SEEDS = 1_000_000;

  /** 2^64 by the golden ratio: keeps the seeds of the guests of one lab apart. */
  private static final long STEP = 0x9e37_79b9_7f4a_7c15L;

  private final long seed;
  private final Lan lan;
  private final Map<String, Guest> guests = new LinkedHashMap<>();

  private Lab(long seed, Lan lan) {
    this.seed = seed;
    this.lan = lan;
  }

  /**
   * Boots guests, one after the other, and returns when all are up. The seed is that of the
   * property {@value #SEED_PROPERTY}, else one that is drawn.
   *
   * @throws IllegalArgumentException if there is none, or two have a name, an address or an
   *     Ethernet address in common
   * @throws dev.virtiolab.lab.LabException if a wire cannot be had, or a guest does not boot;
   *     nothing is left then
   */
  public static Lab start(GuestSpec... guests) {
    return start(OptionalLong.empty(), Arrays.asList(guests));
  }

  /**
   * Likewise.
   *
   * @param seed what faults and other chance follow from, unless the property says otherwise
   */
  public static Lab start(OptionalLong seed, List<GuestSpec> guests) {
    List<GuestSpec> specs =
        IntStream.range(0, guests.size())
            .mapToObj(i -> complete(guests.get(i)).withDefaultAddress(i + 1))
            .toList();
    check(specs);
    int mtu = specs.stream().mapToInt(spec -> spec.mtu().orElse(0)).max().orElse(0);
    Lab lab = new Lab(chooseSeed(seed), new Lan(mtu));
    try {
      lab.boot(specs);
      return lab;
    } catch (RuntimeException | Error e) {
      try {
        lab.close();
      } catch (RuntimeException again) {
        e.addSuppressed(again);
      }
      throw e;
    }
  }

  private static GuestSpec complete(GuestSpec guest) {
    return guest.wiring().complete(guest);
  }

  private static void check(List<GuestSpec> specs) {
    if (specs.isEmpty()) {
      throw new IllegalArgumentException("a lab has at least one guest");
    }
    requireDistinct("name", specs.stream().map(GuestSpec::name).toList());
    requireDistinct("address", specs.stream().map(GuestSpec::address).toList());
    requireDistinct("Ethernet address", specs.stream().map(GuestSpec::effectiveMac).toList());
  }

  private static void requireDistinct(String what, List<?> values) {
    if (values.stream().distinct().count() != values.size()) {
      throw new IllegalArgumentException("two guests with one " + what + " in a lab: " + values);
    }
  }

  private static long chooseSeed(OptionalLong wanted) {
    Long given = Long.getLong(SEED_PROPERTY);
    if (given != null) {
      return given;
    }
    return wanted.orElseGet(() -> ThreadLocalRandom.current().nextLong(SEEDS));
  }

  private void boot(List<GuestSpec> specs) {
    Map<GuestSpec, NetBackend> plugs = new LinkedHashMap<>();
    for (GuestSpec spec : specs) {
      if (spec.wiring() == Lan.WIRING) {
        plugs.put(spec, lan.plug());
      }
    }
    lan.start();
    long next = seed;
    for (GuestSpec spec : specs) {
      NetBackend end = plugs.containsKey(spec) ? plugs.get(spec) : spec.wiring().open(spec);
      guests.put(spec.name(), Guest.boot(spec, end, next));
      next += STEP;
    }
  }

  /** What every fault and all other chance of this lab follows from. */
  public long seed() {
    return seed;
  }

  /** The guests, in the order in which they were given. */
  public List<Guest> guests() {
    return List.copyOf(guests.values());
  }

  /**
   * A guest by its name.
   *
   * @throws IllegalArgumentException if there is no such guest
   */
  public Guest guest(String name) {
    Guest guest = guests.get(name);
    if (guest == null) {
      throw new IllegalArgumentException(
          "no guest is called \"" + name + "\"; there are " + guests.keySet());
    }
    return guest;
  }

  /**
   * The only guest.
   *
   * @throws IllegalStateException if there are several
   */
  public Guest guest() {
    if (guests.size() != 1) {
      throw new IllegalStateException("which guest of " + guests.keySet() + "?");
    }
    return guests.values().iterator().next();
  }

  /** The test's own plug in the lab's switch. */
  public TestPort port() {
    return lan.testPort();
  }

  // ---- partitions

  /**
   * Keeps each of these guests from every other that is not among them, both ways, broadcasts too;
   * links stay up. Replaces the partition there was. Of guests on wires that lead elsewhere, it
   * drops what they would hear of each other there.
   */
  public void partition(String... group) {
    List<Guest> inside = Arrays.stream(group).map(this::guest).toList();
    List<Guest> outside = guests().stream().filter(guest -> !inside.contains(guest)).toList();
    for (Guest guest : guests()) {
      separate(guest, inside.contains(guest) ? outside : inside);
    }
  }

  /** Keeps every guest from every other. */
  public void partitionAll() {
    for (Guest guest : guests()) {
      List<Guest> others = new ArrayList<>(guests.values());
      others.remove(guest);
      separate(guest, others);
    }
  }

  /** Ends every partition; other faults stay. */
  public void healPartition() {
    guests().forEach(guest -> separate(guest, List.of()));
  }

  private static void separate(Guest guest, Collection<Guest> others) {
    guest
        .wire()
        .partition(others.stream().map(other -> other.mac().bits()).toList(), guest.mac().bits());
  }

  /** Switches every guest off, and closes the wires. A second call does nothing. */
  @Override
  public void close() {
    List<Guest> running = guests().reversed();
    guests.clear();
    RuntimeException failure = null;
    for (Guest guest : running) {
      failure = attempt(guest::close, failure);
    }
    failure = attempt(lan::close, failure);
    if (failure != null) {
      throw failure;
    }
  }

  private static RuntimeException attempt(Runnable step, RuntimeException before) {
    try {
      step.run();
      return before;
    } catch (RuntimeException e) {
      if (before == null) {
        return e;
      }
      before.addSuppressed(e);
      return before;
    }
  }
}
