/**
 * How a handler says no without failing. The caller's promise rejects with a Refusal of the same
 * code, message and details, on whatever node it is; the process lives on, keeps its state, and
 * nothing is logged.
 *
 *     withdraw(amount: number) {
 *       if (amount > this.#balance) throw new Refusal('too_little', 'not that much', { left: this.#balance })
 *     }
 */
import { describe } from './describe.js'
import { CitadelError } from './errors.js'

const CODE_MAX = 200

export const isCode = (code: unknown): code is string =>
  typeof code === 'string' && code !== '' && code.length <= CODE_MAX

export class Refusal<Details = unknown> extends Error {
  override readonly name = 'Refusal'
  /** What to branch on. */
  readonly code: string
  /** What else the caller should know; it crosses to other nodes as any message does. */
  readonly details: Details

  /** The message is the code unless given. */
  constructor(code: string, message: string = code, details?: Details) {
    if (!isCode(code)) {
      const sentence = `the code of a Refusal is a string of 1 to ${CODE_MAX} characters`
      throw new CitadelError('bad_argument', `${sentence}, not ${describe(code)}`)
    }
    super(typeof message === 'string' ? message : describe(message))
    this.code = code
    this.details = details as Details
  }
}
