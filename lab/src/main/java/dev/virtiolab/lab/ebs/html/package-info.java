/**
 * The page that {@code vlab ebs --html} writes: one file that needs no other, made for a reader who
 * wants to know which answer holds, and where exactly another one fails.
 *
 * <pre>
 *   HtmlReport --- Summary      sentences that follow from the cells
 *       |-- Matrices            one driver: a row for each, a column for each policy; two: a grid for each policy; more: rows
 *       |-- Pack                a history of each cell as JSON; what is alike is in it once
 *       '-- timeline.js         draws the history of the cell that is chosen, and its table
 * </pre>
 *
 * <p>Names and texts come from anybody's policy or driver. They are text in markup, strings in JSON
 * that hold no character of markup, and text nodes in the script; the page's own security policy
 * lets the browser run that one script and fetch nothing. Without a script the matrices read as
 * they are.
 */
package dev.virtiolab.lab.ebs.html;
