/**
 * The {@code vlab} command line: one class per command, one {@code ...Options} class per group of
 * options that several commands share.
 *
 * <p>A user's mistake is one line on standard error and exit code 2; what fails on the way is one
 * line and exit code 1. With {@code --json}, standard output holds one object and nothing else.
 */
package dev.virtiolab.lab.cli;
