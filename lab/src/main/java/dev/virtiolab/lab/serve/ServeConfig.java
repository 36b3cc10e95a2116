package dev.virtiolab.lab.serve;

import dev.virtiolab.firmware.uefi.MacAddress;
import dev.virtiolab.virtio.feature.Features;
import dev.virtiolab.virtio.net.NetFeatures;
import dev.virtiolab.virtio.transport.DeviceKind;
import java.util.OptionalInt;

/**
 * What NIC to serve, and where.
 *
 * @param socket path of the unix socket
 * @param mac its Ethernet address
 * @param mtu what VIRTIO_NET_F_MTU offers, in bytes; empty: what the wire takes, if that is less
 *     than 1500, else the feature is not offered
 * @param allowUnsealed whether to take memory that its owner could shrink, and thereby end this
 *     process
 * @param features what it offers, of {@link NetFeatures#KNOWN}, beside what follows from the rest;
 *     by vhost-user those of its data queues
 * @param kind which interfaces it has as a PCI function; by vhost-user that is the client's to say
 */
public record ServeConfig(
    String socket,
    MacAddress mac,
    OptionalInt mtu,
    boolean allowUnsealed,
    Features features,
    DeviceKind kind) {

  /** A modern one that offers what is usual. */
  public ServeConfig(String socket, MacAddress mac, OptionalInt mtu, boolean allowUnsealed) {
    this(socket, mac, mtu, allowUnsealed, NetFeatures.USUAL, DeviceKind.MODERN);
  }

  /** The same, of another kind. */
  public ServeConfig withKind(DeviceKind other) {
    return new ServeConfig(socket, mac, mtu, allowUnsealed, features, other);
  }

  /** The same, with other features offered. */
  public ServeConfig withFeatures(Features others) {
    return new ServeConfig(socket, mac, mtu, allowUnsealed, others, kind);
  }

  /** The octets of the address. */
  public byte[] macBytes() {
    byte[] octets = new byte[6];
    for (int i = 0; i < octets.length; i++) {
      octets[i] = mac.octet(i);
    }
    return octets;
  }
}
