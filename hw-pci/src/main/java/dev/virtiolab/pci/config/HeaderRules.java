package dev.virtiolab.pci.config;

import static dev.virtiolab.pci.config.AccessKind.READ_WRITE;
import static dev.virtiolab.pci.config.AccessKind.WRITE_1_TO_CLEAR;
import static dev.virtiolab.pci.config.HeaderLayout.CACHE_LINE_SIZE;
import static dev.virtiolab.pci.config.HeaderLayout.COMMAND;
import static dev.virtiolab.pci.config.HeaderLayout.COMMAND_BUS_MASTER;
import static dev.virtiolab.pci.config.HeaderLayout.COMMAND_INTX_DISABLE;
import static dev.virtiolab.pci.config.HeaderLayout.COMMAND_IO;
import static dev.virtiolab.pci.config.HeaderLayout.COMMAND_MEMORY;
import static dev.virtiolab.pci.config.HeaderLayout.COMMAND_SERR;
import static dev.virtiolab.pci.config.HeaderLayout.INTERRUPT_LINE;
import static dev.virtiolab.pci.config.HeaderLayout.STATUS;
import static dev.virtiolab.pci.config.HeaderLayout.STATUS_ERRORS;

import java.util.List;

/**
 * How the registers of the two header types behave. Base address registers are declared with their
 * BARs; what is not here is read-only.
 */
public final class HeaderRules {
  /** Registers of both types. */
  public static final List<RegisterRule> COMMON =
      List.of(
          new RegisterRule(
              "command",
              COMMAND,
              2,
              READ_WRITE,
              COMMAND_IO
                  | COMMAND_MEMORY
                  | COMMAND_BUS_MASTER
                  | COMMAND_SERR
                  | COMMAND_INTX_DISABLE),
          new RegisterRule("status", STATUS, 2, WRITE_1_TO_CLEAR, STATUS_ERRORS),
          new RegisterRule("cache line size", CACHE_LINE_SIZE, 1, READ_WRITE, 0xff),
          new RegisterRule("interrupt line", INTERRUPT_LINE, 1, READ_WRITE, 0xff));

  /** Registers of a bridge. I/O base and limit stay zero and read-only: no I/O is forwarded. */
  public static final List<RegisterRule> TYPE_1 =
      List.of(
          new RegisterRule("primary bus", Type1Layout.PRIMARY_BUS, 1, READ_WRITE, 0xff),
          new RegisterRule("secondary bus", Type1Layout.SECONDARY_BUS, 1, READ_WRITE, 0xff),
          new RegisterRule("subordinate bus", Type1Layout.SUBORDINATE_BUS, 1, READ_WRITE, 0xff),
          new RegisterRule(
              "secondary status", Type1Layout.SECONDARY_STATUS, 2, WRITE_1_TO_CLEAR, STATUS_ERRORS),
          new RegisterRule("memory base", Type1Layout.MEMORY_BASE, 2, READ_WRITE, 0xfff0),
          new RegisterRule("memory limit", Type1Layout.MEMORY_LIMIT, 2, READ_WRITE, 0xfff0),
          new RegisterRule(
              "prefetchable base", Type1Layout.PREFETCHABLE_BASE, 2, READ_WRITE, 0xfff0),
          new RegisterRule(
              "prefetchable limit", Type1Layout.PREFETCHABLE_LIMIT, 2, READ_WRITE, 0xfff0),
          new RegisterRule(
              "prefetchable base upper",
              Type1Layout.PREFETCHABLE_BASE_UPPER,
              4,
              READ_WRITE,
              0xffff_ffffL),
          new RegisterRule(
              "prefetchable limit upper",
              Type1Layout.PREFETCHABLE_LIMIT_UPPER,
              4,
              READ_WRITE,
              0xffff_ffffL),
          new RegisterRule(
              "bridge control",
              Type1Layout.BRIDGE_CONTROL,
              2,
              READ_WRITE,
              Type1Layout.BRIDGE_CONTROL_SECONDARY_BUS_RESET));

  private HeaderRules() {}
}
