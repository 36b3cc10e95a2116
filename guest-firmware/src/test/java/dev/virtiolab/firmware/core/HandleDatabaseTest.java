package dev.virtiolab.firmware.core;

import static dev.virtiolab.firmware.uefi.EfiStatus.ACCESS_DENIED;
import static dev.virtiolab.firmware.uefi.EfiStatus.ALREADY_STARTED;
import static dev.virtiolab.firmware.uefi.EfiStatus.DEVICE_ERROR;
import static dev.virtiolab.firmware.uefi.EfiStatus.INVALID_PARAMETER;
import static dev.virtiolab.firmware.uefi.EfiStatus.NOT_FOUND;
import static dev.virtiolab.firmware.uefi.EfiStatus.SUCCESS;
import static dev.virtiolab.firmware.uefi.EfiStatus.UNSUPPORTED;
import static dev.virtiolab.firmware.uefi.OpenAttribute.BY_CHILD_CONTROLLER;
import static dev.virtiolab.firmware.uefi.OpenAttribute.BY_DRIVER;
import static dev.virtiolab.firmware.uefi.OpenAttribute.BY_HANDLE_PROTOCOL;
import static dev.virtiolab.firmware.uefi.OpenAttribute.EXCLUSIVE;
import static dev.virtiolab.firmware.uefi.OpenAttribute.GET_PROTOCOL;
import static dev.virtiolab.firmware.uefi.OpenAttribute.TEST_PROTOCOL;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;

import dev.virtiolab.firmware.uefi.DriverBinding;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.Handle;
import dev.virtiolab.firmware.uefi.Protocol;
import dev.virtiolab.firmware.uefi.Ref;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** UEFI Specification 2.10, 7.3 "Protocol Handler Services"; edk2's Handle.c. */
class HandleDatabaseTest {
  private static final Protocol<String> NAME =
      Protocol.of("00000000-0000-0000-0000-00000000000a", "Name", String.class);
  private static final Protocol<String> OTHER =
      Protocol.of("00000000-0000-0000-0000-00000000000b", "Other", String.class);
  private static final Protocol<Integer> NUMBER =
      Protocol.of("00000000-0000-0000-0000-00000000000c", "Number", Integer.class);

  private final DxeCore core = new Bench().core;
  private final Handle controller = install(null, NAME, "nic");

  // Install, locate, uninstall

  @Test
  void aNewHandleIsMadeOrAGivenOneIsExtended() {
    assertNotSame(controller, install(null, NAME, "another"));
    assertSame(controller, install(controller, OTHER, "more"));
  }

  @Test
  void aHandleCarriesAProtocolOnce() {
    assertEquals(
        INVALID_PARAMETER, core.installProtocolInterface(new Ref<>(controller), NAME, "twice"));
    assertEquals(INVALID_PARAMETER, core.installProtocolInterface(null, NAME, "nowhere"));
    assertEquals(INVALID_PARAMETER, core.installProtocolInterface(new Ref<>(), null, "nothing"));
    assertEquals(
        INVALID_PARAMETER,
        core.installProtocolInterface(new Ref<>(new Handle() {}), NAME, "not ours"));
  }

  @Test
  void handlesAreLocatedInOrderOfInstallation() {
    Handle second = install(null, OTHER, "x");
    install(second, NAME, "second");
    Handle third = install(null, NAME, "third");
    Ref<List<Handle>> found = new Ref<>();
    assertEquals(SUCCESS, core.locateHandleBuffer(NAME, found));
    assertEquals(List.of(controller, second, third), found.value);
    Ref<String> first = new Ref<>();
    assertEquals(SUCCESS, core.locateProtocol(NAME, first));
    assertEquals("nic", first.value);
  }

  @Test
  void whatNobodyCarriesIsNotFound() {
    Ref<Integer> number = new Ref<>(1);
    assertEquals(NOT_FOUND, core.locateProtocol(NUMBER, number));
    assertNull(number.value);
    assertEquals(NOT_FOUND, core.locateHandleBuffer(NUMBER, new Ref<>()));
    assertEquals(INVALID_PARAMETER, core.locateProtocol(null, new Ref<>()));
    assertEquals(INVALID_PARAMETER, core.locateProtocol(NUMBER, null));
    assertEquals(INVALID_PARAMETER, core.locateHandleBuffer(null, new Ref<>()));
    assertEquals(INVALID_PARAMETER, core.locateHandleBuffer(NUMBER, null));
  }

  @Test
  void uninstallNeedsTheVeryInterface() {
    assertEquals(
        NOT_FOUND,
        core.uninstallProtocolInterface(controller, NAME, String.valueOf(new char[] {'n'})));
    assertEquals(NOT_FOUND, core.uninstallProtocolInterface(controller, OTHER, "nic"));
    assertEquals(INVALID_PARAMETER, core.uninstallProtocolInterface(null, NAME, "nic"));
    assertEquals(SUCCESS, core.uninstallProtocolInterface(controller, NAME, "nic"));
  }

  @Test
  void aHandleIsGoneWithItsLastInterface() {
    install(controller, OTHER, "more");
    core.uninstallProtocolInterface(controller, NAME, "nic");
    assertEquals(SUCCESS, core.handleProtocol(controller, OTHER, new Ref<>()));
    core.uninstallProtocolInterface(controller, OTHER, "more");
    assertEquals(INVALID_PARAMETER, core.handleProtocol(controller, OTHER, new Ref<>()));
    assertEquals(
        INVALID_PARAMETER, core.installProtocolInterface(new Ref<>(controller), NAME, "again"));
  }

  // OpenProtocol

  @Test
  void openGivesTheInterfaceOrNull() {
    Ref<String> got = new Ref<>("old");
    assertEquals(SUCCESS, core.handleProtocol(controller, NAME, got));
    assertEquals("nic", got.value);
    assertEquals(UNSUPPORTED, core.handleProtocol(controller, OTHER, got));
    assertNull(got.value);
    assertEquals(INVALID_PARAMETER, core.handleProtocol(controller, NAME, null));
    assertEquals(INVALID_PARAMETER, core.handleProtocol(null, NAME, got));
    assertEquals(INVALID_PARAMETER, core.handleProtocol(controller, null, got));
  }

  @Test
  void testLeavesTheInterfaceAlone() {
    Ref<String> got = new Ref<>("old");
    assertEquals(SUCCESS, core.openProtocol(controller, NAME, got, null, null, TEST_PROTOCOL));
    assertEquals("old", got.value);
    assertEquals(UNSUPPORTED, core.openProtocol(controller, OTHER, got, null, null, TEST_PROTOCOL));
    assertEquals("old", got.value);
    assertEquals(SUCCESS, core.openProtocol(controller, NAME, null, null, null, TEST_PROTOCOL));
  }

  @Test
  void attributesOtherThanTheSevenKindsAreInvalid() {
    Handle agent = new Driver("driver", 1).handle;
    Handle child = install(null, OTHER, "child");
    for (int attributes = 0; attributes < 0x80; attributes++) {
      Handle fresh = install(null, NAME, "fresh");
      boolean legal =
          List.of(
                  BY_HANDLE_PROTOCOL,
                  GET_PROTOCOL,
                  TEST_PROTOCOL,
                  BY_CHILD_CONTROLLER,
                  BY_DRIVER,
                  EXCLUSIVE,
                  BY_DRIVER | EXCLUSIVE)
              .contains(attributes);
      assertEquals(
          legal ? SUCCESS : INVALID_PARAMETER,
          core.openProtocol(fresh, NAME, new Ref<>(), agent, child, attributes),
          "attributes=" + attributes);
    }
  }

  @Test
  void eachKindOfOpenNeedsItsHandles() {
    Handle agent = new Driver("driver", 1).handle;
    assertEquals(INVALID_PARAMETER, open(null, controller, BY_DRIVER));
    assertEquals(INVALID_PARAMETER, open(agent, null, BY_DRIVER));
    assertEquals(INVALID_PARAMETER, open(agent, null, BY_DRIVER | EXCLUSIVE));
    assertEquals(INVALID_PARAMETER, open(null, null, EXCLUSIVE));
    assertEquals(INVALID_PARAMETER, open(agent, null, BY_CHILD_CONTROLLER));
    assertEquals(INVALID_PARAMETER, open(agent, controller, BY_CHILD_CONTROLLER));
    assertEquals(SUCCESS, open(agent, null, EXCLUSIVE));
  }

  @Test
  void oneDriverManagesAnInterface() {
    Handle agent = new Driver("driver", 1).handle;
    Handle rival = new Driver("rival", 1).handle;
    assertEquals(SUCCESS, open(agent, controller, BY_DRIVER));
    Ref<String> got = new Ref<>();
    assertEquals(
        ALREADY_STARTED, core.openProtocol(controller, NAME, got, agent, controller, BY_DRIVER));
    assertEquals("nic", got.value);
    got.value = "old";
    assertEquals(
        ACCESS_DENIED, core.openProtocol(controller, NAME, got, rival, controller, BY_DRIVER));
    assertEquals("old", got.value);
    assertEquals(SUCCESS, open(rival, controller, GET_PROTOCOL));
    assertEquals(SUCCESS, core.closeProtocol(controller, NAME, agent, controller));
    assertEquals(SUCCESS, open(rival, controller, BY_DRIVER));
  }

  @Test
  void anExclusiveOpenKeepsDriversOut() {
    Handle agent = new Driver("driver", 1).handle;
    Handle rival = new Driver("rival", 1).handle;
    assertEquals(SUCCESS, open(agent, controller, EXCLUSIVE));
    assertEquals(ACCESS_DENIED, open(rival, controller, BY_DRIVER));
    assertEquals(ACCESS_DENIED, open(rival, controller, BY_DRIVER | EXCLUSIVE));
    assertEquals(ACCESS_DENIED, open(rival, controller, EXCLUSIVE));
    assertEquals(SUCCESS, open(rival, controller, GET_PROTOCOL));
  }

  @Test
  void anExclusiveOpenDisconnectsTheDriverFirst() {
    Driver driver = new Driver("driver", 1);
    core.connectController(controller, false);
    Handle rival = new Driver("rival", 1).handle;
    assertEquals(SUCCESS, open(rival, controller, BY_DRIVER | EXCLUSIVE));
    assertEquals(List.of("start driver", "stop driver"), driver.log);
    assertEquals(ALREADY_STARTED, open(rival, controller, BY_DRIVER | EXCLUSIVE));
  }

  @Test
  void anExclusiveOpenIsDeniedWhileTheDriverRefusesOrKeepsTheInterface() {
    Driver driver = new Driver("driver", 1);
    core.connectController(controller, false);
    Handle rival = new Driver("rival", 1).handle;
    driver.stopStatus = DEVICE_ERROR;
    assertEquals(ACCESS_DENIED, open(rival, controller, EXCLUSIVE));
    driver.stopStatus = SUCCESS;
    driver.letsGo = false;
    assertEquals(ACCESS_DENIED, open(rival, controller, EXCLUSIVE));
  }

  @Test
  void closeNeedsAnOpen() {
    Handle agent = new Driver("driver", 1).handle;
    assertEquals(NOT_FOUND, core.closeProtocol(controller, NAME, agent, controller));
    assertEquals(NOT_FOUND, core.closeProtocol(controller, OTHER, agent, controller));
    assertEquals(INVALID_PARAMETER, core.closeProtocol(null, NAME, agent, controller));
    assertEquals(INVALID_PARAMETER, core.closeProtocol(controller, NAME, null, controller));
    assertEquals(INVALID_PARAMETER, core.closeProtocol(controller, null, agent, controller));
    assertEquals(INVALID_PARAMETER, core.closeProtocol(controller, NAME, agent, new Handle() {}));
  }

  @Test
  void uninstallDisconnectsTheDriverFirst() {
    Driver driver = new Driver("driver", 1);
    core.connectController(controller, false);
    open(driver.handle, controller, GET_PROTOCOL);
    assertEquals(SUCCESS, core.uninstallProtocolInterface(controller, NAME, "nic"));
    assertEquals(List.of("start driver", "stop driver"), driver.log);
  }

  @Test
  void uninstallIsDeniedWhileADriverHoldsOn() {
    Driver driver = new Driver("driver", 1);
    core.connectController(controller, false);
    driver.stopStatus = DEVICE_ERROR;
    assertEquals(ACCESS_DENIED, core.uninstallProtocolInterface(controller, NAME, "nic"));
    assertEquals(SUCCESS, core.handleProtocol(controller, NAME, new Ref<>()));
  }

  @Test
  void uninstallIsDeniedWhileAChildHoldsOnAndDriversComeBack() {
    Driver driver = new Driver("driver", 1);
    core.connectController(controller, false);
    Handle child = install(null, OTHER, "child");
    open(new Driver("bus", 0).handle, child, BY_CHILD_CONTROLLER);
    assertEquals(ACCESS_DENIED, core.uninstallProtocolInterface(controller, NAME, "nic"));
    assertEquals(List.of("start driver", "stop driver", "start driver"), driver.log);
  }

  // Connect and disconnect

  @Test
  void driversAreTriedByVersionTheHighestFirst() {
    Driver low = new Driver("low", 1);
    Driver high = new Driver("high", 0x10);
    new Driver("middle", 2);
    assertEquals(SUCCESS, core.connectController(controller, false));
    assertEquals(List.of("start high"), high.log);
    assertEquals(List.of(), low.log);
  }

  @Test
  void connectReportsWhetherADriverStarted() {
    assertEquals(NOT_FOUND, core.connectController(controller, false));
    assertEquals(INVALID_PARAMETER, core.connectController(null, false));
    Driver driver = new Driver("driver", 1);
    driver.startStatus = DEVICE_ERROR;
    assertEquals(NOT_FOUND, core.connectController(controller, false));
    driver.startStatus = SUCCESS;
    assertEquals(SUCCESS, core.connectController(controller, false));
    assertEquals(NOT_FOUND, core.connectController(controller, false));
  }

  @Test
  void connectRecursivelyConnectsTheChildrenThatADriverMade() {
    Driver bus = new Driver("bus", 1);
    bus.childProtocol = OTHER;
    Driver leaf = new Driver("leaf", 1, OTHER);
    core.connectController(controller, false);
    assertEquals(List.of(), leaf.log);
    assertEquals(NOT_FOUND, core.connectController(controller, true));
    assertEquals(List.of("start leaf"), leaf.log);
  }

  @Test
  void disconnectStopsTheChildrenAndThenTheController() {
    Driver bus = new Driver("bus", 1);
    bus.childProtocol = OTHER;
    core.connectController(controller, true);
    assertEquals(SUCCESS, core.disconnectController(controller));
    assertEquals(List.of("start bus", "stop bus 1 children", "stop bus"), bus.log);
  }

  @Test
  void disconnectReportsWhetherDriversStopped() {
    assertEquals(SUCCESS, core.disconnectController(controller));
    assertEquals(INVALID_PARAMETER, core.disconnectController(null));
    Driver driver = new Driver("driver", 1);
    core.connectController(controller, false);
    driver.stopStatus = DEVICE_ERROR;
    assertEquals(DEVICE_ERROR, core.disconnectController(controller));
    driver.stopStatus = SUCCESS;
    assertEquals(SUCCESS, core.disconnectController(controller));
  }

  @Test
  void anAgentThatIsNoDriverCannotBeDisconnected() {
    open(install(null, OTHER, "agent"), controller, BY_DRIVER);
    assertEquals(INVALID_PARAMETER, core.disconnectController(controller));
    assertEquals(ACCESS_DENIED, core.uninstallProtocolInterface(controller, NAME, "nic"));
  }

  private <T> Handle install(Handle handle, Protocol<T> protocol, T iface) {
    Ref<Handle> ref = new Ref<>(handle);
    assertEquals(SUCCESS, core.installProtocolInterface(ref, protocol, iface));
    return ref.value;
  }

  private EfiStatus open(Handle agent, Handle forWhom, int attributes) {
    return core.openProtocol(controller, NAME, new Ref<>(), agent, forWhom, attributes);
  }

  /** A driver for whatever carries one protocol, which may make one child. */
  private final class Driver implements DriverBinding {
    final List<String> log = new ArrayList<>();
    final Handle handle;
    EfiStatus startStatus = SUCCESS;
    EfiStatus stopStatus = SUCCESS;
    boolean letsGo = true;
    Protocol<String> childProtocol;
    private final String name;
    private final int version;
    private final Protocol<String> drives;
    private Handle child;

    Driver(String name, int version) {
      this(name, version, NAME);
    }

    Driver(String name, int version, Protocol<String> drives) {
      this.name = name;
      this.version = version;
      this.drives = drives;
      this.handle = install(null, PROTOCOL, this);
    }

    @Override
    public EfiStatus supported(Handle target) {
      EfiStatus status = core.openProtocol(target, drives, new Ref<>(), handle, target, BY_DRIVER);
      if (!status.isError()) {
        core.closeProtocol(target, drives, handle, target);
      }
      return status;
    }

    @Override
    public EfiStatus start(Handle target) {
      log.add("start " + name);
      if (startStatus.isError()) {
        return startStatus;
      }
      core.openProtocol(target, drives, new Ref<>(), handle, target, BY_DRIVER);
      if (childProtocol != null) {
        child = install(null, childProtocol, "child");
        core.openProtocol(target, drives, new Ref<>(), handle, child, BY_CHILD_CONTROLLER);
      }
      return SUCCESS;
    }

    @Override
    public EfiStatus stop(Handle target, Handle... children) {
      log.add("stop " + name + (children.length == 0 ? "" : " " + children.length + " children"));
      if (stopStatus.isError()) {
        return stopStatus;
      }
      if (children.length > 0) {
        core.closeProtocol(target, drives, handle, child);
        return core.uninstallProtocolInterface(child, childProtocol, "child");
      }
      return letsGo ? core.closeProtocol(target, drives, handle, target) : SUCCESS;
    }

    @Override
    public int version() {
      return version;
    }

    @Override
    public Handle driverBindingHandle() {
      return handle;
    }
  }
}
