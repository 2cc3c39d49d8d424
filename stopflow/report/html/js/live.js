/** What a page that `stopflow serve` sent asks its server, below the page's own address. */

const AGAIN_MS = 1500;
export const ENDED = "The server has ended; start stopflow serve again and open the address it prints.";

/**
 * What the server tells of the folder.
 * @typedef {object} State
 * @property {number} version
 * @property {string} by        The page whose decisions alone make it differ from the version before.
 * @property {string} problem
 * @property {number} news
 * @property {object[]} fresh   Tables of the shots that no page shows yet.
 */

/**
 * Waits for new states of the folder, one after the other, for as long as the page is open.
 * @param {number} version  What this page shows.
 * @param {{changed: (state: State) => void, ended: () => void}} hears
 */
export async function watchFolder(version, { changed, ended }) {
  let known = version, told = 0;
  for (;;) {
    try {
      const answer = await fetch(`state?after=${known}&told=${told}`, { cache: "no-store" });
      if (!answer.ok) throw new Error(answer.statusText);
      const state = await answer.json();
      known = state.version;
      told = state.news;
      changed(state);
    } catch {
      ended();
      await new Promise((done) => setTimeout(done, AGAIN_MS));
    }
  }
}

/** The packed parts of a shot's trace; null where the server has none. @returns {Promise<string[]|null>} */
export async function fetchTrace({ experiment, file, channel }) {
  try {
    const answer = await fetch(`trace?${new URLSearchParams({ experiment, file, channel })}`, { cache: "no-store" });
    return answer.ok ? (await answer.text()).split("\t") : null;
  } catch {
    return null;
  }
}

/**
 * @param {{by: string, version: number, texts: Record<string, string>}} sent  Which page sends it,
 *   what it shows, and what decisions.csv is to hold, by experiment.
 * @returns {Promise<string>}  Why nothing was written; "" where it was.
 */
export async function sendDecisions(sent) {
  try {
    const answer = await fetch("decisions", {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(sent),
    });
    return answer.ok ? "" : await answer.text();
  } catch {
    return ENDED;
  }
}
