package dev.virtiolab.virtio.vhostuser;

/**
 * How a device is handed over.
 *
 * @param queuePairs what GET_QUEUE_NUM answers: for a network device its pairs of queues
 * @param allowUnsealed whether to take memory that its owner could shrink, and thereby end this
 *     process
 */
public record VhostUserOptions(int queuePairs, boolean allowUnsealed) {
  public VhostUserOptions {
    if (queuePairs < 1) {
      throw new IllegalArgumentException("queuePairs=" + queuePairs);
    }
  }
}
