/** The page of a folder without results: it waits for the first. */

import { byId } from "./element.js";
import { ENDED, watchFolder } from "./live.js";

const payload = JSON.parse(byId("payload").textContent);
byId("folder").textContent = payload.live.folder;
byId("status").textContent = payload.why;
watchFolder(payload.live.version, {
  changed: (state) => {
    if (state.version !== payload.live.version) location.reload();
    else byId("status").textContent = state.problem;
  },
  ended: () => (byId("status").textContent = ENDED),
});
