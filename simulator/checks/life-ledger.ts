/**
 * The lives of children: each process that ran under an id, what it has carried out, and who took
 * over from whom. I12: what was carried out is in the state of the successor, exactly once. I13: a
 * child works in one place at a time. I14: while nothing fails, no life ends but by its own cause.
 */
import type { Pid } from '../../src/term/pid.js'
import type { ClusterMember } from '../cluster/cluster-member.js'
import type { DeathWatch } from './death-watch.js'
import type { Disruptions } from './disruptions.js'
import { type Oracle, pidKey } from './oracle.js'

/** What the last `handoff` of a process came to. */
type Handoff = 'never asked' | 'asked' | 'gave its state' | 'gave nothing' | 'aborted'

export interface Life {
  readonly id: number
  readonly pid: Pid
  readonly home: ClusterMember
  /** What the process itself says it has carried out: its state, as it is now. */
  readonly state: readonly number[]
  /** The same as seen from outside, what it took over included. */
  carriedOut: number[]
  /** The same for all lives that took over from each other. */
  line: object
  handoff: Handoff
  /** It was started to take over from another and has not been granted the id. */
  isWaiting: boolean
  successor: Life | undefined
  movedAt: number
  isForwarding: boolean
  /** It moved in a split: there were two of it. */
  hasSplit: boolean
  /** It was stopped for another one of the same child, to whom its pids lead from then on. */
  hasLost: boolean
}

/** How long a refusal excuses that a child was not moved. */
const ECHO_MS = 60_000
/** How long it may take until who is told to end has ended, and is there again. */
const TOLD_MS = 20_000
/** How long it may take until all nodes have heard of a move. */
const NEWS_MS = 2_000
/** A node that was away is back so soon after the disruption is over. */
const AWAY_MS = 3_000
/** How long after a disruption a drain may still suffer from it. */
const SETTLED_MS = 15_000
/** A split is noticed, and its loser stopped, within this long after it has healed. */
const CONFLICT_MS = 60_000

export class LifeLedger {
  /** Moves that were committed, and of those the ones that took a state along. */
  moved = 0
  movedWithState = 0
  aborted = 0
  /** Children that a node which left had to stop. */
  leftBehind = 0
  /** Drains during which nothing failed. */
  calmDrains = 0
  private readonly lives = new Map<string, Life>()
  private readonly byId = new Map<number, Life[]>()
  /** Until when a child may end because it was told to, or refuse to move, by id. */
  private readonly told = new Map<number, number>()
  private readonly refused = new Map<number, number>()
  /** The count of disruptions when each node began to leave; undefined: not alone. */
  private readonly drains = new Map<ClusterMember, number | undefined>()

  constructor(
    private readonly oracle: Oracle,
    private readonly disruptions: Disruptions,
    private readonly deaths: DeathWatch,
    /** Whether the child is to run, as far as anybody knows. */
    private readonly isWanted: (id: number) => boolean,
  ) {}

  made(member: ClusterMember): void {
    const { moves } = member.node.kernel
    const goOn = moves.goOn.bind(moves)
    moves.goOn = (pid: Pid) => {
      this.goesOn(pid)
      goOn(pid)
    }
  }

  // What processes tell.

  /** Its `init` runs. `state` is the list that it will keep. */
  born(id: number, pid: Pid, state: readonly number[]): void {
    const home = this.oracle.home(pid)
    if (!home) return
    const { kernel } = home.node
    const isWaiting = kernel.moves.predecessor(pid) !== undefined
    const life: Life = {
      id,
      pid,
      home,
      state,
      carriedOut: [],
      line: {},
      handoff: 'never asked',
      isWaiting,
      successor: undefined,
      movedAt: 0,
      isForwarding: false,
      hasSplit: false,
      hasLost: false,
    }
    this.lives.set(pidKey(pid), life)
    const lives = this.byId.get(id)
    if (lives) lives.push(life)
    else this.byId.set(id, [life])
    kernel.watchExit(pid, (_, reason) => this.ended(life, reason))
  }

  /** It carries out a call. */
  carriesOut(pid: Pid, token: number): void {
    const life = this.works(pid, `carried out call ${token}`)
    if (!life) return
    life.carriedOut.push(token)
    if (life.state.length !== life.carriedOut.length || life.state.at(-1) !== token) {
      const has = `has ${life.state.length} calls in its state`
      this.oracle.breaks('I12', `${name(life)} carried out call ${token} and ${has}`)
    }
  }

  /** It handles a message. */
  works(pid: Pid, did: string): Life | undefined {
    const life = this.living(pid)
    if (!life) return undefined
    const what = `${name(life)} ${did}`
    if (life.isWaiting) this.oracle.breaks('I13', `${what} before it was granted the child`)
    if (life.successor) {
      this.oracle.breaks('I13', `${what} after ${life.successor.pid} had taken over`)
    }
    if (life.handoff === 'asked' || life.handoff === 'gave its state') {
      this.oracle.breaks('I13', `${what} after handoff() and without handoffAborted()`)
    }
    return life
  }

  handoff(pid: Pid, came: Handoff): void {
    const life = this.living(pid)
    if (!life) return
    if (came === 'aborted') this.aborted++
    life.handoff = came
  }

  /**
   * It is let go to work on where it is. Rightly so although another one had taken over, if that one's
   * node is gone, or cut off and held for dead.
   */
  goesOn(pid: Pid): void {
    const life = this.living(pid)
    const { successor } = life ?? {}
    if (!life || !successor) return
    if (!this.isSplit(successor) && this.oracle.isAlive(this.head(pid))) {
      this.oracle.breaks('I13', `${name(life)} goes on, and ${successor.pid} had taken over`)
    }
    life.successor = undefined
    life.hasSplit = true
    successor.line = {}
  }

  /** It passes on from here. After a split that may be to the winner of the other side. */
  forwards(pid: Pid, on: ClusterMember): void {
    const life = this.living(pid)
    if (!life || !this.oracle.isAlive(pid)) return
    life.isForwarding = true
    const to = on.supervisor.lookup(life.id)
    if (to && !to.equals(pid)) life.successor ??= this.lives.get(pidKey(to))
  }

  // What others do to children.

  /** Somebody tells it to end, by whatever way; it may be started anew after it. */
  tell(id: number): void {
    this.told.set(id, this.oracle.now + TOLD_MS)
  }

  /** It is about to refuse to move: an error, or too slow. */
  refuse(id: number): void {
    this.refused.set(id, this.oracle.now)
  }

  wasTold(id: number): boolean {
    return (this.told.get(id) ?? 0) > this.oracle.now
  }

  /** `to` was granted the child over the epoch of `from`. */
  succeeded(from: Pid, to: Pid): void {
    const [old, fresh] = [this.lives.get(pidKey(from)), this.lives.get(pidKey(to))]
    if (!old || !fresh || old.successor === fresh) return
    const hasEnded = !this.oracle.isAlive(from)
    this.moved++
    this.oracle.tell(`child ${old.id} has moved from ${from} to ${to}`)
    if (old.handoff === 'gave its state') this.movedWithState++
    const isSplit = this.isSplit(fresh) || (old.successor && this.isSplit(old.successor))
    // Also if the old one has ended by now: its node may have left after it had handed it on.
    if (isSplit && (!hasEnded || old.successor)) return this.splitOff(old, fresh)
    if (old.successor) {
      const what = `${name(old)} is succeeded by ${to}`
      this.oracle.breaks('I13', `${what}, and was by ${old.successor.pid}`)
    }
    old.successor = fresh
    old.movedAt = this.oracle.now
    fresh.isWaiting = false
    // What waited in the mailbox of one that ended while it was held is lost.
    if (!hasEnded) fresh.line = old.line
    fresh.carriedOut = inherited(old, fresh.state, hasEnded)
    this.compare(fresh, `took over from ${from}`)
  }

  /** The new node is held for dead by the old one, which may go on: there are two of it now. */
  private splitOff(old: Life, fresh: Life): void {
    old.hasSplit = true
    fresh.isWaiting = false
    fresh.carriedOut = old.carriedOut.slice(0, fresh.state.length)
    this.compare(fresh, `took over from ${old.pid}, apart from it`)
  }

  // Drains.

  drainBegins(member: ClusterMember): void {
    const others = this.oracle.cluster.living.filter((other) => other !== member)
    const isAlone =
      others.every(({ ready, leaving }) => ready && !leaving) &&
      !this.disruptions.within(SETTLED_MS)
    for (const other of this.drains.keys()) this.drains.set(other, undefined)
    this.drains.set(member, isAlone ? this.disruptions.count : undefined)
  }

  private isCalm(member: ClusterMember): boolean {
    return this.drains.get(member) === this.disruptions.count
  }

  // Questions.

  /** Which line of lives a child is in now, if it runs. */
  line(id: number): object | undefined {
    return this.byId.get(id)?.findLast((life) => !life.isWaiting && this.isWorking(life))?.line
  }

  lineOf(pid: Pid): object | undefined {
    return this.lives.get(pidKey(pid))?.line
  }

  /**
   * Whether it has just moved, so that a member need not know of it yet. One that was away when it
   * moved is not waited for.
   */
  isNewsTo({ readyAt }: ClusterMember, pid: Pid): boolean {
    const life = this.lives.get(pidKey(pid))
    if (!life?.successor || life.movedAt < readyAt || this.disruptions.within(AWAY_MS)) return false
    return this.oracle.now - life.movedAt < NEWS_MS
  }

  /** Whether one side of a split heard, rightly, of an end that the other side had not seen. */
  hasSplit(pid: Pid): boolean {
    return this.lives.get(pidKey(pid))?.hasSplit === true
  }

  /** Whether who took over from it has lost against another side of a split. */
  leadsToLoser(pid: Pid): boolean {
    const head = this.head(pid)
    return !head.equals(pid) && this.lives.get(pidKey(head))?.hasLost === true
  }

  /** Who works in the stead of a process now: itself, if it has not moved. */
  head(pid: Pid): Pid {
    let life = this.lives.get(pidKey(pid))
    while (life?.successor) life = life.successor
    return life?.pid ?? pid
  }

  /** The process that runs, or is to run, a child on that node. */
  latestOn(id: number, member: ClusterMember): Pid | undefined {
    return this.byId.get(id)?.findLast((life) => life.home === member && member.isAlive(life.pid))
      ?.pid
  }

  // The end.

  check(): void {
    for (const life of this.lives.values()) {
      if (this.isWorking(life)) this.compare(life, 'is left')
    }
  }

  memberEnded(member: ClusterMember): void {
    if (member.closing && this.isCalm(member)) this.calmDrains++
    this.drains.delete(member)
  }

  private living(pid: Pid): Life | undefined {
    return this.oracle.home(pid) && this.lives.get(pidKey(pid))
  }

  /** The new node is gone, or was held for dead a moment ago: then both sides may go on. */
  private isSplit({ home }: Life): boolean {
    return !home.alive || this.deaths.heldForDead(home)
  }

  private isWorking(life: Life): boolean {
    return !life.successor && !life.isForwarding && this.oracle.isAlive(life.pid)
  }

  private compare(life: Life, did: string): void {
    const { state, carriedOut } = life
    if (state.length === carriedOut.length && state.every((one, at) => one === carriedOut[at])) {
      return
    }
    const missing = carriedOut.filter((token) => !state.includes(token))
    const extra = state.filter((token, at) => at !== carriedOut.indexOf(token))
    const what = `${name(life)} ${did}; of ${carriedOut.length} calls its state lacks`
    this.oracle.breaks('I12', `${what} [${missing.join(' ')}] and has [${extra.join(' ')}] as well`)
  }

  private ended(life: Life, reason: unknown): void {
    if (life.successor && !life.isForwarding) life.successor.line = {}
    if (!life.home.alive || life.successor || life.isForwarding || life.isWaiting) return
    // It passed on, and was not needed any more, all in one turn.
    if (reason !== null && typeof reason === 'object' && 'moved' in reason) return
    const { id, home } = life
    life.hasLost = reason === 'name_conflict'
    const what = `${name(life)} ended with ${describe(reason)}`
    this.oracle.tell(what)
    if (this.wasTold(id) || !this.isWanted(id)) return
    // The other side of a split may have ended the id, too: the later word about it counts.
    const isByOther = reason === 'shutdown' && !home.leaving
    if (reason === 'name_conflict' || reason === 'killed' || isByOther) {
      if (!this.disruptions.within(CONFLICT_MS)) {
        this.oracle.breaks('I14', `${what}, and there was no split`)
      }
    } else if (home.leaving) this.wasLeft(life, what)
    else this.oracle.breaks('I14', `${what}, and nobody told it to`)
  }

  private wasLeft({ id, home }: Life, what: string): void {
    this.leftBehind++
    if (this.oracle.cluster.working.length === 0 || !this.isCalm(home)) return
    if (this.oracle.now - (this.refused.get(id) ?? Number.NEGATIVE_INFINITY) < ECHO_MS) return
    this.oracle.breaks('I14', `${what} on ${home.name}, which left while nothing failed`)
  }
}

/**
 * What a successor must have in its state. If the old process is gone, that may be what it gave away
 * at an earlier moment: a request that was long on its way.
 */
function inherited(old: Life, state: readonly number[], hasEnded: boolean): number[] {
  if (hasEnded) return old.carriedOut.slice(0, state.length)
  return old.handoff === 'gave its state' ? [...old.carriedOut] : []
}

const name = ({ id, pid }: Life): string => `child ${id} as ${pid}`

function describe(reason: unknown): string {
  if (typeof reason === 'string') return reason
  if (reason !== null && typeof reason === 'object' && 'error' in reason) {
    return reason.error instanceof Error ? reason.error.message : String(reason.error)
  }
  return JSON.stringify(reason)
}
