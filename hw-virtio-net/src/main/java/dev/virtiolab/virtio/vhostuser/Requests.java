package dev.virtiolab.virtio.vhostuser;

import dev.virtiolab.posix.BadDescriptorException;
import dev.virtiolab.posix.EventFd;
import dev.virtiolab.posix.MemFd;
import dev.virtiolab.posix.OwnedFd;
import dev.virtiolab.posix.UnixStream;
import dev.virtiolab.virtio.feature.FeatureBits;
import dev.virtiolab.virtio.transport.VirtioDevice;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * What each request of one front-end does: each is checked against its row of {@link Request}, then
 * granted or refused as a whole. Used by the session's thread, which takes the device's lock here.
 */
final class Requests implements AutoCloseable {
  private static final int[] NO_FDS = {};

  private final VhostUserTransport transport;
  private final VirtioDevice device;
  private final VhostUserOptions options;
  private final MappedFiles files;

  private long protocol;

  /** Where what is in flight is kept; null where the front-end did not ask for it. */
  private MappedFiles.Lease inflight;

  private long inflightOffset;
  private int inflightQueues;
  private int inflightQueueSize;

  /** What GET_INFLIGHT_FD handed over last, open until the answer is out. */
  private MemFd handedOver;

  private BackEndChannel channel;

  Requests(VhostUserTransport transport, VhostUserOptions options) {
    this.transport = transport;
    this.options = options;
    device = transport.device();
    files = new MappedFiles(options.allowUnsealed());
  }

  /** Protocol features that hold. */
  long protocol() {
    return protocol;
  }

  /** Where the front-end can be asked; null if nowhere. */
  BackEndChannel channel() {
    return channel;
  }

  // ---- the table

  /** Holds a message against the request's row. */
  void check(Request request, Message message) throws RefusedException {
    if (message.isReply()) {
      throw new RefusedException("an answer to nothing");
    }
    if (!FeatureBits.has(protocol, request.needs())) {
      throw new RefusedException("its protocol feature was not negotiated");
    }
    if (!request.takesPayload(message.size())) {
      throw new RefusedException(
          "a payload of " + message.size() + " bytes; it has " + request.payloadText());
    }
    if (message.fds().overflowed() || !request.takesFds(message.fds().count())) {
      throw new RefusedException(
          (message.fds().overflowed() ? "more than " : "")
              + message.fds().count()
              + " descriptors; it has "
              + request.fdsText());
    }
    switch (request.when()) {
      case ANY -> {
        // Nothing to look at.
      }
      case RING -> ring(message);
      case RING_STOPPED -> {
        if (ring(message).running) {
          throw new RefusedException("ring %d runs".formatted(ring(message).index));
        }
      }
      case ALL_STOPPED -> {
        if (transport.anyRunning()) {
          throw new RefusedException("a ring runs");
        }
      }
    }
  }

  /** The ring that the first field names: a 32-bit index, or the low byte of a u64. */
  private Vring ring(Message message) throws RefusedException {
    Request request = Request.of(message.number());
    boolean inByte =
        request == Request.SET_VRING_KICK
            || request == Request.SET_VRING_CALL
            || request == Request.SET_VRING_ERR;
    int index =
        message.u32(VhostUserLayout.STATE_INDEX) & (inByte ? VhostUserLayout.VRING_INDEX_MASK : -1);
    if (index < 0 || index >= transport.rings()) {
      throw new RefusedException(
          "ring " + Integer.toUnsignedString(index) + "; there are " + transport.rings());
    }
    return transport.ring(index);
  }

  /**
   * Does what is asked, or nothing.
   *
   * @param reply becomes the answer, where the request has one of its own
   * @return descriptors that go with it
   */
  int[] grant(Request request, Message message, Message reply) throws RefusedException {
    transport.enter();
    try {
      return switch (request) {
        case GET_FEATURES -> value(request, reply, transport.offered());
        case GET_PROTOCOL_FEATURES -> value(request, reply, ProtocolFeatures.OFFERED);
        case GET_QUEUE_NUM -> value(request, reply, options.queuePairs());
        case GET_MAX_MEM_SLOTS -> value(request, reply, MemoryTable.MAX_REGIONS);
        case GET_VRING_BASE -> vringBase(message, reply);
        case GET_CONFIG -> config(message, reply);
        case SET_LOG_BASE -> logBase(message, reply);
        case IOTLB_MSG -> iotlb(message, reply);
        case GET_INFLIGHT_FD -> handOverInflight(message, reply);
        default -> {
          set(request, message);
          yield NO_FDS;
        }
      };
    } finally {
      transport.lock().unlock();
    }
  }

  private static int[] value(Request request, Message reply, long value) {
    reply.become(request.number(), VhostUserLayout.REPLY, VhostUserLayout.U64_BYTES).u64(0, value);
    return NO_FDS;
  }

  private void set(Request request, Message message) throws RefusedException {
    switch (request) {
      case SET_OWNER, SET_LOG_FD -> {
        // One front-end is served at a time, so it owns the device. A log that is only looked at
        // when it is full of news needs no word of it.
      }
      case RESET_OWNER -> disableAll();
      case SET_FEATURES -> transport.agree(message.u64(0));
      case SET_PROTOCOL_FEATURES -> protocolFeatures(message.u64(0));
      case SET_MEM_TABLE -> memoryTable(message);
      case ADD_MEM_REG -> addRegion(message);
      case REM_MEM_REG -> removeRegion(message);
      case SET_VRING_NUM -> size(ring(message), message.u32(VhostUserLayout.STATE_NUM));
      case SET_VRING_BASE -> ring(message).base = message.u32(VhostUserLayout.STATE_NUM) & 0xffff;
      case SET_VRING_ADDR -> addresses(message);
      case SET_VRING_KICK -> transport.kick(ring(message), eventFd(message));
      case SET_VRING_CALL -> {
        EventFd call = eventFd(message);
        Vring ring = ring(message);
        EventFd before = ring.call;
        ring.call = call;
        closeUnlessNull(before);
      }
      case SET_VRING_ERR -> {
        EventFd error = eventFd(message);
        Vring ring = ring(message);
        EventFd before = ring.error;
        ring.error = error;
        closeUnlessNull(before);
      }
      case SET_VRING_ENABLE -> enable(ring(message), message.u32(VhostUserLayout.STATE_NUM));
      case SET_BACKEND_REQ_FD -> backEndChannel(message);
      case SET_CONFIG -> writeConfig(message);
      case SET_INFLIGHT_FD -> takeInflight(message);
      case RESET_DEVICE -> {
        transport.resetDevice();
        dropInflight();
      }
      default -> throw new AssertionError(request);
    }
  }

  // ---- features and rings

  private void protocolFeatures(long wanted) throws RefusedException {
    if ((wanted & ~ProtocolFeatures.OFFERED) != 0) {
      throw new RefusedException(
          "protocol features that are not offered: 0x%x"
              .formatted(wanted & ~ProtocolFeatures.OFFERED));
    }
    protocol = wanted;
    transport.protocol(wanted);
  }

  private void disableAll() {
    for (int i = 0; i < transport.rings(); i++) {
      transport.ring(i).enabled = false;
    }
  }

  private void enable(Vring ring, int on) throws RefusedException {
    if (on != 0 && on != 1) {
      throw new RefusedException("enable " + Integer.toUnsignedString(on) + "; it is 0 or 1");
    }
    transport.enable(ring, on == 1);
  }

  private void size(Vring ring, int size) throws RefusedException {
    if (Integer.bitCount(size) != 1 || size < 1 || size > device.maxQueueSize()) {
      throw new RefusedException(
          "a ring of %s descriptors; it is a power of two up to %d"
              .formatted(Integer.toUnsignedString(size), device.maxQueueSize()));
    }
    ring.inflight = inflightOf(ring.index, size);
    ring.size = size;
  }

  private void addresses(Message message) throws RefusedException {
    transport.addresses(
        ring(message),
        message.u64(VhostUserLayout.ADDR_DESCRIPTOR),
        message.u64(VhostUserLayout.ADDR_USED),
        message.u64(VhostUserLayout.ADDR_AVAILABLE),
        (message.u32(VhostUserLayout.ADDR_FLAGS) & VhostUserLayout.VRING_F_LOG) != 0,
        message.u64(VhostUserLayout.ADDR_LOG));
  }

  private int[] vringBase(Message message, Message reply) throws RefusedException {
    Vring ring = ring(message);
    int base = transport.stop(ring);
    reply
        .become(message.number(), VhostUserLayout.REPLY, VhostUserLayout.STATE_BYTES)
        .u32(VhostUserLayout.STATE_INDEX, ring.index)
        .u32(VhostUserLayout.STATE_NUM, base);
    return NO_FDS;
  }

  /** The eventfd that came along; null where the message says that there is none. */
  private static EventFd eventFd(Message message) throws RefusedException {
    boolean none = (message.u64(0) & VhostUserLayout.VRING_NO_FD) != 0;
    if (none != (message.fds().count() == 0)) {
      throw new RefusedException(
          none ? "a descriptor where it says there is none" : "no descriptor");
    }
    return none ? null : adoptEvent(message.fds().take(0));
  }

  private static EventFd adoptEvent(OwnedFd fd) throws RefusedException {
    try {
      return EventFd.adopt(fd);
    } catch (BadDescriptorException e) {
      throw new RefusedException(e.getMessage(), e);
    }
  }

  private static void closeUnlessNull(EventFd fd) {
    if (fd != null) {
      fd.close();
    }
  }

  // ---- memory

  private void memoryTable(Message message) throws RefusedException {
    int count = message.u32(VhostUserLayout.MEMORY_REGIONS);
    int bytes = VhostUserLayout.MEMORY_FIRST + count * VhostUserLayout.REGION_BYTES;
    if (count < 1
        || count > VhostUserLayout.MEMORY_MAX_REGIONS
        || bytes > message.size()
        || count != message.fds().count()) {
      throw new RefusedException(
          "%s regions in %d bytes, with %d descriptors"
              .formatted(Integer.toUnsignedString(count), message.size(), message.fds().count()));
    }
    List<MemoryRegion> regions = new ArrayList<>();
    MemoryTable table;
    try {
      for (int i = 0; i < count; i++) {
        int at = VhostUserLayout.MEMORY_FIRST + i * VhostUserLayout.REGION_BYTES;
        regions.add(region(message, at, message.fds().take(i)));
      }
      table = MemoryTable.of(regions);
    } catch (RefusedException e) {
      regions.forEach(region -> region.file().release());
      throw e;
    }
    MemoryTable before = transport.view().table();
    transport.replaceMemory(table);
    before.regions().forEach(region -> region.file().release());
  }

  private void addRegion(Message message) throws RefusedException {
    MemoryRegion added = region(message, VhostUserLayout.SLOT_REGION, message.fds().take(0));
    try {
      transport.replaceMemory(transport.view().table().with(added));
    } catch (RefusedException e) {
      added.file().release();
      throw e;
    }
  }

  private void removeRegion(Message message) throws RefusedException {
    MemoryTable table = transport.view().table();
    int at = VhostUserLayout.SLOT_REGION;
    MemoryRegion removed =
        table.find(
            message.u64(at + VhostUserLayout.REGION_GUEST_ADDRESS),
            message.u64(at + VhostUserLayout.REGION_SIZE),
            message.u64(at + VhostUserLayout.REGION_USER_ADDRESS));
    transport.replaceMemory(table.without(removed));
    removed.file().release();
  }

  /** Maps the region that is described at {@code at}. */
  private MemoryRegion region(Message message, int at, OwnedFd taken) throws RefusedException {
    try (OwnedFd fd = taken) {
      long guest = message.u64(at + VhostUserLayout.REGION_GUEST_ADDRESS);
      long size = message.u64(at + VhostUserLayout.REGION_SIZE);
      long user = message.u64(at + VhostUserLayout.REGION_USER_ADDRESS);
      long offset = message.u64(at + VhostUserLayout.REGION_MMAP_OFFSET);
      MemoryRegion.check(guest, size, user, offset);
      MappedFiles.Lease file = files.hold(fd);
      return new MemoryRegion(guest, user, size, slice(file, offset, size), file);
    }
  }

  /**
   * A part of a file.
   *
   * @throws RefusedException if the file ends before; it is then given back
   */
  private static MemorySegment slice(MappedFiles.Lease file, long offset, long size)
      throws RefusedException {
    long bytes = file.segment().byteSize();
    if (offset < 0 || size <= 0 || offset > bytes || size > bytes - offset) {
      file.release();
      throw new RefusedException(
          "bytes 0x%x+0x%x of a file of 0x%x".formatted(offset, size, bytes));
    }
    return file.segment().asSlice(offset, size);
  }

  private int[] logBase(Message message, Message reply) throws RefusedException {
    long size = message.u64(VhostUserLayout.LOG_SIZE);
    long offset = message.u64(VhostUserLayout.LOG_OFFSET);
    if ((size | offset) % Integer.BYTES != 0) {
      throw new RefusedException("a log that is no multiple of 4 bytes, or begins at none");
    }
    MappedFiles.Lease file;
    try (OwnedFd fd = message.fds().take(0)) {
      file = files.hold(fd);
    }
    slice(file, offset, size);
    DirtyLog log = new DirtyLog(file, offset, size);
    long limit = transport.view().table().guestLimit();
    if (limit > log.pages() * dev.virtiolab.pci.memory.PhysicalMemory.PAGE_BYTES) {
      log.release();
      throw new RefusedException(
          "a log of 0x%x bytes does not reach to 0x%x".formatted(size, limit));
    }
    DirtyLog before = transport.log(log);
    if (before != null) {
      before.release();
    }
    return value(Request.SET_LOG_BASE, reply, 0);
  }

  private int[] iotlb(Message message, Message reply) throws RefusedException {
    long iova = message.u64(VhostUserLayout.IOTLB_IOVA);
    long size = message.u64(VhostUserLayout.IOTLB_SIZE);
    switch (message.u8(VhostUserLayout.IOTLB_TYPE)) {
      case VhostUserLayout.IOTLB_UPDATE ->
          transport.translation(
              iova,
              size,
              message.u64(VhostUserLayout.IOTLB_USER_ADDRESS),
              message.u8(VhostUserLayout.IOTLB_PERMISSION));
      case VhostUserLayout.IOTLB_INVALIDATE -> transport.view().invalidate(iova, size);
      default -> throw new RefusedException("type " + message.u8(VhostUserLayout.IOTLB_TYPE));
    }
    return value(Request.IOTLB_MSG, reply, 0);
  }

  // ---- the channel back

  private void backEndChannel(Message message) throws RefusedException {
    BackEndChannel made;
    try {
      made = new BackEndChannel(UnixStream.adopt(message.fds().take(0)));
    } catch (BadDescriptorException e) {
      throw new RefusedException(e.getMessage(), e);
    }
    channel = made;
    closeChannel(transport.channel(made));
  }

  /** The front-end has closed the channel. */
  void channelIsGone() {
    transport.enter();
    try {
      channel = null;
      closeChannel(transport.channel(null));
    } finally {
      transport.lock().unlock();
    }
  }

  private static void closeChannel(BackEndChannel before) {
    if (before != null) {
      before.close();
    }
  }

  // ---- configuration

  private int[] config(Message message, Message reply) throws RefusedException {
    int offset = message.u32(VhostUserLayout.CONFIG_OFFSET);
    int size = configSize(message, offset);
    reply
        .become(message.number(), VhostUserLayout.REPLY, VhostUserLayout.CONFIG_FIRST + size)
        .u32(VhostUserLayout.CONFIG_OFFSET, offset)
        .u32(VhostUserLayout.CONFIG_SIZE, size)
        .u32(VhostUserLayout.CONFIG_FLAGS, message.u32(VhostUserLayout.CONFIG_FLAGS));
    // A front-end may know more fields than the features of this device bring: those are 0.
    int there = Math.min(size, device.configBytes() - offset);
    for (int i = 0; i < there; i++) {
      reply.u8(VhostUserLayout.CONFIG_FIRST + i, device.configByte(offset + i));
    }
    return NO_FDS;
  }

  private void writeConfig(Message message) throws RefusedException {
    int offset = message.u32(VhostUserLayout.CONFIG_OFFSET);
    int size = configSize(message, offset);
    if (message.u32(VhostUserLayout.CONFIG_FLAGS) != VhostUserLayout.CONFIG_LIVE_MIGRATION) {
      throw new RefusedException("every field of the configuration is read-only");
    }
    int there = Math.min(size, device.configBytes() - offset);
    for (int i = 0; i < there; i++) {
      device.writeConfigByte(offset + i, message.u8(VhostUserLayout.CONFIG_FIRST + i));
    }
  }

  private static int configSize(Message message, int offset) throws RefusedException {
    int size = message.u32(VhostUserLayout.CONFIG_SIZE);
    if (offset < 0
        || size < 1
        || size > VhostUserLayout.CONFIG_MAX_BYTES - offset
        || message.size() != VhostUserLayout.CONFIG_FIRST + size) {
      throw new RefusedException(
          "%s bytes of configuration at %s, in a payload of %d"
              .formatted(
                  Integer.toUnsignedString(size),
                  Integer.toUnsignedString(offset),
                  message.size()));
    }
    return size;
  }

  // ---- what is in flight

  private int[] handOverInflight(Message message, Message reply) throws RefusedException {
    int queues = message.u16(VhostUserLayout.INFLIGHT_NUM_QUEUES);
    int queueSize = inflightShape(message, queues);
    long bytes = queues * InflightRegion.bytes(queueSize);
    closeHandedOver();
    handedOver = MemFd.create("virtiolab-inflight", bytes);
    reply
        .become(message.number(), VhostUserLayout.REPLY, message.size())
        .u64(VhostUserLayout.INFLIGHT_MMAP_SIZE, bytes)
        .u64(VhostUserLayout.INFLIGHT_MMAP_OFFSET, 0)
        .u16(VhostUserLayout.INFLIGHT_NUM_QUEUES, queues)
        .u16(VhostUserLayout.INFLIGHT_QUEUE_SIZE, queueSize);
    return new int[] {handedOver.fd()};
  }

  private int inflightShape(Message message, int queues) throws RefusedException {
    int queueSize = message.u16(VhostUserLayout.INFLIGHT_QUEUE_SIZE);
    if (queues < 1
        || queues > transport.rings()
        || queueSize < 1
        || queueSize > device.maxQueueSize()) {
      throw new RefusedException(
          "%d rings of %d descriptors; there are %d of at most %d"
              .formatted(queues, queueSize, transport.rings(), device.maxQueueSize()));
    }
    return queueSize;
  }

  private void takeInflight(Message message) throws RefusedException {
    int queues = message.u16(VhostUserLayout.INFLIGHT_NUM_QUEUES);
    int queueSize = inflightShape(message, queues);
    long offset = message.u64(VhostUserLayout.INFLIGHT_MMAP_OFFSET);
    long size = message.u64(VhostUserLayout.INFLIGHT_MMAP_SIZE);
    long needed = queues * InflightRegion.bytes(queueSize);
    if (size < needed || offset % InflightRegion.ALIGNMENT != 0) {
      throw new RefusedException(
          "0x%x bytes at 0x%x; %d rings of %d descriptors need 0x%x"
              .formatted(size, offset, queues, queueSize, needed));
    }
    MappedFiles.Lease file;
    try (OwnedFd fd = message.fds().take(0)) {
      file = files.hold(fd);
    }
    slice(file, offset, size);
    for (int i = 0; i < Math.min(queues, transport.rings()); i++) {
      if (transport.ring(i).size > queueSize) {
        file.release();
        throw new RefusedException(beyondInflight(transport.ring(i).size, queueSize));
      }
    }
    dropInflight();
    inflight = file;
    inflightOffset = offset;
    inflightQueues = queues;
    inflightQueueSize = queueSize;
    for (int i = 0; i < transport.rings(); i++) {
      transport.ring(i).inflight = inflightOf(i, transport.ring(i).size);
    }
  }

  /** The part of the inflight memory that is a ring's; null where it has none. */
  private InflightRegion inflightOf(int ring, int size) throws RefusedException {
    if (inflight == null || ring >= inflightQueues) {
      return null;
    }
    if (size > inflightQueueSize) {
      throw new RefusedException(beyondInflight(size, inflightQueueSize));
    }
    long bytes = InflightRegion.bytes(inflightQueueSize);
    return new InflightRegion(
        inflight.segment().asSlice(inflightOffset + ring * bytes, bytes), inflightQueueSize);
  }

  private static String beyondInflight(int size, int most) {
    return "a ring of %d descriptors, of which %d can be in flight".formatted(size, most);
  }

  /** Rings that run keep it no more; none does when this is called. */
  private void dropInflight() {
    for (int i = 0; i < transport.rings(); i++) {
      transport.ring(i).inflight = null;
    }
    if (inflight != null) {
      inflight.release();
      inflight = null;
    }
  }

  private void closeHandedOver() {
    if (handedOver != null) {
      handedOver.close();
      handedOver = null;
    }
  }

  // ---- refusals

  /**
   * Makes the answer by which a request itself can say no.
   *
   * @return whether it can
   */
  boolean refusal(Request request, Message message, Message reply) {
    switch (request) {
      case GET_CONFIG -> reply.become(message.number(), VhostUserLayout.REPLY, 0);
      case IOTLB_MSG, SET_LOG_BASE -> value(request, reply, 1);
      case GET_INFLIGHT_FD ->
          // No memory at all: a size of 0, and no descriptor.
          reply.become(message.number(), VhostUserLayout.REPLY, VhostUserLayout.INFLIGHT_BYTES);
      default -> {
        return false;
      }
    }
    return true;
  }

  /** The front-end is gone: the device lets go of all that was its, then it is unmapped. */
  @Override
  public void close() {
    transport.enter();
    try {
      VhostUserTransport.Remains remains = transport.forgetFrontEnd();
      remains.table().regions().forEach(region -> region.file().release());
      if (remains.log() != null) {
        remains.log().release();
      }
      closeChannel(remains.channel());
      dropInflight();
      closeHandedOver();
      channel = null;
    } finally {
      transport.lock().unlock();
    }
  }
}
