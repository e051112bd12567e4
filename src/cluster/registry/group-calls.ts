/**
 * One call to every member of a group: one request for each node, which asks its members and
 * answers for all of them at once. Each member is in the result once, with its reply or with why
 * there is none; what one of them answers spoils nothing of the others.
 */
import { CitadelError } from '../../base/errors.js'
import type { ProcessPort } from '../../kernel/process-port.js'
import { fromOutcome, type RemoteOutcome } from '../../kernel/remote-outcome.js'
import { decodeTerm, encodeTerm, TermCodec } from '../../term/codec.js'
import { Pid } from '../../term/pid.js'

/** What the members answered, and why some did not. */
export interface MultiCallResult<T = unknown> {
  readonly replies: [pid: Pid, value: T][]
  readonly failures: [pid: Pid, error: Error][]
}

/** Replied or failed, and with what. */
type End = readonly [isReply: boolean, value: unknown]
/** The same with the value as bytes, each on its own. */
export type PackedEnd = readonly [isReply: boolean, bytes: Uint8Array]

export interface GroupCallsParts {
  readonly node: string
  readonly processes: ProcessPort
  /** The name of the process that asks the members of its node. */
  readonly server: string
  /** Whether a node has such a process; else each of its members is called from here. */
  asksForMany(node: string): boolean
}

/** A node that asks its members has to answer as well. */
const EXTRA_MS = 500
/** Bytes of the replies of one node, below what a message may have. */
const REPLY_BYTES_MAX = 48 * 1024 * 1024

export class GroupCalls {
  constructor(private readonly parts: GroupCallsParts) {}

  async call(
    pids: readonly Pid[],
    method: string,
    args: readonly unknown[],
    timeoutMs: number,
  ): Promise<MultiCallResult> {
    // What cannot cross is refused here, also while no member is elsewhere.
    new TermCodec().encode(args, 'args')
    const result: MultiCallResult = { replies: [], failures: [] }
    await Promise.all(
      Array.from(byNode(pids), async ([node, there]) => {
        const ends = await this.onNode(node, there, method, args, timeoutMs)
        for (const [at, pid] of there.entries()) add(result, pid, ends[at])
      }),
    )
    return result
  }

  private async onNode(
    node: string,
    pids: readonly Pid[],
    method: string,
    args: readonly unknown[],
    timeoutMs: number,
  ): Promise<readonly End[]> {
    const { parts } = this
    if (node === parts.node || !parts.asksForMany(node)) {
      return this.each(pids, method, args, timeoutMs)
    }
    try {
      const to = { name: parts.server, node }
      const request = [[...pids], method, args, timeoutMs]
      const outcome = await parts.processes.call(to, 'multiCall', request, timeoutMs + EXTRA_MS)
      return unpacked(fromOutcome(outcome as RemoteOutcome<PackedEnd[]>), node)
    } catch (error) {
      return pids.map(() => [false, error])
    }
  }

  private each(
    pids: readonly Pid[],
    method: string,
    args: readonly unknown[],
    timeoutMs: number,
  ): Promise<End[]> {
    const { processes } = this.parts
    return Promise.all(
      pids.map(async (pid): Promise<End> => {
        try {
          return [true, await processes.call(pid, method, args, timeoutMs)]
        } catch (error) {
          return [false, error]
        }
      }),
    )
  }

  /** For the request of another node: asks processes of this one. */
  async here(
    pids: readonly Pid[],
    method: string,
    args: readonly unknown[],
    timeoutMs: number,
  ): Promise<PackedEnd[]> {
    const ends = await this.each(pids, method, args, timeoutMs)
    let left = REPLY_BYTES_MAX
    return ends.map(([isReply, value]) => {
      const end = packed(isReply, value, left)
      left -= end[1].length
      return end
    })
  }
}

export function byNode(pids: readonly Pid[]): Map<string, Pid[]> {
  const nodes = new Map<string, Pid[]>()
  for (const pid of pids) {
    const there = nodes.get(pid.node)
    if (there) there.push(pid)
    else nodes.set(pid.node, [pid])
  }
  return nodes
}

function add(result: MultiCallResult, pid: Pid, end: End | undefined): void {
  if (end?.[0]) result.replies.push([pid, end[1]])
  else result.failures.push([pid, asError(end?.[1])])
}

const asError = (value: unknown): Error =>
  value instanceof Error ? value : new CitadelError('bad_format', 'The answer makes no sense.')

/** A reply that cannot cross is a failure of that one member. */
function packed(isReply: boolean, value: unknown, bytesMax: number): PackedEnd {
  try {
    const bytes = new TermCodec().encode(value, 'answer')
    if (bytes.length <= bytesMax) return [isReply, bytes]
    const sentence = 'The replies of one node to a call of a group take more than 48 MiB.'
    return [false, encodeTerm(new CitadelError('limit_exceeded', sentence))]
  } catch (error) {
    const told = error instanceof CitadelError ? error : undefined
    const sentence = `What the process answered cannot cross: ${told?.message ?? 'it cannot be read'}`
    return [false, encodeTerm(new CitadelError(told?.code ?? 'unserializable', sentence))]
  }
}

function unpacked(ends: unknown, node: string): End[] {
  if (!Array.isArray(ends)) {
    throw new CitadelError('bad_format', `${node} answered for its members in a wrong shape.`)
  }
  return ends.map((end): End => {
    const [isReply, bytes] = Array.isArray(end) ? end : []
    if (!(bytes instanceof Uint8Array)) return [false, undefined]
    try {
      return [isReply === true, decodeTerm(bytes)]
    } catch (error) {
      return [false, error]
    }
  })
}

/** For the arguments of such a request. */
export const arePidsOf = (value: unknown, node: string): value is Pid[] =>
  Array.isArray(value) && value.every((pid) => pid instanceof Pid && pid.node === node)
