/**
 * The process of a hostile peer: it sends so many frames of its own making to one node, link after
 * link, and tells how many. `attack.ts` starts it.
 */
import type { Address } from '../../../src/base/transport.js'
import { SeededRandom } from '../../../src/testing/seeded-random.js'
import { HostileLink } from './hostile-link.js'
import { BIG_KINDS, Inventor, type Role } from './invented-frames.js'
import type { Parties } from './invented-terms.js'

export interface Assignment {
  readonly seed: number
  readonly role: Role
  readonly frames: number
  readonly cookie: string
  readonly address: Address
  readonly target: Parties['target']
  readonly friend: Parties['friend']
  readonly systemIds: readonly number[]
}

export interface Tally {
  readonly frames: number
  /** Those that were dealt with to the last. */
  readonly answered: number
  readonly bytes: number
  readonly links: number
  /** Links that were not let in, and that heard nothing any more. */
  readonly refused: number
  readonly deaf: number
  readonly isOver: boolean
}

const BURST = 64
/** One burst in so many ends with a frame of changed bytes. */
const BROKEN_SHARE = 1 / 2
/** Every so many bursts there is a big frame, each time of the next kind, and elsewhere a flood. */
const BIG_EVERY = 25
const FLOOD_EVERY = 40
const FLOOD = 500
const TELL_MS = 500
/** Names are used again and again, each time by another start of the node. */
const NAMES = 20

async function attack({ seed, role, frames, ...order }: Assignment): Promise<void> {
  const { cookie, address, target, friend, systemIds } = order
  const chance = new SeededRandom(seed).fork(role)
  const tally = { frames: 0, answered: 0, bytes: 0, links: 0, refused: 0, deaf: 0 }
  let bursts = 0
  const timer = setInterval(() => process.send?.({ ...tally, isOver: false }), TELL_MS)
  while (tally.frames < frames) {
    const name = `evil${tally.links % NAMES}@127.0.0.1`
    const self = { name, creation: 1_000 + tally.links, cookie }
    tally.links++
    const link = await HostileLink.dial(self, { address, name: target.name }, role)
    if (!link) {
      tally.refused++
      await new Promise((resolve) => setTimeout(resolve, 20))
      continue
    }
    const inventor = new Inventor(chance, { self, target, friend }, role, systemIds)
    while (!link.isClosed && tally.frames < frames) {
      const bytes = burst(inventor, chance, ++bursts)
      link.write(Buffer.concat(bytes))
      tally.frames += bytes.length
      for (const { length } of bytes) tally.bytes += length
      const end = await link.dealtWith()
      if (end === 'answered') tally.answered += bytes.length
      if (end === 'deaf') tally.deaf++
      if (end !== 'answered') break
    }
    link.close()
  }
  clearInterval(timer)
  process.send?.({ ...tally, isOver: true })
}

function burst(inventor: Inventor, chance: SeededRandom, number: number): Uint8Array[] {
  const frames: Uint8Array[] = Array.from({ length: BURST }, () => inventor.next())
  if (number % BIG_EVERY === 0) frames.push(inventor.big((number / BIG_EVERY) % BIG_KINDS))
  if (number % FLOOD_EVERY === 0) frames.push(...inventor.flood(FLOOD))
  if (chance.chance(BROKEN_SHARE)) frames.push(inventor.broken())
  return frames
}

process.on('disconnect', () => process.exit(0))
process.once('message', (assignment: Assignment) => {
  attack(assignment).catch((error: unknown) => {
    process.stderr.write(`the attack itself failed: ${(error as Error).stack}\n`)
    process.exit(1)
  })
})
