/** What a child has besides its state, and how a move or an end of it is told. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import {
  type ChildEvent,
  Citadel,
  type CitadelOptions,
  type DistributedSupervisor,
  Down,
  Exit,
  GenServer,
  type Pid,
} from '../../src/index.js'
import { freePort } from '../support/free-port.js'
import { LogRecorder } from '../support/log-recorder.js'

/** Slow handlers that have begun. */
let begun = 0

class Box extends GenServer {
  #put = 0

  init(name?: string): void {
    if (name !== undefined) this.citadel.registerName(name, this.self)
  }
  put(): number {
    return ++this.#put
  }
  async putSlowly(ms: number): Promise<string> {
    begun++
    await this.citadel.sleep(ms)
    return this.citadel.name
  }
  watch(pid: Pid): void {
    this.citadel.monitor(pid)
  }
  handoff(): number {
    return this.#put
  }
  takeover(put: number): void {
    this.#put = put
  }
}

let options: CitadelOptions
let log: LogRecorder
let n1: Citadel
let n2: Citadel
let others: Citadel[]
let here: DistributedSupervisor
let there: DistributedSupervisor

beforeEach(async () => {
  begun = 0
  const epmdPort = await freePort()
  log = new LogRecorder()
  options = { cookie: 'moved', epmdPort, logger: log, discovery: false }
  others = []
  n1 = await Citadel.start(options)
  n2 = await Citadel.start(options)
  expect(await n1.connect(n2.name)).toBe(true)
  const boxes = { modules: { Box }, rebalance: 'manual' as const }
  here = await n1.supervisor('boxes', boxes)
  there = await n2.supervisor('boxes', boxes)
  await expect.poll(() => [here.nodes().length, there.nodes().length]).toEqual([2, 2])
})

afterEach(async () => {
  await Promise.all([n1, n2, ...others].map((node) => node.stop({ budgetMs: 0 })))
})

/** An id that belongs on n1, so that it starts there. */
function idOfN1(): number {
  for (let id = 0; ; id++) if (here.nodeFor(id) === n1.name) return id
}

test('two nodes: a child goes to and fro with all its keys, whichever node decides about them', async () => {
  const id = idOfN1()
  const pid = await here.startChild(Box, [], { id })
  const keys = Array.from({ length: 12 }, (_, index) => `key ${index}`)
  await Promise.all(keys.map((key) => n1.registry.register(key, pid, { meta: key })))
  let put = 0
  for (const to of [n2, n1, n2, n1]) {
    const watched = n1.monitor(here.lookup(id)!)
    expect(await here.moveChild(id, to.name)).toBe(true)
    // By the pid from before all moves: no instance in between may have ended.
    expect(await n2.call<Box, 'put'>(pid as never, 'put')).toBe(++put)
    const owners = (): unknown[] => keys.map((key) => n1.registry.lookup(key))
    const owned = { pid: here.lookup(id) }
    await expect.poll(owners).toEqual(keys.map((key) => expect.objectContaining({ ...owned, key })))
    expect(n1.demonitor(watched)).toBe(true)
  }
})

test('two nodes: a child with a local name of its own comes back to a node it had left', async () => {
  const id = idOfN1()
  const pid = await here.startChild(Box, ['box'], { id })
  expect(await here.moveChild(id, n2.name)).toBe(true)
  expect(await n1.call({ name: 'box', node: n1.name }, 'put')).toBe(1)
  expect(await here.moveChild(id, n1.name)).toBe(true)
  expect(n1.whereis('box')).toEqual(here.lookup(id))
  expect(await n1.call('box', 'put')).toBe(2)
  expect(await n1.call(pid as never, 'put')).toBe(3)
})

test('two nodes: a node that left its supervisor before it stops still waits for what it passed on', async () => {
  const id = idOfN1()
  const pid = await here.startChild(Box, [], { id })
  await expect.poll(() => there.lookup(id)).toEqual(pid)
  const first = n2.call<Box, 'putSlowly'>(pid as never, 'putSlowly', 100)
  const second = n2.call<Box, 'putSlowly'>(pid as never, 'putSlowly', 400)
  await expect.poll(() => begun).toBe(1)
  await here.drain()
  await n1.stop()
  expect(await Promise.all([first, second])).toEqual([n1.name, n2.name])
})

test('two nodes: a Down that waits for a child when it moves is dropped, and nothing is said of it', async () => {
  const id = idOfN1()
  const pid = (await here.startChild(Box, [], { id })) as Pid<Box>
  const watched = await n1.spawn(async (self) => void (await self.receive()))
  await n1.call(pid, 'watch', watched)
  const slow = n1.call(pid, 'putSlowly', 100)
  await expect.poll(() => begun).toBe(1)
  n1.send(watched, 'end')
  await n1.whenEnded(watched)
  expect(await here.moveChild(id, n2.name)).toBe(true)
  expect(await slow).toBe(n1.name)
  expect(await n1.call(pid, 'put')).toBe(1)
  expect(log.lines).toEqual([])
})

test('two nodes: the end of a child that is terminated is told, on the other node as well', async () => {
  const id = idOfN1()
  const events = there.events()
  const seen: ChildEvent[] = []
  const reading = (async () => {
    for await (const event of events) if (seen.push(event) === 2) break
  })()
  await n2.groups.join('listening', await n2.spawn(async (self) => void (await self.receive())))
  await expect.poll(() => n1.groups.members('listening').length).toBe(1)
  const pid = await here.startChild(Box, [], { id })
  await there.terminateChild(id)
  await reading
  expect(seen).toEqual([
    { type: 'started', id, node: n1.name, pid },
    { type: 'ended', id, node: n1.name, reason: 'shutdown' },
  ])
})

/** A node that was not there when children moved: it knows of no move but the last. */
async function newcomer(): Promise<Citadel> {
  const node = await Citadel.start(options)
  others.push(node)
  expect(await node.connect(n1.name)).toBe(true)
  await expect.poll(() => node.nodes().length).toBe(others.length + 1)
  return node
}

test('four nodes: whoever monitors or links to the first pid of a child that moved twice hears of its end', async () => {
  const id = idOfN1()
  const pids: Pid[] = [await here.startChild(Box, [], { id })]
  const n3 = await newcomer()
  await n3.supervisor('boxes', { modules: { Box }, rebalance: 'manual' })
  await expect.poll(() => here.nodes().length).toBe(3)
  for (const to of [n2, n3]) {
    expect(await here.moveChild(id, to.name)).toBe(true)
    pids.push(here.lookup(id)!)
  }
  const heard: unknown[] = []
  let ready = 0
  const watch = (node: Citadel, pid: Pid, how: 'monitor' | 'link') =>
    node.spawn(async (self) => {
      self.trapExit = true
      self[how](pid)
      ready++
      const message = await self.receive()
      if (message instanceof Down || message instanceof Exit) heard.push(message.reason)
    })
  for (const node of [n1, n2, n3, await newcomer()]) {
    for (const pid of pids) {
      await watch(node, pid, 'monitor')
      await watch(node, pid, 'link')
      // All that these have sent lies before it.
      expect(await node.call(pid as Pid<Box>, 'put')).toBeGreaterThan(0)
    }
  }
  expect([ready, heard]).toEqual([24, []])
  n1.exit(pids[0]!, 'enough')
  await expect.poll(() => heard.length).toBe(24)
  expect(new Set(heard)).toEqual(new Set(['enough']))
})
