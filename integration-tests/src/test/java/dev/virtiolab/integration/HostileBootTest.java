package dev.virtiolab.integration;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.firmware.Board;
import dev.virtiolab.firmware.BootException;
import dev.virtiolab.firmware.Firmware;
import dev.virtiolab.firmware.fixture.Seed;
import dev.virtiolab.firmware.iommu.BounceSlots;
import dev.virtiolab.firmware.stack.Ipv4Address;
import dev.virtiolab.firmware.virtio.VirtioPciLayout;
import dev.virtiolab.iommu.PlatformKind;
import dev.virtiolab.lab.MachineConfig;
import dev.virtiolab.lab.Mainboard;
import dev.virtiolab.net.LoopbackBackend;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import java.util.function.LongUnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * A host that lies while the guest boots: the guest says no, in one line and in bounded time. The
 * card is the real one; what the guest reads of it is not.
 */
class HostileBootTest {
  private static final Ipv4Address GUEST = Ipv4Address.parse("192.0.2.2");
  private static final int FRAMES_ON_THE_WIRE = 64;
  private static final int LARGEST_FRAME = 1514;
  private static final long LONGEST_BOOT_NANOS = TimeUnit.SECONDS.toNanos(10);
  private static final int RANDOM_BOOTS = 60;

  private static final int STATUS_FEATURES_OK = 8;

  /** A machine about to be booted. */
  private static final class Bench implements AutoCloseable {
    final Mainboard hardware;
    final HostileBus bus;
    final SteppedClock clock;

    Bench(PlatformKind platform) {
      LoopbackBackend.Pair wire = LoopbackBackend.pair(FRAMES_ON_THE_WIRE, LARGEST_FRAME);
      hardware = new Mainboard(MachineConfig.of(platform), wire.left());
      bus = new HostileBus(hardware.hostBridge(), hardware.nicAddress());
      clock = new SteppedClock(hardware);
    }

    Firmware boot() {
      return new Firmware(
          new Board(
              hardware.platform().cpuMemory(), bus, clock, hardware.platform().pageAttributes()),
          GUEST,
          BounceSlots.OVMF);
    }

    /** Where the capability of the common configuration is. */
    int commonCapability() {
      int at = bus.configByte(VirtioPciLayout.PCI_CAPABILITY_POINTER);
      while (bus.configByte(at) != VirtioPciLayout.CAP_ID_VENDOR
          || bus.configByte(at + VirtioPciLayout.CAP_CFG_TYPE) != VirtioPciLayout.CFG_TYPE_COMMON) {
        at = bus.configByte(at + VirtioPciLayout.CAP_NEXT);
      }
      return at;
    }

    @Override
    public void close() {
      hardware.close();
    }
  }

  /** What the host says, and what it does with it. */
  private enum Told {
    A_STATUS_THAT_NEVER_CLEARS("VirtioNetDxe.Start: DEVICE_ERROR") {
      @Override
      HostileBus.Lie lie(Bench bench) {
        return register(VirtioPciLayout.COMMON_DEVICE_STATUS, honest -> honest | 1);
      }
    },
    FEATURES_THAT_DO_NOT_STICK("NetworkStack ended with UNSUPPORTED") {
      @Override
      HostileBus.Lie lie(Bench bench) {
        return register(
            VirtioPciLayout.COMMON_DEVICE_STATUS, honest -> honest & ~STATUS_FEATURES_OK);
      }
    },
    NO_VERSION_1_NOR_ACCESS_PLATFORM("VirtioNetDxe.Start: UNSUPPORTED") {
      @Override
      HostileBus.Lie lie(Bench bench) {
        return new HostileBus.Lie() {
          @Override
          public long register(long offset, int width, long honest, Map<Long, Long> written) {
            boolean high =
                written.getOrDefault((long) VirtioPciLayout.COMMON_DEVICE_FEATURE_SELECT, 0L) == 1;
            return offset == VirtioPciLayout.COMMON_DEVICE_FEATURE && high ? honest & ~3L : honest;
          }
        };
      }
    },
    A_GENERATION_THAT_NEVER_SETTLES("VirtioNetDxe.Start: DEVICE_ERROR") {
      private long generation;

      @Override
      HostileBus.Lie lie(Bench bench) {
        return register(VirtioPciLayout.COMMON_CONFIG_GENERATION, honest -> ++generation);
      }
    },
    A_QUEUE_SIZE_THAT_IS_NO_POWER_OF_TWO("NetworkStack ended with UNSUPPORTED") {
      @Override
      HostileBus.Lie lie(Bench bench) {
        return register(VirtioPciLayout.COMMON_QUEUE_SIZE, honest -> 3);
      }
    },
    A_NOTIFY_OFFSET_OUTSIDE_ITS_STRUCTURE("NetworkStack ended with DEVICE_ERROR") {
      @Override
      HostileBus.Lie lie(Bench bench) {
        return register(VirtioPciLayout.COMMON_QUEUE_NOTIFY_OFF, honest -> 0xffff);
      }
    },
    A_CARD_THAT_IS_GONE_AFTER_ENUMERATION("VirtioNetDxe.Start: DEVICE_ERROR") {
      @Override
      HostileBus.Lie lie(Bench bench) {
        return new HostileBus.Lie() {
          @Override
          public long register(long offset, int width, long honest, Map<Long, Long> written) {
            return -1;
          }
        };
      }
    },
    NO_CARD("no virtio network card on the PCI bus") {
      @Override
      HostileBus.Lie lie(Bench bench) {
        return config(VirtioPciLayout.PCI_VENDOR_ID, 0xff, 0xff);
      }
    },
    A_CAPABILITY_LIST_THAT_LOOPS("00:04.0: the capability list does not end") {
      @Override
      HostileBus.Lie lie(Bench bench) {
        int common = bench.commonCapability();
        return config(common + VirtioPciLayout.CAP_NEXT, common);
      }
    },
    A_CAPABILITY_OUTSIDE_ITS_BAR("Virtio10Dxe.Start: UNSUPPORTED") {
      @Override
      HostileBus.Lie lie(Bench bench) {
        int common = bench.commonCapability();
        return config(common + VirtioPciLayout.CAP_OFFSET, 0, 0xf0, 0xff, 0xff);
      }
    },
    A_CAPABILITY_IN_NO_BAR("Virtio10Dxe.Start: UNSUPPORTED") {
      @Override
      HostileBus.Lie lie(Bench bench) {
        return config(bench.commonCapability() + VirtioPciLayout.CAP_BAR, 6);
      }
    };

    /** What the guest says of it. */
    final String complaint;

    Told(String complaint) {
      this.complaint = complaint;
    }

    abstract HostileBus.Lie lie(Bench bench);

    private static HostileBus.Lie register(long where, LongUnaryOperator answer) {
      return new HostileBus.Lie() {
        @Override
        public long register(long offset, int width, long honest, Map<Long, Long> written) {
          return offset == where ? answer.applyAsLong(honest) : honest;
        }
      };
    }

    private static HostileBus.Lie config(int where, int... bytes) {
      return new HostileBus.Lie() {
        @Override
        public int config(int offset, int honest) {
          int at = offset - where;
          return at >= 0 && at < bytes.length ? bytes[at] : honest;
        }
      };
    }
  }

  @ParameterizedTest
  @EnumSource(Told.class)
  void theGuestSaysNoInOneLineAndInBoundedTime(Told told) {
    for (PlatformKind platform : new PlatformKind[] {PlatformKind.PC, PlatformKind.SEV}) {
      try (Bench bench = new Bench(platform)) {
        bench.bus.tell(told.lie(bench));

        BootException refused = assertThrows(BootException.class, bench::boot);

        assertOneLine(refused);
        assertTrue(refused.getMessage().contains(told.complaint), refused::getMessage);
        assertTrue(bench.clock.nanos() < LONGEST_BOOT_NANOS, () -> "ns=" + bench.clock.nanos());
        assertEquals(0, bench.hardware.nic().counters().framesSent());
      }
    }
  }

  /** Each boot at another rate of lies, from every other answer to hardly any. */
  @Test
  void whateverTheHostAnswersTheGuestBootsOrSaysNo() {
    SplittableRandom random = Seed.random("HostileBootTest");
    for (int boot = 0; boot < RANDOM_BOOTS; boot++) {
      SplittableRandom chance = random.split();
      int oneIn = 2 << boot % 12;
      PlatformKind platform = boot % 2 == 0 ? PlatformKind.PC : PlatformKind.SEV;
      try (Bench bench = new Bench(platform)) {
        bench.bus.tell(
            new HostileBus.Lie() {
              @Override
              public int config(int offset, int honest) {
                return chance.nextInt(oneIn) == 0 ? chance.nextInt(256) : honest;
              }

              @Override
              public long register(long offset, int width, long honest, Map<Long, Long> written) {
                return chance.nextInt(oneIn) == 0 ? chance.nextLong() : honest;
              }
            });
        try {
          bench.boot().turn();
        } catch (BootException refused) {
          assertOneLine(refused);
        }
        assertTrue(bench.clock.nanos() < LONGEST_BOOT_NANOS, () -> "ns=" + bench.clock.nanos());
      }
    }
  }

  private static void assertOneLine(BootException refused) {
    assertFalse(refused.getMessage().contains("\n"), refused::getMessage);
  }
}
