/**
 * Watches who is declared dead (I7). A death is justified when that start of the node has ended or
 * is leaving, when the way between the two was cut within the last seconds, or when one of them
 * stalled for long. Resets, slow ways and short stalls justify nothing.
 */
import type { MeshEvent } from '../../src/mesh/mesh-event.js'
import type { ClusterMember } from '../cluster/cluster-member.js'
import type { Oracle } from './oracle.js'

/** A stall that a node must survive: docs/guarantees.md, "Unreachable is not dead". */
export const STALL_SURVIVED_MS = 3_000
/** How long after its end a cut or stall may still be the reason for a death. */
const AFTERMATH_MS = 15_000

interface Excuse {
  /** Between these two, or of the one alone. */
  readonly nodes: readonly string[]
  until: number
}

export class DeathWatch {
  deaths = 0
  /** Told of each start of a node that somebody holds for dead. */
  onDeath: (node: string, creation: number) => void = () => {}
  /** When a start of a node was last held for dead, by any other. */
  private readonly held = new Map<string, number>()
  private excuses: Excuse[] = []
  /** Who takes which node for no Citadel node, since that ended before it had introduced itself. */
  private readonly cutShort = new Set<string>()

  constructor(private readonly oracle: Oracle) {}

  watch(member: ClusterMember): void {
    member.onEvent((event) => this.event(member, event))
  }

  stalled(node: string, ms: number): void {
    if (ms >= STALL_SURVIVED_MS) this.excuse([node], ms)
  }

  /** Nothing, in one direction at least, between two nodes for `ms`. */
  cut(one: string, other: string, ms: number): void {
    this.excuse([one, other], ms)
  }

  /** Whether somebody took it for dead a moment ago. */
  heldForDead({ name, creation }: ClusterMember): boolean {
    const at = this.held.get(`${name} ${creation}`)
    return at !== undefined && this.oracle.now - at < AFTERMATH_MS
  }

  private excuse(nodes: readonly string[], ms: number): void {
    const { now } = this.oracle
    this.excuses = this.excuses.filter(({ until }) => until > now)
    this.excuses.push({ nodes, until: now + ms + AFTERMATH_MS })
  }

  private event(by: ClusterMember, event: MeshEvent): void {
    if (event.type === 'beamUp' || event.type === 'beamDown') {
      // Cut off in the middle of its introduction it is taken for one until the rest of that comes.
      if (this.isExcused(by.name, event.node) || this.isCutShort(by, event)) return
      this.oracle.breaks('I11', `${by.name} takes ${event.node} for no Citadel node`)
      return
    }
    this.oracle.tell(`${by.name}: ${event.node} is ${event.type} (${event.creation})`)
    if (event.type !== 'dead') return
    this.deaths++
    this.onDeath(event.node, event.creation)
    this.held.set(`${event.node} ${event.creation}`, this.oracle.now)
    const victim = this.oracle.cluster.memberNamed(event.node)
    if (victim?.creation !== event.creation || victim.leaving) return
    if (this.isExcused(by.name, event.node, 'only the victim')) return
    this.oracle.breaks('I7', `${by.name} declared ${event.node} dead, which lives`)
  }

  /** Its power went off in the middle of its introduction. */
  private isCutShort(by: ClusterMember, { type, node }: MeshEvent): boolean {
    const pair = `${by.name} ${by.creation} ${node}`
    if (type === 'beamDown') return this.cutShort.delete(pair)
    const linked = [...by.node.mesh.peers()].find((peer) => peer.node === node)?.creation
    const there = this.oracle.cluster.memberNamed(node)
    if (there?.alive && there.creation === linked) return false
    this.cutShort.add(pair)
    return true
  }

  /** A sick node is no excuse for what it does to others. */
  private isExcused(by: string, victim: string, who?: 'only the victim'): boolean {
    return this.excuses.some(({ nodes, until }) => {
      if (until <= this.oracle.now) return false
      return nodes.length === 1
        ? nodes[0] === victim || (nodes[0] === by && who === undefined)
        : nodes.includes(by) && nodes.includes(victim)
    })
  }
}
