/**
 * The page that {@code vlab bench --html} writes: one file that needs no other, made for a reader
 * who has a minute.
 *
 * <p>Charts are SVG drawn here, without a script; each has its figures in a table beside it. The
 * page is well-formed XML as well as HTML, so that a program can read it too.
 */
package dev.virtiolab.lab.bench.html;
