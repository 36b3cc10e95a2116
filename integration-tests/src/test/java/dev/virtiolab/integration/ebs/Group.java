package dev.virtiolab.integration.ebs;

/** The event groups that ExitBootServices signals on its way to success, in this order. */
enum Group {
  BEFORE_EXIT_BOOT_SERVICES,
  EXIT_BOOT_SERVICES
}
