/**
 * Processes that wait for each other in a ring. A server handles one message at a time, so a call that
 * closes a ring would wait for itself: it is refused at once. A process counts as waiting only when that
 * is certain: its handler is at an `await`, one call is under way which that handler made, and it owes
 * nobody an answer. Across nodes a call carries the calls that wait for it, named by their references.
 */

import {
  CHAIN_MAX,
  type ChainLink,
  linksToTerm,
  nameOf,
  type RemoteLink,
} from '../process/call-chain.js'
import { PendingCall, RemoteCall } from '../process/request.js'
import { ServerProcess } from '../process/server-process.js'
import type { Ref } from '../term/ref.js'
import type { Tuple } from '../term/tuple.js'

const WAITING: ReadonlySet<string> = new Set(['parked', 'starting'])
const BUSY: ReadonlySet<string> = new Set(['parked', 'starting', 'running'])

/** The one call that a process certainly waits for. */
function waitOf(process: unknown): PendingCall | undefined {
  if (!(process instanceof ServerProcess) || !WAITING.has(process.status)) return undefined
  return onlyCall(process)
}

function onlyCall(process: ServerProcess): PendingCall | undefined {
  const { outgoing, outstanding } = process
  if (outstanding !== 1 || outgoing === undefined || outgoing.answered) return undefined
  return (process.knownTies?.deferred?.size ?? 0) > 0 ? undefined : outgoing
}

/** The process of this node that has a call, unless it has put it off to answer it later. */
function takerOf(call: PendingCall): ServerProcess | undefined {
  const { holder } = call
  if (!(holder instanceof ServerProcess)) return undefined
  return holder.knownTies?.deferred?.has(call) === true ? undefined : holder
}

/** The ring that a call would close by going to `target`; it has not been put there yet. */
export function ringOf(call: PendingCall, target: unknown): ChainLink[] | undefined {
  const { owner } = call
  if (!(owner instanceof ServerProcess) || !BUSY.has(owner.status)) return undefined
  if (onlyCall(owner) !== call) return undefined
  const rest = waitsFrom(target, owner, inherited(owner))
  return rest && [{ pid: owner.pid, method: nameOf(call) }, ...rest]
}

/** The ring that a call of another node closes by coming to `target`. */
export const ringFromAfar = (call: RemoteCall, target: unknown): ChainLink[] | undefined =>
  call.chain && waitsFrom(target, undefined, call.chain)

/** The waits from a process to another one, or to one of those that wait for this call from afar. */
function waitsFrom(
  start: unknown,
  end: unknown,
  afar: readonly RemoteLink[],
): ChainLink[] | undefined {
  const here: ChainLink[] = []
  let at = start
  for (let wait = waitOf(at); wait !== undefined && here.length < CHAIN_MAX; wait = waitOf(at)) {
    const { ref } = wait
    const from = ref === undefined ? -1 : afar.findIndex((link) => link.ref.equals(ref))
    if (from >= 0) return [...here, ...afar.slice(from)]
    here.push({ pid: wait.pid, method: nameOf(wait) })
    at = takerOf(wait)
    if (at === undefined) return undefined
    if (at === end) return here
  }
  return undefined
}

/** The calls of other nodes that wait for what a process does. */
function inherited(process: ServerProcess): readonly RemoteLink[] {
  let { current } = process
  for (let n = 0; n < CHAIN_MAX && current instanceof PendingCall; n++) {
    const { owner } = current
    if (!(owner instanceof ServerProcess) || waitOf(owner) !== current) return []
    ;({ current } = owner)
  }
  return current instanceof RemoteCall ? (current.chain ?? []) : []
}

/** The calls that wait for this one, which goes to another node, with itself as the last. */
export function chainTerm(call: PendingCall, ref: Ref): Tuple[] | undefined {
  if (!(call.owner instanceof ServerProcess)) return undefined
  return linksToTerm([...inherited(call.owner), { pid: call.pid, method: nameOf(call), ref }])
}
