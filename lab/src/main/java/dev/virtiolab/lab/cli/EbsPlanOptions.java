package dev.virtiolab.lab.cli;

import dev.virtiolab.iommu.PlatformKind;
import dev.virtiolab.iommu.UnknownPlatformException;
import dev.virtiolab.lab.LabException;
import dev.virtiolab.lab.ebs.Catalogue;
import dev.virtiolab.lab.ebs.Explorer.Task;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import picocli.CommandLine.Option;

/** Which cells {@code vlab ebs} is about. */
final class EbsPlanOptions {
  private static final String ALL = "all";

  /** Orders multiply with each card: with four they are no matter of a minute any more. */
  private static final int MAX_CARDS = 3;

  @Option(
      names = "--policy",
      paramLabel = "NAME,...",
      split = ",",
      hideParamSyntax = true,
      description = "only this policy, or these (default: every one)")
  private List<String> policies;

  @Option(
      names = "--driver",
      paramLabel = "NAME,...",
      split = ",",
      hideParamSyntax = true,
      description =
          "only this driver, or these; a+b and a+b+c are machines with two and three cards"
              + " (default: every driver, and every pair)")
  private List<String> drivers;

  @Option(
      names = "--platform",
      paramLabel = "NAME,...",
      split = ",",
      hideParamSyntax = true,
      description = "pc, vtd, noncoherent, sev, or all of them (default: sev,vtd)")
  private List<String> platforms;

  @Option(
      names = "--pairs",
      negatable = true,
      description = {
        "every pair of drivers on one machine, or none (default: every pair, on sev).",
        "Given together with --platform: on each of those."
      })
  private Boolean pairs;

  @Option(
      names = "--triples",
      description = "every three drivers on one machine, likewise; takes minutes")
  private boolean triples;

  /** One of these options that the user has given; empty: none. */
  Optional<String> given() {
    if (policies != null) {
      return Optional.of("--policy");
    }
    if (drivers != null) {
      return Optional.of("--driver");
    }
    if (platforms != null) {
      return Optional.of("--platform");
    }
    if (pairs != null) {
      return Optional.of(pairs ? "--pairs" : "--no-pairs");
    }
    return triples ? Optional.of("--triples") : Optional.empty();
  }

  /**
   * The cells to run.
   *
   * @throws LabException if a name is not known, or options contradict each other
   */
  EbsPlan toPlan(Catalogue catalogue) {
    List<PlatformKind> kinds = platforms();
    List<String> named =
        policies == null ? catalogue.policies() : policies.stream().distinct().toList();
    named.forEach(catalogue::policy);
    if (drivers != null && (pairs != null || triples)) {
      throw LabException.usage(
          "--pairs and --triples are about every driver: --driver names its own, such as a+b");
    }
    List<List<String>> singles =
        drivers == null
            ? catalogue.drivers().stream().map(List::of).toList()
            : drivers.stream().map(machine -> cards(machine, catalogue)).distinct().toList();
    List<List<String>> tuples = drivers == null ? tuples(catalogue.drivers()) : List.of();

    List<Task> cells = new ArrayList<>();
    List<Task> encounters = new ArrayList<>();
    boolean single = policies != null && drivers != null && named.size() * singles.size() == 1;
    boolean tuplesEverywhere = platforms != null && (pairs != null || triples);
    for (PlatformKind kind : kinds) {
      for (String policy : named) {
        singles.forEach(machine -> cells.add(new Task(kind, policy, machine)));
        if (kind == EbsPlan.USUAL_OF_TUPLES || tuplesEverywhere) {
          tuples.forEach(machine -> cells.add(new Task(kind, policy, machine)));
        }
      }
      Task adopted = new Task(kind, EbsPlan.ADOPTED_POLICY, List.of(EbsPlan.ADOPTED_DRIVER));
      if (!single && cells.contains(adopted)) {
        encounters.add(adopted);
      }
    }
    return new EbsPlan(cells, encounters, drivers == null, single);
  }

  private List<PlatformKind> platforms() {
    if (platforms == null) {
      return EbsPlan.USUAL_PLATFORMS;
    }
    try {
      return platforms.stream()
          .flatMap(
              word ->
                  word.equals(ALL)
                      ? Arrays.stream(PlatformKind.values())
                      : Stream.of(PlatformKind.parse(word)))
          .distinct()
          .toList();
    } catch (UnknownPlatformException e) {
      throw LabException.usage("--platform: %s, or %s".formatted(e.getMessage(), ALL), e);
    }
  }

  /** The drivers of one machine, sorted by name. */
  private static List<String> cards(String machine, Catalogue catalogue) {
    List<String> cards = Arrays.stream(machine.split("\\+", -1)).sorted().toList();
    cards.forEach(catalogue::driver);
    if (cards.size() > MAX_CARDS) {
      throw LabException.usage(
          "--driver: a machine has at most %d cards, not %s".formatted(MAX_CARDS, machine));
    }
    return cards;
  }

  private List<List<String>> tuples(List<String> all) {
    List<List<String>> tuples = new ArrayList<>();
    if (pairs == null || pairs) {
      choose(all, 2, List.of(), tuples);
    }
    if (triples) {
      choose(all, 3, List.of(), tuples);
    }
    return tuples;
  }

  /** Every choice of {@code count} from {@code all}, each as often as one likes. */
  private static void choose(
      List<String> all, int count, List<String> chosen, List<List<String>> result) {
    if (count == 0) {
      List<String> sorted = new ArrayList<>(chosen);
      Collections.sort(sorted);
      result.add(List.copyOf(sorted));
      return;
    }
    for (int i = 0; i < all.size(); i++) {
      List<String> more = new ArrayList<>(chosen);
      more.add(all.get(i));
      choose(all.subList(i, all.size()), count - 1, more, result);
    }
  }
}
