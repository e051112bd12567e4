/**
 * Faults of a real network and of real nodes, each from the moment it begins to the moment it is
 * over: whoever injects one says afterwards when everything was whole again and asks for what is
 * there. `chance` decides what is left open, so that a seed repeats them.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { TestNode } from './cluster.js'
import type { NetworkHost, Way } from './namespaces.js'
import type { NetworkCluster } from './network-cluster.js'
import { now } from './notes.js'

export interface Chance {
  below(limit: number): number
  between(range: readonly [number, number]): number
}

export interface Fault {
  readonly name: string
  /** Must nobody be held for dead because of it? */
  readonly isHarmless: boolean
  /** Answers when it was over. */
  inject(world: NetworkCluster, chance: Chance): Promise<number>
}

/** Long enough for both sides of a cut to hold the other for dead, and to go on without it. */
const LONG_MS: readonly [number, number] = [6_500, 7_500]

let contests = 0

/** One node of each side takes the same key. Where that must not be, at most one of them gets it. */
async function contest(world: NetworkCluster, sides: readonly TestNode[]): Promise<void> {
  const key = `contested ${++contests}`
  if (world.isStrict) {
    const had = await Promise.all(sides.map((node) => world.tries(node, key)))
    const owners = sides.filter((_, at) => had[at]).map(({ name }) => name)
    if (owners.length > 1) throw new Error(`${owners.join(' and ')} had the key at once`)
    return
  }
  for (const node of sides) await world.own(node, key)
}

function drawn<T>(items: readonly T[], chance: Chance): T[] {
  const left = [...items]
  const order: T[] = []
  while (left.length > 0) order.push(...left.splice(chance.below(left.length), 1))
  return order
}

/** All nodes in random order, and groups of these sizes of them. */
function groupsOf(world: NetworkCluster, sizes: readonly number[], chance: Chance): TestNode[][] {
  const nodes = drawn(world.nodes, chance)
  return sizes.map((size) => nodes.splice(0, size))
}

function cutInto(name: string, sizes: readonly number[]): Fault {
  return {
    name,
    isHarmless: false,
    async inject(world, chance) {
      const groups = groupsOf(world, sizes, chance)
      world.network.split(groups.map((group) => group.map((node) => world.host(node))))
      await sleep(chance.between(LONG_MS))
      await contest(
        world,
        groups.map(([first]) => first!),
      )
      world.network.heal()
      return now()
    },
  }
}

const bothWays = (one: NetworkHost, other: NetworkHost): Way[] => [
  [one, other],
  [other, one],
]

const oneWay: Fault = {
  name: 'cut one way between two nodes',
  isHarmless: true,
  async inject(world, chance) {
    const [[one, other]] = groupsOf(world, [2], chance) as [[TestNode, TestNode]]
    world.network.lose([[world.host(one), world.host(other)]])
    await sleep(chance.between(LONG_MS))
    world.network.heal()
    return now()
  },
}

function unheard(name: string, wayOf: (from: NetworkHost, to: NetworkHost) => Way): Fault {
  return {
    name,
    isHarmless: false,
    async inject(world, chance) {
      const [one, ...others] = drawn(world.nodes, chance)
      world.network.lose(others.map((other) => wayOf(world.host(one!), world.host(other))))
      await sleep(chance.between(LONG_MS))
      world.network.heal()
      return now()
    },
  }
}

const between: Fault = {
  name: 'one node alone sees both sides of a cut',
  isHarmless: true,
  async inject(world, chance) {
    const [left, right] = groupsOf(world, [2, 2], chance) as [TestNode[], TestNode[]]
    const sides = [left, right].map((side) => side.map((node) => world.host(node)))
    world.network.split(sides)
    await sleep(chance.between(LONG_MS))
    world.network.heal()
    return now()
  },
}

const flapping: Fault = {
  name: 'flapping links',
  isHarmless: false,
  async inject(world, chance) {
    const until = now() + 7_000
    while (now() < until) {
      const [one, ...others] = drawn(world.nodes, chance)
      const cut = others.slice(0, 1 + chance.below(others.length))
      world.network.lose(cut.flatMap((other) => bothWays(world.host(one!), world.host(other))))
      await sleep(chance.between([100, 2_500]))
      world.network.heal()
      await sleep(chance.between([50, 1_200]))
    }
    return now()
  },
}

function unplugged(name: string, range: readonly [number, number], isHarmless: boolean): Fault {
  return {
    name,
    isHarmless,
    async inject(world, chance) {
      const host = world.host(drawn(world.nodes, chance)[0]!)
      world.network.plug(host, false)
      await sleep(chance.between(range))
      world.network.plug(host, true)
      return now()
    },
  }
}

function frozen(name: string, range: readonly [number, number], isHarmless: boolean): Fault {
  return {
    name,
    isHarmless,
    async inject(world, chance) {
      const [node] = drawn(world.nodes, chance)
      node!.freeze()
      await sleep(chance.between(range))
      node!.thaw()
      return now()
    },
  }
}

const killed: Fault = {
  name: 'SIGKILL, and another start under the same name',
  isHarmless: false,
  async inject(world, chance) {
    const [node] = drawn(world.nodes, chance)
    await world.kill(node!)
    await sleep(chance.between([0, 2_000]))
    await world.restart(shortName(node!))
    return now()
  },
}

const powerCut: Fault = {
  name: 'cable pulled, SIGKILL, another start under the same name before anybody noticed',
  isHarmless: false,
  async inject(world, chance) {
    const [node] = drawn(world.nodes, chance)
    const host = world.host(node!)
    world.network.plug(host, false)
    await world.kill(node!)
    world.network.plug(host, true)
    await world.restart(shortName(node!))
    return now()
  },
}

const shortName = ({ name }: TestNode): string => name.slice(0, name.indexOf('@'))

/** What takes too long for a test that runs each time. */
export const longFaults: readonly Fault[] = [
  frozen('SIGSTOP for 20 s', [19_000, 21_000], false),
  unplugged('cable pulled for 30 s', [29_000, 31_000], false),
  cutInto('cut 2 + 2 + 1', [2, 2, 1]),
  cutInto('cut 4 + 1', [4, 1]),
]

export const networkFaults: readonly Fault[] = [
  cutInto('cut 3 + 2', [3, 2]),
  oneWay,
  unheard('one node is heard by nobody', (one, other) => [one, other]),
  unheard('one node hears nobody', (one, other) => [other, one]),
  between,
  cutInto('cut 1 + 1 + 3', [1, 1, 3]),
  flapping,
  unplugged('cable pulled for long', LONG_MS, false),
  // TCP tries again later and later: the silence may last twice as long as the cut.
  unplugged('cable pulled for at most 3 s', [300, 3_000], true),
  frozen('SIGSTOP for long', LONG_MS, false),
  frozen('SIGSTOP for at most 3 s', [300, 3_000], true),
  killed,
  powerCut,
]

export const faultNamed = (name: string): Fault => {
  const found = networkFaults.find((fault) => fault.name === name)
  if (!found) throw new Error(`there is no fault '${name}'`)
  return found
}
