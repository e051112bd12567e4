/** The port to a real etcd: transactions, leases, failures told apart, several servers, TLS, users. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import type { EtcdReply } from '../../src/base/etcd-port.js'
import { systemClock } from '../../src/base/system-clock.js'
import { fromBase64, list, object, toBase64 } from '../../src/etcd/fields.js'
import { HttpEtcd, type HttpEtcdOptions } from '../../src/etcd/http-port.js'
import { type EtcdCluster, etcdMissing, startEtcd } from '../support/etcd.js'
import { eventually } from '../support/eventually.js'
import { scratch } from '../support/scratch.js'
import { opensslMissing } from '../support/tls.js'

const CALL_MS = 3_000
const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

async function etcd(options: Parameters<typeof startEtcd>[0] = {}): Promise<EtcdCluster> {
  const cluster = await startEtcd(options)
  cleanups.push(() => cluster.stop())
  return cluster
}

function port(options: Omit<HttpEtcdOptions, 'clock'>): HttpEtcd {
  const made = new HttpEtcd({ ...options, clock: systemClock })
  cleanups.push(() => made.close())
  return made
}

const put = (to: HttpEtcd, key: string, value: string, more: object = {}): Promise<EtcdReply> =>
  to.call('/v3/kv/put', { key: toBase64(key), value: toBase64(value), ...more }, CALL_MS)

async function get(from: HttpEtcd, key: string): Promise<string | undefined> {
  const reply = await from.call('/v3/kv/range', { key: toBase64(key) }, CALL_MS)
  if (!reply.ok) throw new Error(reply.message)
  const [kv] = list(reply.body.kvs)
  return kv === undefined ? undefined : fromBase64(object(kv).value)
}

const failure = (reply: EtcdReply): string => (reply.ok ? 'none' : reply.failure)

describe.skipIf(etcdMissing())('one etcd server', () => {
  test('what is put is read again, whatever its text', async () => {
    const { endpoints } = await etcd()
    const one = port({ endpoints })
    for (const text of ['plain', 'ä€😀', 'a/b%c d\n', '']) {
      expect((await put(one, `key ${text}`, text)).ok).toBe(true)
      expect(await get(one, `key ${text}`)).toBe(text)
    }
    expect(await get(one, 'another')).toBeUndefined()
  })

  test('a lease is granted, kept alive and given up; one that is not there is told apart', async () => {
    const { endpoints } = await etcd()
    const one = port({ endpoints })
    const granted = await one.call('/v3/lease/grant', { TTL: 5 }, CALL_MS)
    if (!granted.ok) throw new Error(granted.message)
    const { ID } = granted.body
    expect(granted.body.TTL).toBe('5')
    expect(await one.call('/v3/lease/keepalive', { ID }, CALL_MS)).toMatchObject({
      ok: true,
      body: { TTL: '5' },
    })
    await put(one, 'mine', 'x', { lease: ID })
    expect((await one.call('/v3/lease/revoke', { ID }, CALL_MS)).ok).toBe(true)
    expect(await get(one, 'mine')).toBeUndefined()
    expect(failure(await put(one, 'mine', 'x', { lease: ID }))).toBe('lease_gone')
    expect(failure(await one.call('/v3/lease/revoke', { ID }, CALL_MS))).toBe('lease_gone')
    const renewed = await one.call('/v3/lease/keepalive', { ID }, CALL_MS)
    expect(renewed.ok && renewed.body.TTL).toBe(undefined)
  })

  test('a request that etcd does not take is refused; nobody there, no answer and nonsense are unreachable', async () => {
    const { endpoints, servers } = await etcd()
    const one = port({ endpoints })
    const twice = Array.from({ length: 200 }, () => ({ request_range: { key: toBase64('k') } }))
    expect(failure(await one.call('/v3/kv/txn', { success: twice }, CALL_MS))).toBe('refused')
    servers[0]!.freeze()
    const asked = performance.now()
    expect(failure(await one.call('/v3/kv/range', { key: toBase64('k') }, 300))).toBe('unreachable')
    expect(performance.now() - asked).toBeGreaterThan(290)
    servers[0]!.thaw()
    await servers[0]!.kill()
    expect(failure(await one.call('/v3/kv/range', { key: toBase64('k') }, CALL_MS))).toBe(
      'unreachable',
    )
    const web = createServer((_, response) => response.end('<html>hello</html>'))
    await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve))
    cleanups.push(() => web.close())
    const wrong = port({ endpoints: [`http://127.0.0.1:${(web.address() as AddressInfo).port}`] })
    expect(failure(await wrong.call('/v3/kv/range', {}, CALL_MS))).toBe('unreachable')
  })

  test('an answer without end is given up at 4 MiB', async () => {
    let isClosed = false
    const flood = createServer((_, response) => {
      const chunk = Buffer.alloc(65_536, 'x')
      const more = (): void => {
        while (!response.destroyed && response.write(chunk));
      }
      response.on('drain', more)
      response.on('close', () => {
        isClosed = true
      })
      more()
    })
    await new Promise<void>((resolve) => flood.listen(0, '127.0.0.1', resolve))
    cleanups.push(() => flood.close())
    const one = port({ endpoints: [`http://127.0.0.1:${(flood.address() as AddressInfo).port}`] })
    const reply = await one.call('/v3/kv/range', {}, 60_000)
    expect(reply).toMatchObject({ ok: false, failure: 'unreachable' })
    expect(reply.ok ? '' : reply.message).toContain('4194304 bytes')
    await eventually(() => isClosed, { what: 'the connection is closed' })
  })

  test('with a full disk quota, writes are told as overloaded', async () => {
    const { endpoints } = await etcd({ args: ['--quota-backend-bytes', '100000'] })
    const one = port({ endpoints })
    const isFull = async () => failure(await put(one, 'big', 'x'.repeat(50_000))) === 'overloaded'
    await eventually(isFull, { what: 'etcd is full' })
  })
})

describe.skipIf(etcdMissing())('three etcd servers', () => {
  test('when the one that is asked fails, another one is', async () => {
    const { endpoints, servers } = await etcd({ size: 3 })
    const one = port({ endpoints })
    expect((await put(one, 'k', '1')).ok).toBe(true)
    await servers[0]!.kill()
    await eventually(async () => (await put(one, 'k', '2')).ok, { what: 'another server takes it' })
    servers[1]!.freeze()
    const isTaken = async () =>
      (await one.call('/v3/kv/put', { key: toBase64('k'), value: toBase64('3') }, 500)).ok
    // Two of three cannot decide: no leader, or no answer.
    expect(await isTaken()).toBe(false)
    servers[1]!.thaw()
    await eventually(isTaken, { timeoutMs: 30_000, what: 'two of three take it' })
  })

  test('without a majority a server says so, and nothing is written', async () => {
    const { endpoints, servers } = await etcd({ size: 3 })
    const one = port({ endpoints: [endpoints[0]!] })
    expect((await put(one, 'k', '1')).ok).toBe(true)
    await Promise.all([servers[1]!.kill(), servers[2]!.kill()])
    const isLeaderless = async () => failure(await put(one, 'k', '2')) === 'no_leader'
    await eventually(isLeaderless, { timeoutMs: 30_000, what: 'no leader' })
  })

  test('a server of another cluster is not believed', async () => {
    const [first, second] = await Promise.all([etcd({ size: 3 }), etcd()])
    const one = port({ endpoints: [first.endpoints[0]!, second.endpoints[0]!] })
    expect((await put(one, 'k', '1')).ok).toBe(true)
    await first.servers[0]!.kill()
    await put(one, 'k', '2')
    const reply = await put(one, 'k', '3')
    expect(reply.ok ? '' : reply.message).toContain('another etcd cluster')
  })
})

describe.skipIf(etcdMissing() || opensslMissing())('etcd over TLS', () => {
  test('with certificates on both sides: who has none is not let in', async () => {
    const folder = scratch('etcd-tls')
    cleanups.push(() => folder.remove())
    const certificates = makeCertificates(folder.path)
    const { ca, cert, key } = certificates.client
    const { endpoints } = await etcd({ args: certificates.flags, tls: { ca, cert, key } })
    expect((await put(port({ endpoints, tls: { ca, cert, key } }), 'k', '1')).ok).toBe(true)
    const without = await put(port({ endpoints, tls: { ca } }), 'k', '2')
    expect(failure(without)).toBe('unreachable')
    const unknown = await put(port({ endpoints, tls: { cert, key } }), 'k', '2')
    expect(unknown.ok ? '' : unknown.message).toMatch(/certificate/)
    expect(await get(port({ endpoints, tls: { ca, cert, key } }), 'k')).toBe('1')
  })
})

/** An authority, and a certificate by it for the servers and for this client. */
function makeCertificates(folder: string) {
  const path = (name: string): string => join(folder, name)
  const openssl = (...args: string[]): void =>
    void execFileSync('openssl', args, { stdio: 'ignore' })
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  const authority = ['-keyout', path('ca.key'), '-out', path('ca.pem'), '-subj', '/CN=authority']
  openssl('req', '-x509', ...kind, '-days', '2', ...authority)
  for (const name of ['server', 'client']) {
    const files = ['-keyout', path(`${name}.key`), '-out', path(`${name}.csr`)]
    const names = ['-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:127.0.0.1']
    openssl('req', ...kind, ...files, ...names)
    const signing = ['-CA', path('ca.pem'), '-CAkey', path('ca.key'), '-CAcreateserial']
    const result = ['-in', path(`${name}.csr`), '-out', path(`${name}.pem`), '-days', '2']
    openssl('x509', '-req', ...result, ...signing, '-copy_extensions', 'copy')
  }
  return {
    client: {
      ca: readFileSync(path('ca.pem')),
      cert: readFileSync(path('client.pem')),
      key: readFileSync(path('client.key')),
    },
    flags: [
      ...['--cert-file', path('server.pem'), '--key-file', path('server.key')],
      ...['--client-cert-auth', '--trusted-ca-file', path('ca.pem')],
    ],
  }
}
