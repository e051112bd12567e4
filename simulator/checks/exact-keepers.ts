/**
 * Children that write what they do to a store outside of the cluster, under the epochs of their id and of
 * their key, and that have a helper, spawned with a link. They move in a quiet time, and live on while
 * nodes are replaced.
 * I24: whoever began last is never refused by the store. I25: each child has one helper, its own.
 */
import type { ServerModule } from '../../src/kernel/process-port.js'
import { GenServer } from '../../src/process/gen-server.js'
import type { Pid } from '../../src/term/pid.js'
import type { ClusterMember } from '../cluster/cluster-member.js'
import { type Oracle, pidKey } from './oracle.js'

const KEEPER_CLASS = 'Keeper'
const IDS = [3_000, 3_005] as const
const MOVES = 3
const CALLS = 4
const KNOWN_MS = 5

interface Written {
  readonly by: Pid
  readonly epoch: number
}

/** What a database does with a fencing token: it takes nothing with a lower one than it has seen. */
export class KeeperStore {
  writes = 0
  private readonly last = new Map<unknown, Written>()
  /** All that began under an id, the latest last. */
  private readonly begun = new Map<number, Pid[]>()
  private readonly helpers = new Map<number, Pid[]>()

  constructor(private readonly oracle: Oracle) {}

  begins(id: number, pid: Pid): void {
    this.begun.set(id, [...(this.begun.get(id) ?? []), pid])
  }

  hasHelper(id: number, helper: Pid): void {
    this.helpers.set(id, [...(this.helpers.get(id) ?? []), helper])
  }

  /** Under the token of its id, and under that of its key. */
  write(id: number, by: Pid, where: string): void {
    this.writeUnder(id, id, this.tokenOf(id, by, where), by, where)
    const ofKey = this.tokenOfKey(id, by)
    if (ofKey !== undefined) this.writeUnder(id, keeperKey(id), ofKey, by, where)
  }

  private writeUnder(id: number, name: unknown, epoch: number, by: Pid, where: string): void {
    const last = this.last.get(name)
    const isLatest = this.begun.get(id)?.at(-1)?.equals(by) === true
    this.writes++
    // A restart on the same node keeps the token.
    const isLate = last && !last.by.equals(by) && last.by.node !== by.node && epoch <= last.epoch
    if (!isLate && epoch >= (last?.epoch ?? 0)) this.last.set(name, { by, epoch })
    else if (isLatest) {
      const what = `child ${id} as ${pidKey(by)} writes in ${where} under epoch ${epoch} of ${name}`
      this.oracle.breaks('I24', `${what}, and ${pidKey(last!.by)} did so under ${last!.epoch}`)
    }
  }

  /** Its supervisor, asked by the process itself, says the same. */
  private tokenOf(id: number, by: Pid, where: string): number {
    const home = this.oracle.home(by)
    const epoch = home?.supervisor.epoch(id) ?? 0
    if (home && epoch === 0) {
      this.oracle.breaks('I24', `child ${id} as ${pidKey(by)} has no epoch in ${where}`)
    }
    return epoch
  }

  /** Undefined: the registry says that it is not the owner of its key. */
  private tokenOfKey(id: number, by: Pid): number | undefined {
    const home = this.oracle.home(by)
    const owner = home?.node.registry.lookup(keeperKey(id))
    if (!home || !owner) return undefined
    const { moves } = home.node.kernel
    const isOwn = [by, moves.predecessor(by)].some((pid) => pid?.equals(owner.pid))
    return isOwn || moves.successor(owner.pid)?.equals(by) ? owner.epoch : undefined
  }

  /** In a quiet time. */
  check(): void {
    for (const [id, helpers] of this.helpers) {
      const alive = helpers.filter((pid) => this.oracle.isAlive(pid))
      const keepers = this.begun.get(id)!.filter((pid) => this.oracle.isWorking(pid))
      if (keepers.length !== 1) {
        this.oracle.breaks('I4', `child ${id} runs as [${keepers.map(pidKey).join(' ')}]`)
      }
      if (alive.length === 1 && alive[0]!.node === keepers[0]?.node) continue
      const has = `the helpers [${alive.map(pidKey).join(' ')}]`
      this.oracle.breaks(
        'I25',
        `child ${id}, which runs as ${keepers.map(pidKey).join()}, has ${has}`,
      )
    }
  }
}

const keeperKey = (id: number): string => `keeper-${id}`

export function keeperProcesses(store: () => KeeperStore): Record<string, ServerModule> {
  class Helper extends GenServer {}

  class Keeper extends GenServer {
    private id = 0
    private count = 0

    override async init(id: number): Promise<void> {
      this.id = id
      store().begins(id, this.self)
      this.write('init')
      // Has it already if it has moved; after a failure its last owner may have it still.
      await this.citadel.registry.register(keeperKey(id), this.self).catch(() => undefined)
      this.write('init')
      store().hasHelper(id, await this.citadel.spawn(Helper, [], { link: true }))
    }

    add(): number {
      this.write('a handler')
      return ++this.count
    }

    override handoff(): number {
      return this.count
    }

    override takeover(count: number): void {
      this.count = count
      this.write('takeover')
    }

    private write(where: string): void {
      store().write(this.id, this.self, where)
    }
  }

  return { [KEEPER_CLASS]: Keeper }
}

type On = (member: ClusterMember, task: (member: ClusterMember) => Promise<void>) => void

/** Moves each of them about, while it is called from all nodes. */
export class ExactKeepers {
  readonly store: KeeperStore
  moves = 0

  constructor(
    private readonly oracle: Oracle,
    private readonly some: () => ClusterMember,
    private readonly on: On,
    private readonly allDone: () => Promise<void>,
  ) {
    this.store = new KeeperStore(oracle)
  }

  async run(): Promise<void> {
    for (const id of IDS) {
      this.on(this.some(), async ({ supervisor }) => {
        await supervisor.startChild(KEEPER_CLASS, [id], { id, restart: 'permanent' })
      })
    }
    await this.allDone()
    const counts = new Map(IDS.map((id) => [id as number, [] as unknown[]]))
    for (let move = 0; move < MOVES && !this.oracle.breach; move++) {
      // Of a start or a move at least one other member knows at once, all of them a moment later.
      await this.oracle.cluster.simulation.runFor(KNOWN_MS)
      for (const id of IDS) this.move(id, counts.get(id)!)
      await this.allDone()
      this.store.check()
    }
    for (const [id, answers] of counts) this.checkCounts(id, answers)
  }

  private move(id: number, answers: unknown[]): void {
    const [to, by] = [this.some().name, this.some()]
    for (let call = 0; call < CALLS; call++) {
      this.on(this.some(), async ({ supervisor }) => {
        answers.push(await this.told(`call child ${id}`, supervisor.child(id).call('add' as never)))
      })
    }
    this.on(by, async ({ supervisor }) => {
      const hasMoved = await this.told(`move child ${id} to ${to}`, supervisor.moveChild(id, to))
      this.moves++
      if (hasMoved === false) this.oracle.breaks('I20', `child ${id} was not moved to ${to}`)
    })
  }

  private async told(text: string, outcome: Promise<unknown>): Promise<unknown> {
    try {
      const value = await outcome
      this.oracle.tell(`${text}: ${String(value)}`)
      return value
    } catch (error) {
      this.oracle.breaks('I20', `${text} was rejected with ${String(error)}, and nothing failed`)
      return undefined
    }
  }

  /** Each call was carried out once, whichever process it came to. */
  private checkCounts(id: number, answers: unknown[]): void {
    const sorted = answers.map(Number).sort((one, other) => one - other)
    if (sorted.every((count, at) => count === at + 1)) return
    this.oracle.breaks('I21', `${sorted.length} calls of child ${id} counted [${sorted.join(' ')}]`)
  }
}
