/**
 * What has to come back by itself, and how soon. I18: five seconds after the last fault all nodes are
 * connected and name the same owners, nothing acknowledged is lost, nothing runs twice. I19: within
 * ten seconds, and on the larger side of a partition, every node gets a key and starts a child.
 * What is just on its way is looked at a second time.
 */
import { REGISTRY_SCOPE } from '../src/cluster/registry/key-registry.js'
import { CHILDREN_SCOPE, type Ledgers } from './checks/ledgers.js'
import type { ClusterMember } from './cluster/cluster-member.js'
import { verbs } from './workload/workload-operation.js'

export const CONVERGED_MS = 5_000
export const PROGRESS_MS = 5_000
/** How long a row may be on its way. */
const LOOK_AGAIN_MS = 400
/** A partition is known to both sides by then: detection takes up to 6 s. */
export const PARTITION_KNOWN_MS = 8_000
/** Ids of children that only probes start, all of the same class. */
const PROBE_IDS = 1_000
const PROBE_CLASS = 'Plain'
const PROBE_STEP = 10

export class Liveness {
  probes = 0
  converged = 0
  private probe = 0

  constructor(private readonly ledgers: Ledgers) {}

  /** I18, a while after the last fault. `pass` lets time go by. */
  async checkConverged(pass: (ms: number) => Promise<void>): Promise<void> {
    const before = this.apart()
    this.converged++
    if (before.size === 0) return
    await pass(LOOK_AGAIN_MS)
    for (const what of this.apart()) if (before.has(what)) this.ledgers.oracle.breaks('I18', what)
  }

  /** I19: each of them registers a new key and starts a new child; `allowedMs` for both. */
  probeAll(members: readonly ClusterMember[], allowedMs: number, isExcused: () => boolean): void {
    const { oracle } = this.ledgers
    for (const member of members) {
      let isDone = false
      const what = `${member.name} got no key and started no child within ${allowedMs} ms`
      this.progress(member, allowedMs).then(
        () => {
          isDone = true
        },
        (error: unknown) => oracle.tell(`${member.name} makes no progress: ${String(error)}`),
      )
      oracle.cluster.simulation.after(allowedMs, 'probe', () => {
        if (isDone) this.probes++
        else if (member.working && !isExcused()) oracle.breaks('I19', what)
      })
    }
  }

  private async progress(member: ClusterMember, timeoutMs: number): Promise<void> {
    const number = ++this.probe
    await this.register(member, `probe-${number}`, timeoutMs)
    const { children } = this.ledgers
    const id = PROBE_IDS + number * PROBE_STEP
    const operation = children.begin(id, 'start', member)
    try {
      await member.supervisor.startChild(PROBE_CLASS, [id], { id })
      children.end(operation, true)
    } catch (error) {
      children.end(operation, false)
      throw error
    }
  }

  private async register(member: ClusterMember, key: string, timeoutMs: number): Promise<void> {
    const { citadel } = member
    const owner = await verbs(member).spawn(this.ledgers.Worker, [true])
    await citadel.registry.register(key, owner, { timeoutMs })
    citadel.exit(owner, 'shutdown')
  }

  /** Everything that is not as it must be, each as a sentence. */
  private apart(): Set<string> {
    const { living } = this.ledgers.oracle.cluster
    const found = new Set<string>()
    for (const member of living) {
      const { length } = member.citadel.nodes()
      if (length === living.length - 1) continue
      found.add(`${member.name} is connected to ${length} of ${living.length - 1} nodes`)
    }
    for (const scope of [REGISTRY_SCOPE, CHILDREN_SCOPE]) {
      const views = living.map((member) => owners(member, scope))
      for (const id of new Set(views.flatMap((view) => [...view.keys()]))) {
        const named = [...new Set(views.map((view) => view.get(id) ?? 'nobody'))]
        if (named.length > 1) found.add(`${id} (${scope}) has the owners ${named.join(' and ')}`)
      }
    }
    for (const what of this.ledgers.names.lost(living)) found.add(what)
    for (const { id, alive } of this.ledgers.children.twice()) {
      found.add(`child ${id} runs as ${alive.join(' and ')}`)
    }
    return found
  }
}

function owners({ node }: ClusterMember, scope: string): Map<string, string> {
  const { table } = node.scopes.scope<'c'>(scope)
  return new Map([...table.owners()].map(({ id, pid, epoch }) => [id, `${pid}@${epoch}`]))
}
