/** A split that heals one connection after the other: what a node may decide that does not see all of it yet. */
import { describe, expect, it } from 'vitest'
import type { ClaimOutcome } from '../../../../src/cluster/arbiters/arbiter.js'
import { ChildTable } from '../../../../src/cluster/children/child-table.js'
import { ScopeCluster, type ScopeNode } from '../../../support/scope-cluster.js'

const KEYS = Array.from({ length: 30 }, (_, n) => `k${n}`)
const WORKERS = 'c:supervisor/workers'

/** `b` has held the others for dead, and they have not held it: their view has never changed. */
async function splitSeenByOneSide(prepare: (a: ScopeNode) => void): Promise<ScopeCluster> {
  const net = new ScopeCluster(11)
  net.start('a', 'b', 'c')
  net.connectAll()
  await net.run(200)
  prepare(net.node('a'))
  await net.run(200)
  net.cut('a', 'b')
  net.cut('b', 'c')
  await net.run(20)
  net.bury('b', 'a')
  net.bury('b', 'c')
  await net.run(50)
  return net
}

const registerAll = ({ registry, processes }: ScopeNode): Promise<string>[] =>
  KEYS.map((key) =>
    registry.register(key, processes.make()).then(
      () => 'ok',
      ({ code }) => code as string,
    ),
  )

const children = ({ scopes }: ScopeNode): ChildTable =>
  new ChildTable(scopes, scopes.scope<'c'>(WORKERS), {
    supervisor: 'workers',
    maxRestarts: 3,
    maxSeconds: 5,
  })

async function runChildren(node: ScopeNode): Promise<ChildTable> {
  const table = children(node)
  for (const id of KEYS) {
    void node.scopes.claim({ ...claimOf(id), timeoutMs: 1_000 }, (epoch) => {
      const recipe = { module: 'M', args: [], restart: 'transient', shutdownMs: 0, token: 't' }
      const child = table.add(id, table.identity(id, epoch), recipe as never)
      child.pid = node.processes.make()
      table.writeClaim(child)
      return true
    })
  }
  return table
}

const claimOf = (id: string) => ({ scope: WORKERS, id, pid: undefined, force: false })

describe('A split that heals one connection after the other', () => {
  it('3 nodes: a key that its owner lost to the other side is not free for who does not see that side', async () => {
    const net = await splitSeenByOneSide((a) => void registerAll(a))
    const [a, b, c] = ['a', 'b', 'c'].map((name) => net.node(name)) as [
      ScopeNode,
      ScopeNode,
      ScopeNode,
    ]
    const winners = registerAll(b)
    await net.run(200)
    expect(new Set(await Promise.all(winners))).toEqual(new Set(['ok']))
    net.connect('a', 'b')
    await net.run(60)
    expect(a.processes.exits.length).toBe(KEYS.length)
    expect(c.scopes.isUp('b')).toBe(false)
    const late = registerAll(c)
    await net.run(300)
    for (const key of KEYS) expect(c.registry.findByKey(key)).toBeUndefined()
    net.connect('b', 'c')
    await net.run(1_000)
    expect(new Set(await Promise.all(late))).toEqual(new Set(['already_registered']))
    for (const key of KEYS) expect(c.registry.findByKey(key)?.node).toBe('b')
    expect(b.processes.exits).toEqual([])
  })

  it('3 nodes: the same of the id of a child', async () => {
    let losers: Promise<ChildTable> | undefined
    const net = await splitSeenByOneSide((a) => {
      losers = runChildren(a)
    })
    const winners = await runChildren(net.node('b'))
    await net.run(200)
    expect(winners.size).toBe(KEYS.length)
    net.connect('a', 'b')
    await net.run(60)
    const lost = await losers!
    for (const child of [...lost]) lost.discard(child)
    await net.run(20)
    const { scopes } = net.node('c')
    const outcomes: ClaimOutcome[] = []
    for (const id of KEYS) {
      const asked = scopes.claim({ ...claimOf(id), timeoutMs: 5_000 }, () => true)
      void asked.then((outcome) => outcomes.push(outcome))
    }
    await net.run(300)
    expect(outcomes.filter(({ type }) => type === 'granted')).toEqual([])
    net.connect('b', 'c')
    await net.run(1_000)
    expect(outcomes.map(({ type }) => type)).toEqual(KEYS.map(() => 'taken'))
  })

  it('3 nodes: nobody waits for ever for an owner that cannot be reached', async () => {
    const net = await splitSeenByOneSide((a) => void registerAll(a))
    void registerAll(net.node('b'))
    await net.run(200)
    net.connect('a', 'b')
    await net.run(60)
    // The winner has unregistered, and that the third node cannot hear.
    for (const key of KEYS) void net.node('b').registry.unregister(key)
    await net.run(15_000)
    const late = registerAll(net.node('c'))
    await net.run(4_000)
    // The owner itself decides about some keys, and cannot be asked.
    expect(new Set(await Promise.all(late))).toEqual(new Set(['ok', 'unavailable']))
  })
})
