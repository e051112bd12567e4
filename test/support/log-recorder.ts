/** A Logger that keeps what it is told. */
import type { Logger } from '../../src/base/log.js'

export class LogRecorder implements Logger {
  readonly lines: string[] = []

  debug(): void {}

  info(message: string): void {
    this.lines.push(`info ${message}`)
  }

  warn(message: string): void {
    this.lines.push(`warn ${message}`)
  }

  error(message: string): void {
    this.lines.push(`error ${message}`)
  }
}
