/** What nodes make of the end of a lease: rows, children, claims and bytes that are under way. */
import { afterEach, describe, expect, test } from 'vitest'
import { Lease } from '../../../../src/base/lease.js'
import type { ClaimOutcome } from '../../../../src/cluster/arbiters/arbiter.js'
import { Ownership } from '../../../../src/cluster/arbiters/ownership.js'
import type { RegistryEvent } from '../../../../src/cluster/registry/registry-events.js'
import type { SupervisorOptions } from '../../../../src/cluster/supervisor/distributed-supervisor.js'
import { GenServer } from '../../../../src/process/gen-server.js'
import { Pid } from '../../../../src/term/pid.js'
import { eventually } from '../../../support/eventually.js'
import { fate } from '../../../support/fenced-node.js'
import { LEASE_MS, type LeasedNode, LeasedNodes } from '../../../support/leased-nodes.js'
import { ManualClock } from '../../../support/manual-clock.js'
import { gate } from '../../../support/test-kernel.js'

let all: LeasedNodes

afterEach(async () => {
  await all?.stop()
})

/** Keeps what every instance did, on whichever node of this process. */
class Worker extends GenServer {
  static journal: string[] = []
  static starting: Promise<unknown> | undefined
  static leaving: Promise<unknown> | undefined

  async init(): Promise<void> {
    this.#note('init')
    if (Worker.starting) await Worker.starting
  }

  handoff(): unknown {
    this.#note('handoff')
    return Worker.leaving ? Worker.leaving.then(() => 'state') : 'state'
  }

  takeover(): void {
    this.#note('takeover')
  }

  terminate(reason: unknown): void {
    this.#note(`terminate ${String(reason)}`)
  }

  /** Says `text` to `to`, and then `act` happens in the same handler. */
  say(to: Pid, text: string): boolean {
    const sent = this.citadel.send(to, text)
    Worker.act()
    return sent
  }

  broadcast(act: 'now' | 'late'): unknown {
    const { groups, registry } = this.citadel
    if (act === 'late') Worker.act()
    const tries = [
      () => groups.broadcast('listeners', 'broadcast'),
      () => this.citadel.groups.broadcast('listeners', 'broadcast'),
      () => registry.lookup('x'),
    ]
    Worker.tried = tries.map((attempt) => {
      try {
        return attempt()
      } catch (error) {
        return (error as { code: string }).code
      }
    })
    return 'answer'
  }

  static tried: unknown[] = []
  static act: () => void = () => {}

  #note(what: string): void {
    Worker.journal.push(`${what} ${this.citadel.name.slice(0, 2)}`)
  }
}

async function start(size = 2, options: SupervisorOptions = {}): Promise<[LeasedNode, LeasedNode]> {
  Worker.journal = []
  Worker.starting = undefined
  Worker.leaving = undefined
  Worker.act = () => {}
  all = await LeasedNodes.start(size, { Worker }, options)
  return all.nodes as [LeasedNode, LeasedNode]
}

/** Ids that belong on `node`. */
const idsOn = (node: LeasedNode, count: number): number[] => {
  const ids: number[] = []
  for (let id = 0; ids.length < count && id < 1_000; id++) {
    if (node.workers.nodeFor(id, 'Worker') === node.name) ids.push(id)
  }
  return ids
}

/** A process that writes down what it gets. */
async function listener(node: LeasedNode): Promise<{ pid: Pid; heard: unknown[] }> {
  const heard: unknown[] = []
  const pid = await node.citadel.spawn(async (self) => {
    for (;;) heard.push(await self.receive())
  })
  return { pid, heard }
}

describe('two nodes: the lease of one ends', () => {
  test('all that owns something ends, without another word; the keys are free, the others go on', async () => {
    const [n1, n2] = await start()
    const events: RegistryEvent[] = []
    void (async () => {
      for await (const event of n2.citadel.registry.watch()) events.push(event)
    })()
    const owner = await n1.citadel.spawn(Worker)
    const bystander = await n1.citadel.spawn(Worker)
    await n1.citadel.registry.register('key', owner)
    const ids = idsOn(n1, 3)
    for (const id of ids) await n1.workers.startChild(Worker, [], { id, restart: 'temporary' })
    const pids = ids.map((id) => n1.workers.lookup(id)!)
    await eventually(() => ids.every((id) => n2.workers.lookup(id)))
    const ends = Promise.all([owner, ...pids].map((pid) => n1.citadel.whenEnded(pid)))
    await n1.expire()
    expect(await ends).toEqual(['lease_lost', 'lease_lost', 'lease_lost', 'lease_lost'])
    expect(n1.citadel.registry.findByKey('key')).toBeUndefined()
    expect(n1.workers.localChildren().size).toBe(0)
    await eventually(() =>
      events.some(({ key, reason }) => key === 'key' && reason === 'process_down'),
    )
    expect(n1.citadel.isAlive(bystander)).toBe(true)
    expect(Worker.journal.filter((line) => line.startsWith('terminate'))).toEqual([])
    expect(
      n1.log.lines.filter((line) => line.includes('lease of this node has ended')),
    ).toHaveLength(1)
  })

  test('children that are to be restarted are adopted by the other one, and come back with the lease', async () => {
    const [n1, n2] = await start()
    const ids = idsOn(n1, 3)
    for (const id of ids) await n1.workers.startChild(Worker, [], { id, restart: 'permanent' })
    await n1.expire()
    const runOn = (node: LeasedNode) =>
      ids.every((id) => node.workers.lookup(id)?.node === node.name)
    await eventually(() => runOn(n2), { what: 'the other node has them' })
    expect(n1.workers.counts()).toMatchObject({ specs: 3, local: 0 })
    n2.grant(20)
    n1.grant(3_600_000)
    await eventually(() => runOn(n1), { what: 'they are back' })
    const starts = Worker.journal.filter((line) => line.startsWith('init'))
    expect(starts.sort()).toEqual([...Array(6).fill('init n1'), ...Array(3).fill('init n2')])
  })

  test('no end of it is a crash, and what waits to be restarted is left to the other one as well', async () => {
    const [n1, n2] = await start(2, { backoffMs: 3_600_000, backoffMaxMs: 3_600_000 })
    const events: string[] = []
    void (async () => {
      for await (const { type } of n2.workers.events()) events.push(type)
    })()
    const [waiting, running] = idsOn(n1, 2)
    for (const id of [waiting, running]) await n1.workers.startChild(Worker, [], { id })
    const crash = async (restarted: boolean) => {
      const pid = n1.workers.lookup(waiting)!
      n1.citadel.exit(pid, 'crash')
      await eventually(() => n1.workers.lookup(waiting) !== pid)
      await eventually(() => (n1.workers.lookup(waiting) !== undefined) === restarted)
    }
    await crash(true)
    await crash(false)
    expect(n1.workers.localChildren().size).toBe(1)
    await n1.expire()
    expect(n1.workers.counts().local).toBe(0)
    await eventually(() => n2.workers.localChildren().size === 2)
    await eventually(() => events.filter((type) => type === 'adopted').length === 2)
    expect(events.filter((type) => type === 'crashed')).toHaveLength(2)
    expect(events).not.toContain('ended')
  })

  test('a child that starts just then ends unavailable, and stays a child: the other node starts it', async () => {
    const [n1, n2] = await start()
    const [id] = idsOn(n1, 1)
    const starting = gate()
    Worker.starting = starting.promise
    const started = fate(n1.workers.startChild(Worker, [], { id, restart: 'permanent' }))
    await eventually(() => Worker.journal.includes('init n1'))
    await n1.expire()
    expect(await started).toEqual(['unavailable', undefined])
    starting.open()
    await eventually(() => n2.workers.lookup(id)?.node === n2.name)
    expect(Worker.journal).toEqual(['init n1', 'init n2'])
  })

  test('a child that is being handed over does not tell its state, and starts anew on the other node', async () => {
    const [n1, n2] = await start()
    const [id] = idsOn(n1, 1)
    await n1.workers.startChild(Worker, [], { id, restart: 'permanent' })
    const leaving = gate()
    Worker.leaving = leaving.promise
    const moved = n1.workers.moveChild(id, n2.name)
    await eventually(() => Worker.journal.includes('handoff n1'))
    Worker.act = () => n1.clock.jump(3_600_000)
    Worker.act()
    leaving.open()
    expect(await moved).toBe(false)
    await eventually(() => n2.workers.lookup(id)?.node === n2.name)
    expect(Worker.journal).toEqual(['init n1', 'handoff n1', 'init n2'])
  })

  test('a state that is there already does not go out when the node was frozen before it could', async () => {
    const onStep: SupervisorOptions['onStep'] = (step) => {
      if (step === 'state') Worker.act()
    }
    const [n1, n2] = await start(2, { onStep })
    const [id] = idsOn(n1, 1)
    await n1.workers.startChild(Worker, [], { id, restart: 'permanent' })
    Worker.act = () => n1.clock.jump(3_600_000)
    expect(await n1.workers.moveChild(id, n2.name)).toBe(false)
    await eventually(() => n2.workers.lookup(id)?.node === n2.name)
    expect(Worker.journal).toEqual(['init n1', 'handoff n1', 'init n2'])
  })

  test('registrations that wait end unavailable', async () => {
    const [n1, n2] = await start()
    const key = await n1.citadel.spawn(Worker)
    // Nobody answers for the other half of the votes.
    n2.node.scopes.receive = () => {}
    const waiting = fate(n1.citadel.registry.register('key', key, { timeoutMs: 60_000 }))
    await n1.expire()
    expect(await waiting).toEqual(['unavailable', undefined])
    expect(n1.citadel.isAlive(key)).toBe(true)
  })

  test('the node itself may not own a key', async () => {
    const [n1] = await start(1)
    expect(await fate(n1.citadel.registry.register('key', n1.citadel.self))).toEqual([
      'bad_argument',
      undefined,
    ])
  })
})

describe('two nodes: what an owner said before the end of the lease', () => {
  const said = async (jumpMs: number) => {
    const [n1, n2] = await start()
    const { pid, heard } = await listener(n2)
    const owner = await n1.citadel.spawn(Worker)
    await n1.citadel.registry.register('key', owner)
    const ended = n1.citadel.whenEnded(owner)
    expect(await n1.citadel.call(owner, 'say', pid, 'before')).toBe(true)
    await eventually(() => heard.length === 1)
    n1.grant(1_000)
    // Nothing has gone out when the node is frozen, in the same handler.
    Worker.act = () => n1.clock.jump(jumpMs)
    const call = fate(n1.citadel.call(owner, 'say', pid, 'in the same turn'))
    expect(await call).toEqual(['exited', 'lease_lost'])
    expect(await ended).toBe('lease_lost')
    await eventually(() => n1.citadel.nodes().includes(n2.name), { what: 'connected again' })
    n1.citadel.send(pid, 'the end')
    await eventually(() => heard.includes('the end'))
    return heard
  }

  test('does not leave the node any more when that is found out late', async () => {
    expect(await said(1_000 + LEASE_MS / 100 + 1)).toEqual(['before', 'the end'])
  })

  test('does not leave it either when that is the first thing to be found out', async () => {
    const [n1, n2] = await start()
    const { pid, heard } = await listener(n2)
    const owner = await n1.citadel.spawn(Worker)
    await n1.citadel.registry.register('key', owner)
    n1.grant(1_000)
    // Its handler has ended, and what it said has not gone out when the node is frozen.
    expect(await n1.citadel.call(owner, 'say', pid, 'in the same turn')).toBe(true)
    const ended = n1.citadel.whenEnded(owner)
    n1.clock.jump(2_000)
    expect(await ended).toBe('lease_lost')
    await eventually(() => n1.citadel.nodes().includes(n2.name), { what: 'connected again' })
    n1.citadel.send(pid, 'the end')
    await eventually(() => heard.includes('the end'))
    expect(heard).toEqual(['the end'])
  })

  test('leaves the node when the lease has ended just now, and no link is cut', async () => {
    expect(await said(1_001)).toEqual(['before', 'in the same turn', 'the end'])
  })

  test('also nothing by registry and groups, which all processes share', async () => {
    const [n1, n2] = await start()
    const { pid, heard } = await listener(n2)
    await n2.citadel.groups.join('listeners', pid)
    await eventually(() => n1.citadel.groups.members('listeners').length === 1)
    const owner = await n1.citadel.spawn(Worker)
    await n1.citadel.registry.register('key', owner)
    expect(await n1.citadel.call(owner, 'broadcast', 'now')).toBe('answer')
    expect(Worker.tried).toEqual([1, 1, undefined])
    await eventually(() => heard.length === 2)
    Worker.act = () => n1.clock.jump(3_600_000)
    const late = await fate(n1.citadel.call(owner, 'broadcast', 'late'))
    expect(late).toEqual(['exited', 'lease_lost'])
    expect(Worker.tried).toEqual(['noproc', 'noproc', 'noproc'])
  })
})

describe('one node: claims that wait', () => {
  const setUp = () => {
    const clock = new ManualClock()
    const lease = new Lease()
    lease.move(2_000, clock.now())
    const owners = { own: () => {}, mayOwn: () => true }
    const outcomes: ClaimOutcome[] = []
    const done = new Ownership(lease, clock, owners).guarded(
      new Pid('a@b', 80, 0, 1),
      (outcome) => {
        outcomes.push(outcome)
        return outcome.type === 'granted'
      },
    )
    return { clock, lease, done, outcomes }
  }

  test('are given up when the lease ends, and a grant that comes afterwards is of no use', () => {
    const { clock, lease, done, outcomes } = setUp()
    clock.jump(1_000)
    lease.check(clock.now())
    expect(done({ type: 'granted', epoch: 1 })).toBe(false)
    lease.move(9_000, clock.now())
    expect(done({ type: 'granted', epoch: 2 })).toBe(false)
    expect(outcomes).toEqual([{ type: 'unavailable', mayStand: true }])
  })

  test('are not granted when the lease has ended and nobody has noticed', () => {
    const { clock, done, outcomes } = setUp()
    clock.jump(1_000)
    expect(done({ type: 'granted', epoch: 1 })).toBe(false)
    expect(outcomes).toEqual([{ type: 'unavailable', mayStand: true }])
  })

  test('are granted before', () => {
    const { clock, lease, done, outcomes } = setUp()
    expect(done({ type: 'granted', epoch: 1 })).toBe(true)
    clock.jump(1_000)
    lease.check(clock.now())
    expect(outcomes).toEqual([{ type: 'granted', epoch: 1 }])
  })
})
