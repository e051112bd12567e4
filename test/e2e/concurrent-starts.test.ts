/** Starts and ends of one id at one moment: each has one right outcome, and nobody hears `timeout` early. */
import { afterEach, expect, test } from 'vitest'
import { GenServer, leastChildren, type Pid, rendezvous } from '../../src/index.js'
import { LocalCluster, type LocalNode } from '../support/local-cluster.js'

class Quick extends GenServer {}

/** Takes a while to begin, and to end. */
class Slow extends GenServer {
  async init(): Promise<void> {
    await this.citadel.sleep(100)
  }
  async terminate(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, 60))
  }
}

class Refusing extends GenServer {
  init(): void {
    throw new Error('not today')
  }
}

class Failing extends GenServer {
  fail(): void {
    throw new Error('as asked')
  }
  quit(): void {
    this.citadel.exit(this.self, 'normal')
  }
}

const modules = { Quick, Slow, Refusing, Failing }
let cluster: LocalCluster

afterEach(() => cluster.stop())

interface Outcomes {
  readonly pids: Pid[]
  readonly codes: (string | undefined)[]
  readonly inTheWay: unknown[]
}

async function outcomes(starts: readonly Promise<Pid>[]): Promise<Outcomes> {
  const all: Outcomes = { pids: [], codes: [], inTheWay: [] }
  for (const one of await Promise.allSettled(starts)) {
    if (one.status === 'fulfilled') all.pids.push(one.value)
    else {
      all.codes.push(one.reason.code)
      all.inTheWay.push(one.reason.pid)
    }
  }
  return all
}

/** Exactly one has started it; the others have heard which process that is. */
function expectOne({ pids, codes, inTheWay }: Outcomes, node: LocalNode, id: unknown): void {
  expect(pids).toHaveLength(1)
  expect(new Set(codes)).toEqual(new Set(['already_started']))
  for (const pid of inTheWay) expect(pid).toEqual(pids[0])
  expect(node.workers.lookup(id)).toEqual(pids[0])
}

test.each([Quick, Slow])(
  'one node: of several starts of a fresh id in one turn one succeeds, the others hear of its process',
  async (Class) => {
    cluster = await LocalCluster.start(1, { modules })
    const node = cluster.node(1)
    for (let id = 0; id < 5; id++) {
      const starts = [1, 2, 3, 4].map(() => node.workers.startChild(Class, [], { id }))
      expectOne(await outcomes(starts), node, id)
    }
  },
)

test.each([
  ['where the id belongs', rendezvous],
  ['where the fewest run', leastChildren],
])(
  'three nodes: of starts of a fresh id %s, from all at once, one succeeds',
  async (_, placement) => {
    cluster = await LocalCluster.start(3, { modules, placement })
    for (let id = 0; id < 20; id++) {
      const starts = cluster.nodes.flatMap(({ workers }) =>
        [1, 2].map(() => workers.startChild(Slow, [], { id })),
      )
      expectOne(await outcomes(starts), cluster.node(1), id)
    }
  },
)

test('one node: if the first start of an id fails, the next of the same turn has a try of its own', async () => {
  cluster = await LocalCluster.start(1, { modules })
  const { workers } = cluster.node(1)
  const starts = [
    workers.startChild(Refusing, [], { id: 1 }),
    workers.startChild(Quick, [], { id: 1 }),
  ]
  const [first, second] = await Promise.allSettled(starts)
  expect(first).toMatchObject({ status: 'rejected', reason: { code: 'init_failed' } })
  expect(second).toMatchObject({ status: 'fulfilled', value: workers.lookup(1) })
})

test('one node: a start of an id that waits for its restart waits for that', async () => {
  cluster = await LocalCluster.start(1, { modules, backoffMs: 200 })
  const { workers, citadel } = cluster.node(1)
  const pid = await workers.startChild(Failing, [], { id: 1 })
  // The first restart is at once, the second one after a while.
  await expect(citadel.call(pid, 'fail')).rejects.toMatchObject({ code: 'exited' })
  await expect.poll(() => workers.lookup(1)).toBeDefined()
  const again = workers.lookup(1)!
  await expect(citadel.call(again, 'fail')).rejects.toMatchObject({ code: 'exited' })
  const starts = [1, 2].map(() => workers.startChild(Failing, [], { id: 1 }))
  const { pids, codes, inTheWay } = await outcomes(starts)
  expect(pids).toEqual([])
  expect(codes).toEqual(['already_started', 'already_started'])
  expect(inTheWay).toEqual([workers.lookup(1), workers.lookup(1)])
  expect(citadel.isAlive(workers.lookup(1)!)).toBe(true)
})

test('one node: a start that waits for a restart hears timeout when its time is over, and not before', async () => {
  cluster = await LocalCluster.start(1, { modules, backoffMs: 60_000, backoffMaxMs: 60_000 })
  const { workers, citadel } = cluster.node(1)
  for (let crash = 0; crash < 2; crash++) {
    await expect.poll(() => workers.lookup(1) ?? crash === 0).toBeTruthy()
    const pid = workers.lookup(1) ?? (await workers.startChild(Failing, [], { id: 1 }))
    await expect(citadel.call(pid, 'fail')).rejects.toMatchObject({ code: 'exited' })
  }
  const before = performance.now()
  const start = workers.startChild(Failing, [], { id: 1, timeoutMs: 300 })
  await expect(start).rejects.toMatchObject({ code: 'timeout' })
  expect(performance.now() - before).toBeGreaterThan(290)
})

test('one node: an id that has just ended, or ends just now, can be started', async () => {
  cluster = await LocalCluster.start(1, { modules })
  const { workers, citadel } = cluster.node(1)
  for (let id = 0; id < 10; id++) {
    const pid = await workers.startChild(Failing, [], { id })
    citadel.cast(pid, 'quit')
    await expect.poll(() => citadel.isAlive(pid)).toBe(false)
    const starts = [1, 2].map(() => workers.startChild(Failing, [], { id }))
    expectOne(await outcomes(starts), cluster.node(1), id)
  }
  const old = await workers.startChild(Slow, [], { id: 'slow' })
  const end = workers.terminateChild('slow')
  const pid = await workers.startChild(Quick, [], { id: 'slow' })
  await end
  expect(citadel.isAlive(old)).toBe(false)
  expect(workers.lookup('slow')).toEqual(pid)
})

test('three nodes: what terminateChild has acknowledged is so on all, and the id starts anywhere', async () => {
  cluster = await LocalCluster.start(3, { modules })
  const [one, two, three] = cluster.nodes as [LocalNode, LocalNode, LocalNode]
  const failures: unknown[] = []
  await one.workers.startChild(Quick, [], { id: 'turn' })
  for (let round = 0; round < 100; round++) {
    const [ends, starts] = [[one, two, three][round % 3]!, [two, three, one][round % 3]!]
    await ends.workers.terminateChild('turn')
    for (const { workers } of cluster.nodes) expect(workers.lookup('turn')).toBeUndefined()
    await starts.workers.startChild(Quick, [], { id: 'turn' }).catch((e) => failures.push(e))
  }
  expect(failures).toEqual([])
})
