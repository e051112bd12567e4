/**
 * Makes a fresh clone ready: installs the dependencies when they are missing or package-lock.json
 * has changed, and compiles what it is asked for when a source of it has changed: the package
 * (--build), the simulator (--simulator), the programs that tests start (--programs). Needs nothing
 * but Node.js and npm. Does nothing, quickly, when there is nothing to do; two of them at a time
 * take turns. Says what it does on standard error.
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, extname, join, relative } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const at = (...parts) => join(root, ...parts)
const cache = at('.cache')
const lockFolder = join(cache, 'prepare.lock')
const NODE_MAJOR_MIN = 20
const LOCK_WAIT_MS = 10 * 60_000

const say = (text) => process.stderr.write(`[prepare] ${text}\n`)

export class Failure extends Error {}

// ---- dependencies

const readJson = (path) => {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    return undefined
  }
}

/** npm writes down what it installed; that is compared with what the lock file asks for. */
function isInstalled() {
  const wanted = readJson(at('package-lock.json'))?.packages
  const installed = readJson(at('node_modules', '.package-lock.json'))?.packages
  if (wanted === undefined || installed === undefined) return false
  for (const [path, entry] of Object.entries(wanted)) {
    if (path === '' || entry.link) continue
    const found = installed[path]
    if (found === undefined && (entry.optional || entry.devOptional || entry.peer)) continue
    if (found?.version !== entry.version || !existsSync(at(path))) return false
  }
  return true
}

async function install() {
  say('installing dependencies (npm ci), once')
  const started = Date.now()
  const npm = process.env.npm_execpath
  const viaNode = npm?.endsWith('.js')
  const flags = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
  const { code, output } = viaNode
    ? await run(process.execPath, [npm, ...flags])
    : await run('npm', flags)
  if (code !== 0) throw new Failure(explainInstall(output))
  say(`dependencies installed in ${seconds(started)}`)
}

function explainInstall(output) {
  if (/ENOENT.*spawn npm|spawn npm ENOENT/.test(output)) {
    return 'npm was not found: install Node.js with npm, then run the same command again'
  }
  if (/ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ECONNRESET|network/i.test(output)) {
    return (
      'the npm registry cannot be reached: connect this machine to it (or set `npm config set ' +
      'registry`), then run the same command again'
    )
  }
  return 'npm ci failed, see above; when that is mended, run the same command again'
}

// ---- what is compiled

/** Each thing by its option: where its sources are, and where tsc puts what it makes of them. */
const PRODUCTS = {
  build: { what: 'src/', project: 'tsconfig.json', sources: ['src'], output: 'dist' },
  simulator: {
    what: 'simulator/',
    project: 'simulator/tsconfig.json',
    sources: ['src', 'simulator'],
    output: '.cache/simulator',
  },
  programs: {
    what: 'the programs that tests start',
    project: 'test/support/tsconfig.json',
    sources: ['src', 'test/support'],
    output: '.cache/programs',
  },
}

function filesUnder(folder) {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    return entry.isDirectory() ? filesUnder(path) : [path]
  })
}

/** Name, size and time of every source: enough to see a change, quick to compute. */
function sourceStamp({ sources, project }) {
  const hash = createHash('sha256')
  const alone = [...new Set(['tsconfig.json', project, 'package-lock.json'])]
  const inputs = [
    ...sources.flatMap((folder) => filesUnder(at(folder))),
    ...alone.map((f) => at(f)),
  ]
  for (const path of inputs.sort()) {
    const { size, mtimeMs } = statSync(path)
    hash.update(`${relative(root, path)} ${size} ${mtimeMs}\n`)
  }
  return hash.digest('hex')
}

const stampFile = (name) => join(cache, `${name}.json`)

function isCompiled(name) {
  const product = PRODUCTS[name]
  const stamp = readJson(stampFile(name))
  if (stamp?.sources !== sourceStamp(product)) return false
  return stamp.outputs > 0 && stamp.outputs === filesUnder(at(product.output)).length
}

async function compile(name) {
  const product = PRODUCTS[name]
  say(`compiling ${product.what} to ${product.output}/`)
  const started = Date.now()
  const sources = sourceStamp(product)
  const tsc = at('node_modules', 'typescript', 'bin', 'tsc')
  const { code } = await run(process.execPath, [tsc, '-p', at(product.project)])
  if (code !== 0) throw new Failure(`${product.what} does not compile, see above`)
  if (name === 'build') finishPackage()
  const outputs = filesUnder(at(product.output)).length
  writeFileSync(stampFile(name), `${JSON.stringify({ sources, outputs })}\n`)
  say(`compiled in ${seconds(started)}`)
}

function finishPackage() {
  copyOthers()
  removeStale()
  const main = at('dist', 'shell', 'main.js')
  if (existsSync(main)) chmodSync(main, 0o755)
}

/** Pages, styles and the like go along as they are. */
function copyOthers() {
  for (const path of filesUnder(at('src'))) {
    if (extname(path) === '.ts') continue
    const target = at('dist', relative(at('src'), path))
    mkdirSync(dirname(target), { recursive: true })
    copyFileSync(path, target)
  }
}

/** What has no source any more must not be found by an import. */
function removeStale() {
  for (const path of filesUnder(at('dist'))) {
    const source = at('src', relative(at('dist'), path))
    const stem = source.replace(/(\.d\.ts|\.js|\.js\.map|\.d\.ts\.map)$/, '')
    if (!existsSync(source) && !existsSync(`${stem}.ts`)) rmSync(path)
  }
}

// ---- running things, one at a time

const seconds = (started) => `${((Date.now() - started) / 1000).toFixed(1)} s`

/** Without a shell. What it prints is shown as it comes, and kept to explain a failure. */
function run(command, args) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    const keep = (chunk) => {
      output = (output + chunk).slice(-20_000)
      process.stderr.write(chunk)
    }
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    child.on('error', (error) => resolve({ code: 1, output: `${output}${error.message}` }))
    child.on('close', (code) => resolve({ code: code ?? 1, output }))
  })
}

const isAlive = (pid) => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code === 'EPERM'
  }
}

/** A folder can be made only once: who makes it has the lock. One left by the dead is removed. */
function tryLock() {
  mkdirSync(cache, { recursive: true })
  try {
    mkdirSync(lockFolder)
    writeFileSync(join(lockFolder, 'pid'), String(process.pid))
    return true
  } catch (error) {
    if (error.code !== 'EEXIST') throw error
  }
  const holder = Number(readJson(join(lockFolder, 'pid')))
  const ageMs = Date.now() - (statSync(lockFolder, { throwIfNoEntry: false })?.mtimeMs ?? 0)
  const abandoned = holder > 0 ? !isAlive(holder) : ageMs > 5000
  if (abandoned) rmSync(lockFolder, { recursive: true, force: true })
  return false
}

async function withLock(work) {
  const giveUpAt = Date.now() + LOCK_WAIT_MS
  let told = false
  while (!tryLock()) {
    if (Date.now() > giveUpAt) {
      throw new Failure('another preparation does not end: stop it, or remove .cache/prepare.lock')
    }
    if (!told) say('waiting for another preparation to end')
    told = true
    await sleep(100)
  }
  try {
    await work()
  } finally {
    rmSync(lockFolder, { recursive: true, force: true })
  }
}

/** `products`: names in PRODUCTS. */
export async function prepare(products = []) {
  const major = Number(process.versions.node.split('.')[0])
  if (major < NODE_MAJOR_MIN) {
    throw new Failure(`Node.js ${NODE_MAJOR_MIN} or later is needed; this is ${process.version}`)
  }
  if (isInstalled() && products.every(isCompiled)) return
  await withLock(async () => {
    if (!isInstalled()) await install()
    for (const name of products) if (!isCompiled(name)) await compile(name)
  })
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    await prepare(Object.keys(PRODUCTS).filter((name) => process.argv.includes(`--${name}`)))
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    say(error.message)
    process.exitCode = 1
  }
}
