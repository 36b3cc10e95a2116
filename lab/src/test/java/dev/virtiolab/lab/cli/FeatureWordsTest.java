package dev.virtiolab.lab.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.lab.LabException;
import dev.virtiolab.virtio.feature.FeatureBits;
import dev.virtiolab.virtio.feature.Features;
import dev.virtiolab.virtio.net.NetFeatures;
import java.util.Arrays;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

/** What --feature takes. */
class FeatureWordsTest {
  @Test
  void nothingSaidIsTheUsual() {
    assertEquals(NetFeatures.USUAL, FeatureWords.parse(null));
  }

  @Test
  void featuresAreSwitchedOneByOne() {
    assertEquals(
        NetFeatures.USUAL
            .without(FeatureBits.VIRTIO_NET_F_MRG_RXBUF)
            .with(FeatureBits.VIRTIO_NET_F_SPEED_DUPLEX),
        FeatureWords.parse("-mrg_rxbuf,+speed_duplex"));
    assertEquals(NetFeatures.USUAL, FeatureWords.parse("-status,+status"));
  }

  @Test
  void whatNeedsAFeatureGoesWithIt() {
    assertFalse(FeatureWords.parse("-ctrl_vq").has(FeatureBits.VIRTIO_NET_F_CTRL_RX));
    assertEquals(0, FeatureWords.parse("-guest_udp_tunnel_gso,-host_uso").high());
    assertEquals(0x0e, FeatureWords.parse("-host_udp_tunnel_gso_csum").high());
  }

  @Test
  void otherWordsAreRefusedInOneLine() {
    for (String words :
        new String[] {"", "mrg_rxbuf", "+", "+nonsense", "-mac", "+status,", "~x"}) {
      LabException refused = assertThrows(LabException.class, () -> FeatureWords.parse(words));
      assertTrue(refused.getMessage().startsWith("--feature"), refused.getMessage());
      assertEquals(1, refused.getMessage().lines().count());
    }
  }

  @Test
  void helpNamesThemAll() {
    String[] halves = FeatureWords.DESCRIPTION.split("Offered if asked for: ");
    assertEquals(words(NetFeatures.USUAL), names(halves[0].split("switched off: ")[1]));
    assertEquals(words(NetFeatures.KNOWN.without(NetFeatures.USUAL)), names(halves[1]));
  }

  private static Set<String> names(String list) {
    String[] names = list.substring(0, list.indexOf('.')).split(", ");
    return new TreeSet<>(Arrays.asList(names));
  }

  private static Set<String> words(Features features) {
    Set<String> words = new TreeSet<>();
    for (int bit = 0; bit < 128; bit++) {
      if (features.has(Features.bit(bit))) {
        words.add(FeatureBits.word(Features.bit(bit)));
      }
    }
    return words;
  }
}
