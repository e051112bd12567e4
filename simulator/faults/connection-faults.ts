/**
 * Faults of single connections between two nodes: broken at once, at any byte and in either
 * direction, in the middle of a handshake, by a reset or by an end; dials that arrive late or twice.
 * None of them justifies that a node is held for dead.
 */

import type { DialTrouble } from '../../src/testing/network-conditions.js'
import type { SeededRandom } from '../../src/testing/seeded-random.js'
import { type ClusterSimulation, nodeName } from '../cluster/cluster-simulation.js'

export const CONNECTION_FAULT_KINDS = [
  'reset',
  'reset storm',
  'cut at a byte',
  'cut in the handshake',
  'late connects',
  'doubled connects',
] as const

export type ConnectionFaultKind = (typeof CONNECTION_FAULT_KINDS)[number]

/** A handshake has about so many bytes in one direction, the introduction included. */
const HANDSHAKE_BYTES = 700
const LATE_MS = [100, 900] as const
const TROUBLES_MAX = 3

export class ConnectionFaults {
  constructor(
    private readonly cluster: ClusterSimulation,
    private readonly random: SeededRandom,
    private readonly later: (ms: number, task: () => void) => void,
  ) {}

  isKind(kind: string): kind is ConnectionFaultKind {
    return (CONNECTION_FAULT_KINDS as readonly string[]).includes(kind)
  }

  /** Answers what was done. */
  carryOut(kind: ConnectionFaultKind): string {
    const { random } = this
    switch (kind) {
      case 'reset':
        return this.reset(random.chance(0.5) ? 0 : random.below(2_000))
      case 'reset storm':
        return this.resetStorm()
      case 'cut at a byte':
        return this.cutAtByte()
      case 'cut in the handshake':
        return this.trouble(() => ({ cut: this.cutWithin(HANDSHAKE_BYTES) }))
      case 'late connects':
        return this.trouble(() => ({ lateMs: random.between(LATE_MS) }))
      case 'doubled connects':
        return this.trouble(() => ({ isDoubled: true }))
    }
  }

  private reset(afterBytes: number): string {
    const [one, other] = this.pair()
    this.cluster.reset(one, other, afterBytes)
    return `${nodeName(one)} and ${nodeName(other)} after ${afterBytes} bytes`
  }

  private resetStorm(): string {
    const [one, other] = this.pair()
    const times = 3 + this.random.below(10)
    for (let time = 0; time < times; time++) {
      this.later(this.random.float() * 5_000, () => this.cluster.reset(one, other))
    }
    return `${nodeName(one)} and ${nodeName(other)}, ${times} times in 5 s`
  }

  /** Small numbers are as likely as large ones: frames are small, snapshots large. */
  private cutAtByte(): string {
    const [one, other] = this.pair()
    const cut = this.cutWithin(Math.floor(2 ** (this.random.float() * 16)) + 1)
    this.cluster.cutConnections(one, other, cut)
    return `${nodeName(one)} and ${nodeName(other)}, ${describe(cut)}`
  }

  /** The next connections between two nodes, for which the present one makes room. */
  private trouble(draw: () => DialTrouble): string {
    const [one, other] = this.pair()
    const count = 1 + this.random.below(TROUBLES_MAX)
    const troubles = Array.from({ length: count }, draw)
    for (const trouble of troubles) {
      const [from, to] = this.random.chance(0.5) ? [one, other] : [other, one]
      this.cluster.troubleDial(from, to, trouble)
    }
    this.cluster.reset(one, other)
    const what = troubles.map(({ cut, lateMs }) => (cut ? describe(cut) : (lateMs ?? 'twice')))
    return `${nodeName(one)} and ${nodeName(other)}: ${what.join('; ')}`
  }

  private cutWithin(bytes: number) {
    const { random } = this
    return {
      afterBytes: random.below(bytes),
      towardsDialler: random.chance(0.5),
      isGentle: random.chance(0.4),
    }
  }

  private pair(): [number, number] {
    const [one, other] = this.random.shuffled(this.cluster.names.map((_, index) => index))
    return [one!, other!]
  }
}

const describe = ({ afterBytes, towardsDialler, isGentle }: NonNullable<DialTrouble['cut']>) =>
  `${isGentle ? 'ended' : 'reset'} after ${afterBytes} bytes to ${towardsDialler ? 'who' : 'whom the other'} dialled`
