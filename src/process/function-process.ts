/**
 * A process that is a function: it takes its messages with `receive`, in any order it likes, and
 * ends when the function's promise does. The root process of a node is one without a function.
 */
import type { Timer } from '../base/clock.js'
import { CitadelError } from '../base/errors.js'
import { logFailure } from '../base/guard.js'
import { type Rules, rule } from '../base/options.js'
import type { Pid } from '../term/pid.js'
import { callTerm, castTerm } from './gen-protocol.js'
import { isEnvelope } from './item-kinds.js'
import type { Mailbox } from './mailbox.js'
import { type Host, isThenable, Process } from './process.js'
import { Call, Cast } from './request.js'
import { MESSAGES_PER_TURN } from './scheduler.js'
import { Exit } from './system-messages.js'

export type MessageFilter = (message: unknown) => boolean

export interface ReceiveOptions {
  /** Reject with `timeout` when no such message came. No limit unless set. */
  timeoutMs?: number | undefined
}

export const RECEIVE_RULES: Rules<ReceiveOptions> = { timeoutMs: rule.milliseconds }

interface Receiver {
  filter: MessageFilter | undefined
  /** How many messages at the front of the mailbox it has refused already. */
  refused: number
  timer: Timer | undefined
  resolve(message: unknown): void
  reject(error: unknown): void
}

export class FunctionProcess extends Process {
  readonly kind: string
  #body: ((self: object) => unknown) | undefined
  #receiver: Receiver | undefined = undefined
  /** Messages that `receive` may take at once; then it waits for its turn like everybody else. */
  #credit = 0
  /** A filter is running, and may not take messages itself. */
  #isFiltering = false

  constructor(
    host: Host,
    pid: Pid,
    body: ((self: object) => unknown) | undefined,
    kind = 'function',
  ) {
    super(host, pid)
    this.kind = kind
    this.#body = body
  }

  /** A turn ends with a message taken or none to take; new messages queue it again. */
  override get runnable(): boolean {
    return false
  }

  turn(): number {
    if (this.host.isOver(this)) return 0
    this.#credit = MESSAGES_PER_TURN
    if (this.status === 'starting') return this.#begin()
    const receiver = this.#receiver
    if (receiver === undefined) return 0
    try {
      const found = this.#find(receiver)
      if (found === undefined) return 0
      this.#stopReceiving(receiver)
      receiver.resolve(found.message)
    } catch (error) {
      this.#stopReceiving(receiver)
      receiver.reject(error)
    }
    return 1
  }

  receive(filter: MessageFilter | undefined, options: ReceiveOptions): Promise<unknown> {
    if (this.host.isOver(this)) {
      return Promise.reject(new CitadelError('noproc', 'this process has ended'))
    }
    if (this.#receiver !== undefined || this.#isFiltering) {
      const sentence = 'this process is receiving already: await one receive before the next'
      return Promise.reject(new CitadelError('bad_argument', sentence))
    }
    return new Promise((resolve, reject) => {
      const receiver: Receiver = { filter, refused: 0, timer: undefined, resolve, reject }
      if (this.#credit > 0) {
        const found = this.#find(receiver)
        if (found !== undefined) {
          this.#credit--
          resolve(found.message)
          return
        }
      }
      this.#wait(receiver, options.timeoutMs)
    })
  }

  #wait(receiver: Receiver, timeoutMs: number | undefined): void {
    this.#receiver = receiver
    this.status = 'ready'
    if (timeoutMs !== undefined && timeoutMs !== Number.POSITIVE_INFINITY) {
      receiver.timer = this.host.clock.after(timeoutMs, () => this.#timedOut(receiver, timeoutMs))
      this.ties.addTimer(receiver.timer)
    }
    if (this.mailbox !== undefined) this.host.enqueue(this)
  }

  #timedOut(receiver: Receiver, timeoutMs: number): void {
    if (this.#receiver !== receiver || this.host.isOver(this)) return
    this.#stopReceiving(receiver)
    receiver.reject(new CitadelError('timeout', `no such message within ${timeoutMs} ms`))
  }

  #stopReceiving(receiver: Receiver): void {
    this.#receiver = undefined
    if (!this.ended) this.status = 'parked'
    if (receiver.timer === undefined) return
    receiver.timer.cancel()
    this.knownTies?.timers?.delete(receiver.timer)
  }

  /** Takes the first message that the receiver wants out of the mailbox. */
  #find(receiver: Receiver): { message: unknown } | undefined {
    const { mailbox } = this
    if (mailbox === undefined) return undefined
    this.#isFiltering = true
    try {
      return this.#taken(receiver, mailbox)
    } finally {
      this.#isFiltering = false
    }
  }

  #taken(receiver: Receiver, mailbox: Mailbox): { message: unknown } | undefined {
    const { filter } = receiver
    for (; receiver.refused < mailbox.size; receiver.refused++) {
      const message = this.#shown(mailbox.at(receiver.refused), receiver.refused)
      if (filter !== undefined && !isWanted(filter, message)) continue
      mailbox.remove(receiver.refused)
      if (mailbox.size === 0) this.host.releaseMailbox(this)
      return { message }
    }
    return undefined
  }

  /** Requests are shown as Erlang shows them, and stay so in the mailbox. */
  #shown(item: unknown, index: number): unknown {
    if (!isEnvelope(item)) return item
    if (item instanceof Cast) return this.#replaced(index, castTerm(item))
    if (!(item instanceof Call)) return item
    this.hold(item)
    return this.#replaced(index, callTerm(item, item))
  }

  #replaced(index: number, message: unknown): unknown {
    this.mailbox?.replace(index, message)
    return message
  }

  #begin(): number {
    const body = this.#body
    this.#body = undefined
    this.status = 'parked'
    this.starting?.resolve(this.pid)
    this.starting = undefined
    if (body === undefined) return 1
    try {
      const running = body(this.bound)
      if (isThenable(running))
        running.then(
          () => this.#returned(),
          (error) => this.#crashed(error),
        )
      else this.#returned()
    } catch (error) {
      this.#crashed(error)
    }
    return 1
  }

  #returned(): void {
    this.host.bury(this, 'normal')
  }

  #crashed(error: unknown): void {
    if (this.host.isOver(this)) {
      this.host.notices.note('lateFailure', this, error)
      return
    }
    logFailure(this.host.log, `${this.pid} ${this.kind}`, error)
    this.host.bury(this, { error })
  }
}

function isWanted(filter: MessageFilter, message: unknown): boolean {
  const answer: unknown = filter(message)
  if (!isThenable(answer)) return Boolean(answer)
  // Nobody waits for it: what it ends with must not end the program.
  Promise.resolve(answer).catch(() => undefined)
  const sentence = 'the filter of receive answers at once, true or false; it gave a promise'
  throw new CitadelError('bad_argument', sentence)
}

/** What acts when no process does: the verbs of `Citadel.start()` are its own. Nothing ends it but the node. */
export class RootProcess extends FunctionProcess {
  constructor(host: Host, pid: Pid) {
    super(host, pid, undefined, 'root')
    this.trapExit = true
    this.turn()
  }

  override exitSignal(from: Pid, reason: unknown): void {
    if (!this.ended) this.host.postSystem(this, new Exit(from, reason))
  }
}
