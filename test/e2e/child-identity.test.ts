/** What a child knows of itself, and the token that it has from its first line on. */
import { afterEach, expect, test } from 'vitest'
import { type ChildIdentity, type DistributedSupervisor, GenServer } from '../../src/index.js'
import { LocalCluster, type LocalNode } from '../support/local-cluster.js'

interface Seen {
  readonly where: 'init' | 'takeover' | 'handler'
  readonly node: string
  readonly child: ChildIdentity | undefined
  /** The supervisor's word at the same moment. */
  readonly epoch: number
}

const seen: Seen[] = []
const supervisors = new Map<string, DistributedSupervisor>()

/** Writes its token wherever it acts, as one would to a database that takes no earlier one. */
class Saver extends GenServer {
  #trouble = ''

  init(trouble = ''): void {
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
  takeover(trouble: string): void {
    this.#note('takeover')
    if (trouble === 'throws') throw new Error('takeover failed as asked')
  }
  #note(where: Seen['where']): Seen {
    const { child, name: node } = this.citadel
    const epoch = supervisors.get(node)?.epoch('x') ?? -1
    const one = { where, node, child, epoch }
    seen.push(one)
    return one
  }
}

let cluster: LocalCluster

afterEach(async () => {
  seen.length = 0
  supervisors.clear()
  await cluster.stop()
})

async function start(size: number): Promise<LocalNode[]> {
  cluster = await LocalCluster.start(size, { modules: { Saver }, rebalance: 'manual' })
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
