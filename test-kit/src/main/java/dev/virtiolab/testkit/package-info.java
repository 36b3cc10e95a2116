/**
 * A guest with an emulated NIC, for other people's tests. Called from the test's thread; the device
 * and the guest have threads of their own.
 */
package dev.virtiolab.testkit;
