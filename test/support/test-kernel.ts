/** Kernels for unit tests: a log that can be read, and a clock of choice. */
import { systemClock } from '../../src/base/system-clock.js'
import { systemRandom } from '../../src/base/system-random.js'
import { Kernel, type KernelOptions } from '../../src/kernel/kernel.js'

export class RecordingLog {
  readonly lines: { level: string; message: string; details: unknown }[] = []
  debug = (message: string, details?: unknown) => this.#add('debug', message, details)
  info = (message: string, details?: unknown) => this.#add('info', message, details)
  warn = (message: string, details?: unknown) => this.#add('warn', message, details)
  error = (message: string, details?: unknown) => this.#add('error', message, details)

  #add(level: string, message: string, details: unknown): void {
    this.lines.push({ level, message, details })
  }

  of(level: string): string[] {
    return this.lines.filter((line) => line.level === level).map(({ message }) => message)
  }
}

export function testKernel(options: Partial<KernelOptions> = {}) {
  const log = new RecordingLog()
  const kernel = new Kernel({
    name: 'n1@127.0.0.1',
    creation: 7,
    clock: systemClock,
    random: systemRandom(),
    log,
    ...options,
  })
  return { kernel, node: kernel.root, log }
}

/** Lets everything that can happen now happen. */
export const rest = async (): Promise<void> => {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve))
}

export function gate<T = void>() {
  let open!: (value: T) => void
  let fail!: (error: unknown) => void
  const promise = new Promise<T>((resolve, reject) => {
    open = resolve
    fail = reject
  })
  return { promise, open, fail }
}
