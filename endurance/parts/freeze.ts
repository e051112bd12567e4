/**
 * SIGSTOP of one of five nodes, again and again: each of the others has to hold it for dead within
 * 6 s, and not before 4.5 s without a byte of it. Then it goes on, and there is one of each again.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { TestNode } from '../../test/support/cluster.js'
import { namespacesMissing } from '../../test/support/namespaces.js'
import { longest, NetworkCluster } from '../../test/support/network-cluster.js'
import { now } from '../../test/support/notes.js'
import { type Part, type PartContext, type PartResult, spread } from '../part.js'

const ROUNDS = 30
const DEAD_WITHIN_MS = 6_000
const SILENT_MS = 4_500
/** A round in which an observer stood still for longer says nothing about failure detection. */
const STALL_MS = 500
const REPEATS_MAX = 15
const GIVE_UP_MS = 30_000

interface Death {
  readonly observer: string
  /** Since the node was frozen. */
  readonly afterMs: number
  /** Since its last byte. */
  readonly silentMs: number
}

interface Round {
  readonly deaths: readonly Death[]
  readonly stalledMs: number
  readonly wholeMs: number
}

export const freeze: Part = {
  name: 'freeze',
  description: 'SIGSTOP of one of five nodes until the others hold it for dead; 30 rounds',
  missing: () => namespacesMissing('how soon a frozen node is held for dead'),
  run,
}

async function run(context: PartContext): Promise<PartResult> {
  const { minutes, say, arbiter } = context
  const world = await NetworkCluster.start({ ...(arbiter === undefined ? {} : { arbiter }) })
  try {
    const rounds: Round[] = []
    let repeated = 0
    const until = minutes === undefined ? Number.POSITIVE_INFINITY : now() + minutes * 60_000
    const isOver = () => rounds.length >= ROUNDS || (rounds.length > 0 && now() > until)
    while (!isOver()) {
      const round = await oneRound(world, context)
      const isDisturbed = round.stalledMs > STALL_MS && repeated < REPEATS_MAX
      if (isDisturbed) repeated++
      else rounds.push(round)
      const stalled = `an observer stood still for ${Math.round(round.stalledMs)} ms`
      say(`round ${rounds.length}: ${told(round)}${isDisturbed ? `; again: ${stalled}` : ''}`)
    }
    return summary(rounds, repeated)
  } finally {
    await world.stop()
  }
}

const told = ({ deaths, wholeMs }: Round): string => {
  const after = spread(deaths.map(({ afterMs }) => afterMs))
  return `dead after ${after}; one of each ${Math.round(wholeMs)} ms after it went on`
}

async function oneRound(world: NetworkCluster, { chance }: PartContext): Promise<Round> {
  // At any phase of the signs of life.
  await sleep(chance.between([1_500, 2_500]))
  const frozen = world.nodes[chance.below(world.nodes.length)]!
  const observers = world.nodes.filter((node) => node !== frozen)
  const frozenAt = now()
  frozen.freeze()
  const deaths = await Promise.all(
    observers.map((observer) => death(world, observer, frozen, frozenAt)),
  )
  const deadAt = frozenAt + Math.max(...deaths.map(({ afterMs }) => afterMs))
  const stalledMs = longest(await world.stalls(frozenAt - 1_500, deadAt, observers))
  await sleep(chance.between([0, 2_000]))
  frozen.thaw()
  const { tookMs } = await world.converge(now())
  return { deaths, stalledMs, wholeMs: tookMs }
}

async function death(
  world: NetworkCluster,
  observer: TestNode,
  frozen: TestNode,
  frozenAt: number,
): Promise<Death> {
  const { address } = world.host(frozen)
  while (now() - frozenAt < GIVE_UP_MS) {
    const notes = await world.notes(observer)
    const dead = notes.find(
      (note) => note.type === 'dead' && note.node === frozen.name && note.at >= frozenAt,
    )
    if (dead) {
      const heardAt = await observer.run(
        ({ transport }, host) => transport.heardAt.get(host),
        address,
      )
      return {
        observer: observer.name,
        afterMs: dead.at - frozenAt,
        silentMs: dead.at - (heardAt ?? frozenAt),
      }
    }
    await sleep(50)
  }
  throw new Error(`${observer.name} does not hold ${frozen.name} for dead after ${GIVE_UP_MS} ms`)
}

function summary(rounds: readonly Round[], repeated: number): PartResult {
  const violations: string[] = []
  for (const [at, { deaths, wholeMs }] of rounds.entries()) {
    for (const { observer, afterMs, silentMs } of deaths) {
      const who = `round ${at + 1}: ${observer} held it for dead`
      if (afterMs > DEAD_WITHIN_MS) violations.push(`${who} only after ${Math.round(afterMs)} ms`)
      if (silentMs < SILENT_MS)
        violations.push(`${who} after ${Math.round(silentMs)} ms of silence`)
    }
    if (wholeMs > 5_000)
      violations.push(`round ${at + 1}: whole only after ${Math.round(wholeMs)} ms`)
  }
  const deaths = rounds.flatMap((round) => round.deaths)
  const good = rounds.filter((round) =>
    round.deaths.every(
      ({ afterMs, silentMs }) => afterMs <= DEAD_WITHIN_MS && silentMs >= SILENT_MS,
    ),
  )
  return {
    figures: [
      ['rounds as they should be', `${good.length} of ${rounds.length}`],
      ['repeated, because an observer stood still', String(repeated)],
      ['from SIGSTOP to dead, least / median / most', spread(deaths.map((one) => one.afterMs))],
      ['silence before that', spread(deaths.map((one) => one.silentMs))],
      ['from SIGCONT to one of each', spread(rounds.map((one) => one.wholeMs))],
    ],
    violations,
  }
}
