/**
 * Two or more kernels joined without a mesh, for tests of the Router seam alone. Terms go through
 * the codec and arrive later, in order, as from a connection.
 */
import { CitadelError } from '../../src/base/errors.js'
import type { KernelOptions } from '../../src/kernel/kernel.js'
import type { Router, Source } from '../../src/kernel/router.js'
import type { Signal } from '../../src/process/signal.js'
import { copyTerm } from '../../src/term/codec.js'
import { Pid } from '../../src/term/pid.js'
import { testKernel } from './test-kernel.js'

type Wired = ReturnType<typeof testKernel>

export class Wires {
  readonly kernels = new Map<string, Wired>()
  readonly signals: Signal[] = []
  /** Directed pairs `a>b` that are cut. */
  readonly cut = new Set<string>()
  /** Nodes that pose as other Erlang nodes. */
  readonly beams = new Set<string>()
  /** Links above the high mark, and who waits for them. */
  readonly blocked = new Map<string, Set<() => void>>()
  /** A frozen wire keeps what is sent until it is let go. */
  #frozen: (() => void)[] | undefined
  /** The same for one direction between two nodes, `a>b`. */
  readonly #stuck = new Map<string, (() => void)[]>()

  node(name: string, options: Partial<KernelOptions> = {}): Wired {
    const wired = testKernel({ name, creation: 1, router: this.#router(name), ...options })
    this.kernels.set(name, wired)
    return wired
  }

  freeze(): void {
    this.#frozen = []
  }

  thaw(): void {
    for (const task of this.#frozen ?? []) setImmediate(task)
    this.#frozen = undefined
  }

  /** What `a` sends to `b` stays on its way until `release`. */
  stick(a: string, b: string): void {
    this.#stuck.set(`${a}>${b}`, [])
  }

  release(a: string, b: string): void {
    const waiting = this.#stuck.get(`${a}>${b}`) ?? []
    this.#stuck.delete(`${a}>${b}`)
    for (const task of waiting) setImmediate(task)
  }

  disconnect(a: string, b: string): void {
    this.cut.add(`${a}>${b}`)
    this.cut.add(`${b}>${a}`)
    this.kernels.get(a)?.kernel.disconnected(b)
    this.kernels.get(b)?.kernel.disconnected(a)
  }

  block(node: string): void {
    this.blocked.set(node, new Set())
  }

  unblock(node: string): void {
    const waiting = this.blocked.get(node) ?? []
    this.blocked.delete(node)
    for (const callback of waiting) callback()
  }

  #later(from: string, to: string, task: () => void): void {
    const run = () => {
      if (!this.cut.has(`${from}>${to}`)) task()
    }
    const stuck = this.#stuck.get(`${from}>${to}`)
    if (this.#frozen !== undefined) this.#frozen.push(run)
    else if (stuck !== undefined) stuck.push(run)
    else setImmediate(run)
  }

  #router(self: string): Router {
    const connected = (node: string) =>
      node !== self && this.kernels.has(node) && !this.cut.has(`${self}>${node}`)
    const kernel = (node: string) => this.kernels.get(node)!.kernel
    const { beams } = this
    const source: Source = {
      node: self,
      creation: 1,
      get kind() {
        return beams.has(self) ? 'beam' : 'citadel'
      },
    }
    return {
      kind: (node) => (connected(node) ? (this.beams.has(node) ? 'beam' : 'citadel') : undefined),
      offers: (node) => connected(node) && !this.beams.has(node),
      send: (from, to, message) => {
        const { node } = to
        if (!connected(node) || this.blocked.has(node)) return false
        const copy = copyTerm(message)
        this.#later(self, node, () => {
          if (to instanceof Pid) kernel(node).deliver(to, copy, source)
          else kernel(node).deliverNamed(to.name, copy, from, source)
        })
        return true
      },
      sendToAlias: (_from, ref, message) => {
        if (!connected(ref.node) || this.blocked.has(ref.node)) return false
        const copy = copyTerm(message)
        this.#later(self, ref.node, () => kernel(ref.node).deliverToAlias(ref, copy, source))
        return true
      },
      signal: (node, signal) => {
        if (!connected(node)) return false
        const copy = 'reason' in signal ? { ...signal, reason: copyTerm(signal.reason) } : signal
        this.signals.push(signal)
        this.#later(self, node, () => kernel(node).receiveSignal(copy, source))
        return true
      },
      pass: (node, endpoint, message) => {
        if (!connected(node)) return false
        const copy = copyTerm(message)
        const from = new Pid(self, 0, 0, this.kernels.get(self)!.kernel.root.pid.creation)
        this.#later(self, node, () => kernel(node).deliverNamed(endpoint, copy, from, source))
        return true
      },
      onceWritable: (node, callback) => {
        const waiting = this.blocked.get(node)
        if (waiting === undefined) throw new CitadelError('bad_argument', 'nothing to wait for')
        waiting.add(callback)
        return () => void waiting.delete(callback)
      },
    }
  }
}
