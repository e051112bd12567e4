/**
 * Nodes that die, also in the worst moments: every child runs exactly once afterwards. Four nodes
 * that are processes of their own and are killed with SIGKILL.
 */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { numbers, TestCluster, type TestNode } from '../support/cluster.js'
import { eventually } from '../support/eventually.js'

const CHILDREN = 120
const COUNT = 1_000_000
const NODES = 4
const LONG = { timeoutMs: 30_000, everyMs: 20 }
const ids = numbers(CHILDREN)

let cluster: TestCluster
let added = NODES

beforeAll(async () => {
  cluster = await TestCluster.start(NODES, { supervisor: { rebalance: 'manual', movesMax: 4 } })
}, 60_000)

beforeEach(async () => {
  cluster.forgetDead()
  const missing = NODES - cluster.alive.length
  const fresh = numbers(missing).map(() => cluster.prepare(`n${++added}`))
  for (const node of fresh) await cluster.admit(await node)
  await start()
}, 60_000)

afterEach(async () => {
  await cluster.alive[0]!.run(({ workers }) =>
    Promise.all([...workers.members().keys()].map((id) => workers.terminateChild(id))).then(
      () => undefined,
    ),
  )
  await eventually(async () => (await cluster.running()).length === 0, LONG)
})

afterAll(() => cluster?.stop())

/** Starts all children, each with a count of its own. */
async function start(): Promise<void> {
  await Promise.all(
    cluster.alive.map((node, index) =>
      node.run(
        async ({ workers, Carried }, all, count) => {
          await Promise.all(
            all.map(async (id) => {
              await workers.startChild(Carried, [id], { id })
              await workers.child<InstanceType<typeof Carried>>(id).call('put', count + id)
            }),
          )
        },
        ids.filter((id) => id % cluster.alive.length === index),
        COUNT,
      ),
    ),
  )
}

const hereOf = (node: TestNode): Promise<number[]> =>
  node.run(({ workers }) => [...workers.localChildren().keys()] as number[])

const valuesOf = (node: TestNode): Promise<number[]> =>
  node.run(
    ({ workers }, all) =>
      Promise.all(all.map((id) => workers.child(id).call('value' as never) as Promise<number>)),
    ids,
  )

/** Each child runs once, under a supervisor, and everybody who is left knows where. */
async function eachOnce(): Promise<void> {
  await eventually(async () => {
    expect(await cluster.running()).toEqual(ids)
    const here = (await Promise.all(cluster.alive.map(hereOf))).flat()
    expect(here.sort((a, b) => a - b)).toEqual(ids)
    const seen = await Promise.all(
      cluster.alive.map((node) =>
        node.run(({ workers }, all) => all.map((id) => String(workers.lookup(id))), ids),
      ),
    )
    for (const other of seen) expect(other).toEqual(seen[0])
    expect(seen[0]).not.toContain('undefined')
    return true
  }, LONG)
  const [first] = cluster.alive as [TestNode]
  const counts = await first.run(({ workers }) => workers.counts())
  expect(counts).toMatchObject({ specs: CHILDREN, running: CHILDREN, orphans: 0 })
}

/** Those that were not on a node that died have their state, the others began anew. */
async function keptBut(lost: readonly number[]): Promise<void> {
  const values = await valuesOf(cluster.alive[0]!)
  expect(values).toEqual(ids.map((id) => (lost.includes(id) ? 0 : COUNT + id)))
}

test('four nodes: one dies, and all children run exactly once', async () => {
  const [, dies] = cluster.alive as [TestNode, TestNode]
  const lost = await hereOf(dies)
  expect(lost.length).toBeGreaterThan(5)
  await dies.kill()
  await eachOnce()
  await keptBut(lost)
})

test('four nodes: two die at the same moment, and all children run exactly once', async () => {
  const [, ...others] = cluster.alive as [TestNode, TestNode, TestNode, TestNode]
  const dying = others.slice(0, 2)
  const lost = (await Promise.all(dying.map(hereOf))).flat()
  await Promise.all(dying.map((node) => node.kill()))
  await eachOnce()
  await keptBut(lost)
})

test('four nodes: the one that is just taking over what a dead one left dies too', async () => {
  const [, first, second] = cluster.alive as [TestNode, TestNode, TestNode]
  const [left, own] = [await hereOf(first), await hereOf(second)]
  const before = cluster.journal().length
  await first.kill()
  await eventually(
    () =>
      cluster
        .journal()
        .slice(before)
        .some(({ node }) => node === second.name),
    { ...LONG, everyMs: 0 },
  )
  await second.kill()
  await eachOnce()
  await keptBut([...left, ...own])
})

test('four nodes: the one that others are just handing their children over to dies', async () => {
  const [first, second, , receiver] = cluster.alive as [TestNode, TestNode, TestNode, TestNode]
  const own = await hereOf(receiver)
  const coming = (await Promise.all([first, second].map(hereOf))).flat()
  const half = coming[Math.floor(coming.length / 2)]!
  await receiver.run(({ strikes }, blow) => void strikes.push(blow), {
    step: 'committed' as const,
    id: half,
    victim: receiver.pid,
  })
  await first.run(
    ({ workers }, all, to) => {
      for (const id of all) workers.moveChild(id, to).catch(() => undefined)
    },
    coming,
    receiver.name,
  )
  await eventually(() => receiver.hasEnded, LONG)
  await eachOnce()
  const values = await valuesOf(first)
  for (const [id, value] of values.entries()) {
    // What had gone over is lost with the node, what was on its way is where it was.
    if (own.includes(id)) expect([id, value]).toEqual([id, 0])
    else if (coming.includes(id)) expect([0, COUNT + id]).toContain(value)
    else expect([id, value]).toEqual([id, COUNT + id])
  }
  expect(values[half]).toBe(COUNT + half)
})

test('four nodes: the one that is just handing its children over dies', async () => {
  const [first, leaving] = cluster.alive as [TestNode, TestNode]
  const own = await hereOf(leaving)
  const half = own[Math.floor(own.length / 2)]!
  await leaving.run(({ strikes }, blow) => void strikes.push(blow), {
    step: 'forwarding' as const,
    id: half,
    victim: leaving.pid,
  })
  await leaving.stop()
  expect(leaving.hasEnded).toBe(true)
  await eachOnce()
  const values = await valuesOf(first)
  for (const [id, value] of values.entries()) {
    if (own.includes(id)) expect([0, COUNT + id]).toContain(value)
    else expect([id, value]).toEqual([id, COUNT + id])
  }
  // It was the new node's already.
  expect(values[half]).toBe(COUNT + half)
})

test('four nodes: one drains while another one dies', async () => {
  const [first, leaving, dies] = cluster.alive as [TestNode, TestNode, TestNode]
  const [own, lost] = [await hereOf(leaving), await hereOf(dies)]
  const draining = leaving.stop()
  await eventually(async () => (await hereOf(first)).some((id) => own.includes(id)), LONG)
  await dies.kill()
  await draining
  await eachOnce()
  const values = await valuesOf(first)
  for (const [id, value] of values.entries()) {
    if (lost.includes(id)) expect([id, value]).toEqual([id, 0])
    // It may have gone to the one that died.
    else if (own.includes(id)) expect([0, COUNT + id]).toContain(value)
    else expect([id, value]).toEqual([id, COUNT + id])
  }
})

test('four nodes: all but one die at the same moment, and that one runs all children', async () => {
  const [left, ...others] = cluster.alive as [TestNode, ...TestNode[]]
  const lost = (await Promise.all(others.map(hereOf))).flat()
  await Promise.all(others.map((node) => node.kill()))
  await eachOnce()
  expect(await hereOf(left)).toHaveLength(CHILDREN)
  await keptBut(lost)
})
