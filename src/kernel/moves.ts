/**
 * Processes that go to other nodes and come from them, as the kernel sees it: holding one still,
 * starting its successor, passing on what the old pid gets, and keeping the order of messages. Who
 * decides that a process moves is not here; docs/decisions/0010-handoff.md is the whole story.
 */
import type { Timer } from '../base/clock.js'
import { CitadelError } from '../base/errors.js'
import { requestFromWire } from '../process/gen-protocol.js'
import { Merge } from '../process/merge.js'
import type { Process } from '../process/process.js'
import { replaceParts } from '../process/replace-parts.js'
import { Call, RemoteCall } from '../process/request.js'
import { ServerProcess } from '../process/server-process.js'
import { Marker } from '../process/system-messages.js'
import { Pid } from '../term/pid.js'
import type { Tuple } from '../term/tuple.js'
import { overloaded } from './call-errors.js'
import { Forwarding, type ForwardingParts } from './forwarding.js'
import { Gate } from './gate.js'
import type { Source } from './router.js'
import { askToStop } from './stop-processes.js'

/** The endpoint by which nodes pass on what is for processes that have moved. */
export const MOVES_ENDPOINT = 'citadel_moves'
const SWEEP_MS = 1_000
/** How long a process that has come waits for the markers of other nodes. */
const GATE_MS = 2_000

/** What `Moves` needs of its kernel. */
export interface MovesParts extends Omit<ForwardingParts, 'pass' | 'passMarker' | 'settled'> {
  /** A message for a process of this node, as the mesh brings it. */
  arrived(process: Process | undefined, message: unknown, source: Source): void
}

interface Markers {
  /** Processes that were there: to be said behind all that waits for them. */
  readonly left: Pid[]
  /** Processes that have come there, and to whose old pids nothing is on its way. */
  readonly arrived: Pid[]
}

export class Moves {
  readonly #parts: MovesParts
  readonly #forwardings = new Set<Forwarding>()
  readonly #gates = new Map<Process, Gate>()
  /** This node's markers to be sent at the end of this turn, by node. */
  readonly #markers = new Map<string, Markers>()
  #settledWaiters: (() => void)[] = []
  #sweepTimer: Timer | undefined

  constructor(parts: MovesParts) {
    this.#parts = parts
  }

  // On the node that the process leaves.

  /**
   * Holds a process still once its present handler has ended, and resolves with what its `handoff()`
   * gives: undefined if it has none, or gives nothing. When this rejects, the process goes on.
   * @throws CitadelError `noproc`, `timeout`, `unavailable`; else what `handoff` threw.
   */
  hold(pid: Pid, timeoutMs: number): Promise<unknown> {
    const process = this.#find(pid)
    if (!(process instanceof ServerProcess)) return Promise.reject(noProcess(pid))
    return new Promise((resolve, reject) => {
      const { core } = this.#parts
      let isOver = false
      const over = (): void => {
        isOver = true
        timer.cancel()
        process.knownTies?.exitListeners?.delete(ended)
      }
      const ended = (): void => {
        over()
        reject(noProcess(pid))
      }
      const failed = (error: unknown, wasAsked = false): void => {
        over()
        process.letGo(wasAsked)
        reject(error)
      }
      const timer = core.clock.after(timeoutMs, () =>
        // Its `handoff` may still be under way, and must be undone.
        failed(tooSlow(pid, timeoutMs), process.status === 'held'),
      )
      process.ties.addExitListener(ended)
      const resolveOnce = (state: unknown): void => {
        over()
        resolve(state)
      }
      const begin = (): void => {
        if (isOver) return
        if (process.holdStill({ resolve: resolveOnce, reject: (error) => failed(error) })) return
        // Whoever holds it keeps it.
        over()
        reject(busy(pid))
      }
      // One that has just come moves on when all that was sent to its old pid has come after it.
      const gate = this.#gates.get(process)
      if (gate === undefined) begin()
      else gate.onceOpen(begin)
    })
  }

  /**
   * The state of a held process as it can go to `node`: callers that it has not answered yet, each a
   * `From` somewhere in the state, can be answered from there. `stays` takes that back.
   */
  carry(state: unknown, node: string): { state: unknown; stays(): void } {
    const { calls, answers } = this.#parts
    const carried = new Map<Call, Tuple>()
    const cancels: (() => void)[] = []
    const replace = (part: object): unknown => {
      if (!(part instanceof Call)) return undefined
      const known = carried.get(part)
      if (known !== undefined) return known
      const { from, cancel } = calls.answeredFrom(node, {
        resolve: (value) => answers.answer(part, value),
        reject: (error) => answers.failed(part, error),
      })
      cancels.push(cancel)
      carried.set(part, from)
      return from
    }
    const stays = (): void => {
      for (const cancel of cancels) cancel()
    }
    return { state: replaceParts(state, replace), stays }
  }

  /** The held process stays where it is and goes on; its `handoffAborted` is called. */
  goOn(pid: Pid): void {
    const process = this.#find(pid)
    if (process instanceof ServerProcess) process.letGo(true)
  }

  /**
   * Has a process hear the state of another one, behind what waits for it. Resolves when it has.
   * @throws CitadelError `noproc`, `unavailable`, `overloaded`: it has not; `exited`, `undefined_method`.
   */
  merge(pid: Pid, state: unknown): Promise<void> {
    const process = this.#find(pid)
    if (!(process instanceof ServerProcess)) return Promise.reject(noProcess(pid))
    if (process.status === 'moved') return Promise.reject(busy(pid))
    return new Promise((resolve, reject) => {
      const merge = new Merge(state, (error) => {
        process.knownTies?.exitListeners?.delete(ended)
        if (error === undefined) resolve()
        else reject(error)
      })
      const ended = (_: Pid, reason: unknown): void => merge.ended(pid, reason)
      process.ties.addExitListener(ended)
      if (!this.#parts.core.admit(process, merge)) merge.failed(overloaded(process))
    })
  }

  /** Resolves when no call to a process that has moved away is unanswered. */
  async settled(): Promise<void> {
    while ([...this.#forwardings].some(({ unanswered }) => unanswered > 0)) {
      await new Promise<void>((resolve) => this.#settledWaiters.push(resolve))
    }
  }

  /** What moves have left to do: processes that wait for markers, markers, calls without an answer. */
  get unfinished(): number {
    let unfinished = this.#gates.size + this.#markers.size
    for (const { unanswered } of this.#forwardings) unfinished += unanswered
    return unfinished
  }

  // On the node it comes to.

  /**
   * A process that was started as an arrival begins. What the nodes `awaited` send it directly waits
   * until all they sent to its old pid on `via` has come.
   */
  admit(pid: Pid, via: string, awaited: readonly string[]): void {
    const process = this.#find(pid)
    if (!(process instanceof ServerProcess)) return
    if (awaited.length > 0) {
      const { core } = this.#parts
      const openAt = core.clock.now() + GATE_MS
      const refuse = (item: unknown): void => this.#refuse(process, item)
      const gate = new Gate(core, process, via, awaited, openAt, refuse)
      process.detour = gate
      process.ties.addExitListener(() => this.#close(process, gate))
      this.#gates.set(process, gate)
      this.#armSweep()
    }
    process.letGo(false)
  }

  /** Takes a message for a process that must wait for the markers of nodes, or lets it in. */
  holdsBack(process: Process, source: Source, message: unknown): boolean {
    const gate = process.detour
    if (!(gate instanceof Gate)) return false
    // The link is at its next frame by then.
    const { node, creation, kind, frameBytes = 0 } = source
    const from = { node, creation, kind, frameBytes }
    const deliver = (): void => this.#parts.arrived(process, message, from)
    const outcome = gate.hold(node, deliver, frameBytes)
    // Not as if a process of this node had sent it: that may have to wait.
    if (outcome === 'now') gate.pass(deliver)
    else if (outcome === 'full') this.#noRoom(process, message)
    return true
  }

  // On every node.

  /** It has become known that a process moved: from now on `from` means `to`. */
  learned(from: Pid, to: Pid): void {
    const { core } = this.#parts
    if (!core.redirects.add(from, to)) return
    const process = from.node === core.name ? this.#find(from) : undefined
    if (process instanceof ServerProcess && process.status === 'held') {
      this.#forward(process, to)
      core.post(process, new Marker(core.name))
    } else this.#sendMarker(from, to)
  }

  /**
   * A process has its id, or has it again: after a split, what was heard of its move was that of the
   * losing side. One that passes on from here has moved for good.
   */
  stays(pid: Pid): void {
    const { redirects, name } = this.#parts.core
    const process = pid.node === name ? this.#find(pid) : undefined
    if (process?.status !== 'moved') redirects.forget(pid)
  }

  /** Whom a process of this node, which is held as yet, is to take over from. */
  predecessor(pid: Pid): Pid | undefined {
    const process = this.#find(pid)
    return process instanceof ServerProcess ? process.predecessor : undefined
  }

  /** Where a process is now, as far as this node knows; undefined: where its pid says. */
  successor(pid: Pid): Pid | undefined {
    return this.#parts.core.redirects.of(pid)
  }

  disconnected(node: string): void {
    for (const [process, gate] of [...this.#gates]) {
      // Nothing more comes by the old way from there, or through there.
      if (gate.via === node) gate.openAll()
      else gate.marked(node)
      this.#dropIfOpen(process, gate)
    }
  }

  /** What other nodes send to `MOVES_ENDPOINT`. Throws `bad_format`, which closes the connection. */
  receive(term: unknown, from: Pid, source: Source = from): void {
    if (!Array.isArray(term)) throw unknownMessage()
    const [what, first, second] = term as unknown[]
    if (what === 'forward' && first instanceof Pid) this.#passedOn(first, second, source)
    else if (what === 'marker' && first instanceof Pid && typeof second === 'string') {
      this.#marked(first, second)
    } else if (what === 'markers' && arePids(first) && arePids(second)) {
      for (const pid of first) this.#passMarkerOn(pid, from.node)
      for (const pid of second) this.#marked(pid, from.node, true)
    } else throw unknownMessage()
  }

  stop(): void {
    this.#sweepTimer?.cancel()
    this.#wakeSettled()
  }

  #find(pid: Pid): Process | undefined {
    const process = this.#parts.core.table.find(pid)
    return process?.ended === false ? process : undefined
  }

  #forward(process: ServerProcess, to: Pid): void {
    const { core, calls, answers, links, monitors, bury } = this.#parts
    const forwarding: Forwarding = new Forwarding(process, to, {
      core,
      calls,
      answers,
      links,
      monitors,
      bury,
      pass: (pid, message) => core.router.pass(pid.node, MOVES_ENDPOINT, ['forward', pid, message]),
      passMarker: (pid, node) =>
        void core.router.pass(pid.node, MOVES_ENDPOINT, ['marker', pid, node]),
      settled: () => this.#wakeSettled(),
    })
    this.#forwardings.add(forwarding)
    process.ties.addExitListener(() => this.#forwardings.delete(forwarding))
    // What owns is the new one, and what this one passes on are the words of others.
    core.fence.release(process)
    process.moveAway(forwarding, { moved: to })
    this.#endSpawned(process)
    forwarding.begin()
    this.#armSweep()
  }

  /**
   * What a process has spawned for itself, linked to it, ends with this instance of it: the new one has
   * spawned its own. Those that are merely linked live on.
   */
  #endSpawned(process: ServerProcess): void {
    const { core, links } = this.#parts
    for (const other of [...(process.knownTies?.links ?? [])]) {
      if (other.parent?.equals(process.pid) !== true) continue
      links.unlink(process, other.pid)
      askToStop(other, core, 'shutdown')
    }
  }

  /** To the old node, where it queues behind all that this node has sent there. */
  #sendMarker(from: Pid, to: Pid): void {
    const { core } = this.#parts
    if (core.router.kind(from.node) === 'citadel') this.#markersTo(from.node).left.push(from)
    else if (to.node === core.name) this.#marked(to, core.name)
    else this.#markersTo(to.node).arrived.push(to)
  }

  /** What is collected in this turn and goes out at its end. */
  #markersTo(node: string): Markers {
    const known = this.#markers.get(node)
    if (known !== undefined) return known
    const markers: Markers = { left: [], arrived: [] }
    this.#markers.set(node, markers)
    queueMicrotask(() => {
      this.#markers.delete(node)
      const { left, arrived } = markers
      this.#parts.core.router.pass(node, MOVES_ENDPOINT, ['markers', left, arrived])
    })
    return markers
  }

  /** A node has sent its last to the old pid: said behind all else that waits for it. */
  #passMarkerOn(pid: Pid, node: string): void {
    const { core } = this.#parts
    const process = this.#find(pid)
    if (process instanceof ServerProcess) core.post(process, new Marker(node))
    else {
      const to = core.redirects.of(pid)
      if (to) core.router.pass(to.node, MOVES_ENDPOINT, ['marker', to, node])
    }
  }

  #passedOn(pid: Pid, message: unknown, source: Source): void {
    const process = this.#parts.core.table.find(pid)
    if (process?.detour instanceof Gate) {
      process.detour.pass(() => this.#parts.arrived(process, message, source))
    } else this.#parts.arrived(process, message, source)
  }

  /** `directly`: not through the old process. If its own node says so, it is dead, and passes on nothing. */
  #marked(pid: Pid, node: string, directly = false): void {
    const process = this.#find(pid)
    const gate = process && this.#gates.get(process)
    if (process === undefined || gate === undefined) return
    if (directly && gate.via === node) gate.openAll()
    else gate.marked(node)
    this.#dropIfOpen(process, gate)
  }

  #dropIfOpen(process: Process, gate: Gate): void {
    if (!gate.isOpen) return
    this.#gates.delete(process)
    if (process.detour === gate) process.detour = undefined
  }

  /** The process has ended: what waited for it hears so. */
  #close(process: Process, gate: Gate): void {
    this.#gates.delete(process)
    gate.openAll()
  }

  #refuse(process: Process, item: unknown): void {
    if (item instanceof Call) this.#parts.answers.failed(item, noProcess(process.pid))
  }

  #noRoom(process: Process, message: unknown): void {
    const request = requestFromWire(message)
    if (request instanceof RemoteCall) this.#parts.answers.refuse(request, overloaded(process))
    else this.#parts.core.notices.note('mailboxFull', process)
  }

  #wakeSettled(): void {
    if (this.#settledWaiters.length === 0) return
    const waiters = this.#settledWaiters
    this.#settledWaiters = []
    for (const wake of waiters) wake()
  }

  #armSweep(): void {
    this.#sweepTimer ??= this.#parts.core.clock.after(SWEEP_MS, () => {
      this.#sweepTimer = undefined
      this.#sweep(this.#parts.core.clock.now())
    })
  }

  #sweep(now: number): void {
    for (const [process, gate] of [...this.#gates]) {
      if (now < gate.openAt) continue
      gate.openAll()
      this.#dropIfOpen(process, gate)
    }
    for (const forwarding of [...this.#forwardings]) if (forwarding.isIdle(now)) forwarding.stop()
    this.#wakeSettled()
    if (this.#gates.size + this.#forwardings.size > 0) this.#armSweep()
  }
}

const arePids = (value: unknown): value is Pid[] =>
  Array.isArray(value) && value.every((one) => one instanceof Pid)

const noProcess = (pid: Pid): CitadelError =>
  new CitadelError('noproc', `${pid} is not alive`, { pid })

const tooSlow = (pid: Pid, ms: number): CitadelError =>
  new CitadelError('timeout', `${pid} was not quiet, or gave no state, within ${ms} ms: it stays`)

const busy = (pid: Pid): CitadelError =>
  new CitadelError('unavailable', `${pid} moves or ends already`)

const unknownMessage = (): CitadelError =>
  new CitadelError('bad_format', 'A peer passed on something that this release does not know.')
