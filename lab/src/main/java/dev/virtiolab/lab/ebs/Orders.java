package dev.virtiolab.lab.ebs;

import dev.virtiolab.firmware.core.CoreEvent;
import dev.virtiolab.firmware.core.GroupOrder;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.UUID;

/**
 * The orders of one run: each time a group is signalled that has two members or more at one level,
 * the next choice says which of their permutations it is to be; 0, edk2's, when there are no more.
 */
final class Orders implements GroupOrder {
  /** 7 members at a level have 5,040 orders; more are not tried, and said to be too many. */
  private static final int MOST_MEMBERS = 7;

  /** Of all choices of a run together. */
  private static final long MOST_ORDERS = 10_000;

  /**
   * A choice that came up.
   *
   * @param members in edk2's order
   * @param choice which permutation of them it was: below {@link #choices}
   */
  record Point(List<CoreEvent> members, int choice) {

    int choices() {
      int factorial = 1;
      for (int i = 2; i <= members.size(); i++) {
        factorial *= i;
      }
      return factorial;
    }

    /** The members in the order of another choice. */
    List<CoreEvent> permutation(int other) {
      List<CoreEvent> left = new ArrayList<>(members);
      List<CoreEvent> order = new ArrayList<>();
      int number = other;
      int radix = choices();
      while (!left.isEmpty()) {
        radix /= left.size();
        order.add(left.remove(number / radix));
        number %= radix;
      }
      return order;
    }

    /** The choice that is this order of the members. */
    int choiceOf(List<CoreEvent> order) {
      List<CoreEvent> left = new ArrayList<>(members);
      int number = 0;
      for (CoreEvent next : order) {
        number = number * left.size() + left.indexOf(next);
        left.remove(next);
      }
      return number;
    }
  }

  /** Told of each group that is signalled, in the order in which its members are queued. */
  interface Listener {
    void signalled(UUID group, List<CoreEvent> order);
  }

  private final Log log;
  private final List<Integer> choices;
  private final Listener listener;
  private final List<Point> points = new ArrayList<>();
  private long orders = 1;
  private boolean choosing;

  Orders(Log log, List<Integer> choices, Listener listener) {
    this.log = log;
    this.choices = choices;
    this.listener = listener;
  }

  /** From here on it chooses; before, all is as in edk2. */
  void begin() {
    choosing = true;
  }

  @Override
  public List<CoreEvent> order(UUID group, List<CoreEvent> members) {
    if (!choosing) {
      return members;
    }
    List<CoreEvent> order = new ArrayList<>();
    List<Integer> levels =
        members.stream()
            .map(CoreEvent::notifyTpl)
            .distinct()
            .sorted(Comparator.reverseOrder())
            .toList();
    for (int level : levels) {
      List<CoreEvent> peers =
          members.stream().filter(member -> member.notifyTpl() == level).toList();
      order.addAll(peers.size() < 2 ? peers : choose(peers));
    }
    listener.signalled(group, order);
    return order;
  }

  private List<CoreEvent> choose(List<CoreEvent> peers) {
    if (peers.size() > MOST_MEMBERS) {
      throw log.cut(
          "%d handlers of one group at one level: too many orders to try".formatted(peers.size()));
    }
    int next = points.size() < choices.size() ? choices.get(points.size()) : 0;
    Point point = new Point(peers, next);
    if (next < 0 || next >= point.choices()) {
      throw new NoSuchOrderException();
    }
    points.add(point);
    orders *= point.choices();
    if (orders > MOST_ORDERS) {
      throw log.cut("groups are signalled so often that there are too many orders to try");
    }
    return point.permutation(next);
  }

  /** The choices that came up, in that order. */
  List<Point> points() {
    return points;
  }

  /** A history was named that this machine does not have. */
  static final class NoSuchOrderException extends RuntimeException {
    private static final long serialVersionUID = 1L;
  }
}
