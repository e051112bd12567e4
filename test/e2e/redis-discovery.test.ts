/** Discovery over a real redis-server, which is stopped, frozen, emptied and replaced on the way. */

import { createClient } from '@redis/client'
import { Redis } from 'ioredis'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Cookie } from '../../src/base/cookie.js'
import { systemClock } from '../../src/base/system-clock.js'
import { systemRandom } from '../../src/base/system-random.js'
import type { Discovery } from '../../src/discovery/discovery.js'
import type { RedisClient } from '../../src/discovery/redis-connection.js'
import { RedisDiscovery, type RedisDiscoveryOptions } from '../../src/discovery/redis-discovery.js'
import { discoveryContract } from '../contract/discovery.contract.js'
import { eventually } from '../support/eventually.js'
import { freePort } from '../support/free-port.js'
import { LogRecorder } from '../support/log-recorder.js'
import { type RedisServer, redisMissing, startRedis } from '../support/redis.js'
import { scratch } from '../support/scratch.js'
import { makeCertificate, opensslMissing } from '../support/tls.js'

const FAST = { heartbeatMs: 50, expiryMs: 400, commandTimeoutMs: 300 }

function discover(options: Partial<RedisDiscoveryOptions>): RedisDiscovery {
  const world = { clock: systemClock, random: systemRandom(), log: new LogRecorder() }
  return new RedisDiscovery({ domain: 'shop', ...world, ...FAST, ...options })
}

const names = async (discovery: Discovery): Promise<string[]> =>
  (await discovery.members()).map((node) => node.name)

const skipped = redisMissing()

describe.skipIf(skipped)('Redis discovery', () => {
  let redis: RedisServer
  let open: Discovery[]
  let closers: (() => unknown)[]

  beforeEach(async () => {
    redis = await startRedis()
    open = []
    closers = []
  })

  afterEach(async () => {
    for (const discovery of open) await discovery.close()
    for (const close of closers) await close()
    await redis.stop()
  })

  function node(options: Partial<RedisDiscoveryOptions> = {}): RedisDiscovery {
    const discovery = discover({ url: redis.url, ...options })
    open.push(discovery)
    return discovery
  }

  async function announced(name: string, options: Partial<RedisDiscoveryOptions> = {}) {
    const log = new LogRecorder()
    const discovery = node({ log, ...options })
    await discovery.announce({ name, addresses: [`tcp://127.0.0.1:${name.length}`] })
    return { discovery, log }
  }

  discoveryContract('Redis', () => {
    redis.command('SADD', 'CITADEL:shop:nodes', 'old@10.0.0.1')
    redis.command('SET', 'CITADEL:shop:node:old@10.0.0.1', 'OK')
    const close = async (): Promise<void> => {}
    return { discovery: node(), self: 'n1@127.0.0.1', others: ['old@10.0.0.1'], close }
  })

  test('two nodes: each sees both, and not those of another domain', async () => {
    const one = await announced('n1@127.0.0.1')
    const two = await announced('n2@127.0.0.1')
    await announced('n3@127.0.0.1', { domain: 'other' })
    expect(await names(one.discovery)).toEqual(['n1@127.0.0.1', 'n2@127.0.0.1'])
    expect(await names(two.discovery)).toEqual(['n1@127.0.0.1', 'n2@127.0.0.1'])
    expect([...one.log.lines, ...two.log.lines]).toEqual([])
  })

  test("the rows are the original's, and expire", async () => {
    await announced('n1@127.0.0.1')
    expect(redis.command('SMEMBERS', 'CITADEL:shop:nodes')).toBe('n1@127.0.0.1')
    expect(redis.command('GET', 'CITADEL:shop:node:n1@127.0.0.1')).toBe('OK')
    const left = Number(redis.command('PTTL', 'CITADEL:shop:node:n1@127.0.0.1'))
    expect(left).toBeGreaterThan(0)
    expect(left).toBeLessThanOrEqual(FAST.expiryMs)
  })

  test('a node of the original is listed as long as it refreshes its key', async () => {
    const { discovery } = await announced('n1@127.0.0.1')
    redis.command('SADD', 'CITADEL:shop:nodes', 'elixir@10.0.0.9')
    redis.command('SET', 'CITADEL:shop:node:elixir@10.0.0.9', 'OK', 'PX', '300')
    expect(await names(discovery)).toEqual(['elixir@10.0.0.9', 'n1@127.0.0.1'])
    await eventually(async () => (await names(discovery)).length === 1)
  })

  test('a node that stops without a word is listed until its key expires, then its name is pruned', async () => {
    const dead = await announced('dead@127.0.0.1')
    const { discovery } = await announced('n1@127.0.0.1', { pruneAfterMs: 200 })
    expect(await names(discovery)).toEqual(['dead@127.0.0.1', 'n1@127.0.0.1'])
    await dead.discovery.close()
    await eventually(async () => (await names(discovery)).length === 1)
    await eventually(async () => {
      await discovery.members()
      return redis.command('SMEMBERS', 'CITADEL:shop:nodes') === 'n1@127.0.0.1'
    })
  })

  test('garbage of strangers under our keys is no member and hurts nobody', async () => {
    const { discovery, log } = await announced('n1@127.0.0.1')
    redis.command('SADD', 'CITADEL:shop:nodes', 'no name', 'x', '\u0001\u0002@h', 'list@h', 'bad@h')
    redis.command('RPUSH', 'CITADEL:shop:node:list@h', 'a')
    redis.command('SET', 'CITADEL:shop:node:bad@h', 'OK')
    redis.command('SET', 'CITADEL:shop:node:bad@h:addr', 'http:// \u0007 nothing')
    expect(await discovery.members()).toEqual([
      { name: 'bad@h' },
      { name: 'n1@127.0.0.1', addresses: ['tcp://127.0.0.1:12'] },
    ])
    expect(log.lines).toEqual([])
  })

  test('two nodes: rows of any size, thousands of odd names and forged addresses cost little', async () => {
    const cookie = Cookie.of('secret')
    const one = await announced('n1@127.0.0.1', { cookie, expiryMs: 60_000 })
    const two = await announced('n2@127.0.0.1', { cookie, expiryMs: 60_000 })
    for (let part = 0; part < 5; part++) {
      const odd = Array.from({ length: 1_000 }, (_, n) => `odd ${part} ${n}\u001b[31m@h`)
      redis.command('SADD', 'CITADEL:shop:nodes', ...odd, 'huge@h', 'forged@h')
    }
    redis.command('SETRANGE', 'CITADEL:shop:node:huge@h', '200000000', 'x')
    redis.command('SETRANGE', 'CITADEL:shop:node:huge@h:addr', '200000000', 'x')
    redis.command('SET', 'CITADEL:shop:node:forged@h', 'OK')
    redis.command('SET', 'CITADEL:shop:node:forged@h:addr', 'tcp://10.6.6.6:1')
    const before = process.memoryUsage().rss
    const listed = await one.discovery.members()
    expect(listed).toEqual([
      { name: 'forged@h' },
      { name: 'huge@h' },
      { name: 'n1@127.0.0.1', addresses: ['tcp://127.0.0.1:12'] },
      { name: 'n2@127.0.0.1', addresses: ['tcp://127.0.0.1:12'] },
    ])
    expect(process.memoryUsage().rss - before).toBeLessThan(100_000_000)
    for (let reading = 0; reading < 5; reading++) await two.discovery.members()
    expect(two.log.lines).toHaveLength(1)
    expect(two.log.lines[0]).toContain('forged@h, huge@h')
  })

  test('a set that is no set is a warning, not a crash', async () => {
    redis.command('SET', 'CITADEL:shop:nodes', 'oops')
    const { discovery, log } = await announced('n1@127.0.0.1')
    await expect(discovery.members()).rejects.toMatchObject({ code: 'discovery_failed' })
    expect(log.lines[0]).toContain('WRONGTYPE')
    redis.command('DEL', 'CITADEL:shop:nodes')
    await eventually(async () => (await names(discovery)).length === 1)
  })

  test('Redis is down at the start: announce resolves, members says what to do, and all comes right', async () => {
    const port = await freePort()
    const { discovery, log } = await announced('n1@127.0.0.1', { url: `redis://127.0.0.1:${port}` })
    await expect(discovery.members()).rejects.toMatchObject({
      code: 'discovery_failed',
      message: expect.stringContaining('CITADEL_REDIS_URL'),
    })
    const late = await startRedis({ port })
    closers.push(() => late.stop())
    await eventually(async () => (await names(discovery)).includes('n1@127.0.0.1'))
    expect(log.lines.length).toBe(2)
    expect(log.lines[0]).toMatch(/^warn Redis at 127\.0\.0\.1:\d+ cannot be used .*ECONNREFUSED/)
    expect(log.lines[1]).toMatch(/^info Redis at .* answers again/)
  })

  test('Redis is killed and comes back empty: what was known stays known, all rows return', async () => {
    const one = await announced('n1@127.0.0.1')
    const two = await announced('n2@127.0.0.1')
    const both = ['n1@127.0.0.1', 'n2@127.0.0.1']
    expect(await names(one.discovery)).toEqual(both)
    await redis.kill()
    await eventually(() => one.log.lines.length === 1)
    expect(await names(one.discovery)).toEqual(both)
    await redis.restart()
    await eventually(() => redis.command('SCARD', 'CITADEL:shop:nodes') === '2')
    await eventually(async () => (await names(two.discovery)).length === 2)
    expect(redis.command('GET', 'CITADEL:shop:node:n1@127.0.0.1')).toBe('OK')
  })

  test('Redis is flushed: the rows are back at the next heartbeat, and nothing is logged', async () => {
    const { discovery, log } = await announced('n1@127.0.0.1')
    redis.command('FLUSHALL')
    await eventually(async () => (await names(discovery)).length === 1, { timeoutMs: 2000 })
    expect(log.lines).toEqual([])
  })

  test('Redis freezes: members answers what it knows within the deadline, and recovers', async () => {
    const { discovery, log } = await announced('n1@127.0.0.1')
    expect(await names(discovery)).toEqual(['n1@127.0.0.1'])
    redis.freeze()
    const started = performance.now()
    expect(await names(discovery)).toEqual(['n1@127.0.0.1'])
    expect(performance.now() - started).toBeLessThan(3000)
    await eventually(() => log.lines.length === 1)
    expect(log.lines[0]).toContain('no answer within 300 ms')
    redis.thaw()
    await eventually(() => log.lines.length === 2)
    await eventually(() => redis.command('EXISTS', 'CITADEL:shop:node:n1@127.0.0.1') === '1')
  })

  test('Redis refuses to write: others are still found, and it says so once', async () => {
    redis.command('SADD', 'CITADEL:shop:nodes', 'n2@127.0.0.1')
    redis.command('SET', 'CITADEL:shop:node:n2@127.0.0.1', 'OK')
    redis.command('CONFIG', 'SET', 'min-replicas-to-write', '1')
    const { discovery, log } = await announced('n1@127.0.0.1')
    expect(await names(discovery)).toEqual(['n2@127.0.0.1'])
    redis.command('CONFIG', 'SET', 'min-replicas-to-write', '0')
    await eventually(async () => (await names(discovery)).length === 2)
    expect(log.lines.length).toBe(2)
    expect(log.lines[0]).toContain('NOREPLICAS')
  })

  test('an ACL user with nothing but the commands and keys needed is enough', async () => {
    const may = ['+multi', '+exec', '+sadd', '+srem', '+sscan', '+set', '+getrange', '+del']
    redis.command('ACL', 'SETUSER', 'app', 'on', '>secret', '~CITADEL:shop:*', '-@all', ...may)
    const url = `redis://app:secret@127.0.0.1:${redis.port}`
    const { discovery, log } = await announced('n1@127.0.0.1', { url, pruneAfterMs: 0 })
    redis.command('SADD', 'CITADEL:shop:nodes', 'gone@h')
    expect(await names(discovery)).toEqual(['n1@127.0.0.1'])
    await discovery.withdraw()
    expect(redis.command('KEYS', '*')).toBe('')
    expect(log.lines).toEqual([])
  })

  test('a wrong password is told without the password', async () => {
    redis.command('ACL', 'SETUSER', 'app', 'on', '>secret', '~*', '+@all')
    const url = `redis://app:hunter2@127.0.0.1:${redis.port}`
    const { discovery, log } = await announced('n1@127.0.0.1', { url })
    await expect(discovery.members()).rejects.toThrow(/WRONGPASS/)
    expect(log.lines[0]).toContain('WRONGPASS')
    expect(log.lines.join()).not.toContain('hunter2')
  })

  test.skipIf(opensslMissing())(
    'rediss:// is TLS, and an unknown certificate is refused',
    async () => {
      const folder = scratch('tls')
      const { certPath, keyPath, ca } = makeCertificate(folder.path)
      const tlsPort = await freePort()
      const files = ['--tls-cert-file', certPath, '--tls-key-file', keyPath]
      const args = ['--tls-port', String(tlsPort), '--tls-auth-clients', 'no', ...files]
      const secure = await startRedis({ args: [...args, '--tls-ca-cert-file', certPath] })
      closers.push(
        () => secure.stop(),
        () => folder.remove(),
      )
      const url = `rediss://127.0.0.1:${tlsPort}`
      const good = await announced('n1@127.0.0.1', { url, tls: { ca } })
      expect(await names(good.discovery)).toEqual(['n1@127.0.0.1'])
      const bad = await announced('n2@127.0.0.1', { url })
      expect(bad.log.lines[0]).toContain('self-signed certificate')
      expect(await names(good.discovery)).toEqual(['n1@127.0.0.1'])
    },
  )

  const clients: [string, (url: string) => RedisClient & { close?(): unknown }][] = [
    ['@redis/client', (url) => createClient({ url })],
    ['ioredis', (url) => new Redis(url, { lazyConnect: true })],
    ['ioredis, connecting already', (url) => new Redis(url)],
  ]
  for (const [kind, make] of clients) {
    test(`a client passed in (${kind}) is used, survives an outage, and a freeze piles nothing up`, async () => {
      const client = make(redis.url)
      closers.push(() => ('call' in client ? client.disconnect() : client.destroy()))
      const { discovery, log } = await announced('n1@127.0.0.1', { client })
      expect(await names(discovery)).toEqual(['n1@127.0.0.1'])
      await redis.restart()
      await eventually(() => redis.command('EXISTS', 'CITADEL:shop:node:n1@127.0.0.1') === '1')
      await eventually(async () => (await names(discovery)).length === 1)
      redis.freeze()
      await eventually(() => log.lines.at(-1)?.includes('no answer'))
      redis.thaw()
      await eventually(() => log.lines.at(-1)?.includes('answers again'))
      await discovery.withdraw()
      expect(redis.command('KEYS', '*')).toBe('')
    })
  }

  test('close ends all activity: the process could exit', async () => {
    const { discovery } = await announced('n1@127.0.0.1')
    await discovery.close()
    await eventually(() => redis.command('CLIENT', 'LIST').split('\n').length === 1)
    await eventually(() => redis.command('EXISTS', 'CITADEL:shop:node:n1@127.0.0.1') === '0')
  })
})
