/**
 * What was asked of one key or id in a quiet time, and what came of it. I20: each operation ends
 * soon, and only in a way that has a cause. I21: some order of them explains all outcomes.
 */
import { CitadelError } from '../../src/base/errors.js'
import type { Pid } from '../../src/term/pid.js'
import type { Outcome } from './exact-models.js'
import { explain, type Model, type Operation } from './linearizability.js'
import { type Oracle, pidKey } from './oracle.js'

/** How long what others have written may be on its way, where being behind is allowed. */
const BEHIND_MS = 3
/** What takes longer has waited for something that nobody has to wait for. */
const SOON_MS = 3_000
const STEP_MS = 1e-6

/** A clock that never shows the same time twice. */
export class Stamps {
  private last = 0

  constructor(private readonly oracle: Oracle) {}

  next(): number {
    this.last = Math.max(this.oracle.now, this.last + STEP_MS)
    return this.last
  }
}

export interface Asked<What> {
  /** In words. */
  readonly text: string
  readonly outcome: Promise<unknown>
  /** The refusals that can have a cause. */
  readonly refusals: readonly string[]
  /** Whether being told what was so a moment ago is right as well. */
  isBehind(outcome: Outcome): boolean
  /** For the history. */
  what(outcome: Outcome, value: unknown): What
}

export class ExactHistory<State, What> {
  /** Operations that have not ended. */
  readonly open = new Set<string>()
  private readonly operations: Operation<What>[] = []
  private readonly texts = new Map<Operation<What>, string>()

  constructor(
    private readonly oracle: Oracle,
    private readonly stamps: Stamps,
    /** Whether it has been quiet all the time. */
    private readonly isQuiet: () => boolean,
    private readonly name: string,
    private readonly model: Model<State, What>,
    /** What shows a moment in the middle of something, and says nothing. */
    private readonly isLeftOut: (
      operation: Operation<What>,
      history: readonly Operation<What>[],
    ) => boolean = () => false,
  ) {}

  get size(): number {
    return this.operations.length
  }

  /** Follows it to its end. Resolves then, whatever came of it. */
  async ask({ text, outcome, refusals, isBehind, what }: Asked<What>): Promise<void> {
    const call = this.stamps.next()
    const startedAt = this.oracle.now
    const told = `${text} (${this.operations.length + this.open.size})`
    this.open.add(told)
    const [came, value] = await outcomeOf(outcome)
    this.open.delete(told)
    const operation = {
      call: isBehind(came) ? call - BEHIND_MS : call,
      end: this.stamps.next(),
      what: what(came, value),
    }
    this.operations.push(operation)
    this.texts.set(operation, `${text}: ${said(came)}`)
    this.oracle.tell(`${text}: ${said(came)}`)
    this.judge(text, came, refusals, this.oracle.now - startedAt)
  }

  /** What is seen at this moment. */
  see(text: string, what: What, isBehind = false): void {
    const call = this.stamps.next()
    const operation = { call: isBehind ? call - BEHIND_MS : call, end: this.stamps.next(), what }
    this.operations.push(operation)
    this.texts.set(operation, text)
    this.oracle.tell(text)
  }

  check(): void {
    if (!this.isQuiet()) return
    for (const text of this.open) this.oracle.breaks('I20', `${text} was never answered`)
    const { operations } = this
    const telling = operations.filter((operation) => !this.isLeftOut(operation, operations))
    const verdict = explain(telling, this.model)
    if (verdict.type !== 'impossible') return
    const told = verdict.operations.map((one) => `${when(one)} ${this.texts.get(one)}`)
    const before = verdict.before.map((state) => this.model.describe(state))
    this.oracle.breaks(
      'I21',
      `${this.name}: no order explains [${told.join('; ')}] from ${before.join(', or ')}`,
    )
  }

  private judge(text: string, came: Outcome, refusals: readonly string[], ms: number): void {
    if (!this.isQuiet()) return
    if (came !== 'done' && !refusals.includes(came.code)) {
      this.oracle.breaks('I20', `${text} was rejected with ${said(came)}, and nothing failed`)
    } else if (ms > SOON_MS) {
      this.oracle.breaks('I20', `${text} took ${ms.toFixed(0)} ms, and nothing failed`)
    }
  }
}

async function outcomeOf(promise: Promise<unknown>): Promise<[Outcome, unknown]> {
  try {
    return ['done', await promise]
  } catch (error) {
    if (!(error instanceof CitadelError)) return [{ code: String(error) }, undefined]
    const pid = error.pid === undefined ? undefined : pidKey(error.pid as Pid)
    return [{ code: error.code, pid }, undefined]
  }
}

const said = (outcome: Outcome): string =>
  outcome === 'done' ? 'done' : `${outcome.code} ${outcome.pid ?? ''}`.trim()

const when = ({ call, end }: Operation<unknown>): string => `${call.toFixed(2)}-${end.toFixed(2)}`
