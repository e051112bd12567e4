/**
 * What arrives over one connection: bytes in, whole frames out, in order. A flood does not hold
 * the event loop: after its share of a turn the rest waits for the next one, and the connection is
 * not read meanwhile.
 */
import type { Clock } from '../base/clock.js'
import { CitadelError } from '../base/errors.js'
import type { Connection } from '../base/transport.js'
import { FrameSplitter } from './frame.js'
import { type Unfinished, UnfinishedFrames } from './unfinished-frames.js'

/** What a frame costs besides its bytes, so that many small ones count. */
const FRAME_COST_BYTES = 256
/** About 4 ms of decoding. */
const TURN_BYTES = 512 * 1024
/** What each connection is served in a turn, even when others have used the turn up. */
const SHARE_BYTES = 32 * 1024

/** What one node reads in one turn of the event loop, over all its connections. */
export class ReadBudget {
  private left = TURN_BYTES
  private armed = false

  constructor(
    private readonly clock: Clock,
    /** What they hold of frames that are not whole. */
    readonly unfinished = new UnfinishedFrames(),
  ) {}

  /** False: the turn is used up. */
  spend(bytes: number): boolean {
    this.left -= bytes
    if (!this.armed) {
      this.armed = true
      this.clock.soon(this.refill)
    }
    return this.left > 0
  }

  private readonly refill = (): void => {
    this.armed = false
    this.left = TURN_BYTES
  }
}

export class Inbox implements Unfinished {
  private readonly splitter: FrameSplitter
  private waiting: Uint8Array[] = []
  private paused = false
  private closed = false

  constructor(
    private readonly connection: Connection,
    private readonly clock: Clock,
    private readonly budget: ReadBudget,
    frameLimitBytes: number,
    private readonly onFrame: (frame: Buffer) => void,
    /** Bytes that are no frames, or a frame that could not be handled. Nothing follows. */
    private readonly onError: (error: unknown) => void,
  ) {
    this.splitter = new FrameSplitter(frameLimitBytes)
  }

  received(bytes: Uint8Array): void {
    if (this.closed) return
    if (this.paused) {
      this.waiting.push(bytes)
      return
    }
    this.splitter.push(bytes)
    this.serve()
    this.budget.unfinished.changed(this)
  }

  close(): void {
    this.closed = true
    this.waiting = []
    this.budget.unfinished.changed(this)
  }

  get reservedBytes(): number {
    return this.closed ? 0 : this.splitter.reservedBytes
  }

  tooMuch(): void {
    const what = 'too many bytes of unfinished frames have arrived, and most of them from there'
    this.close()
    this.onError(new CitadelError('limit_exceeded', what))
  }

  /** Hands on frames until there are none or the turn is used up; false then. */
  private serve(): boolean {
    try {
      let served = 0
      for (let frame = this.splitter.next(); frame; frame = this.splitter.next()) {
        this.onFrame(frame)
        if (this.closed) return true
        const cost = frame.length + FRAME_COST_BYTES
        served += cost
        if (!this.budget.spend(cost) && served >= SHARE_BYTES) {
          this.pause()
          return false
        }
      }
    } catch (error) {
      this.close()
      this.onError(error)
    }
    return true
  }

  private pause(): void {
    if (!this.paused) this.connection.pause()
    this.paused = true
    this.clock.soon(this.goOn)
  }

  private readonly goOn = (): void => {
    if (this.closed) return
    if (!this.serve() || this.closed) return
    this.budget.unfinished.changed(this)
    if (this.closed) return
    for (let bytes = this.waiting.shift(); bytes; bytes = this.waiting.shift()) {
      this.splitter.push(bytes)
      if (!this.serve() || this.closed) return
      this.budget.unfinished.changed(this)
    }
    this.paused = false
    this.connection.resume()
  }
}
