/**
 * A partition of real nodes, long enough that each side holds the other for dead, with owners and
 * children on both sides; and what is left of them when it heals.
 */
import { afterEach, expect, test } from 'vitest'
import { GenServer, type Pid, type Resolve } from '../../src/index.js'
import { eventually } from '../support/eventually.js'
import { type SplitNode, SplitPair } from '../support/split-pair.js'

let pair: SplitPair

afterEach(async () => {
  await pair.stop()
  ends.clear()
  merges.length = 0
})

/** What happened to the processes of this file, by their pids. */
const ends = new Map<string, unknown[]>()
const merges: string[] = []

class Cart extends GenServer {
  protected items: string[] = []

  async init(key?: string): Promise<void> {
    if (key !== undefined) await this.citadel.registry.register(key, this.self)
  }

  add(item: string): string[] {
    this.items.push(item)
    return this.items
  }

  all(): string[] {
    return this.items
  }

  handoff(): unknown {
    return this.items
  }

  takeover(items: string[]): void {
    this.items = items
  }

  mergeConflict(lost: string[]): void {
    merges.push(`${this.self}`)
    this.items.push(...lost.filter((item) => !this.items.includes(item)))
  }

  terminate(reason: unknown): void {
    ends.set(`${this.self}`, [...(ends.get(`${this.self}`) ?? []), reason])
  }
}

/** Busy with a call until the test says so. */
class Busy extends Cart {
  static handoffs = 0
  static done: Promise<void> = Promise.resolve()
  static start: () => void = () => {}

  async work(): Promise<void> {
    Busy.start()
    await Busy.done
  }

  override handoff(): unknown {
    Busy.handoffs++
    return this.items
  }
}

class Plain extends GenServer {
  terminate(reason: unknown): void {
    ends.set(`${this.self}`, [...(ends.get(`${this.self}`) ?? []), reason])
  }
}

/** Begins at once on the first node, and on others when the test says so. */
class Slow extends Plain {
  static done: Promise<void> = Promise.resolve()

  init(): unknown {
    return this.citadel.name === 'n1@127.0.0.1' ? undefined : Slow.done
  }
}

/** Takes its time when it hears of the other one. */
class Crowd extends Cart {
  static held = 0
  static most = 0
  private isHeld = false

  override handoff(): unknown {
    this.isHeld = true
    Crowd.most = Math.max(Crowd.most, ++Crowd.held)
    return this.items
  }

  override async mergeConflict(lost: string[]): Promise<void> {
    await this.citadel.sleep(20)
    super.mergeConflict(lost)
  }

  override terminate(reason: unknown): void {
    super.terminate(reason)
    if (this.isHeld) Crowd.held--
  }
}

class Throws extends Cart {
  override handoff(): unknown {
    throw new Error('no state today')
  }
}

class Hangs extends Cart {
  override handoff(): unknown {
    return new Promise(() => {})
  }
}

class GivesCode extends Cart {
  override handoff(): unknown {
    return () => 'a function cannot cross'
  }
}

class GivesNothing extends Cart {
  override handoff(): unknown {
    return undefined
  }
}

/** Hears of a conflict and fails. */
class Fragile extends Cart {
  override mergeConflict(): void {
    throw new Error('cannot merge')
  }
}

const modules = { Cart, Throws, Hangs, GivesCode, GivesNothing, Fragile, Plain, Busy, Slow, Crowd }
const highest: Resolve = (_, a) => a
const lowest: Resolve = (_, a, b) => (a.epoch < b.epoch ? a : b)

async function onBoth(ask: (node: SplitNode) => Pid | undefined): Promise<Pid> {
  const same = (): Pid | undefined => {
    const [one, other] = pair.nodes.map(ask)
    return `${one}` === `${other}` ? one : undefined
  }
  return (await eventually(same, { timeoutMs: 15_000, what: 'both nodes name the same one' }))!
}

const endOf = (pid: Pid): unknown[] => ends.get(`${pid}`) ?? []

/** A child of each class that both nodes run while they are cut. */
async function childrenOnBothSides(
  ids: readonly (keyof typeof modules)[],
  args: [key?: string] = [],
): Promise<void> {
  const { first } = pair
  for (const id of ids) await first.workers.startChild(modules[id] as typeof Cart, args, { id })
  await pair.split()
  for (const { workers } of pair.nodes) {
    await eventually(() => workers.localChildren().size === ids.length, { what: 'all run here' })
  }
}

const known = ({ workers }: SplitNode, id: string) => ({
  pid: workers.lookup(id)!,
  epoch: workers.epoch(id),
})

test('two nodes: after a split resolve says which owner of a key stays, with a later epoch than both had', async () => {
  const asked: string[] = []
  const resolve: Resolve = (key, a, b) => {
    asked.push(String(key))
    return (b.meta as { level: number }).level > (a.meta as { level: number }).level ? b : a
  }
  pair = await SplitPair.start({ node: { resolve } })
  const { first, second } = pair
  await pair.split()
  // By the level, one key is the first node's and the other one the second's: one of them by the lower epoch.
  const levels = { a: [2, 1], b: [1, 2] }
  const owners = new Map<string, Pid[]>()
  for (const [key, ofKey] of Object.entries(levels)) {
    const pids: Pid[] = []
    for (const [at, { citadel }] of pair.nodes.entries()) {
      const pid = await citadel.spawn(Plain)
      await citadel.registry.register(key, pid, { meta: { level: ofKey[at] } })
      pids.push(pid)
    }
    owners.set(key, pids)
  }
  const epochs = (key: string): number[] =>
    pair.nodes.map(({ citadel }) => citadel.registry.lookup(key)!.epoch)
  const before = new Map([...owners.keys()].map((key) => [key, epochs(key)]))
  const reasons = collectReasons(first, 'b')
  await pair.heal()

  for (const [key, pids] of owners) {
    const [winner, loser] = key === 'a' ? pids : [...pids].reverse()
    await eventually(() => endOf(loser!).length > 0, { what: `the loser of ${key} ends` })
    const owner = await onBoth(({ citadel }) => citadel.registry.findByKey(key))
    expect(owner.equals(winner!)).toBe(true)
    expect(endOf(loser!)).toEqual(['name_conflict'])
    expect(endOf(winner!)).toEqual([])
    const own = before.get(key)![pids.indexOf(winner!)]!
    const other = before.get(key)![pids.indexOf(loser!)]!
    await eventually(() => epochs(key).every((epoch) => epoch >= own && epoch > other))
    await eventually(() => new Set(epochs(key)).size === 1)
  }
  expect(new Set(asked)).toEqual(new Set(owners.keys()))
  expect(await reasons()).toContain('conflict')
  expect([...first.log.lines, ...second.log.lines].filter((line) => /resolve/.test(line))).toEqual(
    [],
  )
})

/** What watchers of a key are told. */
function collectReasons({ citadel }: SplitNode, key: string): () => Promise<string[]> {
  const reasons: string[] = []
  const events = citadel.registry.watch({ key })
  const done = (async () => {
    for await (const { reason } of events) reasons.push(reason)
  })()
  return async () => {
    await events.return?.()
    await done
    return reasons
  }
}

test('two nodes: the child that stays hears the state of the other one, once, and the other one ends', async () => {
  // Their key goes to the other one, if it were alone to say so.
  pair = await SplitPair.start({
    node: { resolve: highest },
    supervisor: { modules, resolve: lowest },
  })
  await childrenOnBothSides(['Cart'], ['cart'])
  const { first, second } = pair
  const [here, there] = [known(first, 'Cart'), known(second, 'Cart')]
  expect(here.pid.equals(there.pid)).toBe(false)
  await first.workers.child<Cart>('Cart').call('add', 'apple')
  await second.workers.child<Cart>('Cart').call('add', 'pear')
  await pair.heal()
  const [winner, loser] = here.epoch < there.epoch ? [here, there] : [there, here]
  await eventually(() => endOf(loser.pid).length > 0, { what: 'the loser ends' })
  const pid = await onBoth(({ workers }) => workers.lookup('Cart'))
  expect(pid.equals(winner.pid)).toBe(true)
  expect([...(await first.workers.child<Cart>('Cart').call('all'))].sort()).toEqual([
    'apple',
    'pear',
  ])
  expect(merges).toEqual([`${winner.pid}`])
  const isTold = /1 child ran on two nodes, .* ends here: .*Cart.* stays on n[12]@/
  await eventually(() => pair.nodes.some(({ log }) => log.lines.some((line) => isTold.test(line))))
  expect(endOf(loser.pid)).toEqual(['name_conflict'])
  await eventually(() =>
    pair.nodes.every(
      ({ workers }) => workers.epoch('Cart') > loser.epoch && workers.epoch('Cart') > winner.epoch,
    ),
  )
  expect(
    [...first.log.lines, ...second.log.lines].filter((line) => /state is lost/.test(line)),
  ).toEqual([])
  const owner = await onBoth(({ citadel }) => citadel.registry.findByKey('cart'))
  expect(owner.equals(winner.pid)).toBe(true)
  expect(endOf(winner.pid)).toEqual([])
  // The losing node runs nothing any more, and neither side has forgotten the child.
  expect(pair.nodes.map(({ workers }) => workers.localChildren().size).sort()).toEqual([0, 1])
  for (const { workers } of pair.nodes)
    expect(workers.counts()).toMatchObject({ specs: 1, running: 1 })
})

test('three nodes: the one that stays moves while the state of the other one is on its way, and hears it there, with its key', async () => {
  const isSecond = ({ pid }: { pid: Pid }): boolean => pid.node === 'n2@127.0.0.1'
  const resolve: Resolve = (_, a, b) => (isSecond(a) ? b : a)
  // The key is the other one's for as long as that one lives.
  const ofKeys: Resolve = (_, a, b) => (isSecond(b) ? b : a)
  const node = { resolve: ofKeys }
  pair = await SplitPair.start({ size: 3, node, supervisor: { modules, resolve } })
  const [first, second, third] = pair.nodes as [SplitNode, SplitNode, SplitNode]
  await first.workers.startChild(Busy, ['key'], { id: 'busy' })
  await pair.split()
  const runs = ({ workers }: SplitNode): boolean => workers.localChildren().size === 1
  await eventually(() => runs(second) && [first, third].filter(runs).length === 1)
  const [from, to] = runs(first) ? [first, third] : [third, first]
  await from.workers.child<Busy>('busy').call('add', 'apple')
  await second.workers.child<Busy>('busy').call('add', 'pear')
  const loser = second.workers.lookup('busy')!
  let finish = (): void => {}
  Busy.done = new Promise((resolve) => {
    finish = resolve
  })
  const started = new Promise<void>((resolve) => {
    Busy.start = resolve
  })
  const work = from.workers.child<Busy>('busy').call('work')
  await started
  Busy.handoffs = 0
  await pair.heal()
  await eventually(() => Busy.handoffs === 1, { what: 'the loser has given its state' })
  const moving = from.workers.moveChild('busy', to.citadel.name)
  finish()
  await work
  expect(await moving).toBe(true)
  await eventually(() => endOf(loser).length > 0, { what: 'the loser ends' })
  expect(endOf(loser)).toEqual(['name_conflict'])
  expect([...(await second.workers.child<Busy>('busy').call('all'))].sort()).toEqual([
    'apple',
    'pear',
  ])
  expect(merges.length).toBe(1)
  expect(to.workers.localChildren().size).toBe(1)
  const child = to.workers.localChildren().get('busy')!
  const hasKey = ({ citadel }: SplitNode): boolean =>
    citadel.registry.findByKey('key')?.equals(child) === true
  await eventually(() => pair.nodes.every(hasKey), { what: 'the key is the one that stays' })
})

test('two nodes: of 200 children on both sides each is left once, with what both had, and at most 64 are held at a time', async () => {
  pair = await SplitPair.start({ supervisor: { modules } })
  const { first, second } = pair
  const ids = Array.from({ length: 200 }, (_, n) => n)
  await Promise.all(ids.map((id) => first.workers.startChild(Crowd, [], { id })))
  await pair.split()
  for (const { workers } of pair.nodes) {
    await eventually(() => workers.localChildren().size === ids.length, { what: 'all run here' })
    const { name } = workers === first.workers ? first.citadel : second.citadel
    for (const id of ids) await workers.child<Crowd>(id).call('add', name)
  }
  Crowd.most = 0
  await pair.heal()
  const running = (): number[] =>
    pair.nodes.flatMap(({ workers }) => [...workers.localChildren().keys()] as number[])
  await eventually(() => running().length === ids.length, { timeoutMs: 20_000, what: 'each once' })
  expect(running().sort((a, b) => a - b)).toEqual(ids)
  for (const id of ids) {
    const items = await second.workers.child<Crowd>(id).call('all')
    expect([...items].sort()).toEqual([first.citadel.name, second.citadel.name])
  }
  expect(merges.length).toBe(ids.length)
  expect([...ends.values()].filter((reasons) => reasons.includes('name_conflict')).length).toBe(200)
  expect([...ends.values()].every((reasons) => reasons.length === 1)).toBe(true)
  // Of each of the two nodes, as either may lose.
  expect(Crowd.most).toBeGreaterThan(20)
  expect(Crowd.most).toBeLessThanOrEqual(128)
})

test('two nodes: a start that is under way on the side that loses takes nothing from the other one', async () => {
  pair = await SplitPair.start({ supervisor: { modules } })
  const { first, second } = pair
  await pair.split()
  // The second side has the later spec, and the first one the later claim.
  for (let n = 0; n < 6; n++) await first.workers.startChild(Plain, [], { id: `first ${n}` })
  for (let n = 0; n < 5; n++) {
    await second.workers.startChild(Plain, [], { id: `second ${n}` })
    await second.workers.terminateChild(`second ${n}`)
  }
  let finish = (): void => {}
  Slow.done = new Promise((resolve) => {
    finish = resolve
  })
  const stays = await first.workers.startChild(Slow, [], { id: 'slow' })
  const lost = second.workers.startChild(Slow, [], { id: 'slow' }).then(
    () => 'started',
    () => 'failed',
  )
  await eventually(() => second.workers.counts().starting === 1)
  await pair.heal()
  await onBoth(({ workers }) => workers.lookup('slow'))
  finish()
  expect(await lost).toBe('failed')
  for (const { workers } of pair.nodes) {
    await eventually(() => workers.counts().specs === 7 && workers.lookup('slow')?.equals(stays))
  }
  expect(endOf(stays)).toEqual([])
  expect(second.workers.localChildren().size).toBe(0)
})

test('two nodes: whatever goes wrong with the state of a loser, it ends, once, and a warning says so', async () => {
  pair = await SplitPair.start({ supervisor: { modules, handoffMs: 500 } })
  const ids = ['Throws', 'Hangs', 'GivesCode', 'GivesNothing', 'Fragile', 'Plain'] as const
  await childrenOnBothSides(ids)
  const before = new Map(ids.map((id) => [id, pair.nodes.map((node) => known(node, id).pid)]))
  await pair.heal()
  for (const id of ids) {
    const pids = before.get(id)!
    const lost = (): Pid[] => pids.filter((pid) => endOf(pid).includes('name_conflict'))
    await eventually(() => lost().length === 1, { timeoutMs: 15_000, what: `one ${id} ends` })
    await onBoth(({ workers }) => workers.lookup(id))
    expect(endOf(lost()[0]!)).toEqual(['name_conflict'])
  }
  const lines = pair.nodes.flatMap(({ log }) => log.lines)
  const warnings = (id: string): string[] =>
    lines.filter((line) => line.includes(id) && /state is lost/.test(line))
  expect(warnings('Throws')).toEqual([expect.stringMatching(/no state today/)])
  expect(warnings('Hangs')).toEqual([expect.stringMatching(/within 500 ms/)])
  expect(warnings('GivesCode')).toEqual([expect.stringMatching(/function/)])
  expect(warnings('GivesNothing')).toEqual([expect.stringMatching(/gave nothing/)])
  expect(warnings('Fragile')).toEqual([expect.stringMatching(/ended while it heard/)])
  expect(warnings('Plain')).toEqual([])
  // The one that failed when it heard of the other one was started again; nobody is forgotten.
  const running = (): number =>
    pair.nodes.reduce((sum, { workers }) => sum + workers.localChildren().size, 0)
  await eventually(() => running() === ids.length, { what: 'each runs once' })
  for (const { workers } of pair.nodes) expect(workers.counts().specs).toBe(ids.length)
})
