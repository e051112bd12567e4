/** What an owner can still do after the lease of its node has ended: nothing, whatever state it is in. */
import { describe, expect, it } from 'vitest'
import { CitadelError } from '../../../src/base/errors.js'
import type { BoundNode } from '../../../src/process/bound-node.js'
import { GenServer } from '../../../src/process/gen-server.js'
import { Down, Exit } from '../../../src/process/system-messages.js'
import type { Pid } from '../../../src/term/pid.js'
import { FencedNode, fate, LEASE_MS, Owner, THERE } from '../../support/fenced-node.js'
import { Ledger, Moving } from '../../support/moving.js'
import { gate, testKernel } from '../../support/test-kernel.js'

const LOST = ['exited', 'lease_lost']

/** An owner of the test's, with all that it could use against the fence. */
interface Tools {
  self: Owner
  here: Pid
  there: Pid
  /** A monitor and a link that it has had since before, one of each node. */
  refs: ReturnType<BoundNode['monitor']>[]
}

/** Calls and casts of whatever method. */
interface Untyped {
  call(to: unknown, method: string, ...args: unknown[]): Promise<unknown>
  cast(to: unknown, method: string, ...args: unknown[]): boolean
}

const verbs = (self: Owner): Untyped => self.citadel as unknown as Untyped

const both =
  (act: (self: Owner, to: Pid) => unknown) =>
  ({ self, here, there }: Tools): unknown[] =>
    [here, there].map((to) => {
      try {
        return act(self, to)
      } catch (error) {
        return error
      }
    })

/** Each answers what came of it, and must have no effect. */
const VERBS: Record<string, (tools: Tools) => unknown[]> = {
  send: both((self, to) => self.citadel.send(to, 'sent')),
  'send by name': both((self, to) =>
    self.citadel.send({ name: 'witness', node: to.node }, 'named'),
  ),
  cast: both((self, to) => verbs(self).cast(to, 'note', 'cast')),
  call: both((self, to) => fate(verbs(self).call(to, 'note', 'call'))),
  exit: both((self, to) => self.citadel.exit(to, 'be gone')),
  kill: both((self, to) => self.citadel.exit(to, 'kill')),
  link: both((self, to) => self.citadel.link(to)),
  unlink: both((self, to) => self.citadel.unlink(to)),
  monitor: both((self, to) => self.citadel.monitor(to)),
  demonitor: ({ self, refs }) => refs.map((ref) => self.citadel.demonitor(ref)),
  reply: ({ self }) => [self.citadel.reply(self.caller, 'replied')],
  reject: ({ self }) => [self.citadel.reject(self.caller, new CitadelError('not_found', 'no'))],
  spawn: ({ self, here }) => [
    fate(self.citadel.spawn((child) => void child.send(here, 'spawned'))),
  ],
  sendAfter: both((self, to) => self.citadel.sendAfter(to, 'later', 1)),
  sendInterval: both((self, to) => self.citadel.sendInterval(to, 'again', 1)),
  exitAfter: both((self, to) => self.citadel.exitAfter(to, 'be gone later', 1)),
  sleep: ({ self }) => [fate(self.citadel.sleep(1))],
}

const setUp = async () => {
  const node = await FencedNode.start()
  node.node.registerName('witness', node.witnessHere)
  node.there.registerName('witness', node.witnessThere)
  const pid = await node.owner()
  const tools: Tools = {
    self: undefined as never,
    here: node.witnessHere as Pid,
    there: node.witnessThere as Pid,
    refs: [],
  }
  // It waits for an answer of the owner, and hears of its end.
  const waiting = fate(node.there.call(pid, 'later'))
  await node.calm()
  await node.node.call(pid, 'run', (self: Owner) => {
    tools.self = self
    tools.refs = [tools.here, tools.there].map((to) => self.citadel.monitor(to))
    self.citadel.link(tools.there)
  })
  await node.calm()
  const ended = node.node.whenEnded(pid)
  Owner.begun.length = 0
  node.wires.signals.length = 0
  return { node, pid, tools, waiting, ended }
}

const REFUSED: Record<string, unknown> = {
  demonitor: false,
  send: false,
  'send by name': false,
  cast: false,
}

describe.each(Object.entries(VERBS))(
  'one node: %s of an owner whose lease has ended',
  (verb, act) => {
    it.each([
      ['in the middle of a handler that was frozen', 'running'],
      ['parked, and woken by something that is not of the node', 'parked'],
    ] as const)('has no effect, %s', async (_, state) => {
      const { node, pid, tools, waiting, ended } = await setUp()
      let results: unknown[] = []
      const use = (): string => {
        results = act(tools)
        return 'answer'
      }
      let outcome: Promise<unknown>
      if (state === 'parked') {
        const parked = await node.parked(pid, use)
        node.freeze()
        parked.opened.open()
        outcome = parked.outcome
      } else {
        const frozen = (): string => {
          node.freeze()
          return use()
        }
        outcome = fate(node.node.call(pid, 'run', frozen))
      }
      await node.calm()
      await node.clock.advance(50)
      expect(await outcome).toEqual(LOST)
      expect(await waiting).toEqual(LOST)
      expect(await ended).toBe('lease_lost')
      expect(Owner.begun).toEqual(['run'])
      expect(node.signalsOf(pid as Pid)).toEqual([])
      expect(await node.heard()).toEqual([])
      for (const result of await Promise.all(results)) {
        if (verb in REFUSED) expect(result).toBe(REFUSED[verb])
        else if (Array.isArray(result)) expect(result[0]).toBe('noproc')
        else if (result instanceof Error) expect(result).toMatchObject({ code: 'noproc' })
        else expect(result).toBeUndefined()
      }
      expect(node.log.of('error')).toEqual([])
    })

    it('has its effect while the lease lasts, so that the test above can fail', async () => {
      const { node, pid, tools, waiting } = await setUp()
      const result = await node.node.call(pid, 'run', () => act(tools).length > 0)
      expect(result).toBe(true)
      await node.clock.advance(50)
      node.renew()
      const signals = node.signalsOf(pid as Pid).map(({ type }) => type)
      const effects: Record<string, () => unknown> = {
        kill: () => !node.node.isAlive(tools.here),
        link: async () => {
          node.node.exit(pid, 'gone')
          // The one over there was linked before.
          return (await node.heard()).length === 2
        },
        unlink: () => signals.includes('unlink'),
        monitor: () => signals.includes('monitor'),
        demonitor: () => node.wires.signals.some(({ type }) => type === 'demonitor'),
        reply: async () => JSON.stringify(await waiting) !== JSON.stringify(LOST),
        reject: async () => JSON.stringify(await waiting) !== JSON.stringify(LOST),
        sleep: () => true,
        call: () => true,
      }
      const effect = effects[verb] ?? (async () => (await node.heard()).length > 0)
      expect(await effect()).toBe(true)
    })
  },
)

describe('one node: an owner whose lease has ended', () => {
  it('takes none of the messages that wait for it, and who sent them is told', async () => {
    const { node, pid, ended } = await setUp()
    const calls = [node.node, node.there].map((from) => {
      from.send(pid, 'hello')
      from.cast(pid, 'answer')
      return fate(from.call(pid, 'answer'))
    })
    node.freeze()
    await node.calm()
    expect(Owner.begun).toEqual([])
    expect(await ended).toBe('lease_lost')
    const fates = await Promise.all(calls)
    expect(fates[0]).toEqual(LOST)
    // The call of the other node was on its way.
    expect(fates[1]).toEqual(['noproc', undefined])
  })

  it('takes no message when the node was frozen in a handler of somebody else, in the same run', async () => {
    const { node, pid } = await setUp()
    const other = await node.node.spawn(Owner)
    Owner.begun.length = 0
    const calls = [
      fate(node.node.call(other, 'run', () => node.freeze())),
      fate(node.node.call(pid, 'answer')),
    ]
    await node.calm()
    expect(await Promise.all(calls)).toEqual([{ value: undefined }, LOST])
    expect(Owner.begun).toEqual(['run'])
  })

  it('takes no further message when it is frozen in one of many', async () => {
    const { node, pid } = await setUp()
    const calls = [0, 1, 2].map((n) =>
      fate(node.node.call(pid, 'run', () => (n === 1 ? node.freeze() : n))),
    )
    await node.calm()
    expect(Owner.begun).toEqual(['run', 'run'])
    expect(await Promise.all(calls)).toEqual([{ value: 0 }, LOST, LOST])
  })

  it('takes no further cast when it is frozen in one of many, and does not terminate as it had wished', async () => {
    const { node, pid, ended } = await setUp()
    for (let n = 0; n < 3; n++) node.node.cast(pid, 'run', () => (n === 1 ? node.freeze() : n))
    await node.calm()
    expect(Owner.begun).toEqual(['run', 'run'])
    expect(await ended).toBe('lease_lost')
    node.renew()
    const second = await node.owner()
    const secondEnded = node.node.whenEnded(second)
    node.node.cast(second, 'run', (self: Owner) => {
      self.citadel.exit(self.self, 'done')
      node.freeze()
    })
    await node.calm()
    expect(Owner.begun).toEqual(['run'])
    expect(await secondEnded).toBe('lease_lost')
  })

  it('has an aborted signal, also if it is asked for only then, and when it ends on time', async () => {
    const { node, pid } = await setUp()
    let signal!: AbortSignal
    await node.node.call(pid, 'run', (self: Owner) => {
      signal = self.signal
    })
    const second = await node.owner()
    const seen = node.node.call(second, 'run', (self: Owner) => {
      node.freeze()
      seenLate = self.signal.aborted
    })
    let seenLate = false
    expect(await fate(seen)).toEqual(LOST)
    expect([signal.aborted, seenLate]).toEqual([true, true])
    expect(node.node.isAlive(pid)).toBe(false)
  })

  it('is not alive for whoever asks first', async () => {
    const { node, pid, ended } = await setUp()
    node.freeze()
    expect(node.node.isAlive(pid)).toBe(false)
    expect(await ended).toBe('lease_lost')
  })

  it('crashes or ends by itself too late: what counts is the lease', async () => {
    const { node, pid, ended } = await setUp()
    const call = node.node.call(pid, 'run', () => {
      node.freeze()
      throw new Error('too late')
    })
    expect(await fate(call)).toEqual(LOST)
    expect(await ended).toBe('lease_lost')
    expect(Owner.begun).toEqual(['run'])
    const next = await FencedNode.start().then(async (other) => {
      const one = await other.owner()
      const end = other.node.whenEnded(one)
      other.freeze()
      other.kernel.stopProcess(one as Pid, 'shutdown')
      return end
    })
    expect(next).toBe('lease_lost')
    expect(Owner.begun).toEqual([])
  })

  it('ends in the midst of an asynchronous terminate', async () => {
    const node = await FencedNode.start()
    const opened = gate()
    class Slow extends GenServer {
      async terminate(): Promise<void> {
        await opened.promise
      }
    }
    const pid = await node.node.spawn(Slow)
    node.kernel.own(pid as Pid, true)
    const ended = node.node.whenEnded(pid)
    node.node.exit(pid, 'shutdown')
    await node.calm()
    node.freeze()
    opened.open()
    expect(await ended).toBe('lease_lost')
  })

  it('gets no answer to its own calls, neither from here nor from there', async () => {
    const { node, pid, tools } = await setUp()
    const answers: unknown[] = []
    const other = await node.node.spawn(Owner)
    const freeze = (): string => {
      node.freeze()
      return 'from here'
    }
    node.wires.freeze()
    await node.node.call(pid, 'run', (self: Owner) => {
      const calls = [
        verbs(self).call(tools.there, 'note', 'from there'),
        verbs(self).call(other, 'run', freeze),
      ]
      for (const call of calls) void call.then((value) => answers.push(value))
    })
    await node.calm()
    node.wires.thaw()
    await node.calm()
    expect(answers).toEqual([])
    expect(node.node.isAlive(pid)).toBe(false)
  })

  it('does not make the call that waits for room on its link, nor the one that waits for its handle', async () => {
    const { node, pid, tools } = await setUp()
    const known = gate<Pid | undefined>()
    const { resolvePid } = await import('../../../src/process/destination.js')
    const handle = { [resolvePid]: () => known.promise }
    node.wires.block(THERE)
    await node.node.call(pid, 'run', (self: Owner) => {
      void fate(verbs(self).call(tools.there, 'note', 'call'))
      void fate(verbs(self).call(handle, 'note', 'handle call'))
      verbs(self).cast(handle, 'note', 'handle cast')
      self.citadel.send(handle as never, 'handle send')
    })
    node.freeze()
    node.wires.unblock(THERE)
    known.open(tools.here)
    expect(await node.heard()).toEqual([])
    expect(node.node.isAlive(pid)).toBe(false)
  })

  it('does not give the answer that waits for room on its link', async () => {
    const blocked = await FencedNode.start()
    const owner = await blocked.owner()
    const late = fate(blocked.there.call(owner, 'answer'))
    blocked.wires.block(THERE)
    await blocked.calm()
    expect(Owner.begun).toEqual(['answer'])
    blocked.freeze()
    blocked.wires.unblock(THERE)
    await blocked.calm()
    expect(await late).toEqual(LOST)
  })

  it('takes those that are linked to it along, and tells who monitors it', async () => {
    const node = await FencedNode.start()
    const pid = await node.owner()
    const told: unknown[] = []
    for (const from of [node.node, node.there]) {
      await from.spawn(async (self) => {
        self.trapExit = true
        self.link(pid)
        self.monitor(pid)
        for (let n = 0; n < 2; n++) told.push(await self.receive())
      })
    }
    await node.calm()
    node.freeze()
    await node.calm()
    node.lease.check(node.clock.now())
    await node.calm()
    expect(told.filter((one) => one instanceof Exit && one.reason === 'lease_lost')).toHaveLength(2)
    expect(told.filter((one) => one instanceof Down && one.reason === 'lease_lost')).toHaveLength(2)
  })
})

describe('one node: timers of an owner that was frozen', () => {
  it.each(['sendAfter', 'sendInterval', 'exitAfter', 'sleep'] as const)(
    '%s does nothing, though it is the first to run',
    async (kind) => {
      const node = await FencedNode.start()
      const pid = await node.owner()
      let slept = false
      await node.node.call(pid, 'run', (self: Owner) => {
        const to = node.witnessHere as Pid
        if (kind === 'sleep') void self.citadel.sleep(900).then(() => (slept = true))
        else if (kind === 'exitAfter') self.citadel.exitAfter(to, 'be gone', 900)
        else self.citadel[kind](to, 'timed', 900)
      })
      node.clock.jump(5 * LEASE_MS)
      await node.clock.advance(0)
      await node.clock.advance(5_000)
      expect(await node.heard()).toEqual([])
      expect([slept, node.node.isAlive(pid)]).toEqual([false, false])
    },
  )
})

describe('one node: an owner that starts when the lease ends', () => {
  class Starting extends GenServer {
    static readonly passByReference = true
    static begun: string[] = []

    init(work: (self: Starting) => unknown): unknown {
      Starting.begun.push('init')
      return work(this)
    }

    handleInfo(): void {
      Starting.begun.push('handleInfo')
    }
  }

  const spawn = (node: FencedNode, work: (self: Starting) => unknown): Promise<unknown> => {
    Starting.begun = []
    return fate(node.kernel.spawnByRoot(Starting, [work], { isOwner: true }))
  }

  it('does not begin', async () => {
    const node = await FencedNode.start()
    const spawned = spawn(node, () => 0)
    node.freeze()
    expect(await spawned).toEqual(['init_failed', 'lease_lost'])
    expect(Starting.begun).toEqual([])
    expect(await spawn(node, () => 0)).toEqual(['init_failed', 'lease_lost'])
    expect(Starting.begun).toEqual([])
  })

  it('can do nothing more in an init that was frozen, synchronous or not', async () => {
    const node = await FencedNode.start()
    const sync = spawn(node, (self) => {
      self.citadel.send(self.self, 'to itself')
      node.freeze()
      return self.citadel.send(node.witnessHere, 'late')
    })
    expect(await sync).toEqual(['init_failed', 'lease_lost'])
    node.renew()
    const silent = spawn(node, () => node.freeze())
    expect(await silent).toEqual(['init_failed', 'lease_lost'])
    node.renew()
    const opened = gate()
    const later = spawn(node, async (self) => {
      await opened.promise
      self.citadel.send(node.witnessHere, 'later')
    })
    await node.calm()
    node.freeze()
    opened.open()
    expect(await later).toEqual(['init_failed', 'lease_lost'])
    expect(await node.heard()).toEqual([])
    expect(Starting.begun).toEqual(['init'])
  })

  it('stays an owner when it gives up its only key, as a child is one by itself', async () => {
    const node = await FencedNode.start()
    const pid = await node.kernel.spawnByRoot(Owner, [], { isOwner: true })
    node.kernel.own(pid as Pid, true)
    node.kernel.own(pid as Pid, false)
    node.freeze()
    expect(node.node.isAlive(pid)).toBe(false)
  })
})

describe('two nodes: an owner that moves when the lease ends', () => {
  it('does not tell its state, neither at once nor when its handoff has ended', async () => {
    const node = await FencedNode.start()
    const opened = gate()
    class Telling extends GenServer {
      async handoff(): Promise<string> {
        await opened.promise
        return 'state'
      }
    }
    const pid = await node.node.spawn(Telling)
    node.kernel.own(pid as Pid, true)
    const state = fate(node.kernel.moves.hold(pid as Pid, 4_000))
    await node.calm()
    node.freeze()
    opened.open()
    await node.calm()
    expect(await state).toEqual(['noproc', undefined])
    node.renew()
    const second = await node.owner()
    const held = fate(node.kernel.moves.hold(second as Pid, 4_000))
    node.freeze()
    await node.calm()
    expect(await held).toEqual(['noproc', undefined])
    expect(Owner.begun).toEqual([])
  })

  it('is not told that it stays, while it is held', async () => {
    const node = await FencedNode.start()
    const pid = await node.owner()
    await node.kernel.moves.hold(pid as Pid, 4_000)
    node.freeze()
    node.kernel.moves.goOn(pid as Pid)
    await node.calm()
    expect(Owner.begun).toEqual(['handoff'])
    expect(node.node.isAlive(pid)).toBe(false)
  })

  it('goes on passing on the messages of others once it has moved', async () => {
    const node = await FencedNode.start()
    const old = (await node.node.spawn(Ledger)) as Pid<Ledger>
    node.kernel.own(old as Pid, true)
    const moved = new Moving(node.wires).move(Ledger, old as Pid, THERE, { awaited: [] })
    await node.calm()
    const to = await moved
    node.kernel.own(old as Pid, true)
    node.freeze()
    node.lease.check(node.clock.now())
    expect(node.node.isAlive(old)).toBe(true)
    const answer = node.node.call(old, 'note', 'after')
    await node.calm()
    expect(await answer).toBe('after')
    expect(to.node).toBe(THERE)
  })
})

describe('one node: a function that owns something', () => {
  it('receives nothing and no time-out after the end, and its filter is not asked', async () => {
    const node = await FencedNode.start()
    const seen: unknown[] = []
    const take = async (self: BoundNode) => {
      try {
        seen.push(
          await self.receive((message) => seen.push(['filter', message]) > 0, { timeoutMs: 1_500 }),
        )
      } catch (error) {
        seen.push(error)
      }
    }
    const pids = [await node.node.spawn(take), await node.node.spawn(take)]
    for (const pid of pids) node.kernel.own(pid, true)
    await node.calm()
    node.node.send(pids[0]!, 'late')
    node.freeze()
    await node.clock.advance(2_000)
    expect(seen).toEqual([])
    expect(pids.map((pid) => node.node.isAlive(pid))).toEqual([false, false])
  })

  it.each(['a message', 'a time-out'])(
    'does not get %s, though nothing else has run before',
    async (what) => {
      const node = await FencedNode.start()
      const seen: unknown[] = []
      const pid = await node.node.spawn(async (self) => {
        seen.push(await fate(self.receive({ timeoutMs: 1_500 })))
      })
      node.kernel.own(pid, true)
      await node.calm()
      if (what === 'a message') {
        const other = await node.node.spawn(Owner)
        // In the same run: the lease is not looked at between the two.
        void node.node.call(other, 'run', () => node.freeze())
        node.node.send(pid, 'late')
        await node.calm()
      } else {
        node.freeze()
        await node.clock.advance(0)
      }
      expect(seen).toEqual([])
      expect(node.node.isAlive(pid)).toBe(false)
    },
  )

  it('does not get a message that waits, when it asks too late', async () => {
    const node = await FencedNode.start()
    let outcome: unknown
    const opened = gate()
    const pid = await node.node.spawn(async (self) => {
      await opened.promise
      node.freeze()
      outcome = await fate(self.receive())
    })
    node.kernel.own(pid, true)
    node.node.send(pid, 'waits')
    await node.calm()
    opened.open()
    await node.calm()
    expect(outcome).toEqual(['noproc', undefined])
  })
})

describe('one node: what is not fenced', () => {
  it('processes that own nothing go on, and a new owner works under a new lease, an old one never', async () => {
    const { node, pid } = await setUp()
    const other = await node.node.spawn(Owner)
    const former = await node.owner()
    node.kernel.own(former as Pid, false)
    const parked = await node.parked(pid, ({ citadel }) => citadel.send(node.witnessHere, 'old'))
    node.freeze()
    const goesOn = [other, former].map((one) => node.node.call(one, 'answer'))
    await node.calm()
    expect(await Promise.all(goesOn)).toEqual(['answer', 'answer'])
    node.renew()
    const spawned = node.owner()
    await node.calm()
    const answer = node.node.call(await spawned, 'answer')
    await node.calm()
    expect(await answer).toBe('answer')
    parked.opened.open()
    expect(await parked.outcome).toEqual(LOST)
    expect(await node.heard()).toEqual([])
  })

  it('a lease that is renewed too late does not bring its owners back', async () => {
    const { node, pid, ended } = await setUp()
    node.freeze()
    node.renew()
    expect(node.node.isAlive(pid)).toBe(false)
    expect(await ended).toBe('lease_lost')
  })

  it('who becomes an owner without a lease ends at once', async () => {
    const node = await FencedNode.start()
    const pid = await node.node.spawn(Owner)
    node.freeze()
    node.kernel.own(pid as Pid, true)
    expect(node.node.isAlive(pid)).toBe(false)
  })

  it('on a node without a lease nobody is an owner', async () => {
    const { kernel, node } = testKernel()
    const pid = await kernel.spawnByRoot(Owner, [], { isOwner: true })
    kernel.own(pid as Pid, true)
    expect(await node.call(pid, 'run', () => 'works')).toBe('works')
    expect(kernel.mayOwn(node.self)).toBe(true)
  })

  it('the node itself may not own anything where there is a lease', async () => {
    const node = await FencedNode.start()
    const pid = await node.node.spawn(Owner)
    expect([node.kernel.mayOwn(node.node.self), node.kernel.mayOwn(pid as Pid)]).toEqual([
      false,
      true,
    ])
  })
})
