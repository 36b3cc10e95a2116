package dev.virtiolab.pci.function;

import static dev.virtiolab.pci.config.AccessKind.READ_WRITE;
import static dev.virtiolab.pci.config.AccessKind.WRITE_1_TO_CLEAR;

import dev.virtiolab.pci.config.ConfigSpace;
import dev.virtiolab.pci.config.RegisterRule;

/**
 * The PCI Express capability of an endpoint or a root port: one lane at 2.5 GT/s, payloads of 128
 * bytes, and, in an endpoint, function-level reset (PCI Express Base 3.0, 7.8 and 6.6.2).
 *
 * <p>Payload and read request sizes are hardwired to 128 bytes; no ordering attribute is set.
 */
final class ExpressCapability implements ConfigHook {
  private final PciFunction function;
  private final int controlOffset;
  private final boolean functionLevelReset;

  private ExpressCapability(PciFunction function, int at, boolean endpoint) {
    this.function = function;
    this.controlOffset = at + ExpressLayout.DEVICE_CONTROL;
    this.functionLevelReset = endpoint;
  }

  static void addTo(PciFunction function, int at, boolean endpoint) {
    function.addCapability(
        ExpressLayout.CAPABILITY_ID,
        at,
        new byte[ExpressLayout.CAPABILITY_BYTES - 2],
        new ExpressCapability(function, at, endpoint));
    ConfigSpace config = function.config();
    config.initialize(
        at + ExpressLayout.CAPABILITIES,
        2,
        ExpressLayout.VERSION_2
            | (endpoint ? ExpressLayout.TYPE_ENDPOINT : ExpressLayout.TYPE_ROOT_PORT));
    config.initialize(
        at + ExpressLayout.DEVICE_CAPABILITIES,
        4,
        ExpressLayout.DEVICE_EXTENDED_TAG
            | ExpressLayout.DEVICE_ROLE_BASED_ERRORS
            | (endpoint ? ExpressLayout.DEVICE_FUNCTION_LEVEL_RESET : 0));
    int link = ExpressLayout.LINK_SPEED_2_5_GT | ExpressLayout.LINK_WIDTH_X1;
    config.initialize(at + ExpressLayout.LINK_CAPABILITIES, 4, link | ExpressLayout.LINK_ASPM_L0S);
    config.initialize(at + ExpressLayout.LINK_STATUS, 2, link);
    config.initialize(
        at + ExpressLayout.DEVICE_CAPABILITIES_2,
        4,
        ExpressLayout.DEVICE_EXTENDED_FORMAT | ExpressLayout.DEVICE_END_END_PREFIX);
    config.declare(
        new RegisterRule(
            "device control",
            at + ExpressLayout.DEVICE_CONTROL,
            2,
            READ_WRITE,
            ExpressLayout.CONTROL_ERROR_REPORTING
                | ExpressLayout.CONTROL_EXTENDED_TAG
                | (endpoint ? ExpressLayout.CONTROL_INITIATE_FLR : 0)));
    config.declare(
        new RegisterRule(
            "device status",
            at + ExpressLayout.DEVICE_STATUS,
            2,
            WRITE_1_TO_CLEAR,
            ExpressLayout.STATUS_ERRORS));
    config.declare(
        new RegisterRule(
            "link control",
            at + ExpressLayout.LINK_CONTROL,
            2,
            READ_WRITE,
            ExpressLayout.LINK_COMMON_CLOCK | ExpressLayout.LINK_EXTENDED_SYNCH));
    config.declare(
        new RegisterRule(
            "device control 2",
            at + ExpressLayout.DEVICE_CONTROL_2,
            2,
            READ_WRITE,
            ExpressLayout.CONTROL_2_END_END_PREFIX_BLOCKING));
  }

  /** Initiate FLR always reads as 0: the reset is over before the write returns. */
  @Override
  public void afterWrite(int offset, int width) {
    long control = function.config().load(controlOffset, 2);
    if (functionLevelReset && (control & ExpressLayout.CONTROL_INITIATE_FLR) != 0) {
      function.reset(ResetKind.FUNCTION_LEVEL);
    }
  }
}
