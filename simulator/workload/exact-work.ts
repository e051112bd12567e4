/**
 * The work of a planned quiet time: few keys and ids, many who want something of them, from several
 * nodes at once and several in one turn of one node, while nothing fails. Each outcome is judged, and
 * so is the history of each key and id.
 */
import type { ServerModule } from '../../src/kernel/process-port.js'
import type { Pid } from '../../src/term/pid.js'
import type { SeededRandom } from '../../src/testing/seeded-random.js'
import { EXACT_CLASS, ExactChild } from '../checks/exact-children.js'
import { ExactHistory, Stamps } from '../checks/exact-history.js'
import { ExactKeepers } from '../checks/exact-keepers.js'
import { ExactKey } from '../checks/exact-keys.js'
import { childModel, isBetweenOwners, keyModel } from '../checks/exact-models.js'
import type { Ledgers } from '../checks/ledgers.js'
import type { ClusterMember } from '../cluster/cluster-member.js'
import { CarelessWork } from './careless-work.js'
import { verbs } from './workload-operation.js'

/** Nothing moves them by itself: they are of a class without `handoff`. */
const IDS = [2_000, 2_005, 2_010] as const
const RESTLESS_ID = 2_100
const OWNERS_PER_NODE = 2
const ROUNDS = 14
/** Of one key or id at a time: so many users, who do so many things one after the other. */
const THREADS = [1, 4] as const
const STEPS = [2, 5] as const
/** How many of the steps are several in one turn. */
const BURSTS = 0.3
const BURST = [2, 5] as const
/** How long one of them may be asked for anything. */
const ROUND_MS = 10_000
const STAGGER_MS = 2

/** The history of a key or an id. */
type Judged = Pick<ExactHistory<unknown, unknown>, 'open' | 'size' | 'check'>
type Step = (member: ClusterMember) => Promise<void>

export class ExactWork {
  /** What was asked for and judged. */
  operations = 0
  private readonly stamps: Stamps
  private readonly histories: Judged[] = []
  private since: string | undefined
  private running = 0

  readonly keepers: ExactKeepers
  readonly careless: CarelessWork

  constructor(
    private readonly ledgers: Ledgers,
    private readonly random: SeededRandom,
    Careless: ServerModule,
  ) {
    this.stamps = new Stamps(ledgers.oracle)
    const some = (): ClusterMember => this.someMember()
    const on = (member: ClusterMember, step: Step): void => this.on(member, step)
    const allDone = (): Promise<void> => this.allDone()
    this.keepers = new ExactKeepers(ledgers.oracle, some, on, allDone)
    this.careless = new CarelessWork(ledgers, random.fork('careless'), Careless, on, allDone)
  }

  async run(): Promise<void> {
    const { oracle, quiet } = this.ledgers
    this.since = quiet.now()
    if (this.since === undefined) return
    const owners = await this.spawnOwners()
    const keys = ['exact-1', 'exact-2', 'exact-3'].map((key, at) => this.key(key, at === 2, owners))
    const children = IDS.map((id) => this.child(id))
    for (let round = 0; round < ROUNDS && !oracle.breach; round++) {
      await this.round([this.random.pick(keys), this.random.pick(children)])
    }
    if (!oracle.breach) await this.restless()
    for (const history of this.histories) {
      history.check()
      this.operations += history.size
    }
    await this.tidy(owners)
    if (!oracle.breach) await this.careless.run()
    if (!oracle.breach) await this.keepers.run()
  }

  // What is asked for.

  /** Several users of each of these at the same time. */
  private async round(subjects: readonly { step: Step }[]): Promise<void> {
    for (const subject of subjects) {
      for (let users = this.between(THREADS); users > 0; users--) {
        const steps = this.between(STEPS)
        this.later(() => this.goOn((member) => subject.step(member), steps))
      }
    }
    await this.allDone()
  }

  /** One step after the other, each on some node. */
  private goOn(step: Step, left: number): void {
    if (left === 0) return
    const times = this.random.chance(BURSTS) ? this.between(BURST) : 1
    this.on(this.someMember(), async (member) => {
      await Promise.all(Array.from({ length: times }, () => step(member)))
      this.goOn(step, left - 1)
    })
  }

  /** A child that has crashed, and is started again after a while, or has just ended well. */
  private async restless(): Promise<void> {
    const { simulation } = this.ledgers.oracle.cluster
    const child = this.child(RESTLESS_ID)
    const begin = this.someMember()
    this.on(begin, (member) => child.start(member))
    await this.allDone()
    for (const how of ['crash', 'crash', 'finish'] as const) {
      const pid = begin.supervisor.lookup(RESTLESS_ID)
      const home = pid && this.ledgers.oracle.home(pid)
      if (!pid || !home) return
      verbs(home).cast(pid, how)
      await simulation.runUntil(() => !home.isAlive(pid), ROUND_MS, `the ${how}`)
      for (const member of [home, this.someMember()]) {
        const times = this.between(BURST)
        this.on(member, () => this.startAgain(member, times))
      }
      await this.allDone()
    }
  }

  /** Whoever starts what is there already is told which process it is, and that one lives. */
  private async startAgain(member: ClusterMember, times: number): Promise<void> {
    const { oracle } = this.ledgers
    const start = async (): Promise<void> => {
      const text = `start child ${RESTLESS_ID}, which has just ended, on ${member.name}`
      const options = { id: RESTLESS_ID, restart: 'permanent' } as const
      let came = 'done'
      try {
        await member.supervisor.startChild(EXACT_CLASS, [0], options)
      } catch (error) {
        const { code, pid } = error as { code?: string; pid?: Pid }
        came = `${code ?? error} ${pid ?? ''}`
        const isRight = code === 'already_started' && pid !== undefined && oracle.isAlive(pid)
        if (!isRight && this.isQuiet()) oracle.breaks('I20', `${text}: ${came}`)
      }
      oracle.tell(`${text}: ${came}`)
    }
    await Promise.all(Array.from({ length: times }, start))
  }

  // Beginning and end.

  private async spawnOwners(): Promise<Pid[]> {
    const owners: Pid[] = []
    for (const member of this.ledgers.oracle.cluster.working) {
      for (let index = 0; index < OWNERS_PER_NODE; index++) {
        this.on(member, async () => {
          owners.push(await verbs(member).spawn(this.ledgers.Worker, [true]))
        })
      }
    }
    await this.allDone()
    return owners
  }

  /** Nothing of it is left. */
  private async tidy(owners: readonly Pid[]): Promise<void> {
    if (this.ledgers.oracle.breach) return
    for (const pid of owners) {
      const home = this.ledgers.oracle.home(pid)
      if (home) this.on(home, async (member) => void member.citadel.exit(pid, 'shutdown'))
    }
    for (const id of [...IDS, RESTLESS_ID]) {
      this.on(this.someMember(), async ({ supervisor }) => {
        await supervisor.terminateChild(id).catch(() => {})
      })
    }
    await this.allDone()
  }

  // The parts.

  private key(key: string, isDisputed: boolean, owners: readonly Pid[]): ExactKey {
    const { oracle } = this.ledgers
    const history = new ExactHistory(
      oracle,
      this.stamps,
      () => this.isQuiet(),
      `key ${key}`,
      keyModel,
      isDisputed ? isBetweenOwners : undefined,
    )
    this.histories.push(history)
    return new ExactKey(key, isDisputed, history, this.random, owners)
  }

  private child(id: number): ExactChild {
    const { oracle } = this.ledgers
    const isQuiet = (): boolean => this.isQuiet()
    const history = new ExactHistory(oracle, this.stamps, isQuiet, `child ${id}`, childModel)
    this.histories.push(history)
    return new ExactChild(id, history, this.random)
  }

  private isQuiet(): boolean {
    return this.ledgers.quiet.lasts(this.since)
  }

  private someMember(): ClusterMember {
    return this.random.pick(this.ledgers.oracle.cluster.living)
  }

  private between([least, most]: readonly [number, number]): number {
    return least + this.random.below(most - least)
  }

  private later(task: () => void): void {
    this.running++
    this.ledgers.oracle.cluster.simulation.after(this.random.float() * STAGGER_MS, 'exact', () => {
      this.running--
      task()
    })
  }

  /** As work of that node. */
  private on(member: ClusterMember, step: Step): void {
    this.running++
    const done = (): void => {
      this.running--
    }
    member.run(() => void step(member).then(done, done))
  }

  private async allDone(): Promise<void> {
    const { simulation } = this.ledgers.oracle.cluster
    try {
      await simulation.runUntil(() => this.running === 0, ROUND_MS, 'what is asked in a quiet time')
    } catch (error) {
      const open = this.histories.flatMap((history) => [...history.open])
      this.ledgers.oracle.breaks('I20', `${String(error)}: [${open.join('; ')}]`)
    }
  }
}
