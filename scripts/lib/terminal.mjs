// CI logs and files get plain text; NO_COLOR is the common way to ask for it.
const coloured = Boolean(process.stdout.isTTY && !process.env.NO_COLOR && !process.env.CI);

function paint(code, text) {
  return coloured ? `\u001b[${code}m${text}\u001b[0m` : text;
}

export const bold = (text) => paint(1, text);
export const dim = (text) => paint(2, text);
export const red = (text) => paint(31, text);
export const green = (text) => paint(32, text);
const yellow = (text) => paint(33, text);

/** Something begins. */
export function step(text) {
  console.log(`${bold('>')} ${text}`);
}

/** Detail of the step that runs. */
export function note(text) {
  console.log(`  ${dim(text)}`);
}

/** Something a reader must see, though all goes on. */
export function warn(text) {
  console.log(`${yellow('!')} ${text}`);
}

/** Milliseconds for people: 840 ms, 12.3 s, 3 min 5 s. */
export function duration(ms) {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`;
}
