/** Which child of a distributed supervisor a process is. */
export interface ChildIdentity {
  readonly id: unknown
  /** The name of its supervisor. */
  readonly supervisor: string
  /**
   * The fencing token: later than that of any other node that ran the child before, and nobody else's. A
   * restart on the same node keeps it.
   */
  readonly epoch: number
}
