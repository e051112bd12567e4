/** The servers by which members reach each other: what another node sends ends none of them. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { GenServer, type Pid } from '../../src/index.js'
import { eventually } from '../support/eventually.js'
import { LocalCluster, type LocalNode } from '../support/local-cluster.js'

class Worker extends GenServer {
  ping(): string {
    return 'pong'
  }
}

let cluster: LocalCluster
let here: LocalNode
let there: LocalNode
const NAMES = ['citadel_rows', 'citadel_supervisor_workers']

beforeAll(async () => {
  cluster = await LocalCluster.start(2, { modules: { Worker } })
  ;[here, there] = cluster.nodes as [LocalNode, LocalNode]
})

afterAll(() => cluster?.stop())

const servers = (node: LocalNode): (Pid | undefined)[] =>
  NAMES.map((name) => node.citadel.whereis(name))

let tries = 0
/** Both nodes register for each other and start children. */
async function serves(): Promise<void> {
  const at = ++tries
  const pid = await there.citadel.spawn(Worker)
  await here.citadel.registry.register(`key ${at}`, pid)
  for (const [n, { workers }] of [here, there].entries()) {
    const child = await workers.startChild(Worker, [], { id: `${at} ${n}` })
    expect(await here.citadel.call(child, 'ping')).toBe('pong')
  }
}

test('two nodes: exits and links of another node end no server of the runtime', async () => {
  const before = servers(there)
  for (const pid of before) {
    for (const reason of ['kill', 'shutdown', { odd: true }]) here.citadel.exit(pid!, reason)
    const linked = await here.citadel.spawn((self) => {
      self.link(pid!)
      return self.sleep(50)
    })
    await here.citadel.whenEnded(linked)
  }
  await serves()
  expect(servers(there)).toEqual(before)
  await eventually(() => there.log.lines.some((line) => line.includes('part of the runtime')))
})

test('two nodes: requests with arguments of any shape end no server of the runtime', async () => {
  const before = servers(there)
  const odd = [null, -1, Number.NaN, 'x', {}, new Map([[1, 2]]), [[]], here.citadel.self, 2 ** 53]
  const methods: Record<string, string[]> = {
    citadel_rows: [
      'register',
      'unregister',
      'update',
      'replace',
      'giveUp',
      'join',
      'leave',
      'multiCall',
    ],
    citadel_supervisor_workers: [
      'start',
      'terminateChild',
      'takeOver',
      'released',
      'merge',
      'move',
      'event',
      'nothing',
    ],
  }
  for (const [name, list] of Object.entries(methods)) {
    const to = { name, node: there.name }
    for (const method of list) {
      for (const value of odd) {
        const args = [value, value, value, value, value, value]
        const end = here.citadel.with({ timeoutMs: 500 }).call(to, method, ...args)
        await end.catch((error) => expect(error.name).toBe('CitadelError'))
        here.citadel.cast(to, method, ...args)
      }
    }
  }
  await serves()
  expect(servers(there)).toEqual(before)
})

test('two nodes: a server of the runtime that ends all the same is started again under its name', async () => {
  const before = servers(there)
  for (const pid of before) there.citadel.exit(pid!, 'kill')
  await eventually(() => servers(there).every((pid, at) => pid && !pid.equals(before[at]!)))
  await cluster.settled()
  await serves()
})
