/**
 * What a node takes from its surroundings when its options do not say: environment variables and
 * Erlang's cookie file. Nothing else in the library reads either.
 */
import { randomBytes } from 'node:crypto'
import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { CitadelError } from './base/errors.js'

export interface Environment {
  readonly redisUrl: string | undefined
  readonly domain: string | undefined
  readonly epmdPort: number | undefined
  /** Reads the cookie, and makes Erlang's cookie file when there is none. */
  cookie(): string
}

export function systemEnvironment(variables: NodeJS.ProcessEnv = process.env): Environment {
  return {
    redisUrl: variables.CITADEL_REDIS_URL || undefined,
    domain: variables.CITADEL_DOMAIN || undefined,
    epmdPort: portOf(variables.ERL_EPMD_PORT),
    cookie: () => variables.CITADEL_COOKIE || cookieFromFile(variables),
  }
}

function portOf(text: string | undefined): number | undefined {
  if (!text) return undefined
  const port = Number(text)
  if (Number.isInteger(port) && port > 0 && port < 65536) return port
  throw new CitadelError(
    'bad_argument',
    `ERL_EPMD_PORT is "${text}"; set it to a port from 1 to 65535.`,
  )
}

function cookieFromFile(variables: NodeJS.ProcessEnv): string {
  const named = variables.CITADEL_COOKIE_FILE
  return named ? readNamed(named) : cookieFile(join(variables.HOME || homedir(), '.erlang.cookie'))
}

/** A file that somebody named is there, or nothing starts. */
function readNamed(path: string): string {
  try {
    return read(path)
  } catch (error) {
    throw unreadable(path, error)
  }
}

/** Like Erlang: the file holds the cookie, is readable by its owner only, and is made if missing. */
function cookieFile(path: string): string {
  try {
    return read(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw unreadable(path, error)
  }
  const made = [...randomBytes(20)].map((byte) => String.fromCharCode(65 + (byte % 26))).join('')
  try {
    writeFileSync(path, made, { mode: 0o400, flag: 'wx' })
    chmodSync(path, 0o400)
    return made
  } catch (error) {
    // Another node was faster; its cookie counts.
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return read(path)
    throw unreadable(path, error)
  }
}

/** By its bytes, as Erlang reads it. */
function read(path: string): string {
  const cookie = readFileSync(path, 'latin1').trim()
  mustBePrivate(path)
  if (cookie) return cookie
  throw new CitadelError(
    'bad_cookie',
    `The cookie file ${path} is empty; delete it or set CITADEL_COOKIE.`,
  )
}

/** Windows has no such modes. */
function mustBePrivate(path: string): void {
  const mode = statSync(path).mode & 0o777
  if (process.platform === 'win32' || (mode & 0o077) === 0) return
  throw new CitadelError(
    'bad_cookie',
    `Others can read or write the cookie file ${path} (mode ${mode.toString(8)}), which Erlang refuses as well: chmod 400 ${path}`,
  )
}

function unreadable(path: string, cause: unknown): unknown {
  if (cause instanceof CitadelError) return cause
  return new CitadelError(
    'bad_cookie',
    `The cookie file ${path} cannot be used; set CITADEL_COOKIE or CITADEL_COOKIE_FILE, or pass { cookie }.`,
    { cause },
  )
}
