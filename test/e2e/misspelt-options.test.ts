/** Options that do not exist, or that cannot be: refused wherever users give options. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  Citadel,
  type CitadelOptions,
  GenServer,
  Supervisor,
  stopOnSignals,
} from '../../src/index.js'
import { LocalCluster } from '../support/local-cluster.js'

class Idle extends GenServer {
  ping(): string {
    return 'pong'
  }
}

let cluster: LocalCluster

beforeAll(async () => {
  cluster = await LocalCluster.start(1)
})

afterAll(() => cluster?.stop())

type Attempt = (options: never) => unknown

/** Each public function that takes options: what is misspelt, what was meant, a value that cannot be. */
function attempts(): [string, object, string, object, Attempt][] {
  const { citadel, workers } = cluster.nodes[0]!
  const { registry, groups, self } = citadel
  const away = { cookie: 'c', discovery: false, epmdPort: cluster.epmdPort } as const
  const start = (options: CitadelOptions) => Citadel.start({ ...away, ...options })
  const nested =
    (name: string): Attempt =>
    (options) =>
      start({ [name]: options })
  return [
    ['Citadel.start', { arbitre: 'mesh' }, 'arbiter', { weight: Number.NaN }, start],
    ['listen', { prot: 1 }, 'port', { port: -1 }, nested('listen')],
    [
      'arbiter',
      { type: 'mesh', quorm: {} },
      'quorum',
      { type: 'mesh', quorum: 3 },
      nested('arbiter'),
    ],
    ['discovery', { statc: [] }, 'static', { static: 'n1' }, nested('discovery')],
    [
      'discovery by DNS',
      { dns: { name: 'x', prot: 1 } },
      'port',
      { dns: { name: 7 } },
      nested('discovery'),
    ],
    [
      'supervisor',
      { rebalanc: 'auto' },
      'rebalance',
      { movesMax: Number.NaN },
      (o) => citadel.supervisor('s', o),
    ],
    [
      'a child of supervisor',
      { children: [{ module: 'Idle', id: 1, restrat: 'permanent' }] },
      'restart',
      { children: [{ module: 'Idle', id: 1, shutdownMs: -1 }] },
      (o) => citadel.supervisor('s', o),
    ],
    [
      'startChild',
      { id: 1, restrat: 'permanent' },
      'restart',
      { id: 1, timeoutMs: -1 },
      (o) => workers.startChild(Idle as never, [], o),
    ],
    ['leave', { budgetMS: 1 }, 'budgetMs', { budgetMs: Number.NaN }, (o) => workers.leave(o)],
    ['drain', { budget: 1 }, 'budgetMs', { budgetMs: '1' }, (o) => workers.drain(o)],
    [
      'register',
      { froce: true },
      'force',
      { timeoutMs: '1' },
      (o) => registry.register('k', self, o),
    ],
    [
      'replace',
      { mata: 1 },
      'meta',
      { timeoutMs: -1 },
      (o) => registry.replace('k', self, self, o),
    ],
    [
      'whenRegistered',
      { timeout: 1 },
      'timeoutMs',
      { signal: 1 },
      (o) => registry.whenRegistered('k', o),
    ],
    ['watch', { prefx: 'a' }, 'prefix', { prefix: 7 }, (o) => registry.watch(o)],
    ['join', { metta: 1 }, 'meta', [], (o) => groups.join('g', self, o)],
    ['broadcast', { exept: [] }, 'except', { except: self }, (o) => groups.broadcast('g', 1, o)],
    [
      'broadcast',
      { exept: [] },
      'except',
      { except: [1] },
      (o) => groups.broadcastLocal('g', 1, o),
    ],
    [
      'with',
      { timeout: 1 },
      'timeoutMs',
      { timeoutMs: -1 },
      (o) => groups.with(o).multiCall('g', 'm'),
    ],
    ['spawn', { nmae: 'x' }, 'name', { name: 7 }, (o) => citadel.spawn(Idle, [], o)],
    ['spawn', { lnik: true }, 'link', { link: 'yes' }, (o) => citadel.spawn(() => 1, o)],
    ['with', { timeout: 1 }, 'timeoutMs', { timeoutMs: -1 }, (o) => citadel.with(o).call('x', 'y')],
    ['receive', { timeout: 1 }, 'timeoutMs', { timeoutMs: Number.NaN }, (o) => citadel.receive(o)],
    ['stop', { budgetMS: 1 }, 'budgetMs', { budgetMs: -1 }, (o) => citadel.stop(o)],
    [
      'stopOnSignals',
      { budget: 1 },
      'budgetMs',
      { budgetMs: '1' },
      (o) => stopOnSignals(citadel, o),
    ],
    [
      'Supervisor.start',
      { stratgy: 1 },
      'strategy',
      { strategy: 'all' },
      (o) => Supervisor.start(citadel, o),
    ],
  ]
}

async function refusalOf(attempt: Attempt, options: object): Promise<string> {
  try {
    await attempt(options as never)
  } catch (error) {
    expect(error).toMatchObject({ name: 'CitadelError', code: 'bad_argument' })
    return (error as Error).message
  }
  return 'taken'
}

test('one node: options that do not exist are refused everywhere, with the nearest name', async () => {
  for (const [owner, misspelt, meant, , attempt] of attempts()) {
    const refusal = await refusalOf(attempt, misspelt)
    expect(refusal).toContain(owner)
    expect(refusal).toContain(`did you mean '${meant}'?`)
  }
})

test('one node: options with values that cannot be are refused everywhere', async () => {
  for (const [owner, , , wrong, attempt] of attempts()) {
    expect(await refusalOf(attempt, wrong), owner).not.toBe('taken')
  }
})

test('one node: what is no plain object is refused wherever options are taken', async () => {
  const odd = [null, 5, 'x', new Map(), new (class Options {})()]
  for (const [owner, , , , attempt] of attempts()) {
    for (const given of odd) {
      // Some of these are a shorter form there, or another argument.
      if (owner === 'arbiter' || owner.startsWith('discovery')) continue
      if (owner === 'Citadel.start') continue
      expect(await refusalOf(attempt, given as never), `${owner} ${given}`).not.toBe('taken')
    }
  }
  for (const given of odd) {
    expect(await refusalOf((o) => Citadel.start(o), given as never)).not.toBe('taken')
  }
})

test('one node: the node serves after all of it, and nothing has been started', async () => {
  const { citadel, workers } = cluster.nodes[0]!
  expect(workers.nodes()).toEqual([citadel.name])
  expect(workers.counts().specs).toBe(0)
  expect([...citadel.registry.keys()]).toEqual([])
  const pid = await citadel.spawn(Idle, [], { name: undefined })
  expect(await citadel.with({ timeoutMs: undefined }).call(pid, 'ping')).toBe('pong')
})
