/** Who is a member, and what is told of it: nodes that are disconnected, refused, or waited for. */
import { afterEach, expect, test } from 'vitest'
import { Citadel, type CitadelOptions, GenServer, type MeshEvent } from '../../src/index.js'
import { TestCluster } from '../support/cluster.js'
import { eventually } from '../support/eventually.js'
import { freePort } from '../support/free-port.js'
import { LogRecorder } from '../support/log-recorder.js'

class Idle extends GenServer {}

let cluster: TestCluster | undefined
const open: Citadel[] = []

afterEach(async () => {
  await Promise.all(open.splice(0).map((node) => node.stop({ budgetMs: 0 })))
  await cluster?.stop()
  cluster = undefined
})

async function start(options: CitadelOptions): Promise<Citadel> {
  const base = { cookie: 'members', discovery: false, logger: new LogRecorder() } as const
  const node = await Citadel.start({ ...base, ...options })
  open.push(node)
  return node
}

function eventsOf(node: Citadel): MeshEvent[] {
  const events: MeshEvent[] = []
  void (async () => {
    for await (const event of node.watchNodes()) events.push(event)
  })()
  return events
}

test.each([2, 3])(
  '%i nodes: of a disconnected node that is killed nothing stays listed and nothing waits',
  async (size) => {
    cluster = await TestCluster.start(size)
    const ids = Array.from({ length: 12 }, (_, n) => `child ${n}`)
    await cluster.startChildren(ids)
    const [first, second] = cluster.nodes
    const keys = ids.map((id) => `key of ${id}`)
    await second!.run(async ({ citadel }, all) => {
      for (const key of all) {
        const pid = await citadel.spawn(async (self) => void (await self.receive()))
        await citadel.registry.register(key, pid)
      }
    }, keys)
    const listed = () => first!.run(({ citadel }) => [...citadel.registry.keys()])
    await eventually(async () => (await listed()).length === keys.length)
    await first!.run(({ citadel }, to) => void citadel.disconnect(to), second!.name)
    await eventually(
      async () => (await first!.run(({ citadel }) => citadel.nodes())).length === size - 2,
    )
    // Disconnecting kills nobody.
    await first!.run(({ sleep }) => sleep(1_500))
    expect((await listed()).length).toBe(keys.length)
    expect(await first!.deaths()).toEqual([])
    await second!.kill()
    for (const node of cluster.alive) {
      await eventually(
        () =>
          node.run(({ citadel }) =>
            [...citadel.registry.keys()].every((key) => typeof key !== 'string'),
          ),
        {
          timeoutMs: 15_000,
          what: `${node.name} lists no key of the dead`,
        },
      )
      const codes = await node.run(async ({ citadel }, all) => {
        const pid = await citadel.spawn(async (self) => void (await self.receive()))
        return Promise.all(
          all.map((key) =>
            citadel.registry.register([citadel.name, key], pid).then(
              () => 'ok',
              (error: { code: string }) => error.code,
            ),
          ),
        )
      }, keys)
      expect(codes).toEqual(keys.map(() => 'ok'))
      await eventually(
        () =>
          node.run(
            ({ workers }, all) =>
              Promise.all(all.map((id) => workers.child<never>(id).call('where'))).then(() => true),
            ids,
          ),
        { timeoutMs: 15_000, what: `${node.name} reaches all children` },
      )
    }
  },
)

test('two nodes: of one that is refused nobody is told, and it is never listed', async () => {
  const epmdPort = await freePort()
  const log = new LogRecorder()
  const first = await start({ name: 'n1@127.0.0.1', epmdPort, logger: log })
  const second = await start({
    name: 'n2@127.0.0.1',
    epmdPort,
    arbiter: { type: 'mesh', quorum: { size: 3 } },
  })
  const [here, there] = [eventsOf(first), eventsOf(second)]
  const wrong: string[] = []
  const listed = (): void => void wrong.push(...first.nodes(), ...second.nodes())
  expect(await first.connect(second.name)).toBe(false)
  listed()
  await eventually(() => log.lines.some((line) => /n2@.* has another arbiter/.test(line)))
  await first.sleep(1_500)
  listed()
  expect(wrong).toEqual([])
  expect([...here, ...there]).toEqual([])
})

test('three nodes: whenMembers resolves when they are there, and rejects what makes no sense', async () => {
  const epmdPort = await freePort()
  const nodes = await Promise.all(
    ['n1', 'n2', 'n3'].map((name) => start({ name: `${name}@127.0.0.1`, epmdPort })),
  )
  const [first, second, third] = nodes as [Citadel, Citadel, Citadel]
  for (const count of [0, -1, 1.5, Number.NaN, '3', undefined]) {
    await expect(first.whenMembers(count as number)).rejects.toMatchObject({ code: 'bad_argument' })
  }
  const misspelt = { timeout: 1 } as never
  await expect(first.whenMembers(1, misspelt)).rejects.toMatchObject({ code: 'bad_argument' })
  await first.whenMembers(1, { timeoutMs: 0 })
  await expect(first.whenMembers(2, { timeoutMs: 50 })).rejects.toMatchObject({
    code: 'timeout',
    message: 'After 50 ms 1 of 2 members are here: n1@127.0.0.1 (this node).',
  })
  const all = Promise.all(nodes.map((node) => node.whenMembers(3)))
  await second.connect(first.name)
  await third.connect(first.name)
  await all
  for (const node of nodes) expect(node.nodes().length).toBe(2)
  const never = first.whenMembers(4)
  const stopped = expect(never).rejects.toMatchObject({ code: 'stopped' })
  await first.stop()
  await stopped
  await expect(first.whenMembers(1)).rejects.toMatchObject({ code: 'stopped' })
})

test('three nodes and a fourth: counts are right at the moment when connect has resolved', async () => {
  const epmdPort = await freePort()
  const joining = { modules: { Idle }, rebalance: 'manual' } as const
  const ids = Array.from({ length: 30 }, (_, n) => n)
  const nodes: Citadel[] = []
  for (const name of ['n1', 'n2', 'n3']) {
    const node = await start({ name: `${name}@127.0.0.1`, epmdPort })
    if (nodes[0]) await node.connect(nodes[0].name)
    await node.supervisor('jobs', joining)
    nodes.push(node)
  }
  await Promise.all(nodes.map((node) => node.whenMembers(3)))
  const jobs = await nodes[0]!.supervisor('jobs')
  await Promise.all(ids.map((id) => jobs.startChild(Idle, [], { id })))
  for (let round = 0; round < 10; round++) {
    const late = await start({ name: `late${round}@127.0.0.1`, epmdPort })
    const here = await late.supervisor('jobs', joining)
    expect(await late.connect(nodes[round % 3]!.name)).toBe(true)
    expect(here.counts()).toMatchObject({ specs: 30, running: 30, orphans: 0 })
    await late.stop()
    open.pop()
  }
})

test('one node: is warned when nobody can reach it under its name', async () => {
  const log = new LogRecorder()
  await start({ name: 'n1@10.9.9.9', epmdPort: await freePort(), logger: log })
  expect(log.lines.join()).toContain('n1@10.9.9.9 listens on 127.0.0.1 only')
  expect(log.lines.join()).toContain("listen: { host: '10.9.9.9' }")
  const quiet = new LogRecorder()
  await start({ name: 'n2@127.0.0.1', epmdPort: await freePort(), logger: quiet })
  expect(quiet.lines).toEqual([])
})
