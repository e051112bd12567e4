/** What nodes do about keys with several owners, step by step. */
import { describe, expect, it } from 'vitest'
import type { Resolve } from '../../../../src/cluster/tables/claim-order.js'
import { KeyLost } from '../../../../src/process/system-messages.js'
import { ScopeCluster, type ScopeNode } from '../../../support/scope-cluster.js'

const lowest: Resolve = (_, a, b) => (a.epoch <= b.epoch ? a : b)

async function cluster(
  names: readonly string[],
  resolve?: (node: string) => Resolve | undefined,
  seed = 7,
): Promise<ScopeCluster> {
  const made = new ScopeCluster(seed)
  made.resolve = resolve
  made.start(...names)
  made.connectAll()
  await made.run(100)
  return made
}

/** Every other one cannot reach `alone`, and holds it for dead, and the other way round. */
async function isolate(net: ScopeCluster, alone: string): Promise<void> {
  const others = [...net.nodes.keys()].filter((name) => name !== alone)
  for (const other of others) net.cut(alone, other)
  await net.run(20)
  for (const other of others) {
    net.bury(alone, other)
    net.bury(other, alone)
  }
  await net.run(50)
}

function register(node: ScopeNode, key: string, options = {}) {
  const pid = node.processes.make()
  const done = node.registry.register(key, pid, options)
  return { pid, done }
}

async function registered(net: ScopeCluster, node: ScopeNode, key: string, options = {}) {
  const { pid, done } = register(node, key, options)
  await net.run(100)
  await done
  return pid
}

const keyLost = ({ processes }: ScopeNode): string[] =>
  processes.sent.filter(({ message }) => message instanceof KeyLost).map(({ to }) => `${to}`)

describe('Keys with several owners', () => {
  it('3 nodes: the winner gets a later epoch also where the one who decides does not know of resolve', async () => {
    const net = await cluster(['a', 'b', 'c'], (name) => (name === 'c' ? undefined : lowest))
    const [a, b, c] = ['a', 'b', 'c'].map((name) => net.node(name)) as [
      ScopeNode,
      ScopeNode,
      ScopeNode,
    ]
    await isolate(net, 'b')
    const keys = Array.from({ length: 30 }, (_, i) => `k${i}`)
    const winners = new Map<string, string>()
    const latest = new Map<string, number>()
    // The keys of the one node come first on half of them, so that either has the lower epoch.
    for (const [i, key] of keys.entries()) {
      for (const node of i % 2 === 0 ? [a, b] : [b, a]) await registered(net, node, key)
      const both = [a.registry.lookup(key)!, b.registry.lookup(key)!]
      both.sort((x, y) => x.epoch - y.epoch || (x.pid.node < y.pid.node ? -1 : 1))
      winners.set(key, `${both[0]!.pid}`)
      latest.set(key, both[1]!.epoch)
    }
    net.connectAll()
    await net.run(3_000)
    for (const key of keys) {
      for (const { registry } of [a, b, c]) {
        expect(`${registry.findByKey(key)}`).toBe(winners.get(key))
        expect(registry.lookup(key)!.epoch).toBeGreaterThan(latest.get(key)!)
      }
    }
    const exits = [a, b, c].flatMap(({ processes }) => processes.exits)
    expect(exits.length).toBe(keys.length)
    expect(new Set(exits.map(({ reason }) => reason))).toEqual(new Set(['name_conflict']))
  })

  it('2 nodes: a loser waits until the winner has a later epoch, and stays if that one ends before', async () => {
    const net = await cluster(['a', 'b'], () => lowest)
    const [a, b] = [net.node('a'), net.node('b')]
    await isolate(net, 'b')
    await registered(net, b, 'other')
    const low = await registered(net, a, 'k')
    const high = await registered(net, b, 'k')
    expect(b.registry.lookup('k')!.epoch).toBeGreaterThan(a.registry.lookup('k')!.epoch)
    let sawWinner = false
    b.claims.listeners.add(({ after }) => {
      if (!after?.pid?.equals(low)) return
      sawWinner = true
      // Before its later epoch is here.
      a.processes.end(low, 'killed')
    })
    net.connectAll()
    await net.run(3_000)
    expect(sawWinner).toBe(true)
    expect(b.processes.exits).toEqual([])
    for (const { registry } of [a, b]) expect(registry.findByKey('k')?.equals(high)).toBe(true)
  })

  it('3 nodes: by force while another grant is on its way: the other one hears of it, and lives on', async () => {
    for (let seed = 1; seed <= 60; seed++) {
      const net = await cluster(['a', 'b', 'c'], () => lowest, seed)
      const [a, c] = [net.node('a'), net.node('c')]
      // So that nodes know of later epochs than those who decide.
      for (let i = 0; i < 20; i++) register(a, `busy ${i}`)
      const first = register(a, 'k')
      first.done.catch(() => {})
      await net.run(seed % 8)
      const second = register(c, 'k', { force: true })
      second.done.catch(() => {})
      await net.run(3_000)
      const owners = ['a', 'b', 'c'].map((name) => `${net.node(name).registry.findByKey('k')}`)
      expect(new Set(owners).size).toBe(1)
      expect([...a.processes.exits, ...c.processes.exits]).toEqual([])
      if (owners[0] === `${second.pid}` && a.processes.isAlive(first.pid)) {
        const came = await first.done.then(
          () => true,
          () => false,
        )
        if (came) expect(keyLost(a)).toEqual([`${first.pid}`])
      }
    }
  })

  it('2 nodes: an owner by force on the other side of a split is a conflict, and its key was not taken from here', async () => {
    const net = await cluster(['a', 'b'])
    const [a, b] = [net.node('a'), net.node('b')]
    await isolate(net, 'b')
    const here = await registered(net, a, 'k')
    await registered(net, b, 'k')
    const forced = await registered(net, b, 'k', { force: true })
    net.connectAll()
    await net.run(3_000)
    expect(b.registry.findByKey('k')?.equals(forced)).toBe(true)
    expect(a.processes.exits).toEqual([{ pid: here, reason: 'name_conflict' }])
    expect(keyLost(a)).toEqual([])
  })

  it('1 node: what is no function is refused as resolve', async () => {
    const net = new ScopeCluster(1)
    net.resolve = () => 'lowest' as unknown as Resolve
    expect(() => net.start('a')).toThrow(/resolve is a function/)
  })
})
