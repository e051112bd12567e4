/**
 * Whether it is quiet: no fault is active, or was in the last seconds; every node is up, has been for
 * a while, and stays; all are connected to all, and the view of each has settled. Then each operation
 * has one right outcome, and nobody may be told that it came too late or that nobody can be reached.
 */
import type { ClusterSimulation } from '../cluster/cluster-simulation.js'
import type { Disruptions } from './disruptions.js'

/** How long after a fault something may still suffer from it. */
const GRACE_MS = 5_000
/** A node that has just come may lack rows of others. */
const NEW_MS = 1_000

export class Quiet {
  constructor(
    private readonly cluster: ClusterSimulation,
    private readonly disruptions: Disruptions,
  ) {}

  /** What tells this quiet time from any other; undefined: it is not quiet. */
  now(): string | undefined {
    if (this.disruptions.within(GRACE_MS)) return undefined
    const { members, simulation } = this.cluster
    for (const member of members) {
      if (!member?.working || simulation.now - member.readyAt < NEW_MS) return undefined
      if (member.citadel.nodes().length !== members.length - 1) return undefined
      if (!member.node.scopes.views.settled) return undefined
    }
    return [this.disruptions.count, ...members.map((member) => member!.creation)].join(' ')
  }

  /** Whether it has been quiet ever since it was that. */
  lasts(since: string | undefined): boolean {
    return since !== undefined && this.now() === since
  }
}
