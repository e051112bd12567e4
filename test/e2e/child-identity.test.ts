/** What a child knows of itself, and the token that it has from its first line on. */
import { afterEach, expect, test } from 'vitest'
import {
  type ChildIdentity,
  type DistributedSupervisor,
  GenServer,
  KeyLost,
} from '../../src/index.js'
import { LocalCluster, type LocalNode } from '../support/local-cluster.js'

interface Seen {
  readonly where: 'init' | 'takeover' | 'handler'
  readonly node: string
  readonly child: ChildIdentity | undefined
  /** The supervisor's word at the same moment. */
  readonly epoch: number
  /** The registry's word of the child's key. */
  readonly keyEpoch: number | undefined
}

const KEY = ['the key of', 'x']
const seen: Seen[] = []
const supervisors = new Map<string, DistributedSupervisor>()

/** Writes its token wherever it acts, as one would to a database that takes no earlier one. */
class Saver extends GenServer {
  #trouble = ''

  init(trouble = ''): void | Promise<void> {
    this.#note('init')
    this.#trouble = trouble
  }
  save(): Seen {
    return this.#note('handler')
  }
  crash(): void {
    throw new Error('as asked')
  }
  handoff(): string {
    return this.#trouble
  }
  takeover(trouble: string): void | Promise<void> {
    this.#note('takeover')
    if (trouble === 'throws') throw new Error('takeover failed as asked')
  }
  #note(where: Seen['where']): Seen {
    const { child, name: node } = this.citadel
    const epoch = supervisors.get(node)?.epoch('x') ?? -1
    const keyEpoch = this.citadel.registry.lookup(KEY)?.epoch
    const one = { where, node, child, epoch, keyEpoch }
    seen.push(one)
    return one
  }
}

/** Registers a key wherever it begins, as most do that have one. */
class Named extends Saver {
  override async init(trouble = ''): Promise<void> {
    super.init(trouble)
    await this.citadel.registry.register(KEY, this.self)
  }
}

/** What lets those go on that begin. */
const begun: (() => void)[] = []
const lost: KeyLost[] = []

/** Takes its time to begin after a move. */
class Thoughtful extends Named {
  override async takeover(): Promise<void> {
    await new Promise<void>((resolve) => begun.push(resolve))
  }
  override handleInfo(message: unknown): void {
    if (message instanceof KeyLost) lost.push(message)
  }
}

let cluster: LocalCluster

afterEach(async () => {
  seen.length = 0
  supervisors.clear()
  await cluster.stop()
})

async function start(size: number): Promise<LocalNode[]> {
  cluster = await LocalCluster.start(size, {
    modules: { Saver, Named, Thoughtful },
    rebalance: 'manual',
  })
  for (const { name, workers } of cluster.nodes) supervisors.set(name, workers)
  return cluster.nodes
}

test('one node: a child knows its id, its supervisor and its epoch from the first line of init on', async () => {
  const [one] = (await start(1)) as [LocalNode]
  const pid = await one.workers.startChild(Saver, [], { id: 'x' })
  const child = { id: 'x', supervisor: 'workers', epoch: one.workers.epoch('x') }
  expect(child.epoch).toBeGreaterThan(0)
  expect(seen).toMatchObject([{ where: 'init', child, epoch: child.epoch }])
  await expect(one.citadel.call(pid, 'crash')).rejects.toMatchObject({ code: 'exited' })
  await expect.poll(() => seen.length).toBe(2)
  expect(seen[1]).toMatchObject({ where: 'init', child })
})

test('one node: a process that is no child of a distributed supervisor has no child identity', async () => {
  const [{ citadel }] = (await start(1)) as [LocalNode]
  expect(citadel.child).toBeUndefined()
  await citadel.spawn(Saver, [])
  expect(seen[0]?.child).toBeUndefined()
  let inFunction: unknown = 'not asked'
  const pid = await citadel.spawn((self) => {
    inFunction = self.child
  })
  await citadel.whenEnded(pid)
  expect(inFunction).toBeUndefined()
})

test('two nodes: a child that moves has its own, later epoch in init and takeover already', async () => {
  const [one, two] = (await start(2)) as [LocalNode, LocalNode]
  await one.workers.startChild(Saver, [], { id: 'x' })
  await cluster.known('x')
  for (let move = 0; move < 6; move++) {
    const [from, to] = cluster.place('x') === one.name ? [one, two] : [two, one]
    const before = from.workers.epoch('x')
    seen.length = 0
    expect(await from.workers.moveChild('x', to.name)).toBe(true)
    await cluster.known('x', to)
    await to.workers.child<Saver>('x').call('save')
    const epoch = to.workers.epoch('x')
    expect(epoch).toBeGreaterThan(before)
    expect(seen.map(({ where }) => where)).toEqual(['init', 'takeover', 'handler'])
    for (const one of seen) {
      expect(one).toMatchObject({ node: to.name, epoch, child: { id: 'x', epoch } })
    }
  }
})

test('two nodes: if a move fails after the new process has begun, the one that stays has the last word', async () => {
  const [one, two] = (await start(2)) as [LocalNode, LocalNode]
  await one.workers.startChild(Saver, ['throws'], { id: 'x' })
  await cluster.known('x')
  const [from, to] = cluster.place('x') === one.name ? [one, two] : [two, one]
  const old = from.workers.epoch('x')
  expect(await from.workers.moveChild('x', to.name)).toBe(false)
  const tried = seen.filter(({ where }) => where === 'takeover')
  expect(tried).toMatchObject([{ node: to.name }])
  const saved = await from.workers.child<Saver>('x').call('save')
  expect(saved.node).toBe(from.name)
  expect(tried[0]?.child?.epoch).toBeGreaterThan(old)
  // The discarded one has perhaps saved something: what the other one saves must not be refused for that.
  expect(saved.child?.epoch).toBeGreaterThan(tried[0]?.child?.epoch ?? 0)
  await expect.poll(() => to.workers.epoch('x')).toBe(saved.child?.epoch)
})

test('two nodes: a child that moves has its own, later epoch of its key in init and takeover already', async () => {
  const [one, two] = (await start(2)) as [LocalNode, LocalNode]
  await one.workers.startChild(Named, [], { id: 'x' })
  await cluster.known('x')
  for (let move = 0; move < 6; move++) {
    const [from, to] = cluster.place('x') === one.name ? [one, two] : [two, one]
    const before = (await from.workers.child<Named>('x').call('save')).keyEpoch
    seen.length = 0
    const saved = from.workers.child<Named>('x').call('save')
    expect(await from.workers.moveChild('x', to.name)).toBe(true)
    // Handled there, before the key's row can have come to the other node perhaps.
    await Promise.all([saved, to.workers.child<Named>('x').call('save')])
    const there = seen.filter(({ node }) => node === to.name)
    expect(there.map(({ where }) => where).slice(0, 3)).toEqual(['init', 'takeover', 'handler'])
    await expect.poll(() => from.citadel.registry.lookup(KEY)?.pid.node).toBe(to.name)
    const { epoch, pid } = to.citadel.registry.lookup(KEY)!
    expect(pid).toEqual(to.workers.lookup('x'))
    expect(epoch).toBeGreaterThan(before ?? Number.NaN)
    expect(there.map(({ keyEpoch }) => keyEpoch)).toEqual(there.map(() => epoch))
    expect(from.citadel.registry.lookup(KEY)?.epoch).toBe(epoch)
    await cluster.known('x', to)
  }
})

test('two nodes: if a move fails after the new process has begun, the one that stays has its key under a later epoch', async () => {
  const [one, two] = (await start(2)) as [LocalNode, LocalNode]
  await one.workers.startChild(Named, ['throws'], { id: 'x' })
  await cluster.known('x')
  const [from, to] = cluster.place('x') === one.name ? [one, two] : [two, one]
  const old = (await from.workers.child<Named>('x').call('save')).keyEpoch ?? Number.NaN
  for (let move = 0; move < 2; move++) {
    seen.length = 0
    expect(await from.workers.moveChild('x', to.name)).toBe(false)
    const tried = seen.find(({ where }) => where === 'takeover')
    expect(tried?.node).toBe(to.name)
    expect(tried?.keyEpoch).toBeGreaterThan(old)
    const saved = await from.workers.child<Named>('x').call('save')
    expect(saved.node).toBe(from.name)
    // The discarded one has perhaps saved something under its epoch of the key.
    expect(saved.keyEpoch).toBeGreaterThan(tried?.keyEpoch ?? Number.NaN)
    await expect.poll(() => to.citadel.registry.lookup(KEY)?.epoch).toBe(saved.keyEpoch)
  }
})

test('two nodes: who has taken the key of a child while that begins elsewhere keeps it', async () => {
  const [one, two] = (await start(2)) as [LocalNode, LocalNode]
  await one.workers.startChild(Thoughtful, [], { id: 'x' })
  await cluster.known('x')
  const [from, to] = cluster.place('x') === one.name ? [one, two] : [two, one]
  const thief = await from.citadel.spawn(Saver, [])
  const moved = from.workers.moveChild('x', to.name)
  await expect.poll(() => begun.length).toBe(1)
  await from.citadel.registry.register(KEY, thief, { force: true })
  begun.pop()?.()
  expect(await moved).toBe(true)
  await expect.poll(() => lost).toHaveLength(1)
  for (const { citadel } of [from, to]) expect(citadel.registry.findByKey(KEY)).toEqual(thief)
})
