/** Messages and calls to all members of a group, most of them on another node. */
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { FanOut } from '../../src/cluster/registry/fan-out.js'
import { CitadelError, GenServer, type Pid } from '../../src/index.js'
import { eventually } from '../support/eventually.js'
import { LocalCluster, type LocalNode } from '../support/local-cluster.js'

class Member extends GenServer {
  seen: unknown[] = []

  handleInfo(message: unknown): void {
    const text = message instanceof Uint8Array ? message.length : message
    this.seen.push(text)
  }

  async history(): Promise<unknown[]> {
    return this.seen
  }

  async answer(how: string): Promise<unknown> {
    if (how === 'throw') throw new Error('not today')
    if (how === 'hang') return new Promise(() => {})
    return how === 'function' ? () => 1 : `${how} from ${this.citadel.name}`
  }
}

let cluster: LocalCluster
let here: LocalNode
let there: LocalNode
let groups = 0

beforeAll(async () => {
  cluster = await LocalCluster.start(2)
  ;[here, there] = cluster.nodes as [LocalNode, LocalNode]
})

afterAll(() => cluster?.stop())
afterEach(() => vi.restoreAllMocks())

/** A new group with so many members on a node; seen from `here`. */
async function grouped(
  count: number,
  node: LocalNode,
): Promise<{ group: number; pids: Pid<Member>[] }> {
  const group = groups++
  const pids = await Promise.all(Array.from({ length: count }, () => node.citadel.spawn(Member)))
  await Promise.all(pids.map((pid) => node.citadel.groups.join(group, pid)))
  await eventually(() => here.citadel.groups.members(group).length === count)
  return { group, pids }
}

const histories = (pids: readonly Pid<Member>[]): Promise<unknown[][]> =>
  Promise.all(pids.map((pid) => here.citadel.with({ timeoutMs: 60_000 }).call(pid, 'history')))

const big = (byte: number): Uint8Array => new Uint8Array(100_000).fill(byte)

test('two nodes: a broadcast of 100 kB to 1,000 members of the other node reaches all of them', async () => {
  const { group, pids } = await grouped(1_000, there)
  expect(here.citadel.groups.broadcast(group, big(1), { except: [pids[7]!] })).toBe(999)
  const seen = await histories(pids)
  expect(seen[7]).toEqual([])
  expect(seen.filter((one) => one.length === 1 && one[0] === 100_000)).toHaveLength(999)
})

test('two nodes: broadcasts and messages of one sender come in their order, on a full link too', async () => {
  const { group, pids } = await grouped(3, there)
  const expected: unknown[] = []
  for (let n = 0; n < 60; n++) {
    expect(here.citadel.groups.broadcast(group, { n, load: big(n) })).toBe(3)
    // Refused while the link is full: what is not sent is not expected.
    const sent = pids.map((pid) => here.citadel.send(pid, `after ${n}`))
    expect(new Set(sent).size).toBe(1)
    expected.push(n)
    if (sent[0]) expected.push(`after ${n}`)
  }
  await eventually(async () => {
    const [seen] = await histories([pids[0]!])
    return seen!.length === expected.length
  })
  for (const seen of await histories(pids)) {
    expect(seen.map((one) => (typeof one === 'string' ? one : (one as { n: number }).n))).toEqual(
      expected,
    )
  }
})

test('two nodes: what a full link does not take is not counted, and told in the log', async () => {
  const { group, pids } = await grouped(2, there)
  let sent = 0
  for (let n = 0; n < 400; n++) sent += here.citadel.groups.broadcast(group, big(n % 256))
  expect(sent).toBeLessThan(800)
  expect(sent).toBeGreaterThan(200)
  expect(here.log.lines.join('\n')).toMatch(
    /broadcast did not reach 2 members on n2.*too much waits/,
  )
  await eventually(async () => (await histories(pids)).flat().length === sent)
})

test('two nodes: a broadcast that cannot cross is refused where it was given, and goes to nobody', async () => {
  const { group, pids } = await grouped(2, there)
  const own = await here.citadel.spawn(Member)
  await here.citadel.groups.join(group, own)
  expect(() => here.citadel.groups.broadcast(group, { user: { save: () => 1 } })).toThrow(
    expect.objectContaining({
      code: 'unserializable',
      message: expect.stringContaining('user.save'),
    }),
  )
  expect(await histories([own, ...pids])).toEqual([[], [], []])
})

test('two nodes: a node of an earlier release gets a message for each member', async () => {
  const { group, pids } = await grouped(5, there)
  vi.spyOn(FanOut.prototype, 'reaches').mockReturnValue(false)
  expect(here.citadel.groups.broadcast(group, 'hello')).toBe(5)
  expect(await histories(pids)).toEqual(pids.map(() => ['hello']))
  const { replies, failures } = await here.citadel.groups.multiCall(group, 'answer', 'yes')
  expect([replies.length, failures.length]).toEqual([5, 0])
})

test('one node: a call of a group without members resolves with nothing', async () => {
  expect(await here.citadel.groups.multiCall('nobody', 'answer')).toEqual({
    replies: [],
    failures: [],
  })
})

test('two nodes: a call of a group has each member once, with its reply or why there is none', async () => {
  const { group, pids } = await grouped(4, there)
  const own = await here.citadel.spawn(Member)
  await here.citadel.groups.join(group, own)
  const names = (list: [Pid, unknown][]) => list.map(([pid]) => pid.toString()).sort()
  const all = [own, ...pids].map((pid) => pid.toString()).sort()

  const good = await here.citadel.groups.multiCall(group, 'answer', 'yes')
  expect(names(good.replies)).toEqual(all)
  expect(good.failures).toEqual([])
  const values = good.replies.map(([, value]) => value).sort()
  expect(values).toEqual([`yes from ${here.name}`, ...pids.map(() => `yes from ${there.name}`)])

  const startedAt = Date.now()
  const patient = here.citadel.groups.with({ timeoutMs: 300 })
  const late = await patient.multiCall(group, 'answer', 'hang')
  expect(Date.now() - startedAt).toBeLessThan(10_000)
  expect(late.failures.map(([, error]) => (error as CitadelError).code)).toEqual(
    all.map(() => 'timeout'),
  )
  expect(names(late.failures)).toEqual(all)
})

test('two nodes: one answer that cannot cross, one crash and one method that is not there spoil no other', async () => {
  const { group, pids } = await grouped(3, there)
  const [odd] = pids
  const name = `odd ${group}`
  class Odd extends GenServer {
    answer(): unknown {
      return () => 1
    }
  }
  const strange = await there.citadel.spawn(Odd, [], { name })
  await there.citadel.groups.join(group, strange)
  await eventually(() => here.citadel.groups.members(group).length === 4)
  const { replies, failures } = await here.citadel.groups.multiCall(group, 'answer', 'yes')
  expect(replies).toHaveLength(3)
  expect(
    failures.map(([pid, error]) => [pid.equals(strange), (error as CitadelError).code]),
  ).toEqual([[true, 'unserializable']])
  const none = await here.citadel.groups.multiCall(group, 'nothing')
  expect(none.failures.map(([, error]) => (error as CitadelError).code)).toEqual(
    Array.from({ length: 4 }, () => 'undefined_method'),
  )
  await expect(here.citadel.groups.multiCall(group, 'answer', () => 1)).rejects.toMatchObject({
    code: 'unserializable',
  })
  const thrown = await here.citadel.groups.multiCall(group, 'answer', 'throw')
  expect(thrown.failures.every(([, error]) => error instanceof CitadelError)).toBe(true)
  expect(thrown.failures.map(([, error]) => (error as CitadelError).code)).toContain('exited')
  expect(odd && here.citadel.groups.members(group).length).toBeLessThan(4)
})
