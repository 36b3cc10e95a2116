package dev.virtiolab.virtio.vhostuser;

import dev.virtiolab.posix.UnixStream;
import java.io.IOException;

/**
 * The channel on which the back-end asks the front-end (vhost-user.rst, "Back-end communication").
 * Nothing here waits: what there is no room for is not sent.
 *
 * <p>Requests are sent with the device's lock held; answers are read by the session's thread.
 */
final class BackEndChannel implements AutoCloseable {
  /** VHOST_USER_BACKEND_IOTLB_MSG, once SLAVE. */
  static final int IOTLB_MSG = 1;

  /** VHOST_USER_BACKEND_CONFIG_CHANGE_MSG. */
  static final int CONFIG_CHANGE_MSG = 2;

  private final UnixStream stream;
  private final Message outgoing = new Message();
  private final Message incoming = new Message();
  private boolean gone;

  /**
   * @param stream owned from now on
   */
  BackEndChannel(UnixStream stream) {
    this.stream = stream;
  }

  /** Readable when there is an answer, or the front-end has closed it. */
  int fd() {
    return stream.fd();
  }

  /**
   * Asks for a translation.
   *
   * @param acknowledged whether the front-end is to say when it is done with it
   * @return whether the question is on its way
   */
  boolean askFor(long iova, int permissions, boolean acknowledged) {
    if (!isClear()) {
      return false;
    }
    outgoing
        .become(
            IOTLB_MSG, acknowledged ? VhostUserLayout.NEED_REPLY : 0, VhostUserLayout.IOTLB_BYTES)
        .u64(VhostUserLayout.IOTLB_IOVA, iova)
        .u8(VhostUserLayout.IOTLB_PERMISSION, permissions)
        .u8(VhostUserLayout.IOTLB_TYPE, VhostUserLayout.IOTLB_MISS);
    return send();
  }

  /** Tells that the device's configuration has changed. */
  boolean tellConfigChange() {
    if (!isClear()) {
      return false;
    }
    outgoing.become(CONFIG_CHANGE_MSG, 0, 0);
    return send();
  }

  /** Whether nothing is half-way out. */
  private boolean isClear() {
    if (outgoing.halfSent()) {
      send();
    }
    return !gone && !outgoing.halfSent();
  }

  /** Sends what there is room for: a message that was begun counts as sent, it ends sometime. */
  private boolean send() {
    try {
      return outgoing.send(stream) || outgoing.halfSent();
    } catch (IOException e) {
      gone = true; // the session's thread sees it, too
      return false;
    }
  }

  /** What {@link #readAnswer} found. */
  enum Answer {
    NONE,
    IOTLB,
    OTHER,
    CLOSED
  }

  /** Reads one answer, if there is one. */
  Answer readAnswer() {
    return switch (incoming.receive(stream)) {
      case PARTIAL -> Answer.NONE;
      case WHOLE -> incoming.number() == IOTLB_MSG ? Answer.IOTLB : Answer.OTHER;
      case CLOSED, GARBLED -> Answer.CLOSED;
    };
  }

  @Override
  public void close() {
    gone = true;
    incoming.close();
    stream.close();
  }
}
