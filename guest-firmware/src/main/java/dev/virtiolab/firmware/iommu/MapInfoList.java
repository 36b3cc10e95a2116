package dev.virtiolab.firmware.iommu;

import dev.virtiolab.firmware.uefi.DmaMapping;

/**
 * The open mappings, the latest first, and those that wait to be used again.
 *
 * <p>Mappings are pooled: once as many exist as are ever open together, Map allocates nothing. A
 * mapping that was closed is not used again before {@link #QUARANTINE} others were closed after it,
 * so that a driver's second Unmap of it is seen for what it is, and does not hit its successor.
 */
final class MapInfoList {
  static final int QUARANTINE = 64;

  private MapInfo newest;
  private int openCount;

  /** Closed mappings, first in first out, linked by {@code next}. */
  private MapInfo longestClosed;

  private MapInfo lastClosed;
  private int closedCount;

  /** A mapping to fill in; it is not open yet. */
  MapInfo acquire() {
    if (closedCount <= QUARANTINE) {
      return new MapInfo(this);
    }
    MapInfo mapInfo = longestClosed;
    longestClosed = mapInfo.next;
    closedCount--;
    mapInfo.next = null;
    return mapInfo;
  }

  /** Puts a mapping that was acquired in front of the open ones. */
  void open(MapInfo mapInfo) {
    mapInfo.open = true;
    mapInfo.previous = null;
    mapInfo.next = newest;
    if (newest != null) {
      newest.previous = mapInfo;
    }
    newest = mapInfo;
    openCount++;
  }

  /** The open mapping that {@code mapping} is, or null. */
  MapInfo find(DmaMapping mapping) {
    return mapping instanceof MapInfo mapInfo && mapInfo.owner == this && mapInfo.open
        ? mapInfo
        : null;
  }

  /** Takes a mapping out of the open ones. */
  void close(MapInfo mapInfo) {
    mapInfo.open = false;
    openCount--;
    if (mapInfo.previous == null) {
      newest = mapInfo.next;
    } else {
      mapInfo.previous.next = mapInfo.next;
    }
    if (mapInfo.next != null) {
      mapInfo.next.previous = mapInfo.previous;
    }
    mapInfo.previous = null;
    mapInfo.next = null;
  }

  /** Lets a mapping that is not open be used again, some time. */
  void release(MapInfo mapInfo) {
    mapInfo.commonBuffer = null;
    if (closedCount == 0) {
      longestClosed = mapInfo;
    } else {
      lastClosed.next = mapInfo;
    }
    lastClosed = mapInfo;
    closedCount++;
  }

  MapInfo newest() {
    return newest;
  }

  int openCount() {
    return openCount;
  }
}
