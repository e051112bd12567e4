/**
 * In the mailbox of a child that has won against another process of its id: the state of that one, which
 * it hears as a turn of its own. Only the runtime makes them, so that no peer can. It is over once: heard,
 * or failed.
 */
import { CitadelError } from '../base/errors.js'
import type { Pid } from '../term/pid.js'

export class Merge {
  #isHeard = false
  readonly #over: (error: CitadelError | undefined) => void

  constructor(
    readonly state: unknown,
    over: (error: CitadelError | undefined) => void,
  ) {
    this.#over = over
  }

  /** Its turn begins. */
  taken(): void {
    this.#isHeard = true
  }

  done(): void {
    this.#over(undefined)
  }

  failed(error: CitadelError): void {
    this.#over(error)
  }

  /** The process has ended. */
  ended(pid: Pid, reason: unknown): void {
    this.#over(
      this.#isHeard
        ? new CitadelError('exited', `${pid} ended while it heard of the other one`, { reason })
        : new CitadelError('noproc', `${pid} is not alive`, { pid }),
    )
  }

  /** It was to be heard by a process that runs elsewhere now. */
  moved(pid: Pid): void {
    this.#over(new CitadelError('unavailable', `${pid} has moved`, { pid }))
  }
}
