package dev.virtiolab.firmware.net;

import static dev.virtiolab.firmware.uefi.SimpleNetwork.RECEIVE_BROADCAST;
import static dev.virtiolab.firmware.uefi.SimpleNetwork.RECEIVE_MULTICAST;
import static dev.virtiolab.firmware.uefi.SimpleNetwork.RECEIVE_PROMISCUOUS;
import static dev.virtiolab.firmware.uefi.SimpleNetwork.RECEIVE_PROMISCUOUS_MULTICAST;
import static dev.virtiolab.firmware.uefi.SimpleNetwork.RECEIVE_UNICAST;

import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.MacAddress;
import dev.virtiolab.firmware.uefi.SimpleNetworkMode;
import java.util.List;

/**
 * Which frames are for us. The device, asked for no filtering, delivers every frame of its network;
 * so any setting can be had exactly, here.
 */
final class ReceiveFilter {
  static final int MASK =
      RECEIVE_UNICAST
          | RECEIVE_MULTICAST
          | RECEIVE_BROADCAST
          | RECEIVE_PROMISCUOUS
          | RECEIVE_PROMISCUOUS_MULTICAST;

  static final int DEFAULT = RECEIVE_UNICAST | RECEIVE_BROADCAST;

  /** MAX_MCAST_FILTER_CNT: UEFI Specification 2.10, 24.1. */
  static final int MAX_MULTICAST = 16;

  private final SimpleNetworkMode mode;
  private final long[] multicast = new long[MAX_MULTICAST];
  private int multicastCount;
  private int setting;
  private long station;

  ReceiveFilter(SimpleNetworkMode mode) {
    this.mode = mode;
    mode.receiveFilterMask = MASK;
    mode.maxMCastFilterCount = MAX_MULTICAST;
    set(DEFAULT);
  }

  private void set(int newSetting) {
    setting = newSetting;
    mode.receiveFilterSetting = newSetting;
  }

  /** Sets the address that unicast frames must have. */
  void station(MacAddress address) {
    station = address.bits();
  }

  /**
   * ReceiveFilters without the state check: UEFI Specification 2.10, 24.1.7. Bits of {@code enable}
   * are added, then those of {@code disable} taken away; a list that is given replaces the old one.
   */
  EfiStatus change(int enable, int disable, boolean resetMCastFilter, List<MacAddress> list) {
    if (((enable | disable) & ~MASK) != 0) {
      return EfiStatus.INVALID_PARAMETER;
    }
    int count = list == null ? 0 : list.size();
    if (!resetMCastFilter) {
      boolean enablesMulticast = (enable & ~disable & RECEIVE_MULTICAST) != 0;
      if (enablesMulticast && count == 0 || count > MAX_MULTICAST) {
        return EfiStatus.INVALID_PARAMETER;
      }
      for (int i = 0; i < count; i++) {
        if (list.get(i) == null || !list.get(i).isMulticast()) {
          return EfiStatus.INVALID_PARAMETER;
        }
      }
    }
    int changed = (setting | enable) & ~disable;
    if (resetMCastFilter) {
      changed &= ~RECEIVE_MULTICAST;
      replaceList(List.of());
    } else if (count > 0) {
      replaceList(list);
    }
    set(changed);
    return EfiStatus.SUCCESS;
  }

  private void replaceList(List<MacAddress> list) {
    multicastCount = list.size();
    for (int i = 0; i < multicastCount; i++) {
      multicast[i] = list.get(i).bits();
    }
    mode.mCastFilter = List.copyOf(list);
  }

  /**
   * @param destination as {@link MacAddress#bits()}
   */
  boolean accepts(long destination) {
    if ((setting & RECEIVE_PROMISCUOUS) != 0) {
      return true;
    }
    if ((destination & MacAddresses.GROUP_BIT) == 0) {
      return destination == station && (setting & RECEIVE_UNICAST) != 0;
    }
    if (destination == MacAddresses.BROADCAST) {
      return (setting & RECEIVE_BROADCAST) != 0;
    }
    return (setting & RECEIVE_PROMISCUOUS_MULTICAST) != 0
        || (setting & RECEIVE_MULTICAST) != 0 && isListed(destination);
  }

  private boolean isListed(long destination) {
    for (int i = 0; i < multicastCount; i++) {
      if (multicast[i] == destination) {
        return true;
      }
    }
    return false;
  }
}
