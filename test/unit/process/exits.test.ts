import { describe, expect, it } from 'vitest'
import { CitadelError } from '../../../src/base/errors.js'
import type { BoundNode } from '../../../src/process/bound-node.js'
import { GenServer } from '../../../src/process/gen-server.js'
import { Down, Exit } from '../../../src/process/system-messages.js'
import type { Pid } from '../../../src/term/pid.js'
import { ManualClock } from '../../support/manual-clock.js'
import { gate, rest, testKernel } from '../../support/test-kernel.js'

/** Waits for ever. */
const idle = (self: BoundNode) => self.receive(() => false)

class Witness extends GenServer {
  static ended: unknown[] = []
  heard: unknown[] = []

  init(options: { trap?: boolean; link?: Pid } = {}): void {
    this.trapExit = options.trap === true
    if (options.link !== undefined) this.citadel.link(options.link)
  }

  watch(pid: Pid): unknown {
    return this.citadel.monitor(pid)
  }

  all(): unknown[] {
    return this.heard
  }

  stop(reason: unknown): string {
    this.citadel.exit(this.self, reason)
    return 'stopping'
  }

  async stopLater(until: Promise<void>): Promise<string> {
    this.citadel.exit(this.self, 'normal')
    await until
    return 'done'
  }

  park(until: Promise<unknown>): Promise<unknown> {
    return until
  }

  handleInfo(message: unknown): void {
    this.heard.push(message)
  }

  terminate(reason: unknown): void {
    Witness.ended.push(reason)
  }
}

const spawnWitness = (node: BoundNode, options: { trap?: boolean; link?: Pid } = {}) => {
  Witness.ended = []
  return node.spawn(Witness, [options])
}

describe('exit', () => {
  it('ends a process with the reason, and kill with killed whatever it traps', async () => {
    const { node } = testKernel()
    const one = await spawnWitness(node)
    const ended = node.whenEnded(one)
    node.exit(one, 'enough')
    expect(await ended).toBe('enough')
    expect(Witness.ended).toEqual(['enough'])
    const two = await spawnWitness(node, { trap: true })
    const killed = node.whenEnded(two)
    node.exit(two, 'kill')
    expect(node.isAlive(two)).toBe(false)
    expect(await killed).toBe('killed')
    expect(Witness.ended).toEqual([])
  })

  it('normal from others is ignored, unless exits are trapped', async () => {
    const { node } = testKernel()
    const plain = await spawnWitness(node)
    const trapping = await spawnWitness(node, { trap: true })
    node.exit(plain, 'normal')
    node.exit(trapping, 'normal')
    await rest()
    expect(node.isAlive(plain)).toBe(true)
    expect(await node.call(trapping, 'all')).toEqual([new Exit(node.self, 'normal')])
    expect(((await node.call(trapping, 'all'))[0] as Exit).type).toBe('exit')
  })

  it('of oneself ends the process once its handler has answered', async () => {
    const { node } = testKernel()
    for (const trap of [false, true]) {
      const pid = await spawnWitness(node, { trap })
      const ended = node.whenEnded(pid)
      expect(await node.call(pid, 'stop', 'normal')).toBe('stopping')
      expect(await ended).toBe('normal')
      expect(Witness.ended).toEqual(['normal'])
    }
  })

  it('of oneself lets an asynchronous handler finish', async () => {
    const { node } = testKernel()
    const pid = await spawnWitness(node)
    const { promise, open } = gate()
    const answer = node.call(pid, 'stopLater', promise)
    await rest()
    expect(node.isAlive(pid)).toBe(true)
    open()
    expect(await answer).toBe('done')
    await rest()
    expect(node.isAlive(pid)).toBe(false)
  })

  it('reaches a process that is parked, aborts its signal, and fails its call', async () => {
    const { node } = testKernel()
    let aborted = false
    class Parked extends GenServer {
      async wait(): Promise<void> {
        this.signal.addEventListener('abort', () => {
          aborted = true
        })
        await new Promise(() => {})
      }
    }
    for (const reason of ['kill', 'shutdown']) {
      aborted = false
      const pid = await node.spawn(Parked)
      const call = node.call(pid, 'wait').catch((error: unknown) => error)
      await rest()
      node.exit(pid, reason)
      const error = (await call) as CitadelError
      expect(error.code).toBe('exited')
      expect(error.reason).toBe(reason === 'kill' ? 'killed' : reason)
      expect(aborted).toBe(true)
    }
  })

  it('reaches a process whose own handler causes it, even when the handler then waits', async () => {
    const { node } = testKernel()
    class Rash extends GenServer {
      async provoke(other: Pid): Promise<void> {
        this.citadel.link(other)
        this.citadel.exit(other, 'boom')
        await new Promise(() => {})
      }
    }
    const other = await node.spawn(idle)
    const pid = await node.spawn(Rash)
    const ended = node.whenEnded(pid)
    node.cast(pid, 'provoke', other)
    expect(await ended).toBe('boom')
  })

  it('of a parent aborts the signal at once, also while exits are trapped', async () => {
    const { node } = testKernel()
    class Careful extends GenServer {
      init(): void {
        this.trapExit = true
      }
      wait(): Promise<string> {
        return new Promise((resolve) => {
          this.signal.addEventListener('abort', () => resolve('cut short'))
        })
      }
    }
    const pid = await node.spawn(Careful, [], { link: true })
    const call = node.call(pid, 'wait')
    await rest()
    const ended = node.whenEnded(pid)
    node.exit(pid, 'shutdown')
    expect(await call).toBe('cut short')
    expect(await ended).toBe('shutdown')
  })

  it('leaves the code of a dead process without a node', async () => {
    const { node } = testKernel()
    const { promise, open } = gate()
    const outcomes: unknown[] = []
    class Zombie extends GenServer {
      async wait(other: Pid): Promise<void> {
        await promise
        outcomes.push(this.citadel.send(other, 'from the dead'))
        outcomes.push(await this.citadel.call(other, 'x').catch((e: CitadelError) => e.message))
        outcomes.push(await this.citadel.spawn(Zombie).catch((e: CitadelError) => e.code))
        for (const act of [
          () => this.citadel.link(other),
          () => this.citadel.monitor(other),
          () => this.citadel.sendAfter(other, 1, 1),
        ]) {
          try {
            act()
          } catch (error) {
            outcomes.push((error as CitadelError).code)
          }
        }
        outcomes.push(this.signal.aborted)
      }
    }
    const pid = await node.spawn(Zombie)
    node.cast(pid, 'wait', node.self)
    await rest()
    node.exit(pid, 'kill')
    open()
    await rest()
    expect(outcomes).toEqual([
      false,
      'this process has ended',
      'noproc',
      'noproc',
      'noproc',
      'noproc',
      true,
    ])
  })
})

describe('terminate', () => {
  it('is awaited, and only then others hear of the end', async () => {
    const { node } = testKernel()
    const { promise, open } = gate()
    class Slow extends GenServer {
      terminate(): Promise<void> {
        return promise
      }
    }
    const pid = await node.spawn(Slow)
    const ref = node.monitor(pid)
    node.exit(pid, 'shutdown')
    await rest()
    expect(node.isAlive(pid)).toBe(true)
    open()
    expect(await node.receive()).toEqual(new Down(ref, pid, 'shutdown'))
  })

  it('is given 5 s', async () => {
    const clock = new ManualClock()
    const { node, log } = testKernel({ clock })
    class Stuck extends GenServer {
      terminate(): Promise<void> {
        return new Promise(() => {})
      }
    }
    const spawned = node.spawn(Stuck)
    await clock.settle()
    const pid = await spawned
    node.exit(pid, 'shutdown')
    await clock.advance(4_999)
    expect(node.isAlive(pid)).toBe(true)
    await clock.advance(1)
    expect(node.isAlive(pid)).toBe(false)
    expect(log.of('warn')[0]).toContain('5000 ms')
    expect(clock.pending).toBe(0)
  })

  it('is not called by kill, which also ends a terminate under way', async () => {
    const { node } = testKernel()
    let called = 0
    class Stuck extends GenServer {
      terminate(): Promise<void> {
        called++
        return new Promise(() => {})
      }
    }
    const pid = await node.spawn(Stuck)
    node.exit(pid, 'shutdown')
    await rest()
    const ended = node.whenEnded(pid)
    node.exit(pid, 'kill')
    expect(await ended).toBe('killed')
    expect(called).toBe(1)
  })

  it('is called after an error, and an error in it is logged and changes nothing', async () => {
    const { node, log } = testKernel()
    class Clumsy extends GenServer {
      fail(): void {
        throw new Error('first')
      }
      terminate(): void {
        throw new Error('second')
      }
    }
    const pid = await node.spawn(Clumsy)
    const ended = node.whenEnded(pid)
    node.cast(pid, 'fail')
    expect(await ended).toMatchObject({ error: { message: 'first' } })
    expect(log.of('error')).toHaveLength(2)
  })
})

describe('links', () => {
  it('carry an exit both ways', async () => {
    const { node } = testKernel()
    const a = await node.spawn(idle)
    const b = await spawnWitness(node, { link: a })
    const c = await spawnWitness(node, { link: b as Pid })
    const ended = node.whenEnded(a)
    node.exit(c, 'broken')
    expect(await ended).toBe('broken')
    expect(node.isAlive(b)).toBe(false)
  })

  it('are not broken by normal, become Exit messages when trapped, and can be taken back', async () => {
    const { node } = testKernel()
    const quiet = await node.spawn(async (self) => void (await self.receive()))
    const loud = await node.spawn(idle)
    const trapping = await spawnWitness(node, { trap: true, link: loud })
    const plain = await spawnWitness(node, { link: quiet })
    node.send(quiet, 'end')
    await rest()
    expect(node.isAlive(quiet)).toBe(false)
    expect(node.isAlive(plain)).toBe(true)
    node.exit(loud, 'boom')
    expect(await node.call(trapping, 'all')).toEqual([new Exit(loud, 'boom')])
    const free = await node.spawn(idle)
    node.link(free)
    node.unlink(free)
    node.exit(free, 'boom')
    await expect(node.receive({ timeoutMs: 10 })).rejects.toThrow('no such message')
  })

  it('to a dead process are an exit signal noproc', async () => {
    const { node } = testKernel()
    const dead = await node.spawn(idle)
    node.exit(dead, 'kill')
    const trapping = await spawnWitness(node, { trap: true, link: dead })
    expect(await node.call(trapping, 'all')).toEqual([new Exit(dead, 'noproc')])
    const error = await spawnWitness(node, { link: dead }).catch((e: CitadelError) => e)
    expect(error).toMatchObject({ code: 'init_failed', reason: 'noproc' })
  })

  it('of 100,000 processes in a chain all break, without a stack as deep', async () => {
    const { node, kernel } = testKernel()
    let previous: Pid = await node.spawn(idle)
    const first = previous
    for (let i = 0; i < 100_000; i++) {
      const target = previous
      previous = await node.spawn((self) => {
        self.link(target)
        return idle(self)
      })
    }
    node.exit(first, 'boom')
    expect(kernel.counters().processes).toBe(1)
    expect(node.isAlive(previous)).toBe(false)
  })

  it('made by spawn make the parent, whose end stops even a child that traps exits', async () => {
    const { node } = testKernel()
    Witness.ended = []
    const children: Pid[] = []
    const parent = await node.spawn(async (self) => {
      children.push(await self.spawn(Witness, [{ trap: true }], { link: true }))
      await self.receive()
    })
    await rest()
    const ended = node.whenEnded(children[0]!)
    node.exit(parent, 'shutdown')
    expect(await ended).toBe('shutdown')
    expect(Witness.ended).toEqual(['shutdown'])
  })
})

describe('monitors', () => {
  it('give one Down, with the reason', async () => {
    const { node } = testKernel()
    const pid = await node.spawn(idle)
    const one = node.monitor(pid)
    const two = node.monitor(pid)
    node.exit(pid, { some: 'data' })
    expect(await node.receive()).toEqual(new Down(one, pid, { some: 'data' }))
    expect(await node.receive()).toEqual(new Down(two, pid, { some: 'data' }))
    await expect(node.receive({ timeoutMs: 10 })).rejects.toMatchObject({ code: 'timeout' })
  })

  it('of nobody give Down at once: noproc here, noconnection elsewhere', async () => {
    const { node } = testKernel()
    const dead = await node.spawn(idle)
    node.exit(dead, 'kill')
    const a = node.monitor(dead)
    const b = node.monitor('nobody')
    const c = node.monitor({ name: 'x', node: 'n9@127.0.0.1' })
    expect(await node.receive()).toEqual(new Down(a, dead, 'noproc'))
    expect(await node.receive()).toEqual(new Down(b, { name: 'nobody', node: node.name }, 'noproc'))
    const lost = new Down(c, { name: 'x', node: 'n9@127.0.0.1' }, 'noconnection')
    expect(await node.receive()).toEqual(lost)
  })

  it('by name give the name', async () => {
    const { node } = testKernel()
    const pid = await node.spawn(idle, { name: 'idler' })
    const ref = node.monitor('idler')
    node.exit(pid, 'kill')
    const down = (await node.receive()) as Down
    expect(down.pid).toEqual({ name: 'idler', node: node.name })
    expect(down.ref).toBe(ref)
  })

  it('can be taken back, once', async () => {
    const { node } = testKernel()
    const pid = await node.spawn(idle)
    const ref = node.monitor(pid)
    expect(node.demonitor(ref)).toBe(true)
    expect(node.demonitor(ref)).toBe(false)
    node.exit(pid, 'kill')
    await expect(node.receive({ timeoutMs: 10 })).rejects.toMatchObject({ code: 'timeout' })
  })

  it('of a dead owner are forgotten by what they watched', async () => {
    const { node } = testKernel()
    const pid = await node.spawn(idle)
    const watcher = await spawnWitness(node)
    await node.call(watcher, 'watch', pid)
    node.exit(watcher, 'kill')
    node.exit(pid, 'kill')
    expect(node.isAlive(pid)).toBe(false)
  })

  it('count a crash as { error }', async () => {
    const { node } = testKernel()
    const pid = await node.spawn(async (self) => {
      await self.receive()
      throw new Error('boom')
    })
    node.monitor(pid)
    node.send(pid, 'go')
    expect((await node.receive()) as Down).toMatchObject({ reason: { error: { message: 'boom' } } })
  })
})

describe('watchExit', () => {
  it('tells of the end before links and monitors do, once, and can be taken back', async () => {
    const { node, kernel } = testKernel()
    const order: string[] = []
    const pid = await node.spawn(idle)
    const other = await node.spawn((self) => {
      self.link(pid)
      return idle(self)
    })
    kernel.watchExit(other, () => order.push('linked'))
    kernel.watchExit(pid, (ended, reason) => order.push(`${ended} ${reason}`))
    const cancel = kernel.watchExit(pid, () => order.push('never'))
    cancel?.()
    node.exit(pid, 'boom')
    expect(order).toEqual([`${pid} boom`, 'linked'])
    expect(kernel.watchExit(pid, () => {})).toBe(undefined)
  })

  it('survives a listener that throws', async () => {
    const { node, kernel, log } = testKernel()
    const pid = await node.spawn(idle)
    let told = false
    kernel.watchExit(pid, () => {
      throw new Error('bad listener')
    })
    kernel.watchExit(pid, () => {
      told = true
    })
    node.exit(pid, 'kill')
    expect(told).toBe(true)
    expect(log.of('error')).toHaveLength(1)
  })
})

describe('the node', () => {
  it('knows which of its pids are alive, and no others', async () => {
    const { node } = testKernel()
    const { Pid } = await import('../../../src/term/pid.js')
    const pid = await node.spawn(idle)
    expect(node.isAlive(new Pid(pid.node, pid.id, pid.serial, pid.creation))).toBe(true)
    expect(node.isAlive(new Pid(pid.node, pid.id, pid.serial, pid.creation + 1))).toBe(false)
    expect(() => node.isAlive(new Pid('n2@127.0.0.1', 80, 0, 1))).toThrow(CitadelError)
  })

  it('lists its processes', async () => {
    const { node, kernel } = testKernel()
    const pid = await node.spawn(Witness, [], { name: 'w' })
    node.send(pid, 1)
    expect([...kernel.processes()]).toEqual([
      { pid: node.self, name: undefined, kind: 'root', mailboxLength: 0, status: 'parked' },
      { pid, name: 'w', kind: 'Witness', mailboxLength: 1, status: 'ready' },
    ])
  })

  it('gives and takes local names', async () => {
    const { node } = testKernel()
    const pid = await node.spawn(idle)
    node.registerName('a', pid)
    node.registerName('a', pid)
    expect(node.whereis('a')).toBe(pid)
    expect(() => node.registerName('a', node.self)).toThrow("'a' is taken")
    expect(() => node.registerName('b', pid)).toThrow('unregister it first')
    expect(node.unregisterName('a')).toBe(true)
    expect(node.unregisterName('a')).toBe(false)
    node.registerName('b', pid)
    node.exit(pid, 'kill')
    expect(node.whereis('b')).toBe(undefined)
    expect(() => node.registerName('c', pid)).toThrow('no living process')
  })

  it('stops its processes in order, kills what does not stop, and then refuses everything', async () => {
    const clock = new ManualClock()
    const { node, kernel } = testKernel({ clock })
    Witness.ended = []
    const spawned = [node.spawn(Witness, [{ trap: true }]), node.spawn(Witness)]
    void node.spawn((self) => {
      self.trapExit = true
      return idle(self)
    })
    await clock.settle()
    await Promise.all(spawned)
    const stopped = kernel.stop(1_000)
    await clock.advance(1_000)
    await stopped
    expect(Witness.ended).toEqual(['shutdown', 'shutdown'])
    expect(kernel.counters().processes).toBe(0)
    const code = (promise: Promise<unknown>) => promise.catch((e: CitadelError) => e.code)
    expect(await code(node.call('x', 'y'))).toBe('stopped')
    expect(await code(node.spawn(Witness))).toBe('stopped')
    expect(node.send('x', 1)).toBe(false)
    expect(clock.pending).toBe(0)
  })
})
