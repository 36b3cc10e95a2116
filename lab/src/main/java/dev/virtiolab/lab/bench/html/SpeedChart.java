package dev.virtiolab.lab.bench.html;

import dev.virtiolab.lab.bench.BenchResult;
import dev.virtiolab.lab.html.Markup;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Collectors;

/**
 * Frames per second by frame size, a line for each platform. Both axes are logarithmic: platforms
 * compare by ratio, and a bit rate is a straight line, so that one picture shows both.
 */
final class SpeedChart {
  private static final double WIDTH = 620;
  private static final double HEIGHT = 372;
  private static final double LEFT = 58;
  private static final double RIGHT = WIDTH - 152;
  private static final double TOP = 26;
  private static final double BOTTOM = HEIGHT - 46;

  /** A size is labelled if its label has so much room to the left. */
  private static final double TICK_ROOM = 30;

  private static final double LABEL_HEIGHT = 15;
  private static final double MARK = 3.6;
  private static final double BITS_PER_GIGABIT = 1e9;

  /** A line of the chart: one platform's results by size. */
  record Series(String name, int style, List<BenchResult> points) {
    BenchResult last() {
      return points.getLast();
    }
  }

  private final List<Series> series;
  private final LogAxis x;
  private final LogAxis y;
  private final Markup out;

  /**
   * @param series each with at least one result, ordered by size
   * @param all every result of the report, so that all charts have the same axes
   */
  SpeedChart(List<Series> series, List<BenchResult> all, Markup out) {
    this.series = series;
    this.out = out;
    double narrowest = all.stream().mapToInt(BenchResult::frameBytes).min().orElseThrow();
    double widest = all.stream().mapToInt(BenchResult::frameBytes).max().orElseThrow();
    // A single size stands in the middle.
    x =
        narrowest == widest
            ? new LogAxis(narrowest / 2, widest * 2, LEFT, RIGHT)
            : new LogAxis(narrowest, widest, LEFT + 8, RIGHT - 8);
    y =
        LogAxis.around(
            all.stream().mapToLong(row -> Math.max(1, row.framesPerSecond().min())).min().orElse(1),
            all.stream().mapToLong(row -> Math.max(1, row.framesPerSecond().max())).max().orElse(1),
            BOTTOM,
            TOP);
  }

  /**
   * Draws it.
   *
   * @param id of the figure, unique on the page
   * @param title for whoever does not see the picture
   * @param description likewise: what there is to see
   */
  void draw(String id, String title, String description) {
    out.open(
        "svg",
        "viewBox",
        "0 0 " + Markup.number(WIDTH) + " " + Markup.number(HEIGHT),
        "role",
        "img",
        "aria-labelledby",
        id + "-title " + id + "-desc");
    out.element("title", title, "id", id + "-title");
    out.element("desc", description, "id", id + "-desc");
    out.open("clipPath", "id", id + "-plot");
    out.empty("rect", "x", LEFT, "y", TOP, "width", RIGHT - LEFT, "height", BOTTOM - TOP);
    out.close();
    drawRates();
    drawSizes();
    drawBitRates(id);
    series.forEach(this::drawLine);
    drawNames();
    out.close();
  }

  private void drawRates() {
    out.open("g", "class", "axis");
    out.element("text", "frames per second", "x", LEFT, "y", TOP - 12);
    for (double tick : y.ticks()) {
      double at = y.at(tick);
      String weight = LogAxis.isDecade(tick) ? "decade" : "grid";
      out.empty("line", "class", weight, "x1", LEFT, "x2", RIGHT, "y1", at, "y2", at);
      out.element("text", rate(tick), "x", LEFT - 8, "y", at + 4, "text-anchor", "end");
    }
    out.close();
  }

  private static String rate(double tick) {
    return tick >= 1e6
        ? Markup.number(tick / 1e6) + " M"
        : tick >= 1e3 ? Markup.number(tick / 1e3) + " k" : Markup.number(tick);
  }

  private void drawSizes() {
    out.open("g", "class", "axis");
    List<Integer> sizes =
        series.stream()
            .flatMap(line -> line.points().stream())
            .map(BenchResult::frameBytes)
            .distinct()
            .sorted()
            .toList();
    // From the right, so that the largest has its label and a close neighbour goes without.
    double free = Double.POSITIVE_INFINITY;
    for (int size : sizes.reversed()) {
      double at = x.at(size);
      out.empty("line", "class", "tick", "x1", at, "x2", at, "y1", BOTTOM, "y2", BOTTOM + 5);
      if (free - at >= TICK_ROOM) {
        out.element(
            "text", Integer.toString(size), "x", at, "y", BOTTOM + 19, "text-anchor", "middle");
        free = at;
      }
    }
    out.element(
        "text",
        "bytes per frame",
        "x",
        (LEFT + RIGHT) / 2,
        "y",
        HEIGHT - 8,
        "text-anchor",
        "middle");
    out.close();
  }

  /** Lines along which the bit rate stays the same. */
  private void drawBitRates(String id) {
    double angle = Math.toDegrees(Math.atan2(fall(), x.to() - x.from()));
    out.open("g", "class", "bitrate", "clip-path", "url(#" + id + "-plot)");
    for (double gigabits = 0.01; gigabits <= 1000; gigabits *= 10) {
      double left = framesPerSecond(gigabits, x.low());
      double right = framesPerSecond(gigabits, x.high());
      out.empty("line", "x1", x.from(), "y1", y.at(left), "x2", x.to(), "y2", y.at(right));
      // The label stands where the line leaves the picture at the bottom or on the right.
      double bytes = Math.min(x.high(), gigabits * BITS_PER_GIGABIT / Byte.SIZE / y.low());
      double atX = x.at(bytes) - 10;
      double atY = y.at(framesPerSecond(gigabits, bytes)) - 10 * fall() / (x.to() - x.from()) - 4;
      if (atX > LEFT + 70 && atY > TOP + 40) {
        out.element(
            "text",
            Markup.number(gigabits) + " Gbit/s",
            "text-anchor",
            "end",
            "transform",
            "translate(%s %s) rotate(%s)"
                .formatted(Markup.number(atX), Markup.number(atY), Markup.number(angle)));
      }
    }
    out.close();
  }

  /** How far a line of equal bit rate falls from the left to the right, in the drawing. */
  private double fall() {
    return y.at(framesPerSecond(1, x.high())) - y.at(framesPerSecond(1, x.low()));
  }

  private static double framesPerSecond(double gigabits, double bytes) {
    return gigabits * BITS_PER_GIGABIT / Byte.SIZE / bytes;
  }

  private void drawLine(Series line) {
    out.open("g", "class", "series s" + line.style());
    for (BenchResult point : line.points()) {
      double at = x.at(point.frameBytes());
      out.empty(
          "line",
          "class",
          "range",
          "x1",
          at,
          "x2",
          at,
          "y1",
          y.at(Math.max(1, point.framesPerSecond().min())),
          "y2",
          y.at(Math.max(1, point.framesPerSecond().max())));
    }
    out.empty(
        "polyline",
        "points",
        line.points().stream()
            .map(
                point ->
                    Markup.number(x.at(point.frameBytes())) + "," + Markup.number(height(point)))
            .collect(Collectors.joining(" ")));
    for (BenchResult point : line.points()) {
      drawMark(line.style(), x.at(point.frameBytes()), height(point));
    }
    out.close();
  }

  private double height(BenchResult point) {
    return y.at(Math.max(1, point.framesPerSecond().median()));
  }

  /** Each line has a shape of its own, for whoever does not tell its colour. */
  private void drawMark(int style, double atX, double atY) {
    double r = MARK;
    switch (style) {
      case 0 -> out.empty("circle", "cx", atX, "cy", atY, "r", r);
      case 1 -> out.empty("rect", "x", atX - r, "y", atY - r, "width", 2 * r, "height", 2 * r);
      case 2 -> drawPolygon(atX, atY - 1.3 * r, atX + 1.2 * r, atY + r, atX - 1.2 * r, atY + r);
      case 3 ->
          drawPolygon(
              atX, atY - 1.4 * r, atX + 1.4 * r, atY, atX, atY + 1.4 * r, atX - 1.4 * r, atY);
      default -> drawPolygon(atX - 1.2 * r, atY - r, atX + 1.2 * r, atY - r, atX, atY + 1.3 * r);
    }
  }

  private void drawPolygon(double... points) {
    StringBuilder text = new StringBuilder();
    for (int i = 0; i < points.length; i += 2) {
      text.append(Markup.number(points[i])).append(',').append(Markup.number(points[i + 1]));
      text.append(' ');
    }
    out.empty("polygon", "points", text.toString().strip());
  }

  /** Names stand at the end of their lines, moved apart where two lines end together. */
  private void drawNames() {
    List<Series> fromTop = new ArrayList<>(series);
    fromTop.sort(Comparator.comparingDouble(line -> height(line.last())));
    double[] at = new double[fromTop.size()];
    for (int i = 0; i < at.length; i++) {
      at[i] = height(fromTop.get(i).last());
    }
    spread(at, LABEL_HEIGHT, TOP + 4, BOTTOM - 4);
    for (int i = 0; i < at.length; i++) {
      Series line = fromTop.get(i);
      double endX = x.at(line.last().frameBytes());
      double endY = height(line.last());
      out.open("g", "class", "name s" + line.style());
      out.empty("line", "x1", endX + 5, "y1", endY, "x2", RIGHT + 6, "y2", at[i]);
      out.open("text", "x", RIGHT + 9, "y", at[i] + 4);
      out.element("tspan", line.name(), "class", "who");
      out.text(" " + Figures.si(line.last().framesPerSecond().median()));
      out.close();
      out.close();
    }
  }

  /**
   * Moves ascending positions apart.
   *
   * @param gap between two at least, as far as there is room
   */
  static void spread(double[] at, double gap, double least, double most) {
    for (int i = 0; i < at.length; i++) {
      double bound = i == 0 ? least : at[i - 1] + gap;
      at[i] = Math.max(at[i], bound);
    }
    for (int i = at.length - 1; i >= 0; i--) {
      double bound = i == at.length - 1 ? most : at[i + 1] - gap;
      at[i] = Math.min(at[i], bound);
    }
  }
}
