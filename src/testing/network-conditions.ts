/**
 * How the simulated network is at the moment: which hosts there are, how slow the ways between
 * them, which directions are cut. Everything random in it comes from one seeded source. With no
 * faults asked for, it is an ordinary in-memory network.
 */
import type { SeededRandom } from './seeded-random.js'
import { type Bound, LOOPBACK_NAMES, SimulatedHost } from './simulated-host.js'
import type { Timeline } from './timeline.js'

type Range = readonly [number, number]

export interface NetworkOptions {
  /** How long a piece is under way between two hosts. */
  latencyMs: Range
  /** How long within one host. */
  loopbackLatencyMs: Range
  /** How soon after a heal what was held arrives. */
  retransmissionMs: Range
  /** How often a write is cut into pieces at a random place. */
  splitProbability: number
  /** How often a write joins the piece before it, if that is still under way. */
  mergeProbability: number
  /** The largest piece. */
  pieceBytesMax: number
  /** How much may be under way and unread before writes wait at the sender. */
  windowBytes: number
  /** Above this much waiting, `write` answers false. */
  highMarkBytes: number
  /** How long a dial waits for an answer when its options do not say. */
  dialTimeoutMs: number
}

export const networkDefaults: NetworkOptions = {
  latencyMs: [0.1, 0.6],
  loopbackLatencyMs: [0.02, 0.06],
  retransmissionMs: [1, 300],
  splitProbability: 0.1,
  mergeProbability: 0.2,
  pieceBytesMax: 64 * 1024,
  windowBytes: 256 * 1024,
  highMarkBytes: 1024 * 1024,
  dialTimeoutMs: 20_000,
}

/** Where a connection breaks: when so many bytes have arrived at one of its ends. */
export interface CutPoint {
  readonly afterBytes: number
  /** Bytes on their way to the end that dialled; else to the other one. */
  readonly towardsDialler: boolean
  /** Both ends see an end instead of a reset. */
  readonly isGentle: boolean
}

/** What happens to one dial to come. */
export interface DialTrouble {
  readonly cut?: CutPoint
  /** How much later than usual its first packet arrives. */
  readonly lateMs?: number
  /** Its first packet arrives twice: the other side takes a connection that nobody has. */
  readonly isDoubled?: boolean
}

/** A direction that holds pieces back while it is cut. */
export interface Holding<L extends Bound = Bound> {
  readonly from: SimulatedHost<L>
  readonly to: SimulatedHost<L>
  /** The cut is healed. */
  healed(): void
}

export class NetworkConditions<L extends Bound = Bound> {
  readonly timeline: Timeline
  readonly random: SeededRandom
  readonly options: NetworkOptions
  readonly #hosts = new Map<string, SimulatedHost<L>>()
  readonly #cuts = new Map<SimulatedHost<L>, Set<SimulatedHost<L>>>()
  readonly #slow = new Map<SimulatedHost<L>, Map<SimulatedHost<L>, Range>>()
  readonly #holding = new Set<Holding<L>>()
  readonly #troubles = new Map<string, DialTrouble[]>()

  constructor(timeline: Timeline, random: SeededRandom, options: Partial<NetworkOptions> = {}) {
    this.timeline = timeline
    this.random = random
    this.options = { ...networkDefaults, ...options }
  }

  /** The host of that name, made when it is first asked for. */
  host(name: string): SimulatedHost<L> {
    let host = this.#hosts.get(name)
    if (host === undefined) {
      host = new SimulatedHost(name)
      this.#hosts.set(name, host)
    }
    return host
  }

  /** What `address` means on `from`; undefined when there is no such host. */
  resolve(address: string, from: SimulatedHost<L>): SimulatedHost<L> | undefined {
    return LOOPBACK_NAMES.has(address) ? from : this.#hosts.get(address)
  }

  latency(from: SimulatedHost<L>, to: SimulatedHost<L>): number {
    if (from === to) return this.random.between(this.options.loopbackLatencyMs)
    return this.random.between(this.#slow.get(from)?.get(to) ?? this.options.latencyMs)
  }

  retransmission(): number {
    return this.random.between(this.options.retransmissionMs)
  }

  /** Pieces from `from` to `to` take so long from now on; without a range, as long as usual. */
  setLatency(from: string, to: string, range?: Range): void {
    const source = this.host(from)
    const routes = this.#slow.get(source) ?? new Map<SimulatedHost<L>, Range>()
    this.#slow.set(source, routes)
    if (range === undefined) routes.delete(this.host(to))
    else routes.set(this.host(to), range)
  }

  isCut(from: SimulatedHost<L>, to: SimulatedHost<L>): boolean {
    return from.down || to.down || (this.#cuts.get(from)?.has(to) ?? false)
  }

  /** Nothing from `from` reaches `to` any more. The other direction is not touched. */
  cut(from: string, to: string): void {
    const source = this.host(from)
    const targets = this.#cuts.get(source) ?? new Set<SimulatedHost<L>>()
    this.#cuts.set(source, targets.add(this.host(to)))
  }

  heal(from: string, to: string): void {
    this.#cuts.get(this.host(from))?.delete(this.host(to))
    this.wakeHeld()
  }

  /** Cuts every direction between hosts of different groups. */
  partition(groups: readonly (readonly string[])[]): void {
    for (const group of groups) {
      for (const other of groups) {
        if (group === other) continue
        for (const from of group) for (const to of other) this.cut(from, to)
      }
    }
  }

  /** Befalls the next dial from `from` to `to` that no earlier trouble befalls. */
  troubleDial(from: string, to: string, trouble: DialTrouble): void {
    const key = `${from}>${to}`
    const troubles = this.#troubles.get(key) ?? []
    this.#troubles.set(key, troubles)
    troubles.push(trouble)
  }

  takeTrouble(from: SimulatedHost<L>, to: SimulatedHost<L>): DialTrouble | undefined {
    return this.#troubles.get(`${from.name}>${to.name}`)?.shift()
  }

  /** No cut, no slow way and no trouble is left. Hosts without power stay so. */
  healAll(): void {
    this.#troubles.clear()
    this.#cuts.clear()
    this.#slow.clear()
    this.wakeHeld()
  }

  hold(path: Holding<L>): void {
    this.#holding.add(path)
  }

  release(path: Holding<L>): void {
    this.#holding.delete(path)
  }

  protected wakeHeld(): void {
    for (const path of [...this.#holding]) if (!this.isCut(path.from, path.to)) path.healed()
  }
}
