package dev.virtiolab.firmware.uefi;

import java.util.UUID;

/** Event groups: UEFI Specification 2.10, 7.1.2 "EFI_BOOT_SERVICES.CreateEventEx()". */
public final class EventGroups {
  public static final UUID EXIT_BOOT_SERVICES =
      UUID.fromString("27abf055-b1b8-4c26-8048-748f37baa2df");
  public static final UUID BEFORE_EXIT_BOOT_SERVICES =
      UUID.fromString("8be0e274-3970-4b44-80c5-1ab9502f3bfc");
  public static final UUID EXIT_BOOT_SERVICES_FAILED =
      UUID.fromString("4f6c5507-232f-4787-b95e-72f862490cb1");
  public static final UUID VIRTUAL_ADDRESS_CHANGE =
      UUID.fromString("13fa7698-c831-49c7-87ea-8f43fcc25196");
  public static final UUID MEMORY_MAP_CHANGE =
      UUID.fromString("78bee926-692f-48fd-9edb-01422ef0d7ab");
  public static final UUID READY_TO_BOOT = UUID.fromString("7ce88fb3-4bd7-4679-87a8-a8d8dee50d2b");

  private EventGroups() {}
}
