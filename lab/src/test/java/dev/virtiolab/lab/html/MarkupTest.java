package dev.virtiolab.lab.html;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;

class MarkupTest {
  @Test
  void textAndAttributesHoldNoMarkup() {
    String written =
        new Markup().element("p", "</p><b>&\"", "title", "\"><script>&").toString().strip();

    assertEquals(
        "<p title=\"&quot;&gt;&lt;script&gt;&amp;\">&lt;/p&gt;&lt;b&gt;&amp;&quot;</p>", written);
  }

  @Test
  void whatIsNoCharacterOfXmlIsReplaced() {
    String written =
        new Markup().text("a\0b\u001bc\ufffed\ud83de\ude00f\ud83d\ude00\t\n").toString();

    assertEquals("a\ufffdb\ufffdc\ufffdd\ufffde\ufffdf\ud83d\ude00\t\n", written);
  }

  @Test
  void anElementThatIsStillOpenIsAnError() {
    Markup markup = new Markup().open("p");

    assertThrows(IllegalStateException.class, markup::toString);
  }
}
