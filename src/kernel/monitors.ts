/**
 * Monitors, of local processes and across nodes: exactly one `Down` for each, whatever happens to
 * the process, its node or the connection, unless it is taken back before.
 */
import { CitadelError } from '../base/errors.js'
import type { Destination } from '../process/destination.js'
import { reasonFromWire, reasonToWire } from '../process/exit-reason.js'
import { Monitor, type Process, TIES_PER_NODE_MAX } from '../process/process.js'
import type { Signal, Target } from '../process/signal.js'
import { Down } from '../process/system-messages.js'
import { Pid } from '../term/pid.js'
import type { Ref } from '../term/ref.js'
import type { Core } from './core.js'
import { signalWithReason } from './remote-reason.js'

/** The monitors between this node and one other, by reference. */
interface Across {
  /** Ours, of processes there. */
  readonly made: Map<number | string, Monitor>
  /** Theirs, of processes here, by the text of the reference: a number could be chosen to collide. */
  readonly suffered: Map<string, Monitor>
}

export class Monitors {
  readonly #core: Core
  readonly #nodes = new Map<string, Across>()

  constructor(core: Core) {
    this.#core = core
  }

  monitor(owner: Process, subject: Destination): Ref {
    const ref = this.#core.newRef()
    const route = this.#core.route(subject)
    if (route !== undefined && 'later' in route) {
      const sentence = 'this handle must ask for its process first: await its pid and monitor that'
      throw new CitadelError('bad_argument', sentence)
    }
    const target = this.#target(subject)
    if (route === undefined || 'endpoint' in route) this.#down(owner, ref, target, 'noproc')
    else if ('process' in route) this.#monitorLocal(owner, ref, target, route.process)
    else this.#monitorRemote(owner, ref, route.target, route.node)
    return ref
  }

  /** How a `Down` names what was monitored: as it was named, when by name. */
  #target(subject: Destination): Target {
    if (subject instanceof Pid) return subject
    if (typeof subject === 'string') return { name: subject, node: this.#core.name }
    if ('name' in subject) return { name: subject.name, node: subject.node }
    const route = this.#core.route(subject)
    if (route !== undefined && 'process' in route) return route.process.pid
    if (route !== undefined && 'node' in route) return route.target
    throw new CitadelError('noproc', 'there is no process to monitor under that key or handle')
  }

  #monitorLocal(owner: Process, ref: Ref, subject: Target, target: Process): void {
    const key = this.#core.keyOf(ref)
    const monitor = new Monitor(ref, key, owner, owner.pid, subject, target)
    owner.ties.addMonitor(monitor)
    target.ties.addWatcher(monitor)
    target.detour?.watched?.()
  }

  #monitorRemote(owner: Process, ref: Ref, subject: Target, node: string): void {
    const sent = this.#core.router.signal(node, {
      type: 'monitor',
      from: owner.pid,
      to: subject,
      ref,
    })
    if (!sent) {
      this.#down(owner, ref, subject, 'noconnection')
      return
    }
    const key = this.#core.keyOf(ref)
    const monitor = new Monitor(ref, key, owner, owner.pid, subject, undefined)
    owner.ties.addMonitor(monitor)
    this.#across(node).made.set(key, monitor)
  }

  #down(owner: Process, ref: Ref, subject: Target, reason: unknown): void {
    this.#core.postSystem(owner, new Down(ref, subject, reason))
  }

  demonitor(owner: Process, ref: Ref): boolean {
    const monitor = owner.knownTies?.monitors?.get(this.#core.keyOf(ref))
    if (monitor === undefined) return false
    this.#release(monitor)
    return true
  }

  /** Takes back a monitor that this node made. */
  #release(monitor: Monitor): void {
    monitor.owner?.ties.monitors?.delete(monitor.key)
    if (monitor.target !== undefined) {
      monitor.target.ties.watchers?.delete(monitor)
      return
    }
    const { subject: to, ownerPid: from, ref } = monitor
    this.#nodes.get(to.node)?.made.delete(monitor.key)
    this.#core.router.signal(to.node, { type: 'demonitor', from, to, ref })
  }

  /** Takes back all monitors that `owner` made. */
  releaseAll(owner: Process): void {
    for (const monitor of [...(owner.knownTies?.monitors?.values() ?? [])]) this.#release(monitor)
  }

  /** `process` has ended. */
  ended(process: Process, reason: unknown): void {
    const ties = process.knownTies
    if (ties === undefined) return
    for (const monitor of ties.watchers ?? []) this.#fire(monitor, reason)
    for (const monitor of ties.monitors?.values() ?? []) this.#release(monitor)
  }

  #fire(monitor: Monitor, reason: unknown): void {
    const { owner, ownerPid, ref, subject } = monitor
    if (owner !== undefined) {
      owner.ties.monitors?.delete(monitor.key)
      this.#down(owner, ref, subject, reason)
      return
    }
    this.#nodes.get(ownerPid.node)?.suffered.delete(ref.toString())
    this.#tellDown(ownerPid, ref, subject, reason)
  }

  #tellDown(to: Pid, ref: Ref, from: Target, reason: unknown): void {
    const signal: Signal = { type: 'down', from, to, ref, reason: reasonToWire(reason) }
    signalWithReason(this.#core.router, to.node, signal)
  }

  /**
   * Another node asks to monitor a process of ours. A name that the node handles itself is none: so
   * an Erlang call to it, which nobody would answer, ends at once.
   */
  asked(from: Pid, to: Target, ref: Ref, process: Process | undefined): void {
    // By pid also one that has moved on: it tells of the end of its successor.
    if (process === undefined) {
      this.#tellDown(from, ref, to, 'noproc')
      return
    }
    // A second one by the same reference takes the place of the first.
    this.takenBack(from.node, ref)
    const { suffered } = this.#across(from.node)
    if (suffered.size >= TIES_PER_NODE_MAX) {
      this.#tellDown(from, ref, to, 'noconnection')
      return
    }
    const key = ref.toString()
    const monitor = new Monitor(ref, key, undefined, from, to, process)
    process.ties.addWatcher(monitor)
    suffered.set(key, monitor)
    process.detour?.watched?.()
  }

  /** Another node takes a monitor back; also a call of it that we refused with this reference. */
  takenBack(node: string, ref: Ref): void {
    const suffered = this.#nodes.get(node)?.suffered
    const key = ref.toString()
    const monitor = suffered?.get(key)
    if (monitor === undefined) return
    suffered?.delete(key)
    monitor.target?.ties.watchers?.delete(monitor)
  }

  /** What we monitor on another node is gone. False: no monitor of ours has this reference. */
  heardDown(node: string, ref: Ref, reason: unknown): boolean {
    const made = this.#nodes.get(node)?.made
    const monitor = made?.get(this.#core.keyOf(ref))
    if (monitor?.owner === undefined) return false
    made?.delete(monitor.key)
    monitor.owner.ties.monitors?.delete(monitor.key)
    this.#down(monitor.owner, monitor.ref, monitor.subject, reasonFromWire(reason))
    return true
  }

  disconnected(node: string): void {
    const across = this.#nodes.get(node)
    if (across === undefined) return
    this.#nodes.delete(node)
    for (const monitor of across.suffered.values()) monitor.target?.ties.watchers?.delete(monitor)
    for (const monitor of across.made.values()) this.#fire(monitor, 'noconnection')
  }

  #across(node: string): Across {
    let across = this.#nodes.get(node)
    if (across === undefined) {
      across = { made: new Map(), suffered: new Map() }
      this.#nodes.set(node, across)
    }
    return across
  }
}
