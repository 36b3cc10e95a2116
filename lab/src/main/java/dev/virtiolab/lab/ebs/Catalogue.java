package dev.virtiolab.lab.ebs;

import dev.virtiolab.firmware.exitboot.ExitBootDriver;
import dev.virtiolab.firmware.exitboot.driver.Drivers;
import dev.virtiolab.firmware.exitboot.policy.Policies;
import dev.virtiolab.firmware.iommu.TeardownPolicy;
import dev.virtiolab.lab.LabException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;

/**
 * The policies and drivers that there are to try, by name, in the order in which they are shown.
 */
public final class Catalogue {
  private final Map<String, Supplier<TeardownPolicy>> policies = new LinkedHashMap<>();
  private final Map<String, Supplier<ExitBootDriver>> drivers = new LinkedHashMap<>();

  /** With nothing in it. */
  public Catalogue() {}

  /** With those that the firmware has. */
  public static Catalogue builtIn() {
    Catalogue catalogue = new Catalogue();
    Policies.builtIn().forEach(catalogue::addPolicy);
    Drivers.builtIn().forEach(catalogue::addDriver);
    return catalogue;
  }

  /**
   * Adds a policy, under the name that it gives itself.
   *
   * @throws LabException if there is one of that name
   */
  public Catalogue addPolicy(Supplier<TeardownPolicy> maker) {
    add(policies, maker.get().name(), maker, "policy");
    return this;
  }

  /** Adds a driver, likewise. */
  public Catalogue addDriver(Supplier<ExitBootDriver> maker) {
    add(drivers, maker.get().name(), maker, "driver");
    return this;
  }

  private static <T> void add(Map<String, T> all, String name, T maker, String kind) {
    if (all.putIfAbsent(name, maker) != null) {
      throw LabException.usage("there is a %s named %s already".formatted(kind, name));
    }
  }

  /** The names of all policies. */
  public List<String> policies() {
    return List.copyOf(policies.keySet());
  }

  /** The names of all drivers. */
  public List<String> drivers() {
    return List.copyOf(drivers.keySet());
  }

  /**
   * A new policy.
   *
   * @throws LabException if there is none of that name; it names those that there are
   */
  public TeardownPolicy policy(String name) {
    return make(policies, name, "--policy");
  }

  /** A new driver, likewise. */
  public ExitBootDriver driver(String name) {
    return make(drivers, name, "--driver");
  }

  private static <T> T make(Map<String, Supplier<T>> all, String name, String option) {
    Supplier<T> maker = all.get(name);
    if (maker == null) {
      throw LabException.usage(
          "%s is one of %s, not %s".formatted(option, String.join(", ", all.keySet()), name));
    }
    return maker.get();
  }
}
