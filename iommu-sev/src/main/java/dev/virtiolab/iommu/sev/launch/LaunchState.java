package dev.virtiolab.iommu.sev.launch;

/** A guest's state while it is launched (SEV API, GSTATE). */
public enum LaunchState {
  /** LUPDATE: its memory is being loaded. */
  UPDATE,
  /** LSECRET: it was measured, and nothing can be loaded any more. */
  MEASURED,
  /** RUNNING. */
  RUNNING
}
