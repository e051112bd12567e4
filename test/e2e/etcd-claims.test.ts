/** The arbiter etcd over a real etcd: one owner per key, tokens that only rise, and every failure. */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { EtcdPort } from '../../src/base/etcd-port.js'
import { systemClock } from '../../src/base/system-clock.js'
import { claimKey } from '../../src/cluster/arbiters/etcd-keys.js'
import { fromBase64, list, object, toBase64 } from '../../src/etcd/fields.js'
import { HttpEtcd } from '../../src/etcd/http-port.js'
import { type EtcdCluster, etcdMissing, startEtcd } from '../support/etcd.js'
import { EtcdNode, type EtcdNodeOptions, SCOPE } from '../support/etcd-node.js'
import { eventually } from '../support/eventually.js'
import { LogRecorder } from '../support/log-recorder.js'

const numbers = (count: number): string[] => Array.from({ length: count }, (_, at) => `k${at}`)

let etcd: EtcdCluster
let nodes: EtcdNode[] = []

async function add(name: string, options: Partial<EtcdNodeOptions> = {}): Promise<EtcdNode> {
  const node = new EtcdNode(name, { endpoints: etcd.endpoints, ...options })
  nodes.push(node)
  return node.ready()
}

const three = (options?: Partial<EtcdNodeOptions>): Promise<[EtcdNode, EtcdNode, EtcdNode]> =>
  Promise.all([add('a@h', options), add('b@h', options), add('c@h', options)])

/** The keys of the claims that etcd has, without prefix and scope. */
async function stored(prefix = 'test/'): Promise<string[]> {
  const port = new HttpEtcd({ endpoints: etcd.endpoints, clock: systemClock })
  const start = `${claimKey(prefix, SCOPE, '')}`
  const range = { key: toBase64(start), range_end: toBase64(`${start.slice(0, -1)}0`) }
  const reply = await port.call('/v3/kv/range', range, 5_000)
  port.close()
  if (!reply.ok) throw new Error(reply.message)
  return list(reply.body.kvs).map((kv) => fromBase64(object(kv).key).slice(start.length))
}

afterEach(async () => {
  await Promise.all(nodes.map((node) => node.stop()))
  nodes = []
  await etcd.stop()
})

describe.skipIf(etcdMissing())('one etcd server', () => {
  beforeEach(async () => {
    etcd = await startEtcd()
  })

  test('three nodes: of those that want the same key at once, one gets it, and the others its pid', async () => {
    // No lease ends, and no claim is out of time, while the machine is slow.
    const all = await three({ ttlSeconds: 60 })
    const keys = numbers(300)
    const races = keys.map(async (id) => {
      const claim = (node: EtcdNode) => node.claim(id, { pid: node.newPid(), timeoutMs: 45_000 })
      const outcomes = await Promise.all(all.map(claim))
      const granted = outcomes.filter(({ type }) => type === 'granted')
      const owner = all.flatMap((node) => [...node.rows()]).find((row) => row.id === id)
      expect(granted).toHaveLength(1)
      for (const outcome of outcomes) {
        if (outcome.type !== 'granted') expect(outcome).toEqual({ type: 'taken', pid: owner!.pid })
      }
    })
    await Promise.all(races)
    expect((await stored()).sort()).toEqual([...keys].sort())
  })

  test('three nodes: tokens of a key only rise, whoever has it, also over restarts of a node', async () => {
    const [a, b] = await three()
    const tokens: number[] = []
    for (const node of [a, b, a, b]) {
      tokens.push(await node.token('k'))
      node.free('k')
    }
    await a.stop()
    const again = await add('a@h', { creation: 2 })
    tokens.push(await again.token('k'))
    tokens.push(await b.token('k', { over: tokens.at(-1)! }))
    expect(tokens).toEqual([...new Set(tokens)].sort((x, y) => x - y))
  })

  test('two nodes: a claim over an owner is granted only while its token is that one', async () => {
    const [a, b] = await three()
    const first = await a.token('k')
    expect(await b.claim('k', { over: first + 1, timeoutMs: 600 })).toEqual({ type: 'timeout' })
    const second = await b.token('k', { over: first })
    expect(second).toBeGreaterThan(first)
    // The old owner lets go of what is not its own any more: nothing happens to the new one.
    a.free('k')
    expect(await a.claim('k', { over: first, timeoutMs: 600 })).toEqual({ type: 'timeout' })
    expect(await stored()).toEqual(['k'])
    // What is free is granted as well.
    expect(await a.token('other', { over: 12 })).toBeGreaterThan(second)
  })

  test('two nodes: a free key is had at once, and a node that stops leaves none behind', async () => {
    const [a, b] = await three()
    await Promise.all(numbers(250).map((id) => a.token(id)))
    a.free('k1')
    await b.token('k1', { timeoutMs: 2_000 })
    await a.stop()
    expect(await stored()).toEqual(['k1'])
  })

  test('two nodes: a claim that is granted and not used leaves the key to others', async () => {
    const [a, b] = await three()
    expect((await a.claim('k', { use: false })).type).toBe('granted')
    await b.token('k')
  })

  test('two nodes: a claim over an owner that is granted and not used gives the key back under its token', async () => {
    const [a, b] = await three()
    const first = await a.token('k', { pid: a.newPid() })
    expect((await b.claim('k', { over: first, use: false })).type).toBe('granted')
    // It is under the lease of its owner again: it outlives the node that gave it back.
    await b.stop()
    const c = nodes[2]!
    for (const row of a.rows()) c.learn(row)
    expect(await c.claim('k')).toMatchObject({ type: 'taken' })
    expect(await c.token('k', { over: first })).toBeGreaterThan(first)
    c.free('k')
    const second = await a.token('other')
    await c.claim('other', { over: second, use: false })
    await sleep(100)
    a.free('other')
    await c.token('other', { timeoutMs: 2_000 })
  })

  test('two nodes: a claim over an owner that lets go meanwhile, granted and not used, leaves the key to others', async () => {
    const a = await add('a@h')
    let txns = 0
    const through = (port: EtcdPort): EtcdPort => ({
      async call(path, body, timeoutMs) {
        if (path === '/v3/kv/txn' && ++txns === 2) {
          // It has been told who has the key, and is about to write over that.
          a.free('k')
          await eventually(async () => (await stored()).length === 0, { what: 'the key is free' })
        }
        return port.call(path, body, timeoutMs)
      },
      close: () => port.close(),
    })
    const b = await add('b@h', { through })
    const first = await a.token('k')
    expect((await b.claim('k', { over: first, use: false })).type).toBe('granted')
    await eventually(async () => (await stored()).length === 0, { what: 'the key is free again' })
    await a.token('k', { timeoutMs: 2_000 })
  })

  test('one node: the same process asks again and has it, another one of the node does not', async () => {
    const a = await add('a@h')
    const pid = a.newPid()
    const first = await a.token('k', { pid })
    expect(await a.token('k', { pid })).toBe(first)
    // A grant of what it has already may go unused: that takes nothing away.
    expect(await a.claim('k', { use: false })).toEqual({ type: 'granted', epoch: first })
    expect(await a.claim('k', { pid: a.newPid() })).toEqual({ type: 'taken', pid })
  })

  test('two nodes: an owner that nobody here can reach is waited for, then named', async () => {
    const [a, b] = await three()
    const pid = a.newPid()
    await a.token('k', { pid })
    b.lost.add('a@h')
    const asked = performance.now()
    expect(await b.claim('k', { timeoutMs: 1_500 })).toEqual({ type: 'taken', pid })
    expect(performance.now() - asked).toBeGreaterThan(1_400)
  })

  test('two clusters that share an etcd with prefixes of their own do not see each other', async () => {
    const [one, other] = await Promise.all([
      add('a@h', { prefix: 'one/' }),
      add('a@h', { prefix: 'two/' }),
    ])
    await Promise.all([one.token('k'), other.token('k')])
    expect(await stored('one/')).toEqual(['k'])
    expect(await stored('two/')).toEqual(['k'])
  })

  test('two nodes: ids of any text are keys of their own', async () => {
    const [a, b] = await three()
    const ids = ['', '/', 'a/b', '%', '%0025', '\u0001s1:x', '\ud800', '\udc00', '\ufffd', 'ä😀\n']
    await Promise.all(ids.map((id) => a.token(id)))
    expect(await stored()).toHaveLength(ids.length)
    for (const id of ids) {
      a.free(id)
      await b.token(id, { timeoutMs: 2_000 })
    }
  })

  test('three nodes: a node that vanishes keeps its keys until its lease ends, then all are free', async () => {
    const [a, b] = await three()
    const vanished = await add('v@h', { ttlSeconds: 3 })
    const keys = numbers(250)
    const tokens = await Promise.all(keys.map((id) => vanished.token(id)))
    vanished.isCut = true
    const from = performance.now()
    const later = await Promise.all(
      keys.map((id, at) => [a, b][at % 2]!.token(id, { timeoutMs: 15_000 })),
    )
    expect(performance.now() - from).toBeGreaterThan(1_500)
    expect(vanished.isValid).toBe(false)
    expect(Math.min(...later)).toBeGreaterThan(Math.max(...tokens))
  })

  test('one node: while etcd is killed its lease ends, claims are unavailable within about a second, and it takes up again', async () => {
    const log = new LogRecorder()
    const a = await add('a@h', { log })
    const first = await a.token('k')
    await etcd.servers[0]!.kill()
    const asked = performance.now()
    expect(await a.claim('other')).toEqual({ type: 'unavailable', mayStand: true })
    expect(performance.now() - asked).toBeLessThan(2_500)
    await eventually(() => !a.isValid, { what: 'the lease ends' })
    expect([...a.rows()]).toEqual([])
    await eventually(() => log.lines.some((line) => /etcd cannot be used/.test(line)), {
      what: 'a warning',
    })
    await etcd.servers[0]!.restart()
    await eventually(() => a.isValid, { what: 'a new lease', timeoutMs: 20_000 })
    expect(await a.token('k')).toBeGreaterThan(first)
    await eventually(() => log.lines.some((line) => /etcd answers again/.test(line)), {
      what: 'the end of the warning',
    })
  })

  test('two nodes: etcd frozen for less than a lease costs no key, for longer it costs all, and nothing is left over', async () => {
    const [a, b] = await three()
    const first = await a.token('k')
    etcd.servers[0]!.freeze()
    const claim = a.claim('other', { timeoutMs: 4_000 })
    await sleep(1_000)
    etcd.servers[0]!.thaw()
    await claim
    expect(a.ends).toBe(0)
    etcd.servers[0]!.freeze()
    // Written into the connection, carried out when etcd goes on.
    const abandoned = Promise.all(numbers(20).map((id) => a.claim(id, { timeoutMs: 500 })))
    for (const { type } of await abandoned) expect(['timeout', 'unavailable']).toContain(type)
    await eventually(() => !a.isValid && !b.isValid, { what: 'the leases end' })
    etcd.servers[0]!.thaw()
    await eventually(() => a.isValid && b.isValid, { what: 'new leases', timeoutMs: 20_000 })
    expect(await b.token('k', { timeoutMs: 10_000 })).toBeGreaterThan(first)
    await eventually(async () => (await stored()).join() === 'k', { what: 'only k is stored' })
  })

  test('one node: an etcd replaced by an empty one gives out nothing, and is told of', async () => {
    const log = new LogRecorder()
    const a = await add('a@h', { log })
    for (let at = 0; at < 20; at++) {
      await a.token('k')
      a.free('k')
    }
    await etcd.replace()
    await eventually(() => log.lines.some((line) => /has lost what it knew/.test(line)), {
      what: 'a warning',
      timeoutMs: 30_000,
    })
    expect(await a.claim('k', { timeoutMs: 2_000 })).toEqual({ type: 'unavailable' })
  })

  test('two nodes: a request that comes late, after it was given up and made again, does nothing', async () => {
    let late: (() => Promise<unknown>) | undefined
    let isDelaying = false
    const through = (port: EtcdPort): EtcdPort => ({
      async call(path, body, timeoutMs) {
        if (!isDelaying || path !== '/v3/kv/txn') return port.call(path, body, timeoutMs)
        isDelaying = false
        late = () => port.call(path, body, timeoutMs)
        return { ok: false, failure: 'unreachable', message: 'no answer' }
      },
      close: () => port.close(),
    })
    const [a, b] = await Promise.all([add('a@h', { through }), add('b@h')])
    isDelaying = true
    await a.token('k')
    a.free('k')
    await eventually(async () => (await stored()).length === 0, { what: 'the key is free' })
    // The first request is carried out only now.
    expect(await late!()).toMatchObject({ ok: true })
    expect(await stored()).toEqual([])
    isDelaying = true
    expect(await a.claim('given up', { timeoutMs: 0 })).toEqual({ type: 'timeout', mayStand: true })
    await late?.()
    await b.token('given up', { timeoutMs: 3_000 })
  })

  test('two nodes: answers that get lost on the way lead to no second owner and to no key without one', async () => {
    const [a, b] = await Promise.all([
      add('a@h', { through: lossy(0.3) }),
      add('b@h', { through: lossy(0.3) }),
    ])
    const keys = numbers(150)
    const outcomes = await Promise.all(
      keys.map((id) => {
        const claim = (node: EtcdNode) => node.claim(id, { pid: node.newPid(), timeoutMs: 20_000 })
        return Promise.all([a, b].map(claim))
      }),
    )
    const isOwned = (id: string) => [a, b].filter((node) => node.own.rows.has(id)).length
    for (const id of keys) expect(isOwned(id)).toBeLessThanOrEqual(1)
    expect(outcomes.flat().filter(({ type }) => type === 'granted').length).toBeGreaterThan(100)
    for (const node of [a, b]) for (const { id } of [...node.rows()]) node.free(id)
    await eventually(async () => (await stored()).length === 0, {
      timeoutMs: 30_000,
      what: 'nothing is stored',
    })
  })
})

describe.skipIf(etcdMissing())('three etcd servers', () => {
  beforeEach(async () => {
    etcd = await startEtcd({ size: 3 })
  })

  test('two nodes: a server that is killed or frozen costs no key; without a majority none can be had', async () => {
    const [a, b] = await Promise.all([add('a@h', { ttlSeconds: 8 }), add('b@h', { ttlSeconds: 8 })])
    const first = await a.token('k')
    await etcd.servers[0]!.kill()
    await eventually(async () => (await b.claim('killed')).type === 'granted', {
      timeoutMs: 20_000,
      what: 'a claim beside a killed server',
    })
    await etcd.servers[0]!.restart()
    etcd.servers[1]!.freeze()
    await eventually(async () => (await b.claim('frozen')).type === 'granted', {
      timeoutMs: 20_000,
      what: 'a claim beside a frozen server',
    })
    etcd.servers[1]!.thaw()
    expect([a.ends, b.ends]).toEqual([0, 0])
    expect([...a.rows()].map(({ epoch }) => epoch)).toEqual([first])
    await Promise.all([etcd.servers[1]!.kill(), etcd.servers[2]!.kill()])
    await eventually(async () => (await b.claim('none')).type === 'unavailable', {
      timeoutMs: 20_000,
      what: 'no claim without a majority',
    })
    await eventually(() => !a.isValid && !b.isValid, { timeoutMs: 20_000, what: 'leases end' })
    await Promise.all([etcd.servers[1]!.restart(), etcd.servers[2]!.restart()])
    await eventually(() => a.isValid && b.isValid, { timeoutMs: 30_000, what: 'new leases' })
    expect(await b.token('k', { timeoutMs: 20_000 })).toBeGreaterThan(first)
  })
})

describe.skipIf(etcdMissing())('an etcd with users', () => {
  beforeEach(async () => {
    etcd = await startEtcd({ args: ['--auth-token-ttl', '2'] })
    await enableUsers(etcd.endpoints)
  })

  test('one node: with a right to its prefix only it takes keys, and goes on when its token has run out', async () => {
    const user = { username: 'citadel', password: 'secret' }
    const a = await add('a@h', user)
    await a.token('k')
    // Tokens that are used live on; this one is forgotten with the server.
    await etcd.servers[0]!.kill()
    await etcd.servers[0]!.restart()
    await eventually(async () => (await a.claim('later')).type === 'granted', {
      timeoutMs: 20_000,
      what: 'a claim with a new token',
    })
    a.free('later')
    await a.stop()
  })

  test('one node: with a wrong password it has no lease, and says why', async () => {
    const log = new LogRecorder()
    const options = { username: 'citadel', password: 'wrong', log, endpoints: etcd.endpoints }
    const a = new EtcdNode('a@h', options)
    nodes.push(a)
    expect(await a.claim('k')).toEqual({ type: 'unavailable' })
    expect(a.isValid).toBe(false)
    expect(log.lines.join()).toMatch(/etcd cannot be used .*(invalid user|authentication)/)
  })

  test('one node: without a right to its prefix it takes no keys, and says why once', async () => {
    const log = new LogRecorder()
    const user = { username: 'citadel', password: 'secret', prefix: 'else/' }
    const a = new EtcdNode('a@h', { ...user, log, endpoints: etcd.endpoints })
    nodes.push(a)
    // Meanwhile a lease is granted, and the right to write asked for, several times.
    for (let n = 0; n < 3; n++) expect(await a.claim('k')).toEqual({ type: 'unavailable' })
    expect(log.lines).toEqual([expect.stringMatching(/etcd cannot be used .*permission denied/)])
  })
})

/** Some answers get lost, after what was asked has been done. */
function lossy(share: number): (port: EtcdPort) => EtcdPort {
  return (port) => ({
    async call(path, body, timeoutMs) {
      const reply = await port.call(path, body, timeoutMs)
      if (path !== '/v3/kv/txn' || Math.random() >= share) return reply
      return { ok: false, failure: 'unreachable', message: 'lost' }
    },
    close: () => port.close(),
  })
}

async function enableUsers(endpoints: readonly string[]): Promise<void> {
  const post = async (path: string, body: object): Promise<void> => {
    const url = new URL(path, endpoints[0])
    const response = await fetch(url, { method: 'POST', body: JSON.stringify(body) })
    if (!response.ok) throw new Error(`${path}: ${await response.text()}`)
  }
  const bytes = { key: toBase64('test/'), range_end: toBase64('test0') }
  await post('/v3/auth/user/add', { name: 'root', password: 'root' })
  await post('/v3/auth/user/grant', { user: 'root', role: 'root' })
  await post('/v3/auth/role/add', { name: 'keys' })
  await post('/v3/auth/role/grant', { name: 'keys', perm: { permType: 'READWRITE', ...bytes } })
  await post('/v3/auth/user/add', { name: 'citadel', password: 'secret' })
  await post('/v3/auth/user/grant', { user: 'citadel', role: 'keys' })
  await post('/v3/auth/enable', {})
}
