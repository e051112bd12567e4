/**
 * One direction of a simulated connection. What is sent arrives in order, each piece after a
 * latency of its own. While the direction is cut pieces are held, as TCP's retransmission does,
 * and arrive some time after the cut is healed.
 */
import type { Holding, NetworkConditions } from './network-conditions.js'
import type { SimulatedHost } from './simulated-host.js'
import type { Label } from './trace.js'

/** `lostInCut`: a reset is sent once and never again; all else is sent until it arrives. */
interface Piece {
  arrive: () => void
  lostInCut: boolean
}

export class SimulatedPath implements Holding {
  readonly from: SimulatedHost
  readonly to: SimulatedHost
  readonly #network: NetworkConditions
  readonly #label: Label
  #lastArrival = 0
  #held: Piece[] = []
  #flushing = false
  /** Raised when the path is emptied, so that what is still on its way never arrives. */
  #era = 0

  constructor(network: NetworkConditions, from: SimulatedHost, to: SimulatedHost, what: Label) {
    this.#network = network
    this.from = from
    this.to = to
    this.#label = what
  }

  send(arrive: () => void, lostInCut = false): void {
    const { timeline } = this.#network
    const at = Math.max(this.#lastArrival, timeline.now + this.#network.latency(this.from, this.to))
    const era = this.#era
    const piece = { arrive, lostInCut }
    const task = () => {
      if (era === this.#era) this.#arrived(piece)
    }
    this.#lastArrival = timeline.schedule(at - timeline.now, task, this.#label).at
  }

  /** Drops what is on its way and held. */
  empty(): void {
    this.#era++
    this.#held = []
    this.#network.release(this)
  }

  /** The cut is healed: what was held comes after a retransmission, if the way is still open then. */
  healed(): void {
    if (this.#flushing) return
    this.#flushing = true
    const delayMs = this.#network.retransmission()
    this.#network.timeline.schedule(delayMs, () => this.#flush(), this.#label)
  }

  #arrived(piece: Piece): void {
    const cut = this.#network.isCut(this.from, this.to)
    if (!cut && this.#held.length === 0) {
      piece.arrive()
    } else if (!(cut && piece.lostInCut)) {
      this.#held.push(piece)
      this.#network.hold(this)
    }
  }

  #flush(): void {
    this.#flushing = false
    if (this.#network.isCut(this.from, this.to)) return
    const held = this.#held
    const era = this.#era
    this.#held = []
    this.#network.release(this)
    for (const piece of held) if (era === this.#era) piece.arrive()
  }
}
