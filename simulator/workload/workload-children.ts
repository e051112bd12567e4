/**
 * What users do with children: start, terminate and end them, call them and send to them by handle,
 * by key and by any pid they ever had, move them, have them rebalanced. Each operation reports what
 * came of it to the ledgers.
 */
import type { CitadelError } from '../../src/base/errors.js'
import type { Pid } from '../../src/term/pid.js'
import type { SeededRandom } from '../../src/testing/seeded-random.js'
import type { Ledgers } from '../checks/ledgers.js'
import type { ClusterMember } from '../cluster/cluster-member.js'
import type { ClusterSimulation } from '../cluster/cluster-simulation.js'
import { childKey, PLAIN_EVERY } from './child-process.js'
import { follow, type Operation, verbs } from './workload-operation.js'

const CHILDREN = 30
/** The pids of a child that are called: its latest ones. */
const PIDS = 4
const CALL_MS = 5_000
const SLOWLY_MS = 600
/** At most so many messages of one stream, with at most so long between two of them. */
const POUR = [8, 30] as const
/** The same to a child that moves just then: from how many nodes, and how long that takes. */
const POUR_MOVING = [40, 3] as const
const SENDERS = 3
const LOAD_MS = 100
/** How long it may take until a node that comes has all rows. */
const NEW_MS = 1_000
/** How long after a disruption calls may still suffer from it. */
const SETTLED_MS = 15_000

type Way = 'handle' | 'key' | 'pid'

export interface WorkloadChildrenParts {
  readonly cluster: ClusterSimulation
  readonly ledgers: Ledgers
  readonly random: SeededRandom
  ownWorker(member: ClusterMember): Pid | undefined
  on(member: ClusterMember, operation: Operation): void
  note(member: ClusterMember, what: string): void
  failed(member: ClusterMember, what: string, error: unknown): void
}

export class WorkloadChildren {
  constructor(private readonly parts: WorkloadChildrenParts) {}

  operations(): Record<string, Operation> {
    return {
      startChild: (member) => this.start(member, this.childId()),
      startRace: () => this.startRace(),
      terminateChild: (member) => this.terminate(member),
      endChild: (member) => this.end(member),
      callChild: (member) => this.call(member, this.childId()),
      'callChild, too': (member) => this.call(member, this.childId()),
      pourToChild: (member) => this.pour(member, this.childId()),
      moveChild: (member) => this.move(member, this.childId()),
      moveUnderLoad: (member) => this.moveUnderLoad(member),
      rebalance: (member) => this.rebalance(member),
    }
  }

  /** Each child is called once, by its handle, and by its key if it has one. */
  callAll(member: ClusterMember): void {
    for (let id = 0; id < CHILDREN; id++) {
      this.call(member, id, 'handle')
      if (childKey(id) !== undefined) this.call(member, id, 'key')
    }
  }

  /** Something to a child, whichever: as much of it as there can be while nodes are replaced. */
  busy(member: ClusterMember): void {
    if (this.parts.random.chance(0.6)) this.call(member, this.childId())
    else this.pour(member, this.childId())
  }

  /** A pid that some child has or had. */
  somePid(): Pid | undefined {
    const { random, ledgers } = this.parts
    const pids = ledgers.children.pids(this.childId()).slice(-PIDS)
    return pids.length > 0 ? random.pick(pids) : undefined
  }

  private childId(): number {
    return this.parts.random.below(CHILDREN)
  }

  // Starts and ends.

  private start(member: ClusterMember, id: number): void {
    const { ledgers, random } = this.parts
    const { children } = ledgers
    const operation = children.begin(id, 'start', member)
    const restart = random.chance(0.3) ? 'transient' : 'permanent'
    const module = id % PLAIN_EVERY === 0 ? 'Plain' : 'Child'
    follow(
      member,
      member.supervisor.startChild(module, [id], { id, restart }),
      (pid) => {
        this.parts.note(member, `started child ${id} as ${pid}`)
        children.end(operation, true)
      },
      (error) => {
        children.end(operation, false)
        this.parts.failed(member, `start child ${id}`, error)
      },
    )
  }

  private startRace(): void {
    const { random, cluster } = this.parts
    const id = this.childId()
    const racers = random.shuffled(cluster.working).slice(0, 2)
    for (const member of racers) this.parts.on(member, () => this.start(member, id))
  }

  private terminate(member: ClusterMember): void {
    const id = this.childId()
    const { children, lives } = this.parts.ledgers
    const operation = children.begin(id, 'terminate', member)
    lives.tell(id)
    follow(
      member,
      member.supervisor.terminateChild(id),
      () => {
        this.parts.note(member, `terminated child ${id}`)
        children.end(operation, true)
      },
      (error) => {
        children.end(operation, false)
        this.parts.failed(member, `terminate child ${id}`, error)
      },
    )
  }

  private end(member: ClusterMember): void {
    const { ledgers, random } = this.parts
    const id = this.childId()
    const pid = member.supervisor.lookup(id)
    if (!pid) return
    const way = random.pick(['kill', 'crash', 'crash', 'finish'] as const)
    // A transient child that ends well is over.
    if (way === 'finish') ledgers.children.disturb(id)
    ledgers.lives.tell(id)
    this.parts.note(member, `${way} child ${id}`)
    if (way === 'kill') member.citadel.exit(pid, way)
    else verbs(member).cast(pid, way)
  }

  // Moves.

  /** While the child is called, and sent to, from several nodes. */
  private moveUnderLoad(member: ClusterMember): void {
    const { cluster, random, on } = this.parts
    const id = this.childId()
    for (const other of random.shuffled(cluster.working).slice(0, SENDERS)) {
      on(other, () => this.pour(other, id, POUR_MOVING))
      for (let calls = 0; calls < SENDERS; calls++) {
        cluster.simulation.after(random.below(LOAD_MS), 'load', () => {
          on(other, () => this.call(other, id))
        })
      }
    }
    cluster.simulation.after(random.below(LOAD_MS / 2), 'load', () => {
      on(member, () => this.move(member, id))
    })
  }

  private move(member: ClusterMember, id: number): void {
    const { cluster, random } = this.parts
    const to = random.pick(cluster.living).name
    this.parts.ledgers.handoffs.movedByHand.set(id, this.parts.ledgers.oracle.now)
    follow(
      member,
      member.supervisor.moveChild(id, to),
      (hasMoved) => {
        this.parts.note(member, `${hasMoved ? 'moved' : 'did not move'} child ${id} to ${to}`)
      },
      (error) => this.parts.failed(member, `move child ${id} to ${to}`, error),
    )
  }

  private rebalance(member: ClusterMember): void {
    follow(
      member,
      member.supervisor.rebalance(),
      ({ moved, failed }) => this.parts.note(member, `rebalanced: ${moved} moved, ${failed} not`),
      (error) => this.parts.failed(member, 'rebalance', error),
    )
  }

  // Calls and messages.

  private call(member: ClusterMember, id: number, by?: Way): void {
    const { ledgers, random } = this.parts
    const { calls, disruptions } = ledgers
    if (this.isPointless(id)) return
    const way = by ?? random.pick(['handle', 'handle', 'key', 'pid'] as const)
    const to = this.address(member, id, way)
    if (!to) return
    const isSafe = way !== 'pid' && this.isUntroubled(member, id, way)
    const { count } = disruptions
    const what = `the call of child ${id} by its ${way} by ${member.name}`
    const token = calls.begin(member, what, CALL_MS)
    this.parts.note(member, `calls child ${id} by its ${way} (${token})`)
    follow(
      member,
      this.ask(member, to, token),
      (value) => calls.end(token, 'answered', value),
      (error) => {
        calls.end(token, 'rejected', error)
        if (!isSafe || count !== disruptions.count) return
        if (member.leaving || ledgers.lives.wasTold(id)) return
        const why = (error as CitadelError).code
        ledgers.oracle.breaks(
          'I14',
          `${what} (${token}) was rejected with ${why}, and nothing failed`,
        )
      },
    )
    if (isSafe) calls.safe++
  }

  /** It is not to run: to find that out again and again shows nothing new. */
  private isPointless(id: number): boolean {
    return !this.parts.ledgers.children.isWanted(id) && this.parts.random.chance(0.9)
  }

  /** It runs, and nobody has told it to end. */
  private isUntroubled({ readyAt }: ClusterMember, id: number, way: Way): boolean {
    const { children, lives, names, disruptions, oracle } = this.parts.ledgers
    // One that has just come may lack rows of others.
    if (oracle.now - readyAt < NEW_MS) return false
    if (!children.mustRun(id) || lives.wasTold(id) || !lives.line(id)) return false
    if (disruptions.within(SETTLED_MS)) return false
    return way === 'handle' || names.has(childKey(id)!)
  }

  private ask(member: ClusterMember, to: unknown, token: number): Promise<unknown> {
    const { random } = this.parts
    const citadel = verbs(member)
    if (random.chance(0.25)) return citadel.call(to, 'addLater', token)
    if (random.chance(0.8)) return citadel.call(to, 'add', token)
    return citadel.call(to, 'addSlowly', token, random.below(SLOWLY_MS))
  }

  private address(member: ClusterMember, id: number, way: Way): unknown {
    const { random, ledgers } = this.parts
    if (way === 'handle') return member.supervisor.child(id)
    const key = childKey(id)
    if (way === 'key') return key === undefined ? undefined : { key }
    const pids = ledgers.children.pids(id).slice(-PIDS)
    return pids.length > 0 ? random.pick(pids) : undefined
  }

  /** Numbered messages of a worker, by all addresses that may lead to the child now. */
  private pour(
    member: ClusterMember,
    id: number,
    [most, pauseMax]: readonly [number, number] = POUR,
  ): void {
    const { random, ledgers } = this.parts
    const from = this.parts.ownWorker(member)
    if (!from || this.isPointless(id)) return
    const pids = ledgers.children.pids(id).slice(-PIDS)
    const addresses = Array.from({ length: 1 + random.below(most) }, () => {
      const way = random.pick(['handle', 'handle', 'key', 'pid'] as const)
      return way === 'pid' && pids.length > 0 ? random.pick(pids) : way
    })
    const pauseMs = random.chance(0.3) ? 0 : random.float() * pauseMax
    verbs(member).cast(from, 'pourToChild', id, addresses, pauseMs)
  }
}
