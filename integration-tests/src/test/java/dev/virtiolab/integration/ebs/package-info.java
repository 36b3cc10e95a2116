/**
 * What {@code vlab ebs} must find, worked out on paper.
 *
 * <p>A model of ExitBootServices that shares nothing with the firmware, the device or the
 * platforms: no memory, no rings and no bytes, only who runs when, which mapping is open, and which
 * device is live. It is small enough to be believed by reading it, in this order:
 *
 * <ol>
 *   <li>{@link dev.virtiolab.integration.ebs.Core}: which event runs next;
 *   <li>{@link dev.virtiolab.integration.ebs.World}: what an action does, and which invariant it
 *       breaks;
 *   <li>{@link dev.virtiolab.integration.ebs.Cast}: the policies and the drivers;
 *   <li>{@link dev.virtiolab.integration.ebs.Model}: every order of a cell.
 * </ol>
 *
 * <p>{@code expected-matrix.txt} beside it was worked out by hand, cell by cell. Model and file
 * hold each other; the explorer is held to both.
 */
package dev.virtiolab.integration.ebs;
