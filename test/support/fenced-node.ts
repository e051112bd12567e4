/**
 * A kernel with a lease that the test moves by hand, next to one of another node that writes down
 * what comes from it. Time moves only when told.
 */
import { Lease } from '../../src/base/lease.js'
import type { BoundNode } from '../../src/process/bound-node.js'
import { GenServer } from '../../src/process/gen-server.js'
import { type From, noReply } from '../../src/process/request.js'
import type { Signal } from '../../src/process/signal.js'
import { Exit } from '../../src/process/system-messages.js'
import type { Pid } from '../../src/term/pid.js'
import { ManualClock } from './manual-clock.js'
import { calm } from './moving.js'
import { gate } from './test-kernel.js'
import { Wires } from './wired-kernels.js'

export const LEASE_MS = 1_000
export const HERE = 'here@127.0.0.1'
export const THERE = 'there@127.0.0.1'

/** Writes down all that reaches it. */
export class Witness extends GenServer {
  static readonly passByReference = true
  heard: unknown[] = []

  init(): void {
    this.trapExit = true
  }

  note(item: unknown): unknown {
    this.heard.push(item)
    return item
  }

  all(): unknown[] {
    return this.heard
  }

  /** That an owner has ended is no word of the owner. */
  handleInfo(message: unknown): void {
    if (message instanceof Exit && message.reason === 'lease_lost') return
    this.heard.push(message)
  }
}

/** Does what it is told, and keeps a list of the handlers that have begun. */
export class Owner extends GenServer {
  static readonly passByReference = true
  static readonly begun: string[] = []
  #caller: From | undefined

  init(): void {
    Owner.begun.push('init')
  }

  /** `act` is on the stack when the time passes. */
  run(act: (self: Owner) => unknown): unknown {
    Owner.begun.push('run')
    return act(this)
  }

  later(): typeof noReply {
    Owner.begun.push('later')
    this.#caller = this.from
    return noReply
  }

  get caller(): From {
    return this.#caller!
  }

  answer(): string {
    Owner.begun.push('answer')
    return 'answer'
  }

  handleInfo(): void {
    Owner.begun.push('handleInfo')
  }

  terminate(): void {
    Owner.begun.push('terminate')
  }

  handoff(): unknown {
    Owner.begun.push('handoff')
    return 'state'
  }

  handoffAborted(): void {
    Owner.begun.push('handoffAborted')
  }
}

export class FencedNode {
  readonly clock = new ManualClock()
  readonly lease = new Lease()
  readonly wires = new Wires()
  readonly kernel
  readonly node: BoundNode
  readonly log
  readonly there: BoundNode
  witnessHere!: Pid<Witness>
  witnessThere!: Pid<Witness>

  private constructor() {
    const { clock, lease } = this
    // As the mesh does when the node runs again, and before its processes do.
    const beforeRun = (now: number) => void lease.check(now)
    const here = this.wires.node(HERE, { clock, lease, beforeRun })
    this.kernel = here.kernel
    this.node = here.node
    this.log = here.log
    this.there = this.wires.node(THERE, { clock }).node
  }

  static async start(): Promise<FencedNode> {
    const node = new FencedNode()
    Owner.begun.length = 0
    node.renew()
    node.witnessHere = await node.node.spawn(Witness)
    node.witnessThere = await node.there.spawn(Witness)
    return node
  }

  renew(): void {
    const now = this.clock.now()
    this.lease.move(now + LEASE_MS, now)
  }

  /** The program was frozen until long after the end of the lease, and nobody has noticed. */
  readonly freeze = (): void => this.clock.jump(5 * LEASE_MS)

  async owner(): Promise<Pid<Owner>> {
    const pid = await this.node.spawn(Owner)
    this.kernel.own(pid as Pid, true)
    Owner.begun.length = 0
    return pid
  }

  /** A process that waits for `opened` in a handler, and does `act` afterwards. */
  async parked(pid: Pid<Owner>, act: (self: Owner) => unknown) {
    const opened = gate()
    const call = this.node.call(pid, 'run', async (self: Owner) => {
      await opened.promise
      return act(self)
    })
    const outcome = fate(call)
    await calm(this.clock)
    return { opened, outcome }
  }

  /** Signals that `pid` has sent, but for those by which its node tells of its end. */
  signalsOf(pid: Pid): Signal[] {
    return this.wires.signals.filter(
      (signal) =>
        'from' in signal &&
        `${signal.from}` === `${pid}` &&
        !('reason' in signal && String(signal.reason) === 'lease_lost') &&
        signal.type !== 'demonitor',
    )
  }

  /** What the two witnesses have heard. */
  async heard(): Promise<unknown[]> {
    await calm(this.clock)
    const here = this.node.call(this.witnessHere, 'all')
    const there = this.there.call(this.witnessThere, 'all')
    await calm(this.clock)
    return [...(await here), ...(await there)]
  }

  calm(): Promise<void> {
    return calm(this.clock)
  }
}

/** How a promise ends: its value, or code and reason of its error. */
export const fate = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    (value) => ({ value }),
    (error: { code?: string; reason?: unknown }) => [error.code, error.reason],
  )
