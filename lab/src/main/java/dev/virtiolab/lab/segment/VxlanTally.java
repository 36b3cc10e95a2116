package dev.virtiolab.lab.segment;

import dev.virtiolab.net.netty.VxlanBackend;
import dev.virtiolab.net.netty.VxlanEvent;
import dev.virtiolab.net.netty.VxlanTrouble;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.StringJoiner;

/** What one end of a VXLAN segment did and dropped, for people and for programs. */
final class VxlanTally {
  private VxlanTally() {}

  /** Every count by its word, events first; those that are 0 too. */
  static Map<String, Long> of(VxlanBackend wire) {
    Map<String, Long> counts = new LinkedHashMap<>();
    for (VxlanEvent event : VxlanEvent.values()) {
      counts.put(event.word(), wire.count(event));
    }
    for (VxlanTrouble trouble : VxlanTrouble.values()) {
      counts.put(trouble.word(), wire.count(trouble));
    }
    return counts;
  }

  /** One line: what was sent and learned, and what troubles there were. */
  static String describe(VxlanBackend wire) {
    StringJoiner troubles = new StringJoiner(", ");
    for (VxlanTrouble trouble : VxlanTrouble.values()) {
      if (wire.count(trouble) > 0) {
        troubles.add(String.format(Locale.ROOT, "%,d %s", wire.count(trouble), trouble.word()));
      }
    }
    return String.format(
        Locale.ROOT,
        "vxlan   %,d frames to one peer, %,d to all, %,d stations learned, %,d moved; %s",
        wire.count(VxlanEvent.TO_ONE),
        wire.count(VxlanEvent.FLOODED),
        wire.count(VxlanEvent.LEARNED),
        wire.count(VxlanEvent.MOVED),
        troubles.length() == 0 ? "no trouble" : troubles.toString());
  }
}
