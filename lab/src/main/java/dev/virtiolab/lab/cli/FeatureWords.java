package dev.virtiolab.lab.cli;

import dev.virtiolab.lab.LabException;
import dev.virtiolab.virtio.feature.FeatureBits;
import dev.virtiolab.virtio.feature.Features;
import dev.virtiolab.virtio.net.NetFeatures;
import java.util.Stack;
import picocli.CommandLine.IParameterConsumer;
import picocli.CommandLine.Model.ArgSpec;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;

/** What --feature says: which features the NIC offers and which it does not. */
final class FeatureWords {
  static final String LABEL = "+NAME,-NAME...";

  static final String DESCRIPTION =
      "offer a feature of the NIC, or do not. Offered unless switched off: status, mrg_rxbuf, csum,"
          + " host_tso4, host_tso6, host_ecn, host_ufo, host_uso, host_udp_tunnel_gso,"
          + " host_udp_tunnel_gso_csum, guest_csum, guest_tso4, guest_tso6, guest_ecn, guest_ufo,"
          + " guest_uso4, guest_uso6, guest_udp_tunnel_gso, guest_udp_tunnel_gso_csum, ctrl_vq,"
          + " ctrl_rx, ctrl_vlan, ctrl_rx_extra, ctrl_mac_addr, ctrl_guest_offloads,"
          + " guest_announce, indirect_desc, event_idx, ring_reset. Offered if asked for: speed_duplex, in_order, notification_data."
          + " What needs a feature that is off is off, too";

  /**
   * Takes what follows as it is: words such as {@code -status} or {@code -host_uso} begin like an
   * option of one letter with its value.
   */
  static final class Consumer implements IParameterConsumer {
    @Override
    public void consumeParameters(Stack<String> arguments, ArgSpec option, CommandSpec command) {
      if (arguments.isEmpty()) {
        throw new ParameterException(
            command.commandLine(), "Missing required parameter for option '--feature'");
      }
      option.setValue(arguments.pop());
    }
  }

  private FeatureWords() {}

  /**
   * The features that are offered.
   *
   * @param words as on the command line; null for the usual ones
   * @throws LabException if a word is none of those that are known
   */
  static Features parse(String words) {
    Features features = NetFeatures.USUAL;
    if (words == null) {
      return features;
    }
    for (String word : words.split(",", -1)) {
      char sign = word.isEmpty() ? ' ' : word.charAt(0);
      if (sign != '+' && sign != '-') {
        throw LabException.usage(
            "--feature takes names with + or - before each, such as +%s, not '%s'"
                .formatted(word.isBlank() ? "speed_duplex" : word, word));
      }
      Features bit = FeatureBits.ofWord(word.substring(1));
      if (bit.among(NetFeatures.KNOWN).isEmpty()) {
        throw LabException.usage(
            "--feature: the NIC has no feature '%s' to switch".formatted(word.substring(1)));
      }
      features = sign == '+' ? features.with(bit) : features.without(bit);
    }
    return NetFeatures.consistent(features);
  }
}
