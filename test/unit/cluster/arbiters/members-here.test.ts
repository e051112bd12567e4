import { expect, it } from 'vitest'
import { MembersHere } from '../../../../src/cluster/arbiters/members-here.js'
import { ScopeCluster } from '../../../support/scope-cluster.js'

function members(net: ScopeCluster, name: string): MembersHere {
  return new MembersHere(net.node(name).scopes)
}

const outcome = (wait: Promise<void>): { is: string } => {
  const seen = { is: 'waits' }
  wait.then(
    () => {
      seen.is = 'resolved'
    },
    (error: { code: string; message: string }) => {
      seen.is = `${error.code}: ${error.message}`
    },
  )
  return seen
}

it('1 node: one member is there at once, a second one is not', async () => {
  const net = new ScopeCluster(1)
  net.start('a')
  const here = members(net, 'a')
  await here.wait(1, 0)
  const second = outcome(here.wait(2, 1_000))
  await net.run(990)
  expect(second.is).toBe('waits')
  await net.run(20)
  expect(second.is).toBe('timeout: After 1000 ms 1 of 2 members are here: a (this node).')
})

it('3 nodes: resolves on all when they are connected and agree, and not before', async () => {
  const net = new ScopeCluster(2)
  net.start('a', 'b', 'c')
  const all = ['a', 'b', 'c'].map((name) => outcome(members(net, name).wait(3, 60_000)))
  net.connect('a', 'b')
  net.connect('a', 'c')
  await net.run(5_000)
  expect(all.map(({ is }) => is)).toEqual(['waits', 'waits', 'waits'])
  net.connect('b', 'c')
  await net.run(100)
  expect(all.map(({ is }) => is)).toEqual(['resolved', 'resolved', 'resolved'])
})

it('3 nodes: one that cannot be reached does not count, and the error names it', async () => {
  const net = new ScopeCluster(3)
  net.start('a', 'b', 'c')
  net.connectAll()
  await net.run(500)
  net.cut('a', 'c')
  await net.run(50)
  const late = outcome(members(net, 'a').wait(3, 2_000))
  await net.run(2_100)
  expect(late.is).toBe(
    'timeout: After 2000 ms 2 of 3 members are here: a (this node), b; c cannot be reached.',
  )
  const back = outcome(members(net, 'a').wait(3, 2_000))
  net.connect('a', 'c')
  await net.run(100)
  expect(back.is).toBe('resolved')
})

it('2 nodes: rejects when the node stops, and ever after', async () => {
  const net = new ScopeCluster(4)
  net.start('a')
  const here = members(net, 'a')
  const waits = outcome(here.wait(2, Number.POSITIVE_INFINITY))
  here.stop()
  await net.run(1)
  expect(waits.is).toBe('stopped: The node has stopped.')
  await expect(here.wait(1, 0)).rejects.toMatchObject({ code: 'stopped' })
})
