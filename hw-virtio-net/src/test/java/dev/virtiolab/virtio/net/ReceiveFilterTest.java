package dev.virtiolab.virtio.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

/**
 * Which frames pass (virtio v1.4, 5.1.6.5.1 to 5.1.6.5.3), rule by rule and against a slow model.
 */
class ReceiveFilterTest {
  private static final long SEED = Long.getLong("virtiolab.seed", System.nanoTime());
  private static final String OWN = "525400123456";
  private static final String OTHER = "525400123457";
  private static final String GROUP = "01005e000001";
  private static final String ALL = "ffffffffffff";

  private final ReceiveFilter filter = new ReceiveFilter(0x525400123456L);

  private boolean passes(String to) {
    return passes(to, "0800", "");
  }

  private boolean passes(String to, String type, String rest) {
    byte[] frame = HexFormat.of().parseHex(to + "020000000001" + type + rest + "00".repeat(46));
    // Neither aligned nor at 0.
    MemorySegment memory = Arena.ofAuto().allocate(frame.length + 3L);
    MemorySegment.copy(frame, 0, memory, ValueLayout.JAVA_BYTE, 3, frame.length);
    return filter.accepts(memory, 3, frame.length);
  }

  private static MemorySegment addresses(String... hex) {
    return MemorySegment.ofArray(HexFormat.of().parseHex(String.join("", hex)));
  }

  private static final MemorySegment NONE = addresses();

  @Test
  void beginsPromiscuous() {
    assertTrue(passes(OTHER));
    assertTrue(passes(OTHER, "8100", "00050800"));
  }

  @Test
  void takesItsOwnBroadcastAndNothingElse() {
    filter.promiscuous(false);
    assertTrue(passes(OWN));
    assertTrue(passes(ALL));
    assertFalse(passes(OTHER));
    assertFalse(passes(GROUP));
  }

  @Test
  void eachModeLetsItsKindThroughOrNot() {
    filter.promiscuous(false);
    filter.allMulticast(true);
    assertTrue(passes(GROUP));
    assertFalse(passes(OTHER));
    filter.noMulticast(true);
    assertFalse(passes(GROUP), "nomulti takes effect even with allmulti");
    assertTrue(passes(ALL), "nomulti is not about broadcast");
    filter.allUnicast(true);
    assertTrue(passes(OTHER));
    filter.noUnicast(true);
    assertFalse(passes(OTHER), "nouni takes effect even with alluni");
    assertFalse(passes(OWN));
    filter.noBroadcast(true);
    assertFalse(passes(ALL));
    filter.promiscuous(true);
    assertTrue(passes(GROUP) && passes(OTHER) && passes(ALL), "promiscuous overrides the rest");
  }

  @Test
  void tableNamesStationsAndGroups() {
    filter.promiscuous(false);
    filter.setTable(addresses(OTHER), 1, addresses(GROUP, "333300000001"), 2);
    assertTrue(passes(OTHER) && passes(GROUP) && passes("333300000001") && passes(OWN));
    assertFalse(passes("525400123458"));
    assertFalse(passes("01005e000002"));
    filter.setTable(NONE, 0, NONE, 0);
    assertFalse(passes(OTHER));
    assertFalse(passes(GROUP));
  }

  @Test
  void aTableThatIsTooLargeLetsAllOfItsKindThrough() {
    filter.promiscuous(false);
    filter.setTable(NONE, 65, addresses(GROUP), 1);
    assertTrue(passes(OTHER));
    assertTrue(passes(GROUP));
    assertFalse(passes("01005e000002"), "the groups are still by table");
    filter.setTable(addresses(OTHER), 1, NONE, 0xffff_ffffL);
    assertTrue(passes("01005e000002"));
    assertFalse(passes("525400123458"));
  }

  @Test
  void vlansPassByTableOnlyWhereThereIsOne() {
    filter.promiscuous(false);
    assertTrue(passes(OWN, "8100", "00050800"), "no VLAN filter was negotiated");
    filter.filterVlans(true);
    assertFalse(passes(OWN, "8100", "00050800"));
    filter.vlan(5, true);
    assertTrue(passes(OWN, "8100", "e0050800"), "priority bits are no part of the identifier");
    assertFalse(passes(OWN, "8100", "00060800"));
    filter.vlan(4095, true);
    assertTrue(passes(OWN, "8100", "0fff0800"));
    filter.vlan(5, false);
    assertFalse(passes(OWN, "8100", "00050800"));
    assertTrue(passes(OWN), "untagged frames are not filtered by VLAN");
  }

  @Test
  void resetForgetsEverything() {
    filter.promiscuous(false);
    filter.noBroadcast(true);
    filter.noUnicast(true);
    filter.filterVlans(true);
    filter.setTable(addresses(OTHER), 1, NONE, 0);
    filter.reset(1);
    assertEquals(1, filter.station());
    assertTrue(passes(OTHER));
    filter.promiscuous(false);
    assertTrue(passes(ALL));
    assertTrue(passes("000000000001"));
    assertFalse(passes(OTHER));
    assertTrue(passes(ALL, "8100", "00050800"));
  }

  @Test
  void aRuntIsForNobodyInParticular() {
    MemorySegment memory = MemorySegment.ofArray(new byte[13]);
    assertTrue(filter.accepts(memory, 0, 13));
    filter.promiscuous(false);
    assertFalse(filter.accepts(memory, 0, 13));
  }

  /** The rules again, in the words of the specification, on sets of strings. */
  @Test
  void agreesWithTheModelInRandomHistories() {
    SplittableRandom random = new SplittableRandom(SEED);
    List<String> stations = new ArrayList<>(List.of(OWN, OTHER, GROUP, ALL));
    for (int i = 0; i < 12; i++) {
      stations.add("%02x5400%06x".formatted(random.nextInt(4) * 0x53 & 0xff, random.nextInt(9)));
    }
    boolean[] modes = {true, false, false, false, false, false};
    Set<String> table = new TreeSet<>();
    Set<Integer> vlans = new TreeSet<>();
    boolean filtersVlans = false;
    for (int step = 0; step < 20_000; step++) {
      int what = random.nextInt(10);
      boolean on = random.nextBoolean();
      switch (what) {
        case 0 -> filter.promiscuous(modes[0] = on);
        case 1 -> filter.allMulticast(modes[1] = on);
        case 2 -> filter.allUnicast(modes[2] = on && random.nextInt(4) == 0);
        case 3 -> filter.noMulticast(modes[3] = on && random.nextInt(4) == 0);
        case 4 -> filter.noUnicast(modes[4] = on && random.nextInt(4) == 0);
        case 5 -> filter.noBroadcast(modes[5] = on);
        case 6 -> {
          List<String> unicast = new ArrayList<>();
          List<String> multicast = new ArrayList<>();
          for (String station : stations) {
            if (random.nextInt(3) == 0) {
              (isGroup(station) ? multicast : unicast).add(station);
            }
          }
          table.clear();
          table.addAll(unicast);
          table.addAll(multicast);
          filter.setTable(
              addresses(unicast.toArray(String[]::new)),
              unicast.size(),
              addresses(multicast.toArray(String[]::new)),
              multicast.size());
        }
        case 7 -> {
          int vlan = random.nextInt(3) * 2047;
          filter.vlan(vlan, on);
          if (on) {
            vlans.add(vlan);
          } else {
            vlans.remove(vlan);
          }
        }
        default -> {
          if (!filtersVlans) {
            filtersVlans = true;
            vlans.clear();
            filter.filterVlans(true);
          }
          String to = stations.get(random.nextInt(stations.size()));
          int vlan = random.nextInt(4) * 2047 & 0xfff;
          boolean tagged = random.nextInt(3) == 0;
          boolean expected;
          if (modes[0]) {
            expected = true;
          } else if (tagged && !vlans.contains(vlan)) {
            expected = false;
          } else if (to.equals(ALL)) {
            expected = !modes[5];
          } else if (isGroup(to)) {
            expected = !modes[3] && (modes[1] || table.contains(to));
          } else {
            expected = !modes[4] && (modes[2] || to.equals(OWN) || table.contains(to));
          }
          assertEquals(
              expected,
              tagged ? passes(to, "8100", "%04x0800".formatted(vlan)) : passes(to),
              to + " -Dvirtiolab.seed=" + SEED);
        }
      }
    }
  }

  private static boolean isGroup(String address) {
    return (Integer.parseInt(address.substring(0, 2), 16) & 1) != 0;
  }
}
