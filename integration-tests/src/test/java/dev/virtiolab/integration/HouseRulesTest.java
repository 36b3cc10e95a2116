package dev.virtiolab.integration;

import static com.tngtech.archunit.base.DescribedPredicate.alwaysTrue;
import static com.tngtech.archunit.base.DescribedPredicate.describe;
import static com.tngtech.archunit.base.DescribedPredicate.not;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import java.io.File;
import java.lang.module.ModuleDescriptor;
import java.lang.module.ModuleFinder;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.FieldSource;

/** Who may enter which room: the table of the house, held against the compiled classes. */
class HouseRulesTest {

  /** Each room and the rooms it may use. */
  static final Map<String, String[]> DOORS =
      Map.of(
          "posix", rooms(),
          "pci", rooms("posix"),
          "net", rooms("posix"),
          "virtio", rooms("pci", "net", "posix"),
          "iommu", rooms("pci"),
          "firmware", rooms("pci", "iommu"),
          "lab", rooms("posix", "pci", "net", "virtio", "iommu", "firmware"),
          // The lab, and what the lab's own signatures name.
          "testkit", rooms("lab", "net", "iommu", "firmware", "virtio"));

  static final List<String> ROOMS = DOORS.keySet().stream().sorted().toList();

  private static JavaClasses house;

  @BeforeAll
  static void readAllClasses() {
    house =
        new ClassFileImporter()
            .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
            .withImportOption(location -> !location.contains("-tests.jar"))
            .importPackages("dev.virtiolab");
  }

  @ParameterizedTest
  @FieldSource("ROOMS")
  void aRoomUsesOnlyTheRoomsItMayEnter(String room) {
    assertTrue(
        house.stream().anyMatch(type -> type.getPackageName().startsWith(inside(room))),
        "no class of " + room + " was read: the rule would hold of nothing");
    String[] allowed =
        Arrays.stream(DOORS.get(room)).map(HouseRulesTest::packages).toArray(String[]::new);
    noClasses()
        .that(resideInAPackage(packages(room)))
        .should()
        .dependOnClassesThat(
            resideInAPackage("dev.virtiolab..")
                .and(not(resideInAPackage(packages(room))))
                .and(not(resideInAnyPackage(allowed))))
        .check(house);
  }

  @Test
  void theGuestSeesTheBoardOnlyAsItsCpuDoes() {
    noClasses()
        .that(resideInAPackage(packages("firmware")))
        .should()
        .dependOnClassesThat(
            resideInAPackage(packages("pci"))
                .and(not(resideInAPackage("dev.virtiolab.pci.cpu")))
                .or(
                    resideInAPackage(packages("iommu"))
                        .and(not(named("dev.virtiolab.iommu.PageAttributes")))))
        .check(house);
  }

  /** Whoever writes one of their own has what these have; Java sees to it within a package. */
  @Test
  void builtInPoliciesAndDriversUseOnlyWhatIsExported() {
    String builtIn = "dev.virtiolab.firmware.exitboot..";
    String[] exported = exports("dev.virtiolab.firmware", "dev.virtiolab.pci");
    classes()
        .that(resideInAPackage(builtIn))
        .should()
        .resideInAnyPackage(exported)
        .andShould()
        .onlyDependOnClassesThat(resideInAPackage("java..").or(resideInAnyPackage(exported)))
        .check(house);
  }

  /** The packages that these modules export to everybody. */
  private static String[] exports(String... modules) {
    Path[] classPath =
        Arrays.stream(System.getProperty("java.class.path").split(File.pathSeparator))
            .map(Path::of)
            .toArray(Path[]::new);
    return Arrays.stream(modules)
        .flatMap(name -> descriptor(name, classPath).exports().stream())
        .filter(export -> !export.isQualified())
        .map(ModuleDescriptor.Exports::source)
        .toArray(String[]::new);
  }

  private static ModuleDescriptor descriptor(String module, Path... classPath) {
    return Arrays.stream(classPath)
        .map(ModuleFinder::of)
        .flatMap(finder -> finder.find(module).stream())
        .findFirst()
        .orElseThrow()
        .descriptor();
  }

  @Test
  void onlyPosixCallsNativeFunctions() {
    noClasses()
        .that(not(resideInAPackage(packages("posix"))))
        .should()
        .dependOnClassesThat(
            resideInAPackage("com.sun.jna..")
                .or(named("java.lang.foreign.Linker"))
                .or(named("java.lang.foreign.SymbolLookup")))
        .check(house);
    classes()
        .that(resideInAPackage(packages("posix")))
        .should()
        .onlyDependOnClassesThat(resideInAnyPackage("java..", "com.sun.jna..", packages("posix")))
        .check(house);
  }

  @Test
  void noPackageNeedsItself() {
    slices()
        .matching("dev.virtiolab.(**)")
        .should()
        .beFreeOfCycles()
        // A factory knows what it makes, and its products know their interface.
        .ignoreDependency(named("dev.virtiolab.iommu.Platforms"), alwaysTrue())
        .ignoreDependency(namedOrInside("dev.virtiolab.net.BackendSpec"), alwaysTrue())
        .ignoreDependency(named("dev.virtiolab.net.StreamSpec"), alwaysTrue())
        .ignoreDependency(named("dev.virtiolab.net.VxlanSpec"), alwaysTrue())
        .ignoreDependency(named("dev.virtiolab.net.VxlanSpec"), alwaysTrue())
        .check(house);
  }

  private static DescribedPredicate<JavaClass> named(String name) {
    return describe("named " + name, type -> type.getFullName().equals(name));
  }

  private static DescribedPredicate<JavaClass> namedOrInside(String name) {
    return describe(
        "named or inside " + name,
        type -> type.getFullName().equals(name) || type.getFullName().startsWith(name + "$"));
  }

  private static String[] rooms(String... names) {
    return names;
  }

  private static String inside(String room) {
    return "dev.virtiolab." + room;
  }

  private static String packages(String room) {
    return inside(room) + "..";
  }
}
