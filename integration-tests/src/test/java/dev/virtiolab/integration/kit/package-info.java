/** The test kit, used as other people's tests use it, and seen to fail as it says it does. */
package dev.virtiolab.integration.kit;
