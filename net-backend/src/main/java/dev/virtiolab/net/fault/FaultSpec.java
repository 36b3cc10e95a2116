package dev.virtiolab.net.fault;

import java.math.BigDecimal;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What {@code --fault} says, for each direction: {@value #FORMS}.
 *
 * @param out what befalls frames from the NIC to the wire
 * @param in what befalls frames from the wire to the NIC
 */
public record FaultSpec(FaultRules out, FaultRules in) {
  /**
   * The forms that are known, as a usage line shows them; without a %, which usage lines format.
   */
  public static final String FORMS =
      "[in:|out:]loss=0.05,delay=10ms,jitter=2ms,duplicate=0.01,reorder=0.01[/TIME],corrupt=0.001"
          + ",rate=10mbit,separate=MAC-MAC,limit=FRAMES,block";

  /** No faults. */
  public static final FaultSpec NONE = new FaultSpec(FaultRules.NONE, FaultRules.NONE);

  private static final Pattern NUMBER_AND_UNIT = Pattern.compile("(\\d+(?:\\.\\d+)?)([a-z%]*)");

  private static final Map<String, Long> NANOS =
      Map.of("ns", 1L, "us", 1_000L, "ms", 1_000_000L, "s", 1_000_000_000L);

  private static final Map<String, Long> BITS =
      Map.of("bit", 1L, "kbit", 1_000L, "mbit", 1_000_000L, "gbit", 1_000_000_000L);

  /** Whether nothing befalls a frame. */
  public boolean isQuiet() {
    return out.isQuiet() && in.isQuiet();
  }

  /**
   * Reads what was given, each on top of those before: faults of both directions, or of the one
   * that is named.
   *
   * @throws FaultSpecException if one cannot be read
   */
  public static FaultSpec parse(List<String> texts) {
    FaultSpec spec = NONE;
    for (String text : texts) {
      spec = spec.and(text);
    }
    return spec;
  }

  private FaultSpec and(String text) {
    for (Direction direction : Direction.values()) {
      String prefix = direction.word() + ":";
      if (text.startsWith(prefix)) {
        String faults = text.substring(prefix.length());
        return direction == Direction.OUT
            ? new FaultSpec(read(text, faults, out), in)
            : new FaultSpec(out, read(text, faults, in));
      }
    }
    return new FaultSpec(read(text, text, out), read(text, text, in));
  }

  private static FaultRules read(String text, String faults, FaultRules before) {
    FaultRules rules = before;
    for (String fault : faults.split(",", -1)) {
      int equals = fault.indexOf('=');
      String word = equals < 0 ? fault : fault.substring(0, equals);
      String value = equals < 0 ? "" : fault.substring(equals + 1);
      try {
        rules = change(rules, word, value);
      } catch (IllegalArgumentException e) {
        throw new FaultSpecException(text, e.getMessage());
      }
    }
    return rules;
  }

  private static FaultRules change(FaultRules rules, String word, String value) {
    return switch (word) {
      case "loss" -> rules.withLoss(probability(value));
      case "corrupt" -> rules.withCorruption(probability(value));
      case "duplicate" -> rules.withDuplication(probability(value));
      case "reorder" -> {
        String[] parts = value.split("/", 2);
        double probability = probability(parts[0]);
        yield parts.length == 1
            ? rules.withReordering(probability)
            : rules.withReordering(probability, time(parts[1]));
      }
      case "delay" -> rules.withDelay(time(value));
      case "jitter" -> rules.withDelay(Duration.ofNanos(rules.delayNanos()), time(value));
      case "rate" -> rules.withRate(rate(value));
      case "limit" -> rules.withLimit(frames(value));
      case "separate" -> {
        String[] stations = value.split("-", -1);
        if (stations.length != 2) {
          throw new IllegalArgumentException("two Ethernet addresses and a - between them");
        }
        yield rules.withSeparated(MacPair.of(stations[0], stations[1]));
      }
      case "block" -> {
        if (!value.isEmpty()) {
          throw new IllegalArgumentException("block takes no value");
        }
        yield rules.withBlocked(true);
      }
      default -> throw new IllegalArgumentException("no such fault: \"" + word + "\"");
    };
  }

  /** 5%, or 0.05. */
  private static double probability(String text) {
    Matcher parts = parts(text, "a part of all frames such as 5% or 0.05");
    BigDecimal number = new BigDecimal(parts.group(1));
    return switch (parts.group(2)) {
      case "%" -> number.movePointLeft(2).doubleValue();
      case "" -> number.doubleValue();
      default -> throw notA("a part of all frames such as 5% or 0.05", text);
    };
  }

  private static Duration time(String text) {
    String what = "a time such as 10ms, 250us or 1.5s";
    return Duration.ofNanos(product(parts(text, what), NANOS, what, text));
  }

  private static long rate(String text) {
    String what = "a rate such as 10mbit, 512kbit or 1gbit";
    long bits = product(parts(text, what), BITS, what, text);
    if (bits == 0) {
      throw new IllegalArgumentException("nothing crosses at a rate of 0: say block");
    }
    return bits;
  }

  private static int frames(String text) {
    try {
      return Integer.parseInt(text);
    } catch (NumberFormatException e) {
      throw notA("a number of frames", text);
    }
  }

  private static Matcher parts(String text, String what) {
    Matcher matcher = NUMBER_AND_UNIT.matcher(text);
    if (!matcher.matches()) {
      throw notA(what, text);
    }
    return matcher;
  }

  private static long product(Matcher parts, Map<String, Long> units, String what, String text) {
    Long unit = units.get(parts.group(2));
    if (unit == null) {
      throw notA(what, text);
    }
    BigDecimal value = new BigDecimal(parts.group(1)).multiply(BigDecimal.valueOf(unit));
    return value.compareTo(BigDecimal.valueOf(Long.MAX_VALUE)) > 0
        ? Long.MAX_VALUE
        : value.longValue();
  }

  private static IllegalArgumentException notA(String what, String text) {
    return new IllegalArgumentException("\"" + text + "\" is not " + what);
  }
}
