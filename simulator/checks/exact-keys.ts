/**
 * Keys in a quiet time: what their users ask for, from which nodes, side by side and one after the
 * other. Of a disputed key processes are robbed: they hear of it a moment later.
 */
import type { Pid } from '../../src/term/pid.js'
import type { SeededRandom } from '../../src/testing/seeded-random.js'
import type { ClusterMember } from '../cluster/cluster-member.js'
import type { ExactHistory } from './exact-history.js'
import type { Found, KeyDeed, KeyStep, Outcome, Owner } from './exact-models.js'
import { pidKey } from './oracle.js'

const PLAIN = ['register', 'register', 'unregister', 'update', 'lookup'] as const
const DISPUTED = ['register', 'force', 'replace', 'unregister', 'update', 'lookup'] as const
/** Long enough for anything that nothing stands in the way of. */
const TIMEOUT_MS = 2_000

const REFUSALS: Record<KeyDeed['kind'], readonly string[]> = {
  register: ['already_registered'],
  force: [],
  unregister: ['not_found'],
  update: ['not_found'],
  replace: ['not_found', 'already_registered'],
}

const ownerOf = (pid: Pid): Owner => ({ pid: pidKey(pid), node: pid.node })

export class ExactKey {
  private nextMeta = 1

  constructor(
    private readonly key: string,
    private readonly isDisputed: boolean,
    private readonly history: Pick<ExactHistory<unknown, KeyStep>, 'ask' | 'see'>,
    private readonly random: SeededRandom,
    /** Who may own it: processes that live as long as it is quiet. */
    private readonly owners: readonly Pid[],
  ) {}

  /** One thing that a user of that node does. */
  step(member: ClusterMember): Promise<void> {
    const kind = this.random.pick(this.isDisputed ? DISPUTED : PLAIN)
    if (kind !== 'lookup') return this.ask(member, kind)
    this.look(member)
    return Promise.resolve()
  }

  look(member: ClusterMember): void {
    const { key } = this
    const row = member.citadel.registry.lookup(key)
    const found: Found | undefined = row && {
      ...ownerOf(row.pid),
      epoch: row.epoch,
      meta: row.meta,
    }
    const text = `${member.name} looks up ${key}: ${found ? `${found.pid}, ${found.epoch}` : 'nobody'}`
    this.history.see(text, { kind: 'lookup', on: member.name, found }, this.isDisputed)
  }

  private ask(member: ClusterMember, kind: KeyDeed['kind']): Promise<void> {
    const { registry } = member.citadel
    const { key } = this
    const [pid, old] = [this.random.pick(this.owners), this.random.pick(this.owners)]
    const meta = this.nextMeta++
    const options = { meta, timeoutMs: TIMEOUT_MS }
    switch (kind) {
      case 'register':
      case 'force': {
        const force = kind === 'force'
        const outcome = registry.register(key, pid, { ...options, force })
        return this.follow(member, { kind, by: ownerOf(pid), meta }, ` for ${pid}`, outcome)
      }
      case 'unregister':
        return this.follow(member, { kind }, '', registry.unregister(key))
      case 'update':
        return this.follow(member, { kind, meta }, ` to ${meta}`, registry.update(key, meta))
      case 'replace': {
        const now = registry.findByKey(key) ?? old
        const outcome = registry.replace(key, now, pid, { timeoutMs: TIMEOUT_MS })
        const deed = { kind, old: ownerOf(now), by: ownerOf(pid) } as const
        return this.follow(member, deed, ` of ${now} by ${pid}`, outcome)
      }
    }
  }

  private follow(
    member: ClusterMember,
    deed: KeyDeed,
    how: string,
    outcome: Promise<void>,
  ): Promise<void> {
    const isWrite = deed.kind !== 'unregister' && deed.kind !== 'update'
    return this.history.ask({
      text: `${deed.kind} ${this.key}${how} on ${member.name}`,
      outcome,
      refusals: REFUSALS[deed.kind],
      // What a node refuses by its own rows may be behind; so may be what an owner does that was robbed.
      isBehind: (came: Outcome) => came !== 'done' || (this.isDisputed && !isWrite),
      what: (came: Outcome) => ({ ...deed, outcome: came }),
    })
  }
}
