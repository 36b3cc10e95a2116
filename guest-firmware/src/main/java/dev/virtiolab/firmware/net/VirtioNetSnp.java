package dev.virtiolab.firmware.net;

import static dev.virtiolab.firmware.net.VirtioNetLayout.FRAME_SOURCE;
import static dev.virtiolab.firmware.net.VirtioNetLayout.FRAME_TYPE;
import static dev.virtiolab.firmware.net.VirtioNetLayout.MAC_SIZE;
import static dev.virtiolab.firmware.net.VirtioNetLayout.MEDIA_HEADER_SIZE;

import dev.virtiolab.firmware.uefi.BootServices;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.Event;
import dev.virtiolab.firmware.uefi.EventType;
import dev.virtiolab.firmware.uefi.IntRef;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.MacAddress;
import dev.virtiolab.firmware.uefi.NetworkStatistics;
import dev.virtiolab.firmware.uefi.Ref;
import dev.virtiolab.firmware.uefi.SimpleNetwork;
import dev.virtiolab.firmware.uefi.SimpleNetworkMode;
import dev.virtiolab.firmware.uefi.SimpleNetworkMode.State;
import dev.virtiolab.firmware.uefi.Tpl;
import dev.virtiolab.firmware.uefi.VirtioDevice;
import dev.virtiolab.pci.cpu.CpuMemory;
import java.util.List;

/**
 * The Simple Network Protocol of one virtio-net device: parameters, states and status codes, in the
 * order in which edk2's driver checks them. What the calls do is in {@link VirtioNet}, {@link
 * VirtioNetTransmitter}, {@link VirtioNetReceiver}, {@link ReceiveFilter} and {@link
 * SnpStatistics}.
 *
 * <p>Every call runs at TPL_CALLBACK, the level of the two event notifications, so that none of
 * them meets another half way.
 */
final class VirtioNetSnp implements SimpleNetwork {
  /** A device with a constant flow of completions still has its link looked at this often. */
  private static final int LINK_INTERVAL = 64;

  private final BootServices bootServices;
  private final CpuMemory memory;
  private final SimpleNetworkMode mode = new SimpleNetworkMode();
  private final SnpCounters counters = new SnpCounters();
  private final SnpStatistics statistics = new SnpStatistics(counters);
  private final ReceiveFilter filter = new ReceiveFilter(mode);
  private final MacAddresses addresses = new MacAddresses();
  private final VirtioNet device;
  private final VirtioNetTransmitter transmitter;
  private final VirtioNetReceiver receiver;
  private final Ref<Event> waitForPacket = new Ref<>();
  private final Ref<Event> exitBoot = new Ref<>();
  private int completionsSinceLink;

  VirtioNetSnp(
      BootServices bootServices,
      CpuMemory memory,
      VirtioDevice virtIo,
      boolean requireAccessPlatform) {
    this.bootServices = bootServices;
    this.memory = memory;
    this.device =
        new VirtioNet(bootServices, memory, virtIo, requireAccessPlatform, mode, filter, counters);
    this.transmitter = device.transmitter();
    this.receiver = device.receiver();
  }

  SnpCounters counters() {
    return counters;
  }

  // Driver binding: a network interface comes and goes.

  /** VirtioNetSnpPopulate: the events, the mode, and a look at the device; on an error, nothing. */
  EfiStatus populate() {
    EfiStatus status =
        bootServices.createEvent(
            EventType.NOTIFY_WAIT,
            Tpl.CALLBACK,
            (event, context) -> onWaitForPacket(),
            null,
            waitForPacket);
    if (status.isError()) {
      return status;
    }
    mode.state = State.STOPPED;
    mode.hwAddressSize = MAC_SIZE;
    mode.mediaHeaderSize = MEDIA_HEADER_SIZE;
    mode.broadcastAddress = MacAddress.BROADCAST;
    mode.ifType = 1; // Ethernet
    mode.macAddressChangeable = true;
    mode.multipleTxSupported = true;
    status = device.probe();
    if (!status.isError()) {
      useAddress(mode.permanentAddress);
      status =
          bootServices.createEvent(
              EventType.SIGNAL_EXIT_BOOT_SERVICES,
              Tpl.CALLBACK,
              (event, context) -> onExitBootServices(),
              null,
              exitBoot);
    }
    if (status.isError()) {
      bootServices.closeEvent(waitForPacket.value);
    }
    return status;
  }

  /** VirtioNetSnpEvacuate: closes what {@link #populate} opened. */
  void evacuate() {
    bootServices.closeEvent(exitBoot.value);
    bootServices.closeEvent(waitForPacket.value);
  }

  private void onWaitForPacket() {
    if (mode.state == State.INITIALIZED && !device.isBroken() && look() == EfiStatus.SUCCESS) {
      bootServices.signalEvent(waitForPacket.value);
    }
  }

  private void onExitBootServices() {
    if (mode.state == State.INITIALIZED) {
      device.quiesce();
    }
  }

  // State

  @Override
  public Event waitForPacket() {
    return waitForPacket.value;
  }

  @Override
  public SimpleNetworkMode mode() {
    return mode;
  }

  /** What calls that need an initialized interface answer in another state. */
  private EfiStatus initialized() {
    return switch (mode.state) {
      case STOPPED -> EfiStatus.NOT_STARTED;
      case STARTED -> EfiStatus.DEVICE_ERROR;
      case INITIALIZED -> EfiStatus.SUCCESS;
    };
  }

  /** The same, for calls that need the device too. */
  private EfiStatus working() {
    EfiStatus status = initialized();
    return !status.isError() && device.isBroken() ? EfiStatus.DEVICE_ERROR : status;
  }

  @Override
  public EfiStatus start() {
    int tpl = bootServices.raiseTpl(Tpl.CALLBACK);
    EfiStatus status = EfiStatus.ALREADY_STARTED;
    if (mode.state == State.STOPPED) {
      mode.state = State.STARTED;
      status = EfiStatus.SUCCESS;
    }
    bootServices.restoreTpl(tpl);
    return status;
  }

  @Override
  public EfiStatus stop() {
    int tpl = bootServices.raiseTpl(Tpl.CALLBACK);
    EfiStatus status = EfiStatus.NOT_STARTED;
    if (mode.state == State.STARTED) {
      mode.state = State.STOPPED;
      status = EfiStatus.SUCCESS;
    }
    bootServices.restoreTpl(tpl);
    return status;
  }

  @Override
  public EfiStatus initialize(long extraRxBufferSize, long extraTxBufferSize) {
    if (extraRxBufferSize != 0 || extraTxBufferSize != 0) {
      return EfiStatus.UNSUPPORTED;
    }
    int tpl = bootServices.raiseTpl(Tpl.CALLBACK);
    EfiStatus status = EfiStatus.NOT_STARTED;
    if (mode.state == State.STARTED) {
      status = device.bringUp();
      if (!status.isError()) {
        mode.state = State.INITIALIZED;
      }
    }
    bootServices.restoreTpl(tpl);
    return status;
  }

  @Override
  public EfiStatus reset(boolean extendedVerification) {
    int tpl = bootServices.raiseTpl(Tpl.CALLBACK);
    EfiStatus status = initialized();
    if (!status.isError()) {
      status = device.reset();
    }
    bootServices.restoreTpl(tpl);
    return status;
  }

  @Override
  public EfiStatus shutdown() {
    int tpl = bootServices.raiseTpl(Tpl.CALLBACK);
    EfiStatus status = initialized();
    if (!status.isError()) {
      status = device.takeDown();
      mode.state = State.STARTED;
    }
    bootServices.restoreTpl(tpl);
    return status;
  }

  // Settings, which are the driver's own: they need no working device.

  @Override
  public EfiStatus receiveFilters(
      int enable, int disable, boolean resetMCastFilter, List<MacAddress> mCastFilter) {
    int tpl = bootServices.raiseTpl(Tpl.CALLBACK);
    EfiStatus status = initialized();
    if (!status.isError()) {
      status = filter.change(enable, disable, resetMCastFilter, mCastFilter);
    }
    bootServices.restoreTpl(tpl);
    return status;
  }

  @Override
  public EfiStatus stationAddress(boolean reset, MacAddress address) {
    int tpl = bootServices.raiseTpl(Tpl.CALLBACK);
    EfiStatus status = initialized();
    if (!status.isError()) {
      MacAddress wanted = reset ? mode.permanentAddress : address;
      if (wanted == null || wanted.isMulticast()) {
        status = EfiStatus.INVALID_PARAMETER;
      } else {
        useAddress(wanted);
      }
    }
    bootServices.restoreTpl(tpl);
    return status;
  }

  private void useAddress(MacAddress address) {
    mode.currentAddress = address;
    filter.station(address);
  }

  @Override
  public EfiStatus statistics(boolean reset, LongRef statisticsSize, Ref<NetworkStatistics> table) {
    int tpl = bootServices.raiseTpl(Tpl.CALLBACK);
    EfiStatus status = initialized();
    if (!status.isError()) {
      status = statistics.collect(reset, statisticsSize, table);
    }
    bootServices.restoreTpl(tpl);
    return status;
  }

  @Override
  public EfiStatus mCastIpToMac(boolean ipv6, byte[] ip, Ref<MacAddress> mac) {
    if (mac == null || !MulticastMac.isMulticast(ipv6, ip)) {
      return EfiStatus.INVALID_PARAMETER;
    }
    int tpl = bootServices.raiseTpl(Tpl.CALLBACK);
    EfiStatus status = initialized();
    if (!status.isError()) {
      mac.value = MulticastMac.of(ipv6, ip);
    }
    bootServices.restoreTpl(tpl);
    return status;
  }

  @Override
  public EfiStatus nvData(boolean read, long offset, long bufferSize, long buffer) {
    // There is none: nvRamSize is 0.
    return EfiStatus.UNSUPPORTED;
  }

  // Traffic

  @Override
  public EfiStatus getStatus(IntRef interruptStatus, LongRef txBuf) {
    int tpl = bootServices.raiseTpl(Tpl.CALLBACK);
    EfiStatus status = working();
    if (!status.isError()) {
      status = doGetStatus(interruptStatus, txBuf);
    }
    bootServices.restoreTpl(tpl);
    return status;
  }

  private EfiStatus doGetStatus(IntRef interruptStatus, LongRef txBuf) {
    int completed = transmitter.completed();
    if (completed < 0) {
      return device.fail(SnpCounter.LIE_TX_USED);
    }
    // Each look at the device's registers is a trip to the hypervisor: not for every frame.
    if (completed == 0 || txBuf == null || ++completionsSinceLink == LINK_INTERVAL) {
      completionsSinceLink = 0;
      EfiStatus status = device.refresh();
      if (status.isError()) {
        return status;
      }
    }
    if (interruptStatus != null) {
      EfiStatus found = look();
      if (found.isError() && found != EfiStatus.NOT_READY) {
        return found;
      }
      interruptStatus.value =
          (found == EfiStatus.SUCCESS ? RECEIVE_INTERRUPT : 0)
              | (completed > 0 ? TRANSMIT_INTERRUPT : 0);
    }
    if (txBuf != null) {
      txBuf.value = 0;
      if (completed > 0) {
        long buffer = transmitter.takeCompleted();
        if (buffer == VirtioNetTransmitter.DEVICE_LIED) {
          return device.fail(SnpCounter.LIE_TX_USED);
        }
        txBuf.value = buffer;
      }
    }
    return EfiStatus.SUCCESS;
  }

  @Override
  public EfiStatus transmit(
      long headerSize,
      long bufferSize,
      long buffer,
      MacAddress srcAddr,
      MacAddress destAddr,
      IntRef protocol) {
    if (bufferSize == 0 || buffer == 0) {
      return EfiStatus.INVALID_PARAMETER;
    }
    int tpl = bootServices.raiseTpl(Tpl.CALLBACK);
    EfiStatus status = working();
    if (!status.isError()) {
      status = doTransmit(headerSize, bufferSize, buffer, srcAddr, destAddr, protocol);
    }
    bootServices.restoreTpl(tpl);
    return status;
  }

  private EfiStatus doTransmit(
      long headerSize,
      long bufferSize,
      long buffer,
      MacAddress srcAddr,
      MacAddress destAddr,
      IntRef protocol) {
    if (Long.compareUnsigned(bufferSize, MEDIA_HEADER_SIZE) < 0) {
      return EfiStatus.BUFFER_TOO_SMALL;
    }
    if (isGiant(headerSize, bufferSize, buffer, protocol)) {
      return EfiStatus.INVALID_PARAMETER;
    }
    if (transmitter.isFull()) {
      counters.increment(SnpCounter.TX_BUSY);
      return EfiStatus.NOT_READY;
    }
    if (headerSize != 0) {
      if (headerSize != MEDIA_HEADER_SIZE || destAddr == null || protocol == null) {
        return EfiStatus.INVALID_PARAMETER;
      }
      MacAddress source = srcAddr == null ? mode.currentAddress : srcAddr;
      MacAddresses.write(memory, buffer, destAddr.bits());
      MacAddresses.write(memory, buffer + FRAME_SOURCE, source.bits());
      memory.putShort(buffer + FRAME_TYPE, Short.reverseBytes((short) protocol.value));
    }
    EfiStatus status = transmitter.send(buffer, (int) bufferSize);
    if (status.isError()) {
      return status;
    }
    countTransmitted(MacAddresses.read(memory, buffer), bufferSize);
    return transmitter.kickIfWanted().isError()
        ? device.fail(SnpCounter.REGISTER_FAILED)
        : EfiStatus.SUCCESS;
  }

  /** Whether a frame is longer than the MTU allows: with a VLAN tag by its 4 bytes more. */
  private boolean isGiant(long headerSize, long bufferSize, long buffer, IntRef protocol) {
    VirtioNetMtu mtu = device.mtu();
    if (Long.compareUnsigned(bufferSize, mtu.longestFrame()) <= 0) {
      return false;
    }
    if (Long.compareUnsigned(bufferSize, mtu.longestTagged()) > 0) {
      return true;
    }
    int type = protocol == null ? 0 : protocol.value;
    if (headerSize == 0) {
      type = Short.reverseBytes(memory.getShort(buffer + FRAME_TYPE)) & 0xffff;
    }
    return !VirtioNetLayout.isTag(type);
  }

  private void countTransmitted(long destination, long bytes) {
    counters.increment(SnpCounter.TX_QUEUED);
    counters.add(SnpCounter.TX_QUEUED_BYTES, bytes);
    counters.increment(
        (destination & MacAddresses.GROUP_BIT) == 0
            ? SnpCounter.TX_UNICAST
            : destination == MacAddresses.BROADCAST
                ? SnpCounter.TX_BROADCAST
                : SnpCounter.TX_MULTICAST);
  }

  @Override
  public EfiStatus receive(
      LongRef headerSize,
      LongRef bufferSize,
      long buffer,
      Ref<MacAddress> srcAddr,
      Ref<MacAddress> destAddr,
      IntRef protocol) {
    if (bufferSize == null || buffer == 0) {
      return EfiStatus.INVALID_PARAMETER;
    }
    int tpl = bootServices.raiseTpl(Tpl.CALLBACK);
    EfiStatus status = working();
    if (!status.isError()) {
      status = doReceive(headerSize, bufferSize, buffer, srcAddr, destAddr, protocol);
    }
    bootServices.restoreTpl(tpl);
    return status;
  }

  private EfiStatus doReceive(
      LongRef headerSize,
      LongRef bufferSize,
      long buffer,
      Ref<MacAddress> srcAddr,
      Ref<MacAddress> destAddr,
      IntRef protocol) {
    EfiStatus status = look();
    if (status.isError()) {
      return status;
    }
    long room = bufferSize.value;
    int length = receiver.latchedLength();
    bufferSize.value = length;
    if (Long.compareUnsigned(room, length) < 0) {
      return EfiStatus.BUFFER_TOO_SMALL;
    }
    long destination = receiver.latchedDestination();
    receiver.fetch(buffer);
    // From here on the frame is read from the caller's copy, which the device cannot change.
    if (headerSize != null) {
      headerSize.value = MEDIA_HEADER_SIZE;
    }
    if (destAddr != null) {
      destAddr.value = addresses.of(destination);
    }
    if (srcAddr != null) {
      srcAddr.value = addresses.of(MacAddresses.read(memory, buffer + FRAME_SOURCE));
    }
    if (protocol != null) {
      protocol.value = Short.reverseBytes(memory.getShort(buffer + FRAME_TYPE)) & 0xffff;
    }
    return kickIfOwed();
  }

  /** SUCCESS with a frame latched, NOT_READY without, DEVICE_ERROR where the device lied. */
  private EfiStatus look() {
    return switch (receiver.peek()) {
      case FRAME -> kickIfOwed();
      case EMPTY -> {
        EfiStatus status = kickIfOwed();
        yield status.isError() ? status : EfiStatus.NOT_READY;
      }
      case LIED_USED -> device.fail(SnpCounter.LIE_RX_USED);
      case LIED_LENGTH -> device.fail(SnpCounter.LIE_RX_LENGTH);
    };
  }

  private EfiStatus kickIfOwed() {
    EfiStatus status = receiver.kickIfOwed();
    return status.isError() ? device.fail(SnpCounter.REGISTER_FAILED) : status;
  }
}
