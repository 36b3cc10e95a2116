package dev.virtiolab.firmware.uefi;

import java.util.List;

/** EFI_SIMPLE_NETWORK_PROTOCOL: UEFI Specification 2.10, 24.1 "Simple Network Protocol". */
public interface SimpleNetwork {
  Protocol<SimpleNetwork> PROTOCOL =
      Protocol.of("a19832b9-ac25-11d3-9a2d-0090273fc14d", "SimpleNetwork", SimpleNetwork.class);

  int RECEIVE_UNICAST = 0x01;
  int RECEIVE_MULTICAST = 0x02;
  int RECEIVE_BROADCAST = 0x04;
  int RECEIVE_PROMISCUOUS = 0x08;
  int RECEIVE_PROMISCUOUS_MULTICAST = 0x10;

  int RECEIVE_INTERRUPT = 0x01;
  int TRANSMIT_INTERRUPT = 0x02;

  EfiStatus start();

  EfiStatus stop();

  EfiStatus initialize(long extraRxBufferSize, long extraTxBufferSize);

  EfiStatus reset(boolean extendedVerification);

  EfiStatus shutdown();

  EfiStatus receiveFilters(
      int enable, int disable, boolean resetMCastFilter, List<MacAddress> mCastFilter);

  EfiStatus stationAddress(boolean reset, MacAddress address);

  /**
   * @param statisticsSize in: bytes the caller has room for; out: bytes there are; null with {@code
   *     reset} only
   * @param statistics out; may be null with {@code reset} only
   */
  EfiStatus statistics(boolean reset, LongRef statisticsSize, Ref<NetworkStatistics> statistics);

  /**
   * @param ip an IPv4 (4 bytes) or IPv6 (16 bytes) multicast address
   */
  EfiStatus mCastIpToMac(boolean ipv6, byte[] ip, Ref<MacAddress> mac);

  EfiStatus nvData(boolean read, long offset, long bufferSize, long buffer);

  /**
   * @param interruptStatus out, or null; reading clears
   * @param txBuf out, or null: a transmitted buffer that is the caller's again, 0 if none
   */
  EfiStatus getStatus(IntRef interruptStatus, LongRef txBuf);

  /**
   * @param headerSize 0, or the media header's size: then the header is filled in
   * @param bufferSize bytes at {@code buffer}, media header included
   * @param buffer guest-physical address; the driver's until GetStatus hands it back
   * @param srcAddr null for the station's own; looked at only with a {@code headerSize}
   * @param protocol null unless {@code headerSize} is set
   */
  EfiStatus transmit(
      long headerSize,
      long bufferSize,
      long buffer,
      MacAddress srcAddr,
      MacAddress destAddr,
      IntRef protocol);

  /**
   * @param headerSize out, or null
   * @param bufferSize in: room at {@code buffer}; out: bytes received, or needed
   */
  EfiStatus receive(
      LongRef headerSize,
      LongRef bufferSize,
      long buffer,
      Ref<MacAddress> srcAddr,
      Ref<MacAddress> destAddr,
      IntRef protocol);

  /** Signalled, by a look at the ring when it is checked or waited for, while a frame is there. */
  Event waitForPacket();

  SimpleNetworkMode mode();
}
