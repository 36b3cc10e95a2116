package dev.virtiolab.lab.ebs;

import dev.virtiolab.iommu.PlatformKind;
import dev.virtiolab.iommu.UnknownPlatformException;
import dev.virtiolab.lab.LabException;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Collectors;

/**
 * Names a history, so that it can be run again: {@code sev/requeue-callback/virtio-net/0}, and
 * behind it {@code /slots} and {@code /seed=7} where they are not as usual.
 *
 * @param drivers one for each card
 * @param choices for each time that a group with a choice was signalled, which order it was: 0 is
 *     edk2's
 * @param slots whether the IOMMU driver has its reserved slots
 */
public record HistoryId(
    PlatformKind platform,
    String policy,
    List<String> drivers,
    List<Integer> choices,
    boolean slots,
    long seed) {

  /** In the order in which an explorer runs them. */
  static final Comparator<HistoryId> BY_CHOICES =
      (a, b) -> {
        int common = Math.min(a.choices.size(), b.choices.size());
        for (int i = 0; i < common; i++) {
          int order = Integer.compare(a.choices.get(i), b.choices.get(i));
          if (order != 0) {
            return order;
          }
        }
        return Integer.compare(a.choices.size(), b.choices.size());
      };

  private static final String SLOTS = "slots";
  private static final String SEED = "seed=";
  private static final String NO_CHOICE = "-";

  /**
   * The history of that name.
   *
   * @throws LabException if it is no name of a history
   */
  public static HistoryId parse(String text) {
    String[] parts = text.split("/", -1);
    if (parts.length < 4) {
      throw unreadable(text);
    }
    boolean slots = false;
    long seed = Settings.USUAL.seed();
    try {
      for (int i = 4; i < parts.length; i++) {
        if (parts[i].equals(SLOTS)) {
          slots = true;
        } else if (parts[i].startsWith(SEED)) {
          seed = Long.parseLong(parts[i].substring(SEED.length()));
        } else {
          throw unreadable(text);
        }
      }
      return new HistoryId(
          PlatformKind.parse(parts[0]),
          parts[1],
          drivers(parts[2]),
          choices(parts[3]),
          slots,
          seed);
    } catch (NumberFormatException | UnknownPlatformException e) {
      throw unreadable(text);
    }
  }

  private static List<String> drivers(String text) {
    return List.of(text.split("\\+", -1));
  }

  private static List<Integer> choices(String text) {
    return text.equals(NO_CHOICE)
        ? List.of()
        : Arrays.stream(text.split("\\.", -1)).map(Integer::valueOf).toList();
  }

  private static LabException unreadable(String text) {
    return LabException.usage(
        "a history is named like sev/requeue-callback/virtio-net/0, not " + text);
  }

  /** As {@link #parse} reads it. */
  @Override
  public String toString() {
    String order =
        choices.isEmpty()
            ? NO_CHOICE
            : choices.stream().map(String::valueOf).collect(Collectors.joining("."));
    return "%s/%s/%s/%s%s%s"
        .formatted(
            platform.label(),
            policy,
            String.join("+", drivers),
            order,
            slots ? "/" + SLOTS : "",
            seed == Settings.USUAL.seed() ? "" : "/" + SEED + seed);
  }
}
