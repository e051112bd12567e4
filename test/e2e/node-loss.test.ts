/**
 * A node of a real cluster is killed without a word, one operating-system process each. What it
 * held is gone or runs elsewhere; nothing else is touched. Prints the times it took.
 */
import { afterEach, expect, test } from 'vitest'
import { numbers, TestCluster, type TestNode } from '../support/cluster.js'
import { eventually } from '../support/eventually.js'

let cluster: TestCluster

afterEach(() => cluster.stop())

const rowsOf = (node: TestNode, owner: string): Promise<[number, number, number]> =>
  node.run(
    ({ citadel }, name) => [
      citadel.registry.size,
      citadel.registry.findByNode(name).length,
      citadel.groups.findByNode(name).length,
    ],
    owner,
  )

test('three nodes: of 10,000 registered processes of a killed node no row is left on the survivors', async () => {
  cluster = await TestCluster.start(3)
  const [first, second, doomed] = cluster.nodes as [TestNode, TestNode, TestNode]
  const count = 10_000
  await first.run(async ({ citadel, Worker }) => {
    for (const key of ['mine', 'also mine']) {
      await citadel.registry.register(key, await citadel.spawn(Worker, [key]))
    }
  })
  await doomed.run(async ({ citadel, Worker }, total) => {
    const pids = await Promise.all(
      Array.from({ length: total }, (_, key) => citadel.spawn(Worker, [key])),
    )
    const patient = { timeoutMs: 60_000 }
    await Promise.all(pids.map((pid, key) => citadel.registry.register(key, pid, patient)))
    await Promise.all(pids.slice(0, 100).map((pid, key) => citadel.groups.join(key % 10, pid)))
  }, count)
  for (const node of [first, second]) {
    // Keys and groups come in streams of their own.
    const all = async (): Promise<boolean> => {
      expect(await rowsOf(node, doomed.name)).toEqual([count + 2, count, 10])
      return true
    }
    await eventually(all, { timeoutMs: 60_000, what: 'all rows are here' })
  }
  const gone = [first, second].map((node) =>
    node.run(
      async ({ citadel, sleep }, [owner, left]) => {
        while (citadel.registry.size > left || citadel.groups.findByNode(owner).length > 0) {
          await sleep(2)
        }
        return Number(process.hrtime.bigint() / 1_000n) / 1_000
      },
      [doomed.name, 2] as [string, number],
    ),
  )
  const killedAt = Number(process.hrtime.bigint() / 1_000n) / 1_000
  await doomed.kill()
  const times = (await Promise.all(gone)).map((at) => at - killedAt)
  console.log(`10,000 rows of a killed node gone after ${times.map(Math.round).join(' and ')} ms`)
  for (const node of [first, second]) {
    expect(await rowsOf(node, doomed.name)).toEqual([2, 0, 0])
    expect(await node.deaths()).toEqual([doomed.name])
    expect(await node.run(({ citadel }) => citadel.registry.findByKey(5))).toBeUndefined()
    expect(await node.run(({ citadel }) => citadel.groups.members(5))).toEqual([])
  }
  expect(await second.run(({ citadel }) => [...citadel.registry.keys()].sort())).toEqual([
    'also mine',
    'mine',
  ])
  // The keys are free again.
  await first.run(async ({ citadel, Worker }) => {
    await citadel.registry.register(5, await citadel.spawn(Worker, [5]))
  })
})

test('three nodes: all children of a killed node run elsewhere, each exactly once', async () => {
  cluster = await TestCluster.start(3)
  const ids = numbers(300)
  await cluster.startChildren(ids)
  expect(await cluster.running()).toEqual(ids)
  const doomed = cluster.node(3)
  const lost = new Set(
    await doomed.run(({ workers }) => [...workers.localChildren().keys()] as number[]),
  )
  expect(lost.size).toBeGreaterThan(50)
  const before = cluster.journal().length
  const killedAt = Number(process.hrtime.bigint() / 1_000n) / 1_000
  await doomed.kill()
  await eventually(async () => (await cluster.running()).length >= ids.length)
  expect(await cluster.running()).toEqual(ids)
  const restarts = cluster.journal().slice(before)
  const times = restarts.map(({ at }) => at - killedAt).sort((a, b) => a - b)
  console.log(
    `${lost.size} children of a killed node run elsewhere after ` +
      `${Math.round(times[times.length >> 1]!)} ms (median), ${Math.round(times.at(-1)!)} ms (last)`,
  )
  expect(restarts.map(({ id }) => Number(id)).sort((a, b) => a - b)).toEqual(
    [...lost].sort((a, b) => a - b),
  )
  for (const node of cluster.alive) {
    const found = await node.run(({ workers }) => [...workers.members().keys()] as number[])
    expect(found.sort((a, b) => a - b)).toEqual(ids)
  }
})

test('three nodes: two killed at the same moment, and the one left runs all children', async () => {
  cluster = await TestCluster.start(3)
  const ids = numbers(120)
  await cluster.startChildren(ids)
  await Promise.all([cluster.node(1).kill(), cluster.node(2).kill()])
  await eventually(async () => (await cluster.running()).length >= ids.length, {
    timeoutMs: 30_000,
  })
  expect(await cluster.running()).toEqual(ids)
})

test('two nodes: a node killed and started again under its name is a new one, and joins', async () => {
  cluster = await TestCluster.start(2)
  await cluster.startChildren(numbers(40))
  const [first, second] = cluster.nodes as [TestNode, TestNode]
  const pid = await second.run(async ({ citadel, Worker }) => {
    const worker = await citadel.spawn(Worker, ['of the first life'])
    await citadel.registry.register('life', worker)
    return worker
  })
  await second.kill()
  cluster.nodes.splice(1, 1)
  const again = await cluster.add('n2')
  await cluster.connect()
  expect(await first.deaths()).toEqual([second.name])
  await expect(first.run(({ citadel }, to) => citadel.call(to, 'next'), pid)).rejects.toMatchObject(
    { code: 'noproc' },
  )
  expect(await first.run(({ citadel }) => citadel.registry.findByKey('life'))).toBeUndefined()
  expect(await again.run(({ workers }) => workers.members().size)).toBe(40)
  await eventually(async () => (await cluster.running()).length === 40)
})
