/**
 * Stands between the keyboard and the line editor: what is typed or pasted while a statement runs
 * waits until it is done, line by line, and Ctrl-C then means the statement. Bounded: beyond the
 * limit, keys are lost, with a bell.
 */
import { Readable } from 'node:stream'
import type { ReadStream } from 'node:tty'

const WAITING_MAX = 1_000_000
const CTRL_C = '\u0003'
const BELL = '\u0007'

export class KeyGate extends Readable {
  readonly isTTY = true
  private waiting = ''
  private busy = false
  private scheduled = false
  private ended = false

  constructor(
    private readonly keyboard: ReadStream,
    private readonly handlers: { interrupt(): void; bell(text: string): void },
  ) {
    super({ encoding: 'utf8' })
    keyboard.setEncoding('utf8')
    keyboard.on('data', (keys) => this.typed(String(keys)))
    keyboard.on('end', () => {
      this.ended = true
      this.passSoon()
    })
    this.on('resume', () => this.passSoon())
  }

  get isRaw(): boolean {
    return this.keyboard.isRaw
  }

  setRawMode(raw: boolean): this {
    this.keyboard.setRawMode(raw)
    return this
  }

  /** A statement runs from here on, until `resumed`. */
  hold(): void {
    this.busy = true
  }

  release(): void {
    this.busy = false
    this.passSoon()
  }

  override _read(): void {}

  private typed(keys: string): void {
    let text = keys
    if (this.busy && text.includes(CTRL_C)) {
      this.waiting = ''
      text = text.slice(text.lastIndexOf(CTRL_C) + 1)
      this.handlers.interrupt()
    }
    if (this.waiting.length + text.length > WAITING_MAX) this.handlers.bell(BELL)
    else this.waiting += text
    this.passSoon()
  }

  /** One line at a time: whether it starts a statement shows before the next turn. */
  private passSoon(): void {
    if (this.scheduled) return
    this.scheduled = true
    setImmediate(() => {
      this.scheduled = false
      if (this.busy || this.isPaused()) return
      if (this.waiting === '') {
        if (this.ended) this.push(null)
        return
      }
      const end = this.waiting.search(/[\r\n]/)
      const line = end < 0 ? this.waiting : this.waiting.slice(0, end + 1)
      this.waiting = this.waiting.slice(line.length)
      this.push(line)
      if (this.waiting !== '' || this.ended) this.passSoon()
    })
  }
}
