package dev.virtiolab.iommu;

import dev.virtiolab.iommu.noncoherent.NonCoherentPlatform;
import dev.virtiolab.iommu.pc.PcPlatform;
import dev.virtiolab.iommu.sev.SevPlatform;
import dev.virtiolab.iommu.vtd.VtdPlatform;
import dev.virtiolab.pci.memory.PhysicalMemory;
import java.util.random.RandomGenerator;

/** Makes platforms. */
public final class Platforms {
  private Platforms() {}

  /**
   * A platform over {@code memory}.
   *
   * @param memory all of the guest's RAM; it stays its caller's to close, after the platform
   * @param entropy where keys and the layout of DRAM come from: a {@link
   *     java.security.SecureRandom}, or a generator with a fixed seed where a run must be replayed
   *     byte for byte
   */
  public static Platform create(PlatformKind kind, PhysicalMemory memory, RandomGenerator entropy) {
    return switch (kind) {
      case PC -> new PcPlatform(memory);
      case VTD -> new VtdPlatform(memory);
      case NONCOHERENT -> new NonCoherentPlatform(memory);
      case SEV -> new SevPlatform(memory, entropy);
    };
  }
}
