package dev.virtiolab.pci.vfiouser;

import java.nio.charset.StandardCharsets;
import java.util.function.IntConsumer;
import tools.jackson.core.JacksonException;
import tools.jackson.core.StreamReadConstraints;
import tools.jackson.core.json.JsonFactory;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * What client and server agree on at the beginning ("VFIO_USER_VERSION"): a version, and
 * capabilities in JSON, of which the reply names only such as were proposed.
 */
final class Negotiation {
  static final int MAJOR = 0;
  static final int MAX_MINOR = 1;

  /** Longest version data that is read. */
  private static final int MAX_DATA_BYTES = 4096;

  /** Least data in one message with which a device can work: a descriptor of a ring. */
  private static final int MIN_DATA_BYTES = 16;

  private static final int MAX_DEPTH = 8;
  private static final int PAGE_BYTES = 4096;

  private static final JsonMapper JSON =
      JsonMapper.builder(
              JsonFactory.builder()
                  .streamReadConstraints(
                      StreamReadConstraints.builder()
                          .maxNestingDepth(MAX_DEPTH)
                          .maxStringLength(MAX_DATA_BYTES)
                          .build())
                  .build())
          .build();

  private Negotiation() {}

  /**
   * Does once what takes its time the first time: a client waits only seconds for its first reply.
   */
  static void warmUp() {
    agree(JSON.readTree("{\"capabilities\":{}}").path("capabilities"));
  }

  /**
   * Reads a proposal and makes the reply of it.
   *
   * @param dataLimit told of the most data that the client takes in one message
   * @return its payload's length
   * @throws Refusal EINVAL if there is no such version, or what is proposed cannot be read
   */
  static int reply(Message message, IntConsumer dataLimit) throws Refusal {
    message.needPayload(VfioUserLayout.VERSION_DATA);
    int major = message.u16(VfioUserLayout.VERSION_MAJOR);
    if (major != MAJOR) {
      throw Refusal.invalid("version " + major + "; this is " + MAJOR);
    }
    JsonNode proposed = proposal(message);
    int limit = dataLimit(proposed);
    byte[] agreed = agree(proposed);
    message.u16(
        VfioUserLayout.VERSION_MINOR,
        Math.min(message.u16(VfioUserLayout.VERSION_MINOR), MAX_MINOR));
    message.array(VfioUserLayout.VERSION_DATA, agreed);
    dataLimit.accept(limit);
    return VfioUserLayout.VERSION_DATA + agreed.length;
  }

  private static JsonNode proposal(Message message) throws Refusal {
    int length = message.payloadBytes() - VfioUserLayout.VERSION_DATA;
    if (length == 0) {
      return JSON.createObjectNode();
    }
    if (length > MAX_DATA_BYTES) {
      throw Refusal.invalid("version data of " + length + " bytes");
    }
    byte[] data = message.array(VfioUserLayout.VERSION_DATA, length);
    if (data[length - 1] != 0) {
      throw Refusal.invalid("version data without a NUL at its end");
    }
    try {
      JsonNode root = JSON.readTree(data, 0, length - 1);
      if (root == null || !root.isObject()) {
        throw Refusal.invalid("version data that is no JSON object");
      }
      JsonNode capabilities = root.path("capabilities");
      if (!capabilities.isObject() && !capabilities.isMissingNode()) {
        throw Refusal.invalid("capabilities that are no JSON object");
      }
      return capabilities;
    } catch (JacksonException e) {
      throw Refusal.invalid("version data that is no JSON");
    }
  }

  private static int dataLimit(JsonNode proposed) throws Refusal {
    JsonNode limit = proposed.path("max_data_xfer_size");
    if (limit.isMissingNode()) {
      return Message.MAX_DATA_BYTES;
    }
    if (!limit.canConvertToLong() || limit.asLong() < MIN_DATA_BYTES) {
      throw Refusal.invalid("max_data_xfer_size: " + limit);
    }
    return (int) Math.min(limit.asLong(), Message.MAX_DATA_BYTES);
  }

  private static byte[] agree(JsonNode proposed) {
    ObjectNode root = JSON.createObjectNode();
    ObjectNode agreed = root.putObject("capabilities");
    if (proposed.has("max_msg_fds")) {
      agreed.put("max_msg_fds", Connection.MAX_MESSAGE_FDS);
    }
    if (proposed.has("max_data_xfer_size")) {
      agreed.put("max_data_xfer_size", Message.MAX_DATA_BYTES);
    }
    if (proposed.has("max_dma_maps")) {
      agreed.put("max_dma_maps", ClientMemory.MAX_MAPPINGS);
    }
    if (proposed.has("pgsizes")) {
      agreed.put("pgsizes", PAGE_BYTES);
    }
    if (proposed.path("write_multiple").asBoolean(false)) {
      agreed.put("write_multiple", true);
    }
    return (JSON.writeValueAsString(root) + '\0').getBytes(StandardCharsets.UTF_8);
  }
}
