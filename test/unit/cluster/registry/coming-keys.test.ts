/** Keys of a process that is about to come from another node, granted before it begins. */
import { expect, test } from 'vitest'
import { KeyLost } from '../../../../src/process/system-messages.js'
import type { Pid } from '../../../../src/term/pid.js'
import { ScopeCluster } from '../../../support/scope-cluster.js'

type Ended<T> = { value: T } | { code: unknown; message: string } | undefined

/** What came of it after that time; undefined: nothing. */
async function ended<T>(cluster: ScopeCluster, work: Promise<T>, ms = 100): Promise<Ended<T>> {
  let end: Ended<T>
  work.then(
    (value) => {
      end = { value }
    },
    ({ code, message }) => {
      end = { code, message }
    },
  )
  await cluster.run(ms)
  return end
}

async function done<T>(cluster: ScopeCluster, work: Promise<T>, ms = 100): Promise<T> {
  const end = await ended(cluster, work, ms)
  if (!end || !('value' in end)) throw new Error(`it ended with ${JSON.stringify(end)}`)
  return end.value
}

/** A process of `a` with these keys, which is to move to `b`. */
async function moving(...keys: unknown[]) {
  const three = new ScopeCluster(1)
  three.start('a', 'b', 'c')
  three.connectAll()
  await three.run(100)
  const [a, b, c] = [three.node('a'), three.node('b'), three.node('c')]
  const [old, came] = [a.processes.make(), b.processes.make()]
  await done(three, Promise.all(keys.map((key) => a.registry.register(key, old, { meta: key }))))
  const commit = (): void => {
    for (const { processes } of three.nodes.values()) processes.moved.set(old.toString(), came)
  }
  const keep = (timeoutMs = 1_000) => b.registry.keepComing(a.registry.keysOf(old), old, timeoutMs)
  return { three, a, b, c, old, came, commit, keep }
}

type Side = Awaited<ReturnType<typeof moving>>['a']

const epochs = (side: Side, keys: readonly unknown[]): number[] =>
  keys.map((key) => side.registry.lookup(key)?.epoch ?? Number.NaN)

const KEYS = ['x', 'y', 'z']

test('three nodes: a kept key has its later epoch where it is to come, and its owner and metadata everywhere', async () => {
  const { three, a, b, c, old, came, commit, keep } = await moving(...KEYS)
  const before = epochs(b, KEYS)
  const coming = await done(three, keep())
  const kept = epochs(b, KEYS)
  for (const [at, epoch] of kept.entries()) expect(epoch).toBeGreaterThan(before[at]!)
  expect(b.registry.lookup('x')).toMatchObject({ pid: old, meta: 'x' })
  expect(epochs(a, KEYS)).toEqual(before)
  expect(epochs(c, KEYS)).toEqual(before)
  commit()
  await done(three, coming.bring(came))
  for (const side of [a, b, c]) {
    expect(epochs(side, KEYS)).toEqual(kept)
    expect(side.registry.lookup('x')).toMatchObject({ pid: came, meta: 'x' })
    expect(side.processes.sent).toEqual([])
  }
})

test('three nodes: a process whose successor is discarded has its keys again, under a later epoch', async () => {
  const { three, a, b, old, keep } = await moving(...KEYS)
  const before = epochs(b, KEYS)
  const coming = await done(three, keep())
  const kept = epochs(b, KEYS)
  const goesOn = a.registry.keep(old)
  // Not while it is not decided.
  expect(await ended(three, goesOn)).toBeUndefined()
  coming.release()
  await done(three, goesOn, 300)
  for (const [at, epoch] of epochs(a, KEYS).entries()) expect(epoch).toBeGreaterThan(kept[at]!)
  expect(epochs(b, KEYS)).toEqual(epochs(a, KEYS))
  expect(epochs(b, KEYS)).not.toEqual(before)
  expect(a.processes.sent).toEqual([])
})

test('three nodes: a key that cannot be had in time has no epoch where it is to come until it has come', async () => {
  // Of some of them c is the home.
  const keys = Array.from({ length: 10 }, (_, key) => key)
  const { three, a, b, old, came, commit, keep } = await moving(...keys)
  const before = epochs(b, keys)
  three.cut('b', 'c')
  await three.run(20)
  const discarded = await done(three, keep(), 2_200)
  const kept = epochs(b, keys)
  const late = keys.filter((key) => !b.registry.lookup(key))
  expect(late.length).toBeGreaterThan(0)
  expect(late.length).toBeLessThan(keys.length)
  for (const key of late) expect(b.registry.findByKey(key)).toEqual(old)
  for (const [at, epoch] of kept.entries()) {
    if (!late.includes(at)) expect(epoch).toBeGreaterThan(before[at]!)
  }
  discarded.release()
  expect(epochs(b, keys)).toEqual(before)
  const coming = await done(three, keep(), 2_200)
  commit()
  const brought = coming.bring(came)
  expect(await ended(three, brought)).toBeUndefined()
  expect(b.registry.lookup(late[0])).toBeUndefined()
  three.connectAll()
  await done(three, brought, 2_000)
  for (const [at, epoch] of epochs(b, keys).entries()) expect(epoch).toBeGreaterThan(before[at]!)
  for (const { registry } of [a, b]) expect(registry.findByKey(late[0])).toEqual(came)
})

test('three nodes: a key that somebody else has is asked for again, and no read gives the old epoch until then', async () => {
  const { three, a, b, c, old, came, commit } = await moving('x')
  const keys = a.registry.keysOf(old)
  const before = b.claims.table.find('x')!
  const other = c.processes.make()
  await done(three, c.registry.register('x', other, { force: true }))
  const coming = await done(three, b.registry.keepComing(keys, old, 1_000))
  expect(b.registry.lookup('x')).toMatchObject({ pid: other })
  const { epoch } = b.registry.lookup('x')!
  // It ends, and the old process's claim may be seen again before the new one's.
  await done(three, c.registry.unregister('x'))
  expect(b.registry['moving'].coming.epochOf(before)).toBeUndefined()
  commit()
  await done(three, coming.bring(came))
  expect(b.registry['moving'].coming.epochOf(before)).toBe(before.epoch)
  expect(b.registry.lookup('x')).toMatchObject({ pid: came })
  expect(b.registry.lookup('x')!.epoch).toBeGreaterThan(epoch)
  expect(b.processes.sent).toEqual([])
})

test('three nodes: who takes a kept key by force has it, and the process that has come hears so', async () => {
  const { three, a, b, c, came, commit, keep } = await moving('x')
  const coming = await done(three, keep())
  const other: Pid = c.processes.make()
  await done(three, c.registry.register('x', other, { force: true }))
  expect(b.registry.lookup('x')).toMatchObject({ pid: other })
  commit()
  // Its end might be on its way.
  await done(three, coming.bring(came), 3_000)
  for (const { registry } of [a, b, c]) expect(registry.findByKey('x')).toEqual(other)
  expect(b.processes.sent).toEqual([{ to: came, message: new KeyLost('x', other) }])
})

test('three nodes: another process of the node where a key is to come does not lose it to that', async () => {
  const { three, a, b, old, came, commit } = await moving('x')
  const keys = a.registry.keysOf(old)
  const other = b.processes.make()
  await done(three, b.registry.register('x', other, { force: true }))
  const coming = await done(three, b.registry.keepComing(keys, old, 1_000))
  expect(b.registry.lookup('x')).toMatchObject({ pid: other })
  commit()
  await done(three, coming.bring(came), 3_000)
  expect(b.registry.findByKey('x')).toEqual(other)
  expect(b.processes.sent.filter(({ to }) => to.equals(other))).toEqual([])
})
