package dev.virtiolab.integration.ebs;

/** The task priority levels that matter here, the lowest first. */
enum Level {
  APPLICATION,
  CALLBACK,
  NOTIFY
}
