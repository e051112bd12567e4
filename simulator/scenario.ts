/**
 * One seed, from beginning to end: a cluster starts, works under faults for some simulated minutes,
 * is left in peace, and is checked. All of it, the network's latencies and the names of the children
 * included, comes from the seed, so it runs the same way every time.
 */
import { describe } from '../src/base/describe.js'
import type { ArbiterOption } from '../src/cluster/arbiters/arbiter-options.js'
import type { ServerModule } from '../src/kernel/process-port.js'
import { SeededRandom } from '../src/testing/seeded-random.js'
import { exactProcesses } from './checks/exact-children.js'
import { keeperProcesses } from './checks/exact-keepers.js'
import type { Breach, InvariantId } from './checks/invariants.js'
import { Ledgers } from './checks/ledgers.js'
import { Oracle, type StoryLine } from './checks/oracle.js'
import { Unharmed } from './checks/unharmed.js'
import type { ClusterMember } from './cluster/cluster-member.js'
import { ClusterSimulation } from './cluster/cluster-simulation.js'
import { Faults } from './faults/faults.js'
import { checkHeirs, checkSettled } from './final-checks.js'
import { CONVERGED_MS, Liveness, PARTITION_KNOWN_MS, PROGRESS_MS } from './liveness.js'
import { drawManner, type Manner } from './manner.js'
import { watchUncaught } from './uncaught.js'
import { CARELESS_CLASS, carelessProcesses } from './workload/careless-processes.js'
import { childProcesses, Whims } from './workload/child-process.js'
import { ExactWork } from './workload/exact-work.js'
import { LateAnswers } from './workload/late-answers.js'
import { Workload } from './workload/workload.js'
import { workerClass } from './workload/workload-processes.js'

/** What a seed goes through, in this order. */
export type Phase = 'start' | 'safety' | 'liveness' | 'exact' | 'replacement' | 'quiet'

/** Who decides about keys. */
export type SimulatedArbiter = 'mesh' | 'quorum' | 'etcd'

export interface ScenarioOptions {
  seed: number
  nodes: number
  /** Of the faults phase. */
  minutes: number
  /** Nothing fails but this, and nothing may come of it. */
  only?: 'redis'
  arbiter?: SimulatedArbiter
  /** Told each line of the story as it happens. */
  listen?: (line: StoryLine) => void
  /** Shown all that watches, before anything happens: to check the checkers. */
  attend?: (ledgers: Ledgers) => void
  /** Shown the cluster at the end, when nothing was found. */
  atEnd?: (ledgers: Ledgers, manner: Manner) => Promise<void>
}

export interface ScenarioResult {
  readonly seed: number
  readonly breach: Breach | undefined
  /** How far it came. */
  readonly phase: Phase
  /** The last lines of what happened. */
  readonly story: readonly StoryLine[]
  readonly hash: string
  readonly events: number
  readonly simulatedMs: number
  readonly faults: ReadonlyMap<string, number>
  /** What struck which side of a handoff at which step, and how often. */
  readonly strikes: ReadonlyMap<string, number>
  readonly operations: Readonly<Record<string, number>>
  /** How much was watched: a check that never looks finds nothing. */
  readonly watched: Readonly<Record<string, number>>
}

/** How many of the seeds have nodes that find each other through Redis. */
const REDIS_SHARE = 0.5
/** What is worded for owners with a lease as well: the others speak of owners that never have to stop. */
const WITH_LEASE: ReadonlySet<InvariantId> = new Set<InvariantId>([
  ...(['I1', 'I2', 'I3', 'I5', 'I7', 'I8', 'I10', 'I11'] as const),
  ...(['I13', 'I15', 'I16', 'I17', 'I18', 'I20', 'I21', 'I22', 'I23', 'I24', 'I25'] as const),
])
const READY_MS = 60_000
const QUIET_MS = 60_000
/** From the last fault until nodes are replaced one after the other. */
const SETTLE_MS = 15_000
/** How long a stall or a drain may go on that has begun before the last fault was over. */
const MENDED_MS = 40_000
const LOOK_MS = 100
/** How soon a node that is replaced must be back, and how long until the next one. */
const REPLACED_MS = 30_000
const BETWEEN_MS = 2_000
/** How long children are called and sent to all the time meanwhile, and how often. */
const RUSH_MS = 4_000
const RUSH_EVERY_MS = 40
const CHECK_EVERY_MS = 2_000
/** A planned quiet time costs an eighth of all the rest, so not every seed has one. */
const EXACT_EVERY = 2
/** Mean times between two operations, and between two faults: each seed has its own pace. */
const WORK_EVERY_MS = [150, 300, 600, 1_200] as const
/** Where it is the time that matters. */
const LEISURELY_MS = 1_500
const FAULT_EVERY_MS = [5_000, 10_000, 18_000] as const

function arbiterOption(arbiter: SimulatedArbiter, size: number): ArbiterOption {
  if (arbiter === 'mesh') return 'mesh'
  if (arbiter === 'quorum') return { type: 'mesh', quorum: { size } }
  return { type: 'etcd', endpoints: ['http://etcd:2379'] }
}

export async function runScenario(options: ScenarioOptions): Promise<ScenarioResult> {
  // Errors cross the wire with their stacks: with the paths of files in them a seed would run another
  // way in another folder.
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  const scenario = new Scenario(options)
  const unwatch = watchUncaught((what) => scenario.broke(what))
  try {
    await scenario.run()
    return scenario.result()
  } finally {
    unwatch()
    Error.stackTraceLimit = stackTraceLimit
  }
}

class Scenario {
  private readonly cluster: ClusterSimulation
  private readonly oracle: Oracle
  private readonly ledgers: Ledgers
  private readonly faults: Faults
  private readonly workload: Workload
  private readonly liveness: Liveness
  private readonly exact: ExactWork
  private readonly late: LateAnswers
  private readonly whims: Whims
  private phase: Phase = 'start'
  private readonly manner: Manner

  constructor(private readonly options: ScenarioOptions) {
    const { seed, nodes, only, arbiter = 'mesh' } = options
    const modules = {} as Record<string, ServerModule>
    this.manner = drawManner(seed)
    this.cluster = new ClusterSimulation({
      seed,
      nodes,
      modules,
      supervisor: this.manner,
      logMax: 32,
      arbiter: arbiterOption(arbiter, nodes),
      redis: only === 'redis' || new SeededRandom(seed).fork('discovery').chance(REDIS_SHARE),
      said: (member, level, text) => this.said(member, level, text),
    })
    const { random } = this.cluster.simulation
    this.oracle = new Oracle(this.cluster)
    this.oracle.listen = options.listen
    if (arbiter !== 'mesh') this.oracle.counts = WITH_LEASE
    this.ledgers = new Ledgers(this.oracle)
    this.whims = new Whims(random.fork('whims'))
    Object.assign(
      modules,
      childProcesses(this.ledgers, this.whims),
      exactProcesses(),
      carelessProcesses(),
      keeperProcesses(() => this.exact.keepers.store),
    )
    this.faults = new Faults(this.cluster, this.ledgers, random.fork('faults'))
    options.attend?.(this.ledgers)
    this.ledgers.Worker = workerClass(this.ledgers)
    this.workload = new Workload(this.cluster, this.ledgers, random.fork('workload'))
    this.liveness = new Liveness(this.ledgers)
    this.exact = new ExactWork(this.ledgers, random.fork('exact'), modules[CARELESS_CLASS]!)
    this.late = new LateAnswers(this.ledgers, random.fork('late'))
    this.faults.onSplit = (larger, forMs) => this.split(larger, forMs)
    this.observe()
  }

  /** Nothing of a node may throw where nobody catches it. */
  broke(what: string): void {
    this.oracle.breaks('I22', what)
  }

  async run(): Promise<void> {
    const { minutes, only } = this.options
    for (let index = 0; index < this.cluster.names.length; index++) this.faults.startNode(index)
    const isUp = (): boolean => this.cluster.allReady && (!only || this.cluster.allMet)
    await this.cluster.simulation.runUntil(isUp, READY_MS, 'the start')
    const pace = this.cluster.simulation.random.fork('pace')
    this.faults.start(pace.pick(FAULT_EVERY_MS), only)
    this.workload.start(only ? LEISURELY_MS : pace.pick(WORK_EVERY_MS))
    this.enter('safety', 'whatever fails')
    if (only) await this.passUnharmed(minutes * 60_000)
    else await this.pass(minutes * 60_000)
    this.faults.stop()
    if (!only) await this.comeBack(pace.pick(WORK_EVERY_MS))
    if (!only) await this.replaceAll()
    this.workload.stop()
    this.enter('quiet', 'no more work')
    await this.pass(QUIET_MS)
    if (!this.oracle.breach) this.checkAtEnd()
    if (!this.oracle.breach) await this.options.atEnd?.(this.ledgers, this.manner)
  }

  /** Something fails all the time that is to harm nobody. */
  private async passUnharmed(ms: number): Promise<void> {
    const { oracle } = this.ledgers
    const until = oracle.now + ms
    const unharmed = new Unharmed(this.ledgers)
    while (!oracle.breach && oracle.now < until) {
      await this.pass(CHECK_EVERY_MS)
      unharmed.check()
    }
  }

  /** All is mended and no work is given: how soon is the cluster one again? */
  private async comeBack(workEveryMs: number): Promise<void> {
    const { names } = this.cluster
    this.enter('liveness', 'no more faults')
    this.whims.active = false
    this.workload.gentle = true
    this.workload.stop()
    const isMended = (): boolean => {
      const { living } = this.cluster
      return living.length === names.length && living.every((one) => !one.troubled)
    }
    const until = this.oracle.now + MENDED_MS
    while (!isMended() && !this.oracle.breach && this.oracle.now < until) {
      await this.pass(LOOK_MS)
    }
    await this.pass(CONVERGED_MS)
    if (this.oracle.breach) return
    await this.liveness.checkConverged((ms) => this.pass(ms))
    this.ledgers.ties.check()
    this.ledgers.calls.check()
    this.liveness.probeAll(this.cluster.living, PROGRESS_MS, () => false)
    await this.pass(PROGRESS_MS)
    if (this.oracle.breach) return
    if (this.isExact) await this.passExact()
    this.workload.start(workEveryMs)
  }

  /** A seed without faults is run for nothing else. */
  private get isExact(): boolean {
    return this.options.minutes === 0 || this.options.seed % EXACT_EVERY === 1
  }

  private async passExact(): Promise<void> {
    this.enter('exact', 'each operation has one right outcome')
    await this.exact.run()
    if (!this.oracle.breach) await this.late.forge()
    if (!this.oracle.breach) await this.late.startAgain()
  }

  /** The larger side of a partition goes on by itself. */
  private split(larger: readonly number[], forMs: number): void {
    if (forMs < PARTITION_KNOWN_MS + PROGRESS_MS) return
    const { disruptions } = this.ledgers
    let lasting = 0
    this.cluster.simulation.after(1, 'partition', () => {
      lasting = disruptions.lasting
    })
    this.cluster.simulation.after(PARTITION_KNOWN_MS, 'probe', () => {
      // Whoever stood still meanwhile holds up the agreement that the others are dead.
      if (disruptions.lasting > lasting) return
      const { count } = disruptions
      const members = larger.map((index) => this.cluster.members[index])
      const able = members.filter((member) => member?.working && !member.program.stalled)
      this.liveness.probeAll(able as ClusterMember[], PROGRESS_MS, () => disruptions.count > count)
    })
  }

  /** A rolling replacement under load, while nothing fails. */
  private async replaceAll(): Promise<void> {
    this.enter('replacement', 'one node after the other')
    await this.pass(SETTLE_MS)
    checkHeirs(this.ledgers, this.cluster.living)
    this.ledgers.children.checkRunning()
    this.workload.callAll()
    await this.pass(BETWEEN_MS)
    for (const [index, name] of this.cluster.names.entries()) {
      if (this.oracle.breach) return
      this.oracle.tell(`-- ${name} is replaced`)
      const before = this.cluster.members[index]
      this.workload.rush(RUSH_MS, RUSH_EVERY_MS)
      await this.pass(RUSH_MS / 10)
      this.faults.replace(index)
      const isBack = (): boolean => {
        const member = this.cluster.members[index]
        return member !== before && member?.ready === true
      }
      const until = this.oracle.now + REPLACED_MS
      while (!isBack() && !this.oracle.breach && this.oracle.now < until) {
        await this.pass(BETWEEN_MS)
      }
      if (!isBack()) this.oracle.breaks('I11', `${name} is not replaced after ${REPLACED_MS} ms`)
      await this.pass(BETWEEN_MS)
    }
    this.workload.callAll()
    await this.pass(BETWEEN_MS)
  }

  result(): ScenarioResult {
    const { simulation } = this.cluster
    const { calls, children, names, ties, grants, deaths, rows } = this.ledgers
    const { handoffs, lives, streams, owners } = this.ledgers
    return {
      seed: this.options.seed,
      breach: this.oracle.breach,
      phase: this.phase,
      story: this.oracle.story,
      hash: simulation.trace.hash,
      events: simulation.trace.events,
      simulatedMs: simulation.now,
      faults: new Map<string, number>([
        ...this.faults.counts,
        ...(this.faults.redis?.counts ?? []),
        ...(this.faults.etcd?.counts ?? []),
      ]),
      strikes: this.faults.handoffs?.counts ?? new Map(),
      operations: this.workload.counts,
      watched: {
        'grants of keys': grants.grants,
        'registrations acknowledged': names.registered,
        'joins acknowledged': names.joined,
        'children started': children.started,
        'children terminated': children.terminated,
        'children lost with all nodes that knew them': children.lost,
        'monitors and links': ties.made,
        calls: calls.calls,
        'calls answered': calls.answered,
        messages: calls.messages,
        'grants over an epoch': grants.over,
        'handoffs begun': handoffs.begun,
        'handoffs committed': lives.moved,
        'handoffs committed with state': lives.movedWithState,
        'handoffs after which the child stayed': handoffs.stayed,
        'drains while nothing failed': lives.calmDrains,
        'children left behind by a drain': lives.leftBehind,
        'calls to children that had to be answered': calls.safe,
        'messages to children': streams.received,
        'messages to children that had to be next': streams.compared,
        'of those from one side of a move to the other': streams.acrossMoves,
        'clusters that were one again in time': this.liveness.converged,
        'nodes that made progress in time': this.liveness.probes,
        'handlers of owners with a lease': owners.compared,
        'owners followed by others, with a lease': owners.passedOn,
        'operations with one right outcome': this.exact.operations,
        'careless deeds': this.exact.careless.deeds,
        'writes under a token': this.exact.keepers.store.writes,
        'comparisons of rows': rows.compared,
        'deaths declared': deaths.deaths,
      },
    }
  }

  private enter(phase: Phase, what: string): void {
    if (this.oracle.breach) return
    this.phase = phase
    this.oracle.tell(`-- ${phase} phase: ${what}`)
  }

  private async pass(ms: number): Promise<void> {
    const until = this.oracle.now + ms
    while (!this.oracle.breach && this.oracle.now < until) {
      await this.cluster.simulation
        .runFor(Math.min(CHECK_EVERY_MS, until - this.oracle.now))
        .catch((error: unknown) => this.broke(`an uncaught exception: ${describe(error)}`))
      this.ledgers.checkNow()
    }
  }

  private checkAtEnd(): void {
    const { living } = this.cluster
    for (const member of living) {
      if (!member.ready) this.oracle.breaks('I11', `${member.name} is not up after the quiet phase`)
    }
    checkSettled(this.ledgers, living, this.manner)
    this.ledgers.checkAtEnd(living)
    this.exact.keepers.store.check()
  }

  private observe(): void {
    this.cluster.events = {
      made: (member) => {
        this.oracle.tell(`${member.name} starts (${member.creation})`)
        this.ledgers.made(member)
      },
      ready: (member) => {
        this.ledgers.handoffs.joined(member)
        this.workload.joined(member)
      },
      ended: (member) => {
        this.oracle.tell(`${member.name} is gone (${member.creation})`)
        this.ledgers.ended(member)
      },
      startFailed: (member, error) => {
        this.oracle.breaks('I11', `${member.name} did not start: ${String(error)}`)
      },
    }
  }

  private said(member: string, level: string, text: string): void {
    this.oracle.tell(`${member} says: ${level}: ${text}`)
    if (level === 'error' && !EXPECTED_ERRORS.test(text)) {
      this.oracle.breaks('I11', `${member} logged an error: ${text}`)
    }
  }
}

/** Processes that were asked to crash or not to move, careless ones, and children that ended too often. */
const EXPECTED_ERRORS = /asked to crash|asked to refuse|is given up| Careless/
