import { expect, test } from 'vitest'
import type { DiscoveredNode, Discovery } from '../../../src/discovery/discovery.js'
import { GuardedDiscovery } from '../../../src/discovery/guarded-discovery.js'
import { LogRecorder } from '../../support/log-recorder.js'
import { ManualClock } from '../../support/manual-clock.js'

const never = (): Promise<never> => new Promise(() => {})
const throws = (): never => {
  throw new Error('boom')
}
const METHODS = ['announce', 'withdraw', 'close'] as const

function guarded(answer: () => unknown) {
  const clock = new ManualClock()
  const log = new LogRecorder()
  const given = { announce: answer, withdraw: answer, members: answer, close: answer }
  const discovery = new GuardedDiscovery(given as unknown as Discovery, { clock, log })
  return { clock, log, discovery }
}

test.each([
  ['throws', throws],
  ['rejects', async () => throws()],
  ['throws nothing', () => Promise.reject(undefined)],
  [
    'answers what throws when it is waited for',
    () => Object.defineProperty({}, 'then', { get: throws }),
  ],
])('one node: a discovery of a user that %s is told of, and holds nobody up', async (_, answer) => {
  const { log, discovery } = guarded(answer)
  for (const method of METHODS) await discovery[method]({ name: 'n1@h' })
  expect(log.lines.map((line) => line.replace(/: it threw.*/, ''))).toEqual(
    METHODS.map((method) => `error ${method}() of the discovery that was given failed`),
  )
  await expect(discovery.members()).rejects.toMatchObject({ code: 'discovery_failed' })
})

test('one node: a discovery of a user that never answers is waited for no longer than 5 s', async () => {
  const { clock, log, discovery } = guarded(never)
  const announced = discovery.announce({ name: 'n1@h' })
  const listed = discovery.members().catch((error: unknown) => error)
  await clock.advance(4_999)
  expect(log.lines).toEqual([])
  await clock.advance(1)
  await announced
  expect(log.lines).toEqual(['error announce() of the discovery that was given failed'])
  expect(await listed).toMatchObject({
    code: 'discovery_failed',
    message: expect.stringMatching(/did not answer within 5000 ms/),
  })
  expect(clock.pending).toBe(0)
})

test.each([
  ['undefined', undefined],
  ['null', null],
  ['a number', 7],
  ['a name', 'n1@h'],
  ['an object', { 0: 'n1@h' }],
  ['a Proxy that throws', new Proxy([], { get: throws })],
])('one node: a discovery of a user that answers %s gave no list', async (_, answer) => {
  const { discovery } = guarded(() => answer)
  await expect(discovery.members()).rejects.toMatchObject({ code: 'discovery_failed' })
})

test('one node: of the list of a user only what can be a node is taken, with one line for the rest', async () => {
  const hostile = {
    get name() {
      return throws()
    },
  }
  const rows: unknown[] = [
    { name: 'b@h', addresses: ['tcp://h:1', 7, {}] },
    { name: 'a@h', addresses: 'tcp://h:1' },
    ...[undefined, null, 1, 'c@h', {}, { name: 7 }, { name: 'no node' }, { name: 'x'.repeat(1e6) }],
    ...[hostile, new Proxy({}, { get: throws })],
  ]
  const { log, discovery } = guarded(() => rows)
  const expected: DiscoveredNode[] = [{ name: 'a@h' }, { name: 'b@h', addresses: ['tcp://h:1'] }]
  expect(await discovery.members()).toEqual(expected)
  expect(await discovery.members()).toEqual(expected)
  expect(log.lines).toEqual(["warn discovery: undefined is not { name: 'node@host' }"])
})
