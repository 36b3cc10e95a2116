/**
 * What every page has that a command writes for a person: markup that cannot be broken by what is
 * put into it, and one look.
 *
 * <p>A page is one file that needs no other. It is well-formed XML as well as HTML, so that a
 * program can read it too, and the same input gives the same bytes.
 */
package dev.virtiolab.lab.html;
