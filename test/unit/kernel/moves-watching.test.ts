/** Monitors, links and exit signals to the old pid of a process that runs elsewhere now. */
import { describe, expect, it } from 'vitest'
import type { BoundNode } from '../../../src/process/bound-node.js'
import { Down, Exit } from '../../../src/process/system-messages.js'
import type { Pid } from '../../../src/term/pid.js'
import { Ledger, Moving } from '../../support/moving.js'
import { rest } from '../../support/test-kernel.js'
import { Wires } from '../../support/wired-kernels.js'

const A = 'a@127.0.0.1'
const B = 'b@127.0.0.1'
const C = 'c@127.0.0.1'

const ends: unknown[] = []

class Child extends Ledger {
  init(): void {
    ends.length = 0
  }
  terminate(reason: unknown): void {
    ends.push(reason)
  }
}

/** How the instance that was on the old node ends first. */
const moved = (to: Pid<Ledger>) => ({ moved: to })

/** Traps exits, so that what it is sent can be seen. */
class Trapping extends Child {
  override init(): void {
    this.trapExit = true
  }
}

const setUp = async (module: typeof Ledger = Child) => {
  const wires = new Wires()
  const [a, b, c] = [A, B, C].map((name) => wires.node(name).node) as [
    BoundNode,
    BoundNode,
    BoundNode,
  ]
  const moving = new Moving(wires)
  const old = (await a.spawn(module)) as Pid<Ledger>
  const toB = async (learn = [A]): Promise<Pid<Ledger>> => {
    const to = await moving.move(module, old as Pid, B, { learn, awaited: [] })
    return to as Pid<Ledger>
  }
  return { wires, moving, old, toB, a, b, c }
}

/** A process that collects what it hears, with the verbs to monitor and link as itself. */
async function watcher(node: BoundNode, trapExit = true) {
  const heard: unknown[] = []
  let self!: BoundNode
  const pid = await node.spawn(async (own) => {
    self = own
    own.trapExit = trapExit
    for (;;) heard.push(await own.receive())
  })
  return { self, pid: pid as Pid, heard }
}

const stop = (moving: Moving, pid: Pid): void =>
  moving.kernel(pid.node).stopProcess(pid, 'shutdown')

describe('three nodes: who monitors the old pid', () => {
  it('from before the move hears of the end of the new process, once, with its reason', async () => {
    const { old, toB, a, b, c } = await setUp()
    const watchers = await Promise.all([a, b, c].map((node) => watcher(node)))
    const refs = watchers.map(({ self }) => self.monitor(old))
    await rest()
    const to = await toB()
    expect(watchers.map(({ heard }) => heard)).toEqual([[], [], []])
    b.exit(to, 'enough')
    await rest()
    watchers.forEach(({ heard }, index) => {
      expect(heard).toEqual([new Down(refs[index]!, old as Pid, 'enough')])
    })
    expect(ends).toEqual([moved(to), 'enough'])
    expect(a.isAlive(old)).toBe(false)
  })

  it('from after the move hears it too, whether its node knows of the move or not', async () => {
    const { old, toB, a, b, c } = await setUp()
    const to = await toB([A, B])
    const watchers = await Promise.all([a, b, c].map((node) => watcher(node)))
    const refs = watchers.map(({ self }) => self.monitor(old))
    await rest()
    b.exit(to, 'kill')
    await rest()
    watchers.forEach(({ heard }, index) => {
      expect(heard).toMatchObject([{ ref: refs[index], reason: 'killed' }])
    })
  })

  it('hears of a crash with the error', async () => {
    const { old, toB, b, c } = await setUp()
    const { self, heard } = await watcher(c)
    self.monitor(old)
    await rest()
    const to = await toB()
    b.cast(to, 'fail')
    await rest()
    expect(heard).toMatchObject([{ reason: { error: { message: 'broken' } } }])
  })

  it('hears `moved` and the new pid when the old node stops it, and can go on there', async () => {
    const { moving, old, toB, b, c } = await setUp()
    const { self, heard } = await watcher(c)
    const ref = self.monitor(old)
    await rest()
    const to = await toB()
    stop(moving, old as Pid)
    await rest()
    expect(heard).toEqual([new Down(ref, old as Pid, { moved: to })])
    self.monitor(to)
    await rest()
    b.exit(to, 'done')
    await rest()
    expect(heard).toHaveLength(2)
  })

  it('hears noconnection when the new node is lost', async () => {
    const { wires, old, toB, c } = await setUp()
    const { self, heard } = await watcher(c)
    const ref = self.monitor(old)
    await rest()
    await toB()
    wires.disconnect(A, B)
    await rest()
    expect(heard).toEqual([new Down(ref, old as Pid, 'noconnection')])
  })

  it('and has taken it back hears nothing', async () => {
    const { old, toB, b, c } = await setUp()
    const { self, heard } = await watcher(c)
    const before = self.monitor(old)
    await rest()
    const to = await toB()
    const after = self.monitor(old)
    await rest()
    self.demonitor(before)
    self.demonitor(after)
    b.exit(to, 'kill')
    await rest()
    expect(heard).toEqual([])
  })

  it('hears of the end of a process that has moved twice', async () => {
    const { moving, old, toB, a, c } = await setUp()
    const { self, heard } = await watcher(c)
    const ref = self.monitor(old)
    await rest()
    const second = await toB()
    const third = await moving.move(Child, second as Pid, A, { learn: [B], awaited: [] })
    a.exit(third, 'at home')
    await rest()
    expect(heard).toEqual([new Down(ref, old as Pid, 'at home')])
  })
})

describe('three nodes: who is linked to the old pid', () => {
  it('is not killed by the move, nor by the stop of the old node, which it does not even hear of', async () => {
    const { moving, old, toB, a, b, c } = await setUp()
    const all = await Promise.all([a, b, c].map((node) => watcher(node, false)))
    for (const { self } of all) self.link(old)
    await rest()
    const to = await toB()
    stop(moving, old as Pid)
    await rest()
    all.forEach(({ pid }, index) => {
      expect([a, b, c][index]!.isAlive(pid)).toBe(true)
    })
    expect(b.isAlive(to)).toBe(true)
  })

  it('gets the exit signal of the new process', async () => {
    const { old, toB, a, b, c } = await setUp()
    const trapping = await Promise.all([a, c].map((node) => watcher(node)))
    const mortal = await watcher(c, false)
    for (const { self } of [...trapping, mortal]) self.link(old)
    await rest()
    const to = await toB()
    const late = await watcher(c)
    late.self.link(old)
    await rest()
    b.exit(to, 'enough')
    await rest()
    for (const { heard } of [...trapping, late]) {
      expect(heard).toEqual([new Exit(old as Pid, 'enough')])
    }
    expect(c.isAlive(mortal.pid)).toBe(false)
  })

  it('and has unlinked hears nothing', async () => {
    const { old, toB, b, c } = await setUp()
    const { self, heard } = await watcher(c)
    self.link(old)
    await rest()
    const to = await toB()
    self.unlink(old)
    await rest()
    b.exit(to, 'kill')
    await rest()
    expect(heard).toEqual([])
  })

  it('ends the new process by its own end, but for a normal one', async () => {
    const { old, toB, b, c } = await setUp()
    const [friendly, deadly] = [await watcher(c), await watcher(c)]
    friendly.self.link(old)
    deadly.self.link(old)
    await rest()
    const to = await toB()
    friendly.self.exit(friendly.pid, 'normal')
    await rest()
    expect(b.isAlive(to)).toBe(true)
    c.exit(deadly.pid, 'kill')
    await rest()
    expect(b.isAlive(to)).toBe(false)
    expect(ends).toEqual([moved(to), 'killed'])
  })
})

describe('three nodes: exit(oldPid, reason)', () => {
  it('reaches the new process, from the old node and from any other', async () => {
    for (const from of ['a', 'b', 'c'] as const) {
      const { old, toB, ...nodes } = await setUp()
      const to = await toB()
      nodes[from].exit(old, 'normal')
      await rest()
      expect(nodes.b.isAlive(to)).toBe(true)
      nodes[from].exit(old, 'enough')
      await rest()
      expect(nodes.b.isAlive(to)).toBe(false)
      expect(ends).toEqual([moved(to), 'enough'])
    }
  })

  it('is a message to a new process that traps exits, and `kill` ends that too', async () => {
    const { old, toB, a, b } = await setUp(Trapping)
    const to = await toB()
    a.exit(old, 'please')
    await rest()
    expect(await b.call(to, 'all')).toMatchObject([{ type: 'exit', reason: 'please' }])
    a.exit(old, 'kill')
    await rest()
    expect(b.isAlive(to)).toBe(false)
  })

  it('reaches it from a node that knows of the move when the old node has given the old pid up', async () => {
    for (const from of ['a', 'c'] as const) {
      const { moving, old, toB, ...nodes } = await setUp()
      const to = await toB([A, B, C])
      stop(moving, old as Pid)
      await rest()
      nodes[from].exit(old, 'enough')
      await rest()
      expect(nodes.b.isAlive(to)).toBe(false)
    }
  })
})

describe('two nodes: the end of the old pid', () => {
  it('resolves whenEnded there with `moved` and the new pid', async () => {
    const { moving, old, toB, a } = await setUp()
    const ended = a.whenEnded(old)
    const to = await toB()
    stop(moving, old as Pid)
    expect(await ended).toEqual({ moved: to })
  })

  it('does not end the new process', async () => {
    const { moving, old, toB, b } = await setUp()
    const to = await toB()
    stop(moving, old as Pid)
    await rest()
    expect(b.isAlive(to)).toBe(true)
    expect(ends).toEqual([moved(to)])
  })
})
