/**
 * What leaves over one connection: frames gathered in one buffer, given to the network once per
 * turn of the event loop or at 64 KiB. Above the high mark of the transport it is `full`: messages
 * wait, signals are still queued; above the hard cap `overflowed` is called and the link is cut.
 */
import type { Clock } from '../base/clock.js'
import type { Connection } from '../base/transport.js'
import { TermWriter } from '../term/term-writer.js'

export interface OutboxLimits {
  /** Gathered bytes that go out at once. */
  flushBytes: number
  /** Bytes that the network did not take yet, at which the link is cut. */
  hardCapBytes: number
}

export const defaultOutboxLimits: OutboxLimits = {
  flushBytes: 64 * 1024,
  hardCapBytes: 64 * 1024 * 1024,
}

/** What an idle connection keeps. */
const IDLE_BYTES = 2_048

interface Waiter {
  callback: (() => void) | undefined
}

export class Outbox {
  readonly writer = new TermWriter(IDLE_BYTES)
  /** Above the high mark. */
  full = false
  private armed = false
  private over = false
  private waiters: Waiter[] = []

  constructor(
    private readonly connection: Connection,
    private readonly clock: Clock,
    private readonly limits: OutboxLimits,
    private readonly overflowed: () => void,
    /** Called before bytes are given to the network; it may close this outbox. */
    private readonly beforeFlush?: (now: number) => void,
  ) {}

  get pendingBytes(): number {
    return this.writer.length + this.connection.pendingBytes
  }

  /** A frame was written: it goes out soon. */
  written(): void {
    if (this.writer.length >= this.limits.flushBytes) this.flush()
    else if (!this.armed) {
      this.armed = true
      this.clock.soon(this.flushSoon)
    }
  }

  flush(): void {
    if (this.writer.length === 0 || this.over) return
    if (this.beforeFlush) {
      this.beforeFlush(this.clock.now())
      if (this.over) return
    }
    if (this.connection.write(this.writer.take())) return
    this.full = true
    if (this.connection.pendingBytes > this.limits.hardCapBytes) this.overflowed()
  }

  /** Calls back once when there is room again, or no connection any more. Answers a cancel. */
  onceWritable(callback: () => void): () => void {
    const waiter: Waiter = { callback }
    this.waiters.push(waiter)
    if (!this.full) this.clock.soon(() => this.wake())
    return () => {
      waiter.callback = undefined
    }
  }

  drained(): void {
    this.full = false
    this.wake()
  }

  close(): void {
    this.over = true
    this.full = false
    this.wake()
  }

  /** In the order they came, until there is no room again. */
  private wake(): void {
    const waiters = this.waiters
    this.waiters = []
    for (let index = 0; index < waiters.length; index++) {
      if (this.full) {
        this.waiters = waiters.slice(index).concat(this.waiters)
        return
      }
      waiters[index]!.callback?.()
    }
  }

  private readonly flushSoon = (): void => {
    this.armed = false
    this.flush()
  }
}
