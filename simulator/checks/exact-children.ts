/**
 * Ids of children in a quiet time: concurrent starts and ends from several nodes, and several in one
 * turn of one node; also of an id that waits for its restart, or has just ended.
 */
import type { ServerModule } from '../../src/kernel/process-port.js'
import { GenServer } from '../../src/process/gen-server.js'
import type { Pid } from '../../src/term/pid.js'
import type { SeededRandom } from '../../src/testing/seeded-random.js'
import type { ClusterMember } from '../cluster/cluster-member.js'
import type { ExactHistory } from './exact-history.js'
import type { ChildStep, Outcome, Owner } from './exact-models.js'
import { pidKey } from './oracle.js'

export const EXACT_CLASS = 'Exact'
const DEEDS = ['start', 'start', 'start', 'terminate', 'terminate', 'lookup'] as const
/** Some take a while in `init`. */
const INITS_MS = [0, 0, 0, 5, 40] as const
const TIMEOUT_MS = 4_000

/** Does nothing, and tells nobody: what became of it is seen from outside. */
export function exactProcesses(): Record<string, ServerModule> {
  class Exact extends GenServer {
    override async init(ms: number): Promise<void> {
      if (ms > 0) await this.citadel.sleep(ms)
    }

    crash(): void {
      throw new Error('asked to crash')
    }

    finish(): void {
      this.citadel.exit(this.self, 'normal')
    }
  }

  return { [EXACT_CLASS]: Exact }
}

const ownerOf = (pid: Pid): Owner => ({ pid: pidKey(pid), node: pid.node })

export class ExactChild {
  constructor(
    readonly id: number,
    private readonly history: Pick<ExactHistory<unknown, ChildStep>, 'ask' | 'see'>,
    private readonly random: SeededRandom,
  ) {}

  /** One thing that a user of that node does. */
  step(member: ClusterMember): Promise<void> {
    const deed = this.random.pick(DEEDS)
    if (deed === 'start') return this.start(member)
    if (deed === 'terminate') return this.terminate(member)
    this.look(member)
    return Promise.resolve()
  }

  start(member: ClusterMember): Promise<void> {
    const { id } = this
    const options = { id, restart: 'permanent', timeoutMs: TIMEOUT_MS } as const
    const args = [this.random.pick(INITS_MS)]
    return this.history.ask({
      text: `start child ${id} on ${member.name}`,
      outcome: member.supervisor.startChild(EXACT_CLASS, args, options),
      refusals: ['already_started', 'exited'],
      isBehind: () => false,
      what: (outcome, value) => ({
        kind: 'start',
        pid: value === undefined ? undefined : pidKey(value as Pid),
        outcome,
      }),
    })
  }

  terminate(member: ClusterMember): Promise<void> {
    return this.history.ask({
      text: `terminate child ${this.id} on ${member.name}`,
      outcome: member.supervisor.terminateChild(this.id),
      refusals: ['not_found'],
      // Of a child that was started a moment ago only one more node has to know.
      isBehind: (outcome: Outcome) => outcome !== 'done',
      what: (outcome) => ({ kind: 'terminate', outcome }),
    })
  }

  look(member: ClusterMember): void {
    const pid = member.supervisor.lookup(this.id)
    const text = `${member.name} looks up child ${this.id}: ${pid ?? 'nobody'}`
    const found = pid && ownerOf(pid)
    // One that is being stopped is shown until it is gone.
    this.history.see(text, { kind: 'lookup', on: member.name, found }, true)
  }
}
