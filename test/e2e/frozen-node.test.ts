/**
 * A node of a real cluster is frozen with SIGSTOP: shortly, and nothing may come of it; until the
 * others declare it dead, and afterwards there is one process per id and key.
 */
import { afterEach, expect, test } from 'vitest'
import { numbers, TestCluster, type TestNode } from '../support/cluster.js'
import { eventually } from '../support/eventually.js'

let cluster: TestCluster

afterEach(() => cluster.stop())

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

const keysOf = (node: TestNode): Promise<string[]> =>
  node.run(({ citadel }) =>
    [...citadel.registry.keys()].map((key) => `${key} ${citadel.registry.findByKey(key)}`).sort(),
  )

/** Each node registers ten processes under `<node> <number>`. */
async function registerSome(): Promise<void> {
  for (const node of cluster.nodes) {
    await node.run(async ({ citadel, Worker }) => {
      for (let n = 0; n < 10; n++) {
        const key = `${citadel.name} ${n}`
        await citadel.registry.register(key, await citadel.spawn(Worker, [key]))
      }
    })
  }
  for (const node of cluster.nodes) await eventually(async () => (await keysOf(node)).length === 30)
}

/** All nodes show the same keys, each owned by a living process, and one live worker per id. */
async function oneOfEach(ids: readonly unknown[], keys: number): Promise<void> {
  await eventually(
    async () => {
      const running = await cluster.running()
      expect(running.filter((id) => typeof id === 'number')).toEqual(ids)
      const views = await Promise.all(cluster.alive.map(keysOf))
      for (const view of views) expect(view).toEqual(views[0])
      expect(views[0]!.length).toBe(keys)
      const supervised = await Promise.all(
        cluster.alive.map((node) =>
          node.run(({ workers }) => [...workers.localChildren().keys()] as number[]),
        ),
      )
      expect(supervised.flat().sort((a, b) => a - b)).toEqual(ids)
      return true
    },
    { timeoutMs: 30_000, everyMs: 50, what: 'one process per id and key' },
  )
}

test('three nodes: each frozen for 1 to 3 seconds, and nobody is declared dead, nothing is lost', async () => {
  cluster = await TestCluster.start(3)
  const ids = numbers(60)
  await cluster.startChildren(ids)
  await registerSome()
  const before = await keysOf(cluster.node(1))
  const starts = cluster.journal().length
  for (const [at, frozenMs] of [1_000, 2_000, 3_000].entries()) {
    const node = cluster.nodes[at]!
    node.freeze()
    await sleep(frozenMs)
    node.thaw()
    await cluster.settled()
    // What the others held of it is usable at once.
    const [asking] = cluster.nodes.filter((other) => other !== node)
    const where = await asking!.run(({ citadel }, key) => {
      const pid = citadel.registry.findByKey(key)
      return citadel.call(pid as never, 'where' as never)
    }, `${node.name} 3`)
    expect(where).toBe(node.name)
  }
  for (const node of cluster.nodes) {
    expect(await node.deaths()).toEqual([])
    expect(await keysOf(node)).toEqual(before)
  }
  expect(await cluster.running()).toHaveLength(ids.length + 30)
  expect(cluster.journal().slice(starts)).toEqual([])
})

test('three nodes: one frozen until it is declared dead; its children run elsewhere, and after it is thawed there is one process per id and key', async () => {
  cluster = await TestCluster.start(3)
  const [first, second, frozen] = cluster.nodes as [TestNode, TestNode, TestNode]
  const ids = numbers(60)
  await cluster.startChildren(ids)
  await registerSome()
  const lost = await frozen.run(({ workers }) => workers.localChildren().size)
  expect(lost).toBeGreaterThan(5)

  const frozenAt = performance.now()
  frozen.freeze()
  await Promise.all(
    [first, second].map((node) =>
      eventually(async () => (await node.deaths()).length > 0, { timeoutMs: 60_000 }),
    ),
  )
  const deadAfterMs = performance.now() - frozenAt
  console.log(`a frozen node is declared dead after ${Math.round(deadAfterMs)} ms`)
  // Its last sign of life was up to a second and a round of the clock before.
  expect(deadAfterMs).toBeGreaterThan(3_250)
  for (const node of [first, second]) {
    const story = await node.run(({ events }) => events.map(({ type, node }) => `${type} ${node}`))
    expect(story.filter((line) => line.endsWith(frozen.name))).toEqual([
      `up ${frozen.name}`,
      `unreachable ${frozen.name}`,
      `dead ${frozen.name}`,
    ])
  }
  // The side that lives on takes over its children, and half of its keys.
  const childrenOf = (node: TestNode) => node.run(({ workers }) => workers.localChildren().size)
  await eventually(async () => (await childrenOf(first)) + (await childrenOf(second)) === 60)
  await first.run(async ({ citadel, Worker }, owner) => {
    for (let n = 0; n < 5; n++) {
      const key = `${owner} ${n}`
      await citadel.registry.register(key, await citadel.spawn(Worker, [`new ${key}`]))
    }
  }, frozen.name)

  frozen.thaw()
  await cluster.settled()
  await oneOfEach(ids, 30)
  const taken = await frozen.run(({ citadel }) =>
    String(citadel.registry.findByKey(`${citadel.name} 0`)),
  )
  expect(taken).toContain(first.name)
  const kept = await first.run(
    ({ citadel }, key) => String(citadel.registry.findByKey(key)),
    `${frozen.name} 7`,
  )
  expect(kept).toContain(frozen.name)
  // The processes that lost their keys have ended; a call to each key reaches one.
  const alive = (await cluster.running()).filter((id) => typeof id === 'string')
  expect(alive).toHaveLength(30)
})

test('two nodes: both frozen at once and thawed, and each goes on with what it had', async () => {
  cluster = await TestCluster.start(2)
  const ids = numbers(40)
  await cluster.startChildren(ids)
  for (const node of cluster.nodes) node.freeze()
  await sleep(7_000)
  for (const node of cluster.nodes) node.thaw()
  await cluster.settled()
  await eventually(async () => (await cluster.running()).length === ids.length, {
    timeoutMs: 30_000,
  })
  expect(await cluster.running()).toEqual(ids)
  const starts = cluster.journal().filter(({ what }) => what === 'init')
  expect(starts).toHaveLength(ids.length)
})
