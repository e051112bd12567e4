/**
 * In which context of AsyncLocalStorage code of users runs: a local call or cast in that of its
 * caller, all else in that of the start of the node, however the scheduler was woken. Keeping a
 * context costs more than a call, so it is kept only where AsyncLocalStorage is in use. Until Node 22
 * that shows at any promise: it is given a number by the same hook that carries the contexts. From
 * Node 24 on nothing shows it (docs/decisions/0025-contexts.md).
 */
import { AsyncResource } from 'node:async_hooks'
import type { Envelope } from './request.js'

const MANUAL = { requireManualDestroy: true }

/** The key of the number, as `AsyncResource` has one too. Undefined: this Node.js does not mark promises. */
const marker = promisesAreMarked() ? markerOf(new AsyncResource('CitadelProbe', MANUAL)) : undefined

function promisesAreMarked(): boolean {
  const { execArgv, versions } = process
  if (execArgv.includes('--experimental-async-context-frame')) return false
  return Number.parseInt(versions.node, 10) < 24 || execArgv.includes('--no-async-context-frame')
}

function markerOf(resource: AsyncResource): symbol | undefined {
  const keys = Object.getOwnPropertySymbols(resource)
  return keys.find(({ description }) => description === 'async_id_symbol')
}

type Marked = Record<symbol, unknown>

export class Contexts {
  /** Whether AsyncLocalStorage is in use in this program, as far as has been seen. */
  inUse = marker === undefined
  readonly #start = new AsyncResource('CitadelNode', MANUAL)
  readonly #made = () => new AsyncResource('CitadelTurn', MANUAL)

  /** Looks at a promise that was made just now. */
  look(promise: object): void {
    if (marker !== undefined && (promise as Marked)[marker] !== undefined) this.inUse = true
  }

  /** What a process of this node sends runs in the context of now. */
  keep(envelope: Envelope): void {
    envelope.context = new AsyncResource('CitadelCall', MANUAL)
  }

  /** That of the start of the node, to be used once: `enterWith` in it reaches nobody else. */
  ofStart(): AsyncResource {
    return this.#start.runInAsyncScope(this.#made)
  }
}
