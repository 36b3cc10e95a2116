package dev.virtiolab.firmware.uefi;

import java.util.List;

/**
 * EFI_SIMPLE_NETWORK_MODE: UEFI Specification 2.10, 24.1. Written by the driver, read by its users.
 */
public final class SimpleNetworkMode {
  /** EFI_SIMPLE_NETWORK_STATE. */
  public enum State {
    STOPPED,
    STARTED,
    INITIALIZED
  }

  public State state = State.STOPPED;
  public int hwAddressSize;
  public int mediaHeaderSize;
  public int maxPacketSize;
  public int nvRamSize;
  public int nvRamAccessSize;
  public int receiveFilterMask;
  public int receiveFilterSetting;
  public int maxMCastFilterCount;
  public List<MacAddress> mCastFilter = List.of();
  public MacAddress currentAddress;
  public MacAddress broadcastAddress;
  public MacAddress permanentAddress;
  public int ifType;
  public boolean macAddressChangeable;
  public boolean multipleTxSupported;
  public boolean mediaPresentSupported;
  public boolean mediaPresent;

  public SimpleNetworkMode() {}
}
