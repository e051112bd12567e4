/**
 * Stalls of 0.1 to 3 s, in one or two of five nodes at a time, as SIGSTOP or as a busy event loop:
 * so both of those that watch and of those that are watched. Nobody may be held for dead, no child
 * may be started anew.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { TestNode } from '../../test/support/cluster.js'
import { namespacesMissing } from '../../test/support/namespaces.js'
import { NetworkCluster } from '../../test/support/network-cluster.js'
import { now } from '../../test/support/notes.js'
import { type Part, type PartContext, type PartResult, spread } from '../part.js'

const MINUTES = 10
const STALL_MS: readonly [number, number] = [100, 3_000]
/** What the machine may add to a stall before the stall is none of those that must kill nobody. */
const GRACE_MS = 250
const AT_ONCE_MAX = 2
/** How long a stall that was too long may be the reason for a death. */
const AFTERMATH_MS = 5_000

interface Stalled {
  readonly node: string
  readonly from: number
  readonly until: number
  /** As long as asked. */
  readonly isFair: boolean
}

export const stalls: Part = {
  name: 'stalls',
  description: 'stalls of 0.1 to 3 s in one or two of five nodes at a time; 10 minutes',
  missing: () => namespacesMissing('that stalls kill nobody'),
  run,
}

async function run(context: PartContext): Promise<PartResult> {
  const { minutes = MINUTES, say, arbiter } = context
  const world = await NetworkCluster.start({ ...(arbiter === undefined ? {} : { arbiter }) })
  try {
    const from = now()
    const started = world.cluster.journal().length
    const all: Stalled[] = []
    let toldAt = from
    while (now() - from < minutes * 60_000) {
      all.push(...(await stallSome(world, context)))
      await sleep(context.chance.between([200, 1_500]))
      if (now() - toldAt < 30_000) continue
      toldAt = now()
      say(`${all.length} stalls, ${(await deathsSince(world, from)).length} times held for dead`)
    }
    await world.converge(now())
    const deaths = await deathsSince(world, from)
    const restarts = world.cluster.journal().slice(started)
    return summary(all, deaths, restarts.length, await lossesSince(world, from))
  } finally {
    await world.stop()
  }
}

/** One or two nodes, at once, each in its own way and for its own time. */
function stallSome(world: NetworkCluster, { chance }: PartContext): Promise<Stalled[]> {
  const nodes = [...world.nodes]
  const stalls: Promise<Stalled>[] = []
  for (let count = 1 + chance.below(AT_ONCE_MAX); count > 0; count--) {
    const [node] = nodes.splice(chance.below(nodes.length), 1)
    stalls.push(stall(node!, chance.between(STALL_MS), chance.below(2) === 0))
  }
  return Promise.all(stalls)
}

/** Stops the process, or keeps its event loop busy. */
async function stall(node: TestNode, ms: number, isFrozen: boolean): Promise<Stalled> {
  const from = now()
  if (isFrozen) {
    node.freeze()
    await sleep(ms)
    node.thaw()
  } else {
    await node.run((_, forMs) => {
      const end = performance.now() + forMs
      while (performance.now() < end);
    }, ms)
  }
  const until = now()
  return { node: node.name, from, until, isFair: until - from <= STALL_MS[1] + GRACE_MS }
}

interface Death {
  readonly by: string
  readonly of: string
  readonly at: number
}

async function heardSince(
  world: NetworkCluster,
  type: 'dead' | 'unreachable',
  from: number,
): Promise<Death[]> {
  const perNode = await Promise.all(
    world.nodes.map(async (node) => {
      const notes = await world.notes(node)
      return notes.flatMap((note) =>
        note.type === type && note.at >= from
          ? [{ by: node.name, of: note.node, at: note.at }]
          : [],
      )
    }),
  )
  return perNode.flat()
}

const deathsSince = (world: NetworkCluster, from: number): Promise<Death[]> =>
  heardSince(world, 'dead', from)

const lossesSince = async (world: NetworkCluster, from: number): Promise<number> =>
  (await heardSince(world, 'unreachable', from)).length

function summary(
  all: readonly Stalled[],
  deaths: readonly Death[],
  restarts: number,
  losses: number,
): PartResult {
  const excuses = all.filter(({ isFair }) => !isFair)
  const isExcused = ({ by, of, at }: Death): boolean =>
    excuses.some(
      ({ node, from, until }) =>
        (node === by || node === of) && at >= from && at <= until + AFTERMATH_MS,
    )
  const wrong = deaths.filter((death) => !isExcused(death))
  const violations = wrong.map(({ by, of }) => `${by} held ${of} for dead, which only stood still`)
  if (restarts > 0 && excuses.length === 0) {
    violations.push(`${restarts} times a process started or ended`)
  }
  return {
    figures: [
      ['stalls', String(all.length)],
      ['length, least / median / most', spread(all.map(({ from, until }) => until - from))],
      ['longer than asked, because the machine was busy', String(excuses.length)],
      ['links given up and made anew', String(losses)],
      ['false deaths', String(wrong.length)],
      ['processes started or ended', String(restarts)],
    ],
    violations,
  }
}
