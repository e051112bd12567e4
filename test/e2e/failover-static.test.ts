/** Children that are named when a supervisor is joined: there once each, whatever happens to nodes. */
import { afterEach, describe, expect, test } from 'vitest'
import { eventually } from '../support/eventually.js'
import { LocalCluster, type LocalNode } from '../support/local-cluster.js'
import { Tally } from '../support/tally.js'

let cluster: LocalCluster

afterEach(() => cluster?.stop())

const ids = Array.from({ length: 15 }, (_, index) => `static ${index}`)
const modules = { Tally }
const children = ids.map((id) => ({ module: Tally, args: [id, { keyed: true }], id }))

/** Each of them runs once, on the node that it belongs on. */
async function runAll(): Promise<void> {
  const [first] = cluster.nodes as [LocalNode]
  await cluster.eachOnce(ids)
  await eventually(async () => (await first.workers.plan()).length === 0)
  await cluster.eachOnce(ids)
  const where = await Promise.all(ids.map((id) => first.workers.child<Tally>(id).call('where')))
  expect(where).toEqual(ids.map((id) => first.workers.nodeFor(id)))
  expect(new Set(where).size).toBe(3)
}

describe('static children', () => {
  test('three nodes: started together, each child once, and once again after all were stopped', async () => {
    cluster = await LocalCluster.start(3, { modules, children, settleMs: 20 })
    await runAll()
    await cluster.stop()
    cluster = await LocalCluster.start(3, { modules, children, settleMs: 20 })
    await runAll()
  })

  test('three nodes: all but one stop and come back, and the state of the children is still there', async () => {
    cluster = await LocalCluster.start(3, { modules, children, settleMs: 20 })
    await cluster.eachOnce(ids)
    const [first, ...others] = cluster.nodes as [LocalNode, LocalNode, LocalNode]
    for (const id of ids) await first.workers.child<Tally>(id).call('add', 3)
    for (const node of others) await cluster.leave(node)
    await cluster.eachOnce(ids)
    for (const { name } of others) await cluster.add(name.split('@')[0]!)
    await cluster.settled()
    await eventually(async () => (await first.workers.plan()).length === 0)
    await cluster.eachOnce(ids)
    for (const id of ids) expect(await first.workers.child<Tally>(id).call('value')).toBe(3)
  })

  test('two nodes: one that was terminated is not brought back by a node that joins', async () => {
    cluster = await LocalCluster.start(1, { modules, children })
    await cluster.eachOnce(ids)
    const [first] = cluster.nodes as [LocalNode]
    await first.workers.terminateChild(ids[0])
    const second = await cluster.add('n2')
    await cluster.settled()
    await eventually(() => second.workers.counts().running === ids.length - 1)
    // What it was told of first: its own list would have been started by now.
    await second.workers.startChild(Tally, ['later'], { id: 'later' })
    await cluster.eachOnce([...ids.slice(1), 'later'])
    await second.workers.startChild(Tally, [ids[0]], { id: ids[0] })
    await cluster.eachOnce([...ids, 'later'])
  })

  test('two nodes: they wait for a node that offers their class', async () => {
    cluster = await LocalCluster.start(1, { modules: {}, children })
    const [first] = cluster.nodes as [LocalNode]
    expect(first.workers.localChildren().size).toBe(0)
    await cluster.add('n2', { modules, children: [] })
    await cluster.eachOnce(ids)
    expect(first.workers.localChildren().size).toBe(0)
  })

  test('one node: one whose init fails is told in the log, and does not keep the others from running', async () => {
    class Broken extends Tally {
      override async init(): Promise<void> {
        throw new Error('cannot start')
      }
    }
    const broken = { module: Broken, id: 'broken' }
    cluster = await LocalCluster.start(1, {
      modules: { Tally, Broken },
      children: [broken, ...children],
    })
    await cluster.eachOnce(ids)
    const { log } = cluster.node(1)
    await eventually(() => log.lines.some((line) => line.includes('static child')))
    expect(log.lines.find((line) => line.includes('static child'))).toContain('cannot start')
  })
})
