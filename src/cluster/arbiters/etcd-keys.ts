/**
 * How claims are written in etcd: `<prefix><scope>/<id>`, readable for people, and one key for each
 * id whatever text that is. The value says who owns it.
 */
import { fromBase64, object } from '../../etcd/fields.js'
import { Pid } from '../../term/pid.js'

export interface EtcdOwner {
  readonly node: string
  readonly creation: number
  /** Undefined: a child of a supervisor, whose process was yet to start. */
  readonly pid: Pid | undefined
  /**
   * The token under which it owns the key, where that is not the revision of the key: it has been
   * given back to its owner after a claim over it came to nothing.
   */
  readonly epoch: number | undefined
}

/** What would be ambiguous, invisible, or has no UTF-8: the escape itself, controls, lone surrogates. */
const UNSAFE =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  /[%\u0000-\u001f\u007f]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g

const escaped = (unit: string): string => `%${unit.charCodeAt(0).toString(16).padStart(4, '0')}`

/** Scopes have no `/` in the text that is left, so no two keys are the same. */
export function claimKey(prefix: string, scope: string, id: string): string {
  const name = scope.replace(UNSAFE, escaped).replaceAll('/', '%002f')
  return `${prefix}${name}/${id.replace(UNSAFE, escaped)}`
}

/** Scopes are `c:` and more, so this is none of them. */
export const markKey = (prefix: string, node: string, creation: number): string =>
  `${prefix}node/${node}/${creation}`

export function ownerText(owner: EtcdOwner, nonce: number): string {
  const { node, creation, pid, epoch } = owner
  const process = pid ? [pid.id, pid.serial] : null
  return JSON.stringify({ node, creation, process, nonce, ...(epoch ? { epoch } : {}) })
}

/** The same owner, whose token is not the revision that the key has now. */
export function withEpoch(value: unknown, epoch: number): string {
  return JSON.stringify({ ...object(parsed(value)), epoch })
}

/** Undefined: somebody else has written that. */
export function ownerOf(value: unknown): EtcdOwner | undefined {
  const { node, creation, process, epoch } = object(parsed(value))
  if (typeof node !== 'string' || !isCount(creation)) return undefined
  const [id, serial] = Array.isArray(process) ? process : []
  const pid = isCount(id) && isCount(serial) ? new Pid(node, id, serial, creation) : undefined
  return { node, creation, pid, epoch: isCount(epoch) ? epoch : undefined }
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value)

function parsed(value: unknown): unknown {
  try {
    return JSON.parse(fromBase64(value))
  } catch {
    return undefined
  }
}
